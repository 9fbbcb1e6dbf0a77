"""Multi-scale IoU (MIoU).

Ahmadzadeh et al., Multiscale IoU: a metric for evaluation of salient object detection with fine structures, ICIP 2021,
as PySODMetrics 1.6.2 transcribes it, without its overflow. PySODMetrics sums the truth's edge pixels in float16, which
rounds above 2048 and is infinite above 65504. For truths of some megapixels it gives a perfect map 0.7 to 0.95. Here
all counts are exact.
"""

from collections.abc import Sequence

import numpy as np

from disbench.metrics.bits import count_bits, pack
from disbench.metrics.kernels import joint_histogram
from disbench.metrics.stretch import adaptive_level, half_level, truncate_levels

SCALES = 10  # grids of cells of 1, 2, 4... 512 pixels
ALL = tuple(range(SCALES))  # grids of cells of 2^0, 2^1... pixels
ONE, LAST = np.uint64(1), np.uint64(63)


def multiscale_iou(
    prediction: np.ndarray, foreground: np.ndarray, lo: int, hi: int, scales: Sequence[int] = ALL
) -> dict[str, float]:
    """Compute the area under the curve, over ever coarser grids, of the share of the truth's edge cells in the map.

    At each scale the share is (|M ∩ T| + 1) / (|T| + 1), where M and T are the cells with an edge pixel of map and
    truth. Edge pixels have a Sobel response other than 0, with zeros outside of the image. False edges cost nothing.

    Args:
        prediction: the map, uint8 (h, w).
        foreground: the foreground of the truth, uint8 (h, w), 0 or 255.
        lo: the level of the map that stands for 0.
        hi: the level of the map that stands for 1.
        scales: the grids to use; 0 is that of single pixels.

    Returns:
        Scores in 0..1 of two binary maps; higher is better. "adaptive": the map from twice its mean up. "binary": the
        map above 1/2. Both are 1 for an empty truth, whatever the map is.
    """
    expected = _edge_pyramid(foreground)
    maps = {"adaptive": prediction >= adaptive_level(prediction, lo, hi), "binary": prediction > half_level(lo, hi)}
    return {name: _area(_edge_pyramid(binary), expected, scales) for name, binary in maps.items()}


def multiscale_curve(
    prediction: np.ndarray, foreground: np.ndarray, lo: int, hi: int, scales: Sequence[int] = ALL
) -> np.ndarray:
    """Compute the measure of multiscale_iou() at thresholds 0 to 256 of the stretched map, float64 (257,).

    Arguments are those of multiscale_iou(). The map is positive at or above a threshold.
    """
    expected, counts = _edge_pyramid(foreground), joint_histogram(prediction, foreground, 0, 0).sum((0, 1))
    lowest = np.searchsorted(truncate_levels(lo, hi), np.arange(257))  # the lowest level at or above each threshold
    below = np.append(0, counts.cumsum())[lowest]
    # Thresholds with as many pixels below them share one binary map, which is scored once.
    _, distinct, index = np.unique(below, return_index=True, return_inverse=True)
    scores = [_area(_edge_pyramid(prediction >= level), expected, scales) for level in lowest[distinct]]
    return np.array(scores)[index]


def _area(predicted: list[np.ndarray], expected: list[np.ndarray], scales: Sequence[int]) -> float:
    """Return the area under the curve of the shares over the scales."""
    ratios = [(count_bits(p & e) + 1) / (count_bits(e) + 1) for p, e in zip(predicted, expected, strict=True)]
    return float(np.trapezoid([ratios[scale] for scale in scales], dx=1 / (len(scales) - 1)))


def _edge_pyramid(pixels: np.ndarray) -> list[np.ndarray]:
    """Return the cells with an edge, packed, at each scale. A cell is the bit of its first pixel.

    Cells are counted from the last row and column. So columns, and rows at each scale, are added before the first.
    """
    left = -pixels.shape[1] % 64
    edges = _edges(pack(np.pad(pixels, ((0, 0), (left, 0)))))
    edges[:, 0] &= ~np.uint64((1 << left) - 1)
    scales = [edges]
    for scale in range(SCALES - 1):
        cells = scales[-1]
        cells = _either(cells, 0)
        if scale < 6:
            step = np.uint64(1 << scale)
            firsts = np.uint64(sum(1 << bit for bit in range(0, 64, 2 << scale)))
            cells = (cells | cells >> step) & firsts
        else:  # a cell is a word
            cells = _either(cells, 1)
        scales.append(cells)
    return scales


def _either(cells: np.ndarray, axis: int) -> np.ndarray:
    """Return the union of each pair of neighbours along the axis. The first cell may lack a partner."""
    if cells.shape[axis] % 2:
        cells = np.pad(cells, [(1, 0), (0, 0)] if axis == 0 else [(0, 0), (1, 0)])
    return cells[::2] | cells[1::2] if axis == 0 else cells[:, ::2] | cells[:, 1::2]


def _edges(words: np.ndarray) -> np.ndarray:
    """Return the pixels where a Sobel filter responds, packed as its input is.

    The filter responds where the sums a + 2b + c on its two sides differ. Sums are compared bit by bit; see _digits.
    """
    rows = np.pad(words, ((1, 1), (0, 0)))
    above, below = rows[:-2], rows[2:]
    columns = _digits(above, words, below)
    left_right = [_from_left(digit) ^ _from_right(digit) for digit in columns]
    lines = _digits(_from_left(rows), rows, _from_right(rows))
    above_below = [digit[:-2] ^ digit[2:] for digit in lines]
    return np.bitwise_or.reduce(left_right + above_below)


def _digits(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the binary digits of a + 2b + c, lowest first. Both b and the carry a & c have weight 2."""
    both = a & c
    return a ^ c, b ^ both, b & both


def _from_left(words: np.ndarray) -> np.ndarray:
    """Return, at each pixel, its left neighbour."""
    moved = words << ONE
    moved[:, 1:] |= words[:, :-1] >> LAST
    return moved


def _from_right(words: np.ndarray) -> np.ndarray:
    """Return, at each pixel, its right neighbour."""
    moved = words >> ONE
    moved[:, :-1] |= words[:, 1:] << LAST
    return moved
