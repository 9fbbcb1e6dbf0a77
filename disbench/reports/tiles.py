"""The pixels of the pictures in grids and pages."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from disbench.data.images import read_image, read_map, read_truth
from disbench.data.windows import Window
from disbench.errors import InputError
from disbench.reports.cases import Case
from disbench.reports.insets import INSET, OUTLINE, Corner, Insets, choose_corners, choose_windows

# Distinct under every common form of colour blindness, on black and on white (Okabe and Ito, 2008).
FALSE_POSITIVE = (230, 159, 0)
FALSE_NEGATIVE = (86, 180, 233)
AGREEMENT = (205, 205, 205)
FRAMES = ((213, 94, 0), (0, 114, 178), (0, 158, 115), (204, 121, 167))  # of the insets of a picture


def make_tiles(
    case: Case, width: int, insets: Insets = OUTLINE, *, with_errors: bool = True
) -> dict[str, np.ndarray]:
    """Make the pictures of a case: image, ground truth, prediction maps, and the errors of the first map.

    Args:
        case: its files are read.
        width: pixels of the longer side.
        insets: the windows to magnify.
        with_errors: whether to show the errors.

    Returns:
        Title -> picture, uint8 (h, w, 3) RGB, all of one shape.

    Raises:
        InputError: for a map of another size than the ground truth, and a window that is not inside the image.
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
    pictures = {"Image": image, "Ground truth": truth} | maps
    if maps and with_errors:
        pictures["Errors"] = colour_errors(next(iter(maps.values())), truth)
    windows = choose_windows(insets, case, truth, list(maps.values()))
    placed = list(zip(windows, choose_corners(truth, windows), strict=True))
    return {title: _make_tile(picture, width, placed) for title, picture in pictures.items()}


def colour_errors(mask: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Colour the errors of a prediction map.

    Agreement on foreground is grey, false foreground orange, missed foreground blue, each by its strength.

    Args:
        mask: prediction map, uint8 (h, w).
        truth: ground truth, uint8 (h, w).

    Returns:
        uint8 (h, w, 3) RGB.
    """
    strengths = cv2.merge([cv2.min(mask, truth), cv2.subtract(mask, truth), cv2.subtract(truth, mask)])
    return cv2.transform(strengths, np.array([AGREEMENT, FALSE_POSITIVE, FALSE_NEGATIVE]).T / 255)


def _rgb(picture: np.ndarray) -> np.ndarray:
    return picture if picture.ndim == 3 else cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)


def _make_tile(picture: np.ndarray, width: int, insets: Sequence[tuple[Window, Corner]]) -> np.ndarray:
    """Reduce a picture, frame the windows, and show each magnified in its corner."""
    h, w = picture.shape[:2]
    scale = width / max(w, h)  # a portrait is as high as a column is wide
    size = max(1, round(w * scale)), max(1, round(h * scale))
    tile = _rgb(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))  # greys are coloured where they are small
    line = max(1, round(width / 150))
    for (window, _), colour in zip(insets, FRAMES, strict=False):
        start = round(window.left * scale), round(window.top * scale)
        end = round((window.left + window.width) * scale), round((window.top + window.height) * scale)
        cv2.rectangle(tile, start, end, colour, line)
    for (window, corner), colour in zip(insets, FRAMES, strict=False):
        magnified = _magnify(picture[window.region], INSET * min(size))
        height, across = magnified.shape[:2]
        y, x = (size[1] - height) * corner[0], (size[0] - across) * corner[1]
        tile[y : y + height, x : x + across] = magnified
        cv2.rectangle(tile, (x, y), (x + across - 1, y + height - 1), colour, line)
    return tile


def _magnify(crop: np.ndarray, side: float) -> np.ndarray:
    """Resize a part of a picture, so that its longer side has `side` pixels."""
    h, w = crop.shape[:2]
    scale = side / max(h, w)
    size = max(1, round(w * scale)), max(1, round(h * scale))
    return _rgb(cv2.resize(crop, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR))
