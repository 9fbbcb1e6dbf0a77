"""DIS-Mini: the embedded data set, rendered on first use. Thin objects with exact masks on cluttered backgrounds.

Its folders, names and ranking follow DIS5K's, so that all code that reads DIS5K reads it too. Its pictures do not: a
score on it says nothing about DIS5K. Test images have 1 to 4 megapixels. Training images have only 0.25 to 0.3, because
they train small networks.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2

from disbench.data.scenes.scene import Scene, render, scene_name
from disbench.errors import InputError
from disbench.system.caches import cache_folder
from disbench.system.files import write_atomic
from disbench.system.memory import keep_freed_memory

__all__ = ["SPLITS", "TITLE", "VERSION", "Scene", "ensure_rendered", "render"]

TITLE, VERSION = "DIS-Mini (synthetic, not DIS5K)", "v1"
SPLITS = {"DIS-TR": 1500, "DIS-VD": 12, "DIS-TE1": 12, "DIS-TE2": 12, "DIS-TE3": 12, "DIS-TE4": 12}

# The part of each of the 48 test scenes, by disbench.data.complexity. Stored, so that each part can be rendered without
# the others.
TEST_PARTS = "223144314332443223311244114111223142314421433223"


def list_members(split: str) -> list[tuple[str, int]]:
    """List (stream, index) of the scenes of a split, as render() takes them."""
    if split.startswith("DIS-TE"):
        return [("te", i) for i, part in enumerate(TEST_PARTS) if part == split[-1]]
    return [(split[-2:].lower(), i) for i in range(SPLITS[split])]


def mini_folder() -> Path:
    """Return the folder of the pictures. It need not exist."""
    return cache_folder("dis-mini", VERSION)


def list_files(folder: Path, stream: str, index: int) -> tuple[Path, Path]:
    """Return the image file and the truth file of a scene in the folder of its split."""
    name = scene_name(stream, index)
    return folder / "im" / f"{name}.jpg", folder / "gt" / f"{name}.png"


def write_scene(folder: Path, stream: str, index: int) -> None:
    """Render a scene and write its image and truth into the folder of its split."""
    scene = render(stream, index)
    image, truth = list_files(folder, stream, index)
    bgr = scene.image[..., ::-1]
    write_atomic(image, cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
    write_atomic(truth, cv2.imencode(".png", scene.truth)[1].tobytes())


def ensure_rendered(
    splits: Sequence[str], progress: Callable[[int, int], None] | None = None, workers: int = 2
) -> Path:
    """Render the missing pictures of some splits.

    Files are written atomically. An interrupted split is therefore completed by the next call, also by two processes at
    the same time.

    Args:
        splits: the splits that must be complete.
        progress: called with (done, total) after every picture.
        workers: number of threads.

    Returns:
        The folder of DIS-Mini.

    Raises:
        InputError: if the cache cannot be written.
    """
    root = mini_folder()
    pool = ThreadPoolExecutor(workers)
    try:
        missing = [
            (root / split, *member)
            for split in splits
            for member in list_members(split)
            if not all(path.exists() for path in list_files(root / split, *member))
        ]
        if missing:
            keep_freed_memory()
        for folder in {folder for folder, _, _ in missing}:
            (folder / "im").mkdir(parents=True, exist_ok=True)
            (folder / "gt").mkdir(exist_ok=True)
        for done, _ in enumerate(pool.map(lambda job: write_scene(*job), missing), 1):
            if progress:
                progress(done, len(missing))
    except OSError as error:
        raise InputError(
            f"{root}: DIS-Mini cannot be written there ({error.strerror}); set DISBENCH_CACHE to another folder"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
    return root
