"""DIS-Mini: the embedded data set, rendered on first use. Thin objects with exact masks on cluttered backgrounds.

Its folders, names and ranking follow DIS5K's, so that all code that reads DIS5K reads it too. Its pictures do not: a
score on it says nothing about DIS5K. Test images have 1 to 4 megapixels. Training images have only 0.25 to 0.3, because
they train small networks.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from subprocess import Popen, TimeoutExpired

import cv2

from disbench.data.scenes.scene import Scene, render, scene_name
from disbench.errors import InputError
from disbench.system.caches import cache_folder
from disbench.system.files import write_atomic
from disbench.system.memory import collect_less, keep_freed_memory
from disbench.system.processes import run_beside

__all__ = ["SPLITS", "TITLE", "VERSION", "Scene", "ensure_rendered", "render"]

TITLE, VERSION = "DIS-Mini (synthetic, not DIS5K)", "v1"
SPLITS = {"DIS-TR": 1500, "DIS-VD": 12, "DIS-TE1": 12, "DIS-TE2": 12, "DIS-TE3": 12, "DIS-TE4": 12}
FEW = 4  # pictures, which are rendered before another process has started
LONGEST = 10  # seconds; no picture takes longer

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
    splits: Sequence[str], progress: Callable[[int, int], None] | None = None, *, alone: bool = False
) -> Path:
    """Render the missing pictures of some splits, from both ends: the last ones in a process of its own.

    Files are written atomically. An interrupted split is therefore completed by the next call, also by two processes at
    the same time.

    Args:
        splits: the splits that must be complete.
        progress: called with (done, total) after every picture of this process.
        alone: whether this process renders all of them.

    Returns:
        The folder of DIS-Mini.

    Raises:
        InputError: if the cache cannot be written.
    """
    root = mini_folder()
    try:
        missing = list_missing(splits)
        for folder in {folder for folder, _, _ in missing}:
            (folder / "im").mkdir(parents=True, exist_ok=True)
            (folder / "gt").mkdir(exist_ok=True)
        if missing:
            keep_freed_memory()
        with nullcontext() if alone or len(missing) < FEW else run_beside(__name__, *splits) as helper:
            _render_forwards(missing, helper, progress)
    except OSError as error:
        raise InputError(
            f"{root}: DIS-Mini cannot be written there ({error.strerror}); set DISBENCH_CACHE to another folder"
        ) from None
    return root


def list_missing(splits: Sequence[str]) -> list[tuple[Path, str, int]]:
    """List (folder of the split, stream, index) of the scenes of some splits that are not rendered yet."""
    root = mini_folder()
    members = [(root / split, *member) for split in splits for member in list_members(split)]
    return [member for member in members if not _is_rendered(*member)]


def _is_rendered(folder: Path, stream: str, index: int) -> bool:
    return all(path.exists() for path in list_files(folder, stream, index))


def _render_forwards(
    missing: Sequence[tuple[Path, str, int]], helper: Popen | None, progress: Callable[[int, int], None] | None
) -> None:
    """Render scenes from the first on, up to those that the helper has rendered from the last on."""
    start, end = 0, len(missing)
    while start < end:
        if helper and end - start == 1:  # which the helper renders, unless it has ended
            with suppress(TimeoutExpired):
                helper.wait(LONGEST)
        if not _is_rendered(*missing[start]):
            write_scene(*missing[start])
        start += 1
        while start < end and _is_rendered(*missing[end - 1]):
            end -= 1
        if progress:
            progress(len(missing) - (end - start), len(missing))


def _render_backwards(splits: Sequence[str]) -> None:
    """Render missing scenes from the last on, up to those that another process has rendered."""
    for member in reversed(list_missing(splits)):
        if _is_rendered(*member):
            return
        write_scene(*member)


if __name__ == "__main__":
    collect_less()
    keep_freed_memory()
    _render_backwards(sys.argv[1:])
