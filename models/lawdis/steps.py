"""The steps around LawDIS' networks, as in its authors' scripts: resizing, and the windows of the micro mode."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from disbench.data.windows import Window

SIDE = 1024  # pixels of a window
ROUNDS = 50  # of looking for windows
BLACK, WHITE = 5, 250  # levels between these are grey


def prepare(image: np.ndarray, size: tuple[int, int]) -> Tensor:
    """uint8 (h, w, 3) -> float32 (3, H, W) in [-1, 1]: resized with antialiasing, rounded to 8 bit."""
    return normalise(_resize(torch.from_numpy(image).permute(2, 0, 1).float(), size).round())


def normalise(levels: Tensor) -> Tensor:
    """Convert levels of 0 to 255 to [-1, 1]."""
    return levels / 255 * 2 - 1


def restore(output: Tensor, size: tuple[int, int]) -> np.ndarray:
    """(H, W) in [0, 1] -> uint8 (h, w): resized with antialiasing, truncated."""
    return (_resize(output[None], size)[0] * 255).cpu().numpy().astype(np.uint8)


def find_windows(levels: np.ndarray, side: int = SIDE) -> list[Window]:
    """Find windows around the edges of a map or a ground truth, uint8 (h, w).

    They are squares of `side`, less what lies outside.

    In each round, the connected edge of the longest box gets a window around its centroid. Its edges are removed,
    whether it is kept or, as nearly all of it is white or black, not.
    """
    height, width = levels.shape
    edges = lines = _find_edges(levels)
    windows = []
    for _ in range(ROUNDS):
        count, _, boxes, centroids = cv2.connectedComponentsWithStats(lines, connectivity=8)
        if count == 1:  # the background
            break
        longest = 1 + boxes[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1).argmax()
        x, y = centroids[longest]
        left, top = max(int(x - side // 2), 0), max(int(y - side // 2), 0)
        right, bottom = min(int(x + side // 2), width), min(int(y + side // 2), height)
        window = Window(left, top, right - left, bottom - top)
        inside = levels[window.region]
        if (inside > WHITE).mean() <= 0.9 and (inside < BLACK).mean() <= 0.95:
            windows.append(window)
        edges[window.region] = 0
        lines = _find_edges(edges)  # of the edges themselves, as in the authors' script
    return windows


def cut_window(image: Tensor, window: Window, size: tuple[int, int]) -> Tensor:
    """Cut a window out of (c, h, w), as (1, c, H, W): resized without antialiasing."""
    part = image[:, *window.region][None]
    if part.shape[-2:] == size:
        return part
    return functional.interpolate(part, size, mode="bilinear", align_corners=False)


def merge_windows(levels: np.ndarray, answers: Sequence[np.ndarray], windows: Sequence[Window]) -> np.ndarray:
    """Replace windows of a map by new answers, unless these are refused. Of those that overlap, the first counts.

    Args:
        levels: The map, uint8 (h, w).
        answers: For each window, float32 (H, W) of 0 to 255.
        windows: The windows.

    Returns:
        uint8 (h, w), truncated.
    """
    merged, free = levels.astype(np.float32), np.ones(levels.shape, bool)
    for answer, window in zip(answers, windows, strict=True):
        resized = Image.fromarray(answer).resize((window.width, window.height), Image.Resampling.BILINEAR)
        part = np.asarray(resized)
        if not _is_refused(part, levels[window.region]):
            merged[window.region] = np.where(free[window.region], part, merged[window.region])
            free[window.region] = False
    return merged.astype(np.uint8)


def _is_refused(part: np.ndarray, before: np.ndarray) -> bool:
    """Return whether an answer is more than 30 % grey, or mostly white where the map was mostly black, or reverse."""
    if ((part > BLACK) & (part < WHITE)).mean() > 0.3:
        return True
    was_black, was_white = (before < BLACK).mean() > 0.5, (before > WHITE).mean() > 0.5
    is_black, is_white = (part < BLACK).mean() > 0.5, (part > WHITE).mean() > 0.5
    return bool((was_black and is_white) or (was_white and is_black))


def _find_edges(levels: np.ndarray) -> np.ndarray:
    return cv2.Canny(levels, 50, 150)


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (c, h, w) to another (h, w)."""
    if x.shape[-2:] == size:
        return x
    return functional.interpolate(x[None], size, mode="bilinear", align_corners=False, antialias=True)[0]
