"""Mean absolute error to the truth's own levels, as IS-Net's evaluation computes it."""

import numpy as np

from disbench.metrics.stretch import LEVELS


def grey_mae(raw: np.ndarray, truth: np.ndarray, quadrants: np.ndarray, span: tuple[int, int]) -> float:
    """Return the mean of |map - truth| over pixels, both on a scale of 0 to 1, summed in integers.

    Args:
        raw: the map, uint8 (h, w).
        truth: the truth, uint8 (h, w).
        quadrants: pixels of the map by quadrant, background/foreground (truth > 128) and level, int64 (4, 2, 256).
        span: the levels of the map that stand for 0 and 1.

    Returns:
        The error, in 0..1.
    """
    lo, hi = span
    # Only the few truth pixels between 0 and 255 are counted one by one. The histograms already hold the others.
    is_grey = truth - np.uint8(1) < 254
    joint = truth[is_grey].astype(np.intp) << 8 | raw[is_grey]
    counts = np.bincount(joint, minlength=256 * 256).reshape(256, 256)  # by level of the truth, then of the map
    bg, fg = quadrants.sum(0)
    counts[0], counts[255] = bg - counts[1:129].sum(0), fg - counts[129:255].sum(0)
    scale = hi - lo
    difference = np.abs((LEVELS - lo) * 255 - LEVELS[:, None] * scale)
    return int((counts * difference).sum()) / (255 * scale * truth.size)
