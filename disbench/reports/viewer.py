"""The viewer: a folder to open in a browser, that needs no server; method against method, pixel by pixel.

    index.html              the page, with the scores of every image in it
    pictures/00000/         the files of one image: image, truth, a map for each method, thumb.webp

Files that a browser shows as they are become hard links where the file system allows, so they take no space.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from disbench.data.dataset import Sample
from disbench.data.images import read_header, read_image, read_map, read_truth, write_map
from disbench.errors import InputError
from disbench.reports.cases import shorten_name
from disbench.reports.html import format_image_scores
from disbench.reports.page import render_page
from disbench.reports.tiles import colour_errors
from disbench.runs.comparable import check_comparable
from disbench.runs.result import Result
from disbench.system.cores import count_cores
from disbench.system.files import write_atomic
from disbench.system.progress import Progress

WIDE, HIGH = 240, 180  # pixels into which a thumbnail fits
STRIP = 16000  # pixels of a WebP's side
SHOWN = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}  # what a browser shows, if it is that
ORIENTATION = 0x0112
MARK = ".disbench-view"  # a folder with it may be made anew


def write_viewer(out: Path, results: Sequence[Result], samples: Iterable[Sample], progress: Progress | None = None) -> Path:
    """The viewer of some runs in the folder `out`, made anew if it holds one; its index.html.

    InputError where maps or images are not at hand, where runs must not stand side by side, and where `out` holds
    anything else.
    """
    check_comparable(results)
    data = format_image_scores(results, [result.title for result in results])
    known = {(sample.split, sample.name): sample for sample in samples if sample.image}
    if lost := next((key for key in data["images"] if key not in known), None):
        raise InputError(
            f"no image of {'/'.join(lost)} at hand; the data set must be where it was when the runs were made"
        )
    maps = [_maps(result) for result in results]
    jobs = [
        (known[key], [own.get(key) for own in maps], out / "pictures" / f"{i:05}")
        for i, key in enumerate(data["images"])
    ]
    try:
        _clear(out)
        drawn: list[dict[str, Any]] = []
        with ThreadPoolExecutor(count_cores()) as pool:
            for one in pool.map(lambda job: _picture(*job), jobs):
                drawn.append(one)
                if progress:
                    progress(len(drawn), len(jobs), "Drawing thumbnails")
        data |= {key: [one[key] for one in drawn] for key in drawn[0]}
        data["labels"] = [shorten_name(name) for _, name in data["images"]]
        styles, scripts = ("base.css", "view.css"), ("base.js", "stage.js", "view.js")
        text = render_page("view.html.j2", styles, scripts, title=results[0].dataset, data=data)
        write_atomic(out / "index.html", text.encode())
    except OSError as error:
        raise InputError(f"{error.filename or out}: {error.strerror}; choose another place with --out") from None
    return out / "index.html"


def _maps(result: Result) -> dict[tuple[str, str], Path]:
    """(subset, image) -> saved map."""
    found = {(row.split, row.name): result.mask(row) for rows in result.rows.values() for row in rows}
    if None in found.values():
        raise InputError(f"{result.title}: its maps were not kept; give the command of its run again with --save")
    return found


def _clear(out: Path) -> None:
    """Make room in `out`; whatever a viewer did not put there is left alone."""
    mark = out / "pictures" / MARK
    if out.is_dir() and any(out.iterdir()) and not mark.exists():
        raise InputError(f"{out}: holds other files; give --out a folder of its own")
    (out / "index.html").unlink(missing_ok=True)  # first, so that a page never lacks its pictures
    shutil.rmtree(out / "pictures", ignore_errors=True)
    mark.parent.mkdir(parents=True)
    mark.touch()


def _picture(sample: Sample, maps: list[Path | None], folder: Path) -> dict[str, Any]:
    """Put the files of one image into its folder; (height, width) and the name of the image's file."""
    folder.mkdir(parents=True)
    image, truth = read_image(sample.image), read_truth(sample.truth)
    height, width = truth.shape
    if _as_it_is(sample.image):
        file = f"image{sample.image.suffix.lower()}"
        _place(sample.image, folder / file)
    else:
        file = "image.png"
        write_atomic(folder / file, cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes())
    if _as_it_is(sample.truth) and read_header(sample.truth)[0] == "L" and np.array_equal(read_map(sample.truth), truth):
        _place(sample.truth, folder / "truth.png")
    else:
        write_map(folder / "truth.png", truth)
    scale = min(WIDE / width, HIGH / height, STRIP / (len(maps) + 2) / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(truth, size, interpolation=cv2.INTER_AREA)
    tiles = [cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.cvtColor(small, cv2.COLOR_GRAY2RGB)]
    for k, path in enumerate(maps):
        if path is None:
            tiles.append(np.zeros_like(tiles[0]))
            continue
        mask = read_map(path)
        if mask.shape != truth.shape:
            raise InputError(f"{path}: {mask.shape} where the truth has {truth.shape} (height, width)")
        _place(path, folder / f"{k}.png")
        tiles.append(colour_errors(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), small))
    strip = cv2.cvtColor(np.hstack(tiles), cv2.COLOR_RGB2BGR)
    write_atomic(folder / "thumb.webp", cv2.imencode(".webp", strip, [cv2.IMWRITE_WEBP_QUALITY, 80])[1].tobytes())
    return {"sizes": (height, width), "files": file}


def _as_it_is(path: Path) -> bool:
    """Whether a browser shows this file as it was scored: a format it knows, not to be rotated by EXIF."""
    from PIL import Image

    if path.suffix.lower() not in SHOWN:
        return False
    with Image.open(path) as image:
        return image.format == SHOWN[path.suffix.lower()] and image.getexif().get(ORIENTATION, 1) == 1


def _place(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
