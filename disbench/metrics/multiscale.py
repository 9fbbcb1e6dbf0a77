"""Multi-scale IoU, MIoU: Ahmadzadeh et al., Multiscale IoU: a metric for evaluation of salient object detection with
fine structures, ICIP 2021, as PySODMetrics 1.6.2 transcribes it, but for its overflow.

PySODMetrics counts the truth's edge pixels in float16, whose sums are rounded above 2048 and infinite above 65504: on
masks of some megapixels a perfect map gets 0.7 to 0.95. Here all counts are exact.
"""

import numpy as np

from disbench.metrics.bits import pack
from disbench.metrics.kernels import joint_histogram
from disbench.metrics.stretch import adaptive_level, half_level, truncate_levels

SCALES = 10  # grids of cells of 1, 2, 4... 512 pixels
ONE, LAST = np.uint64(1), np.uint64(63)


def multiscale_iou(mask: np.ndarray, foreground: np.ndarray, lo: int, hi: int) -> dict[str, float]:
    """Area under the curve, over grids ever coarser, of the share of the truth's edge cells that the map has too.

    Of two binary maps: "binary", where the map is above 1/2, and "adaptive", from twice its mean up. mask, foreground:
    uint8 (h, w), foreground 0 or 255; lo, hi: the levels of the mask that stand for 0 and 1.
    At each scale it is (|M ∩ T| + 1) / (|T| + 1), M and T the cells with an edge pixel of map and truth: pixels whose
    Sobel response is not 0, with zeros outside of the image. In 0..1, more is better; 1 where truth is empty, whatever
    the map is. False edges cost nothing.
    """
    wanted = _pyramid(foreground)
    maps = {"adaptive": mask >= adaptive_level(mask, lo, hi), "binary": mask > half_level(lo, hi)}
    return {name: _area(_pyramid(found), wanted) for name, found in maps.items()}


def multiscale_curve(mask: np.ndarray, foreground: np.ndarray, lo: int, hi: int) -> np.ndarray:
    """float64 (257,): the same of the map from threshold 0, 1... 256 up, of 256 levels when it is stretched."""
    wanted, counts = _pyramid(foreground), joint_histogram(mask, foreground, 0, 0).sum((0, 1))
    firsts = np.searchsorted(truncate_levels(lo, hi), np.arange(257))  # the lowest level at or above each threshold
    below = np.append(0, counts.cumsum())[firsts]  # where as many pixels are, it is the same binary map
    _, distinct, which = np.unique(below, return_index=True, return_inverse=True)
    return np.array([_area(_pyramid(mask >= first), wanted) for first in firsts[distinct]])[which]


def _area(found: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    ratios = [(_pixels(f & w) + 1) / (_pixels(w) + 1) for f, w in zip(found, wanted, strict=True)]
    return float(np.trapezoid(ratios, dx=1 / (SCALES - 1)))


def _pixels(words: np.ndarray) -> int:
    return int(np.bitwise_count(words).sum(dtype=np.int64))


def _pyramid(pixels: np.ndarray) -> list[np.ndarray]:
    """Packed cells with an edge of each scale, a cell being the bit of its first pixel.

    Cells are counted from the last row and column, so columns and, at each scale, rows are added before the first.
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
    """The union of two neighbours each along the axis; the first may be alone."""
    if cells.shape[axis] % 2:
        cells = np.pad(cells, [(1, 0), (0, 0)] if axis == 0 else [(0, 0), (1, 0)])
    return cells[::2] | cells[1::2] if axis == 0 else cells[:, ::2] | cells[:, 1::2]


def _edges(words: np.ndarray) -> np.ndarray:
    """Packed pixels where a Sobel filter of the packed ones responds: 1, 2, 1 on either side do not add up to the same.

    a + 2b + c is compared bit by bit: a ^ c, then b and a & c, which have the same weight.
    """
    rows = np.pad(words, ((1, 1), (0, 0)))
    above, below = rows[:-2], rows[2:]
    columns = _digits(above, words, below)
    left_right = [_from_left(digit) ^ _from_right(digit) for digit in columns]
    lines = _digits(_from_left(rows), rows, _from_right(rows))
    above_below = [digit[:-2] ^ digit[2:] for digit in lines]
    return np.bitwise_or.reduce(left_right + above_below)


def _digits(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    both = a & c
    return a ^ c, b ^ both, b & both


def _from_left(words: np.ndarray) -> np.ndarray:
    """Each pixel as its right neighbour sees it."""
    moved = words << ONE
    moved[:, 1:] |= words[:, :-1] >> LAST
    return moved


def _from_right(words: np.ndarray) -> np.ndarray:
    moved = words >> ONE
    moved[:, :-1] |= words[:, 1:] << LAST
    return moved
