"""Pixels of the pictures that grids and pages show."""

from __future__ import annotations

import cv2
import numpy as np

from disbench.data.images import read_image, read_map, read_truth
from disbench.errors import InputError
from disbench.reports.cases import Case

# Apart in every common form of colour blindness, on black and on white (Okabe and Ito, 2008).
FALSE_POSITIVE = (230, 159, 0)
FALSE_NEGATIVE = (86, 180, 233)
FRAME = (213, 94, 0)
ZOOM = 0.16  # side of the zoomed window, relative to the shorter side of the image
INSET = 0.42  # side of the inset, relative to the shorter side of the tile


def make_tiles(case: Case, width: int) -> dict[str, np.ndarray]:
    """The pictures of one case, in order: uint8 RGB, `width` pixels wide (less for a portrait), all of one shape."""
    image, truth = read_image(case.sample.image), read_truth(case.sample.truth)
    maps = {title: read_map(path) for title, path in case.masks.items()}
    for title, mask in maps.items():
        if mask.shape != truth.shape:
            raise InputError(f"{case.masks[title]}: {mask.shape} where the truth has {truth.shape} (height, width)")
    pictures = {"Image": image, "Ground truth": _rgb(truth)} | {title: _rgb(mask) for title, mask in maps.items()}
    if maps:
        pictures["Errors"] = colour_errors(next(iter(maps.values())), truth)
    window, corner = _inset(truth)
    return {title: _tile(picture, width, window, corner) for title, picture in pictures.items()}


def colour_errors(mask: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3): agreement in grey, false foreground in orange, missed in blue, each by its strength."""
    p, t = mask.astype(np.float32)[..., None] / 255, truth.astype(np.float32)[..., None] / 255
    colours = [np.array(c, np.float32) for c in ((205, 205, 205), FALSE_POSITIVE, FALSE_NEGATIVE)]
    mixed = np.minimum(p, t) * colours[0] + np.maximum(p - t, 0) * colours[1] + np.maximum(t - p, 0) * colours[2]
    return np.rint(mixed).astype(np.uint8)


def _rgb(grey: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)


def _inset(truth: np.ndarray) -> tuple[tuple[int, int, int], tuple[int, int]]:
    """The window (top, left, side) with the longest outline in it, and the emptiest corner (0 or 1 each)."""
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


def _tile(picture: np.ndarray, width: int, window: tuple[int, int, int], corner: tuple[int, int]) -> np.ndarray:
    h, w = picture.shape[:2]
    scale = width / max(w, h)  # a portrait is as high as a column is wide
    size = max(1, round(w * scale)), max(1, round(h * scale))
    tile = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    top, left, side = window
    inset = max(1, round(INSET * min(size)))
    crop = picture[top : top + side, left : left + side]
    crop = cv2.resize(crop, (inset, inset), interpolation=cv2.INTER_AREA if side > inset else cv2.INTER_LINEAR)
    line = max(1, round(width / 250))
    a, b = (round(left * scale), round(top * scale)), (round((left + side) * scale), round((top + side) * scale))
    cv2.rectangle(tile, a, b, FRAME, line)
    y, x = (size[1] - inset) * corner[0], (size[0] - inset) * corner[1]
    tile[y : y + inset, x : x + inset] = crop
    cv2.rectangle(tile, (x, y), (x + inset - 1, y + inset - 1), FRAME, line)
    return tile
