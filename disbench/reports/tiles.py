"""The pixels of the pictures in grids and pages."""

from __future__ import annotations

import cv2
import numpy as np

from disbench.data.images import read_image, read_map, read_truth
from disbench.errors import InputError
from disbench.reports.cases import Case

# Distinct under every common form of colour blindness, on black and on white (Okabe and Ito, 2008).
FALSE_POSITIVE = (230, 159, 0)
FALSE_NEGATIVE = (86, 180, 233)
AGREEMENT = (205, 205, 205)
FRAME = (213, 94, 0)
ZOOM = 0.16  # side of the zoomed window, relative to the shorter side of the image
INSET = 0.42  # side of the inset, relative to the shorter side of the tile

Window = tuple[int, int, int]  # top, left, side
Corner = tuple[int, int]  # 0 or 1 each: top or bottom, left or right


def make_tiles(case: Case, width: int) -> dict[str, np.ndarray]:
    """Make the pictures of a case: image, ground truth, prediction maps, and the errors of the first map.

    Args:
        case: its files are read.
        width: pixels of the longer side.

    Returns:
        Title -> picture, uint8 (h, w, 3) RGB, all of one shape.

    Raises:
        InputError: for a map of another size than the ground truth.
    """
    assert case.sample.image is not None  # make_cases skips samples without an image
    image, truth = read_image(case.sample.image), read_truth(case.sample.truth, kind=case.sample.truth_kind)
    maps = {title: read_map(path) for title, path in case.masks.items()}
    for title, mask in maps.items():
        if mask.shape != truth.shape:
            raise InputError(
                f"{case.masks[title]}: {mask.shape} where the ground truth has {truth.shape} (height, width); "
                "resize the map to its ground truth"
            )
    pictures = {"Image": image, "Ground truth": _rgb(truth)} | {title: _rgb(mask) for title, mask in maps.items()}
    if maps:
        pictures["Errors"] = colour_errors(next(iter(maps.values())), truth)
    window, corner = _choose_inset(truth)
    return {title: _make_tile(picture, width, window, corner) for title, picture in pictures.items()}


def colour_errors(mask: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Colour the errors of a prediction map.

    Agreement on foreground is grey, false foreground orange, missed foreground blue, each by its strength.

    Args:
        mask: prediction map, uint8 (h, w).
        truth: ground truth, uint8 (h, w).

    Returns:
        uint8 (h, w, 3) RGB.
    """
    p, t = mask.astype(np.float32)[..., None] / 255, truth.astype(np.float32)[..., None] / 255
    agreed, false, missed = (np.array(c, np.float32) for c in (AGREEMENT, FALSE_POSITIVE, FALSE_NEGATIVE))
    mixed = np.minimum(p, t) * agreed + np.maximum(p - t, 0) * false + np.maximum(t - p, 0) * missed
    return np.rint(mixed).astype(np.uint8)


def _rgb(grey: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)


def _choose_inset(truth: np.ndarray) -> tuple[Window, Corner]:
    """Choose the square window with the longest outline in it, and the emptiest corner to show it in."""
    h, w = truth.shape
    side = max(1, round(ZOOM * min(h, w)))
    outline = cv2.morphologyEx(truth, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).astype(np.float32)
    density = cv2.blur(outline, (side, side), borderType=cv2.BORDER_CONSTANT)
    half = side // 2
    inner = density[half : h - half, half : w - half]
    top, left = np.unravel_index(inner.argmax(), inner.shape)
    reach = round(INSET * min(h, w))
    busy = (truth > 128).astype(np.float32)
    busy[top : top + side, left : left + side] = h * w  # the inset must not hide what it magnifies
    spans = (slice(0, reach), slice(-reach, None))
    corner = min(((i, j) for i in (0, 1) for j in (0, 1)), key=lambda ij: busy[spans[ij[0]], spans[ij[1]]].sum())
    return (int(top), int(left), side), corner


def _make_tile(picture: np.ndarray, width: int, window: Window, corner: Corner) -> np.ndarray:
    """Reduce a picture, frame the window, and show it magnified in a corner."""
    h, w = picture.shape[:2]
    scale = width / max(w, h)  # a portrait is as high as a column is wide
    size = max(1, round(w * scale)), max(1, round(h * scale))
    tile = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    top, left, side = window
    inset = max(1, round(INSET * min(size)))
    crop = picture[top : top + side, left : left + side]
    crop = cv2.resize(crop, (inset, inset), interpolation=cv2.INTER_AREA if side > inset else cv2.INTER_LINEAR)
    line = max(1, round(width / 250))
    start = round(left * scale), round(top * scale)
    end = round((left + side) * scale), round((top + side) * scale)
    cv2.rectangle(tile, start, end, FRAME, line)
    y, x = (size[1] - inset) * corner[0], (size[0] - inset) * corner[1]
    tile[y : y + inset, x : x + inset] = crop
    cv2.rectangle(tile, (x, y), (x + inset - 1, y + inset - 1), FRAME, line)
    return tile
