"""The viewer: a folder to open in a browser, which compares methods pixel by pixel and needs no server.

    index.html              the page, with the scores of every image
    pictures/00000/         the files of one image: image, ground truth, a map for each method, thumb.webp

Files that a browser can show become hard links if the file system allows, so they take no space.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from disbench.data.dataset import Sample
from disbench.data.headers import read_header
from disbench.data.images import read_image, read_map, read_truth, write_map
from disbench.data.pillow import open_picture
from disbench.errors import InputError
from disbench.reports.cases import require_maps, shorten_name
from disbench.reports.image_list import format_image_scores
from disbench.reports.page import render_page
from disbench.reports.tiles import colour_errors
from disbench.runs.comparable import check_comparable
from disbench.runs.outputs import check_output, list_inputs
from disbench.runs.result import Result
from disbench.runs.unchanged import check_maps
from disbench.system.cores import count_cores
from disbench.system.files import link_or_copy, wait_for_folder, write_atomic
from disbench.system.progress import Progress

THUMBNAIL = 240, 180  # pixels of width and height that a thumbnail fits into
MAX_STRIP = 16000  # pixels of a WebP's side
BROWSER_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}  # suffix -> format by content
ORIENTATION = 0x0112  # EXIF tag
MARKER = ".disbench-view"  # marks a folder of pictures that a viewer may replace


def write_viewer(
    out: Path, results: Sequence[Result], samples: Iterable[Sample], progress: Progress | None = None
) -> Path:
    """Write the viewer of runs into a folder, in place of an earlier viewer.

    Args:
        out: a folder that holds a viewer, is empty, or does not exist.
        results: a method each; their maps must be saved.
        samples: images and ground truths of all results.
        progress: is called with (done, total, label).

    Returns:
        The path of index.html.

    Raises:
        InputError: for missing maps or images, results that are not comparable, a folder with other files, and a
            folder that cannot be written.
    """
    check_output(out, list_inputs(results))
    check_comparable(results)
    data = format_image_scores(results, [result.title for result in results])
    sample_of_image = {(sample.split, sample.name): sample for sample in samples if sample.image}
    missing = next((key for key in data["images"] if key not in sample_of_image), None)
    if missing:
        raise InputError(
            f"{'/'.join(missing)}: its image is missing; the data set must be where it was when the runs were made"
        )
    maps = [_find_maps(result) for result in results]
    jobs = [
        (sample_of_image[key], [method_maps.get(key) for method_maps in maps], out / "pictures" / f"{i:05}")
        for i, key in enumerate(data["images"])
    ]
    sizes, files = [], []
    try:
        with wait_for_folder(out):
            _clear_folder(out)
            with ThreadPoolExecutor(count_cores()) as pool:
                for size, file in pool.map(lambda job: _write_pictures(*job), jobs):
                    sizes.append(size)
                    files.append(file)
                    if progress:
                        progress(len(files), len(jobs), "Drawing thumbnails")
            labels = [shorten_name(name) for _, name in data["images"]]
            data |= {"sizes": sizes, "files": files, "labels": labels}
            styles, scripts = ("base.css", "view.css"), ("base.js", "stage.js", "panes.js", "view.js")
            text = render_page("view.html.j2", styles, scripts, title=results[0].dataset, data=data)
            write_atomic(out / "index.html", text.encode())
    except OSError as error:
        raise InputError(f"{error.filename or out}: {error.strerror}; choose another place with --out") from None
    return out / "index.html"


def _find_maps(result: Result) -> dict[tuple[str, str], Path]:
    """Return (subset, image) -> saved prediction map. InputError for a map that is missing or another one."""
    rows = [row for members in result.rows.values() for row in members]
    require_maps(result, rows)
    maps = {row.key: path for row in rows if (path := result.mask(row))}
    check_maps({maps[row.key]: row.digest for row in rows})
    return maps


def _clear_folder(out: Path) -> None:
    """Remove an earlier viewer from `out`. Other files stay, and are an InputError."""
    marker = out / "pictures" / MARKER
    if out.is_dir() and any(path.name != ".lock" for path in out.iterdir()) and not marker.exists():
        raise InputError(f"{out}: holds other files; give --out a folder of its own")
    (out / "index.html").unlink(missing_ok=True)  # first, so that a page never lacks its pictures
    shutil.rmtree(out / "pictures", ignore_errors=True)
    marker.parent.mkdir(parents=True)
    marker.touch()


def _write_pictures(sample: Sample, maps: list[Path | None], folder: Path) -> tuple[tuple[int, int], str]:
    """Write the files of one image into its folder. Return (height, width) and the name of the image's file."""
    assert sample.image is not None  # write_viewer reports missing images
    folder.mkdir(parents=True)
    image, truth = read_image(sample.image), read_truth(sample.truth, kind=sample.truth_kind)
    file = _write_image(sample.image, image, folder)
    if _is_browser_image(sample.truth) and _is_plain_map(sample.truth, truth):
        link_or_copy(sample.truth, folder / "truth.png", os.link)
    else:
        write_map(folder / "truth.png", truth)
    height, width = truth.shape
    scale = min(THUMBNAIL[0] / width, THUMBNAIL[1] / height, MAX_STRIP / (len(maps) + 2) / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small_truth = cv2.resize(truth, size, interpolation=cv2.INTER_AREA)
    small_image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    tiles = [small_image, cv2.cvtColor(small_truth, cv2.COLOR_GRAY2RGB)]
    for k, path in enumerate(maps):
        if path is None:
            tiles.append(np.zeros_like(small_image))
            continue
        mask = read_map(path)
        if mask.shape != truth.shape:
            raise InputError(
                f"{path}: {mask.shape} where the ground truth has {truth.shape} (height, width); "
                "resize the map to its ground truth"
            )
        link_or_copy(path, folder / f"{k}.png", os.link)
        tiles.append(colour_errors(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), small_truth))
    strip = cv2.cvtColor(np.hstack(tiles), cv2.COLOR_RGB2BGR)
    write_atomic(folder / "thumb.webp", cv2.imencode(".webp", strip, [cv2.IMWRITE_WEBP_QUALITY, 80])[1].tobytes())
    return (height, width), file


def _write_image(path: Path, pixels: np.ndarray, folder: Path) -> str:
    """Link an image into a folder, or convert it to PNG if browsers would show it differently. Return its name."""
    if _is_browser_image(path):
        name = f"image{path.suffix.lower()}"
        link_or_copy(path, folder / name, os.link)
    else:
        name = "image.png"
        encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1]
        write_atomic(folder / name, encoded.tobytes())
    return name


def _is_plain_map(path: Path, truth: np.ndarray) -> bool:
    """Return whether a ground truth file holds its levels as they are, in 8-bit grey."""
    return read_header(path)[0] == "L" and np.array_equal(read_map(path), truth)


def _is_browser_image(path: Path) -> bool:
    """Return whether a browser shows a file as it was scored: in a known format, and not rotated by EXIF."""
    if path.suffix.lower() not in BROWSER_FORMATS:
        return False
    with open_picture(path, strict=False) as image:
        has_expected_format = image.format == BROWSER_FORMATS[path.suffix.lower()]
        return has_expected_format and image.getexif().get(ORIENTATION, 1) == 1
