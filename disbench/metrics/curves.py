"""MAE, F, E, precision and recall from level histograms: pure NumPy over stacks of n images.

`fg` and `bg` are int64 (n, 256): how many foreground and background pixels have each level of the raw map.
`lo` and `hi` are int64 (n,): the levels that stand for 0 and 1. Whatever can be decided or summed in integers is,
so that rounding enters once, in the last division. Curves are float64 (n, 256), by ascending threshold 0..255.
"""

import numpy as np

LEVELS = np.arange(256)
EPS = np.spacing(1.0)


def span(counts: np.ndarray, stretch: bool) -> tuple[np.ndarray, np.ndarray]:
    """lo and hi of maps with these level counts (..., 256); a constant map is not stretched."""
    present = counts > 0
    lo = present.argmax(-1)
    hi = 255 - present[..., ::-1].argmax(-1)
    as_is = (lo == hi) | (not stretch)
    return np.where(as_is, 0, lo), np.where(as_is, 255, hi)


def mae(fg: np.ndarray, bg: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """Mean absolute error (n,): Perazzi et al., Saliency filters, CVPR 2012."""
    above, below = LEVELS - lo[:, None], hi[:, None] - LEVELS
    return ((bg * above).sum(1) + (fg * below).sum(1)) / ((fg + bg).sum(1) * (hi - lo))


def _tail_counts(counts: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """(n, 256): pixels whose stretched level, truncated to 0..255, is at or above each threshold.

    The level is truncated in floating point, in PySODMetrics' order of operations: for a quarter of all (lo, hi)
    the exact quotient would put some level into the next bin.
    """
    unit = LEVELS / 255
    start, end = unit[lo][:, None], unit[hi][:, None]
    level = np.clip((unit - start) / (end - start) * 255, 0, 255).astype(np.int64)
    image = np.arange(len(counts))[:, None] * 256
    # Counts below 2^53 stay exact as float64, the type of bincount's weights.
    binned = np.bincount((image + level).ravel(), counts.ravel(), counts.size).reshape(counts.shape)
    return binned.astype(np.int64)[:, ::-1].cumsum(1)[:, ::-1]


def _f(precision: np.ndarray, recall: np.ndarray, beta2: float) -> np.ndarray:
    numerator = (1 + beta2) * precision * recall
    return numerator / np.where(numerator == 0, 1, beta2 * precision + recall)


def _e(hits: np.ndarray, positives: np.ndarray, truth: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Enhanced alignment (n, k) of n x k binary maps: Fan et al., IJCAI 2018.

    A binary map makes only four kinds of pixels, so the sum over pixels is a sum over four counts. The order of
    operations is PySODMetrics', for equality to the last bit. One pixel is divided by 1 instead of by N - 1 = 0.
    """
    truth, pixels = truth[:, None], pixels[:, None]
    share, truth_share = positives / pixels, truth / pixels
    total = 0
    for count, p, t in (
        (hits, 1 - share, 1 - truth_share),
        (positives - hits, 1 - share, 0 - truth_share),
        (truth - hits, 0 - share, 1 - truth_share),
        (pixels - positives - truth + hits, 0 - share, 0 - truth_share),
    ):
        # Python's x ** 2 rounds like C's pow, which is not x * x in one of 1,200 cases; PySODMetrics meets both.
        t_squared = np.array([[x**2] for x in t[:, 0].tolist()])
        alignment = 2 * (p * t) / (p**2 + t_squared + EPS)
        total = total + (alignment + 1) ** 2 / 4 * count
    total = np.where(truth == 0, pixels - positives, np.where(truth == pixels, positives, total))
    return total / (np.maximum(pixels - 1, 1) + EPS)


def curves(fg: np.ndarray, bg: np.ndarray, lo: np.ndarray, hi: np.ndarray, beta2: float) -> dict[str, np.ndarray]:
    """Precision, recall, F and E of every image at every threshold; a pixel is positive where level >= threshold."""
    hits, positives = _tail_counts(fg, lo, hi), _tail_counts(fg + bg, lo, hi)
    truth = fg.sum(1)
    precision = hits / np.maximum(positives, 1)
    recall = hits / np.maximum(truth, 1)[:, None]
    e = _e(hits, positives, truth, (fg + bg).sum(1))
    return {"precision": precision, "recall": recall, "f": _f(precision, recall, beta2), "e": e}


def adaptive(
    fg: np.ndarray, bg: np.ndarray, lo: np.ndarray, hi: np.ndarray, beta2: float
) -> tuple[np.ndarray, np.ndarray]:
    """F and E (n,) at each image's own threshold, min(twice the mean of the stretched map, 1).

    Achanta et al., Frequency-tuned salient region detection, CVPR 2009. The comparison is made on integers.
    """
    counts = fg + bg
    above = LEVELS - lo[:, None]
    pixels = counts.sum(1)
    positive = (above * pixels[:, None] >= 2 * (counts * above).sum(1)[:, None]) | (above == (hi - lo)[:, None])
    hits, positives, truth = (fg * positive).sum(1), (counts * positive).sum(1), fg.sum(1)
    f = _f(hits / np.maximum(positives, 1), hits / np.maximum(truth, 1), beta2)
    return f, _e(hits[:, None], positives[:, None], truth, pixels)[:, 0]
