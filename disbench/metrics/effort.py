"""Human correction efforts, HCE: Qin et al., Highly accurate dichotomous image segmentation, ECCV 2022.

How many clicks turn a map into its truth: points that draw the boundaries which are wrong, and one for each region
that can be deleted or filled whole. The counts are those of the authors' code (github.com/xuebinqin/DIS,
IS-Net/hce_metric_main.py), also for empty, full and constant arrays and single rows, with one exception: an error that
covers the whole image is one region, as in PySODMetrics, where the authors' code counts none.

The skeleton, which no correction may lose, is that of scikit-image's skeletonize.
"""

from dataclasses import astuple, dataclass

import numpy as np

from disbench.errors import InputError
from disbench.metrics.bits import pack, unpack
from disbench.metrics.contours import contours
from disbench.metrics.kernels import kernel
from disbench.metrics.polylines import count_simplified
from disbench.metrics.stretch import half_level, map_span
from disbench.metrics.thinning import thin
from disbench.metrics.validate import check_map

GAMMA = 5  # errors that so many erosions remove are too thin to be corrected
EPSILON = 2.0  # pixels by which a drawn boundary may deviate

ONE, LAST = np.uint64(1), np.uint64(63)


@dataclass(frozen=True)
class Effort:
    """Clicks that correct one map, in the order of the authors' tuple.

    points: on the boundaries to be redrawn of what is wrongly foreground (false positive) or background (false
        negative)
    regions: to be deleted (false positive) or filled (false negative) whole, with no boundary to be redrawn
    """

    false_positive_points: int
    false_positive_regions: int
    false_negative_points: int
    false_negative_regions: int

    @property
    def total(self) -> int:
        """HCE of the image; that of a data set is the mean."""
        return sum(astuple(self))


def effort(
    mask: np.ndarray, truth: np.ndarray, skeleton: np.ndarray | None = None, mask_above: int | None = None
) -> Effort:
    """Efforts to correct one map, uint8 (h, w), to its truth, uint8 (h, w), foreground where > 128.

    skeleton: that of the truth as skeleton() gives it, to save the time of finding it
    mask_above: the map is foreground where its level is greater, than 128 in the authors' code. None: where it is
        above 0.5 when the map's minimum and maximum are stretched to 0 and 1, as in PySODMetrics

    May be called from many threads. Raises InputError for arrays of another type or shape, and for a truth or skeleton
    of levels 0 and 1 only.
    """
    check_map("mask", mask)
    wanted = _foreground("truth", truth)
    bones = thin(wanted) if skeleton is None else _foreground("skeleton", skeleton)
    for name, array in (("mask", mask), ("skeleton", skeleton)):
        if array is not None and array.shape != truth.shape:
            raise InputError(f"{name} is {array.shape}, truth is {truth.shape}: both must have the same (h, w)")
    found = pack(np.greater(mask, half_level(*map_span(mask)) if mask_above is None else mask_above, order="C"))
    every = np.repeat(pack(np.ones((1, mask.shape[1]), bool)), len(mask), 0)
    hits = wanted & found
    # All but the eroded union. An error counts inside of that, and as far as GAMMA steps lead back out.
    outside = _spread(every & ~(wanted | found), every, GAMMA)
    spilled, missed = (_spread(wrong & ~outside, wrong, GAMMA) for wrong in (found & ~wanted, wanted & ~found))
    missed |= bones & ~hits
    return Effort(
        *_corrections(spilled, _spread(hits | missed, every, 1)),
        *_corrections(missed, _spread(every & ~(hits | spilled | missed), every, 1)),
    )


def skeleton(truth: np.ndarray) -> np.ndarray:
    """uint8 (h, w), 255 on the skeleton of the truth, uint8 (h, w), foreground where > 128, and 0 elsewhere.

    Equal to scikit-image's skeletonize(truth > 128). Raises InputError as effort() does.
    """
    return -unpack(thin(_foreground("truth", truth)), truth.shape[1])  # 1 becomes 255


def _foreground(name: str, array: np.ndarray) -> np.ndarray:
    """Packed."""
    check_map(name, array)
    if array.max() == 1:
        raise InputError(f"{name}: its levels are 0 and 1, so that no pixel is foreground; multiply it by 255")
    return pack(np.greater(array, 128, order="C"))


@kernel
def _spread(words, within, steps):
    """The packed pixels that so many steps, to one of four neighbours each and none out of `within`, reach."""
    height, width = words.shape
    for _ in range(steps):
        before, words = words, np.empty_like(words)
        for y in range(height):
            above, row, below = before[max(y - 1, 0)], before[y], before[min(y + 1, height - 1)]
            for x in range(width):
                reached = above[x] | row[x] | below[x] | row[x] << ONE | row[x] >> ONE
                if x > 0:
                    reached |= row[x - 1] >> LAST
                if x + 1 < width:
                    reached |= row[x + 1] << LAST
                words[y, x] = reached & within[y, x]
    return words


def _corrections(errors: np.ndarray, shared: np.ndarray) -> tuple[int, int]:
    """Points on the shared parts of the errors' boundaries, and number of regions of errors that share none; packed."""
    # The authors take the tree of all contours; by region too, those of each come in the same order.
    points, spans, outer = contours(errors)
    drawn, runs, shares = _shared(points, spans, shared.view(np.uint8))
    whole = outer == np.arange(outer.size)
    whole[outer[shares]] = False
    return count_simplified(drawn, runs, EPSILON**2), int(np.count_nonzero(whole))


@kernel
def _shared(borders, spans, shared):
    """The borders' points in `shared`: points int32 (n, 2), the start and stop of each run of them int64 (m, 2), and
    which borders have any, bool.

    borders: (x, y), those of border i from spans[i, 0] to spans[i, 1]
    shared: packed, by bytes; cleared at each pixel that is taken, since no pixel is taken twice
    """
    points = np.empty((2 * len(borders), 2), np.int32)
    runs = np.empty((len(borders), 2), np.int64)
    shares = np.empty(len(spans), np.bool_)
    size, count = 0, 0
    for border in range(len(spans)):
        first, broken = count, True
        for at in range(spans[border, 0], spans[border, 1]):
            x, y = borders[at]
            byte, bit = x >> 3, np.uint8(1 << (x & 7))
            if shared[y, byte] & bit == 0:
                broken = True
                continue
            if broken:
                runs[count, 0] = size
                count += 1
                broken = False
            shared[y, byte] ^= bit
            points[size] = borders[at]
            size += 1
            runs[count - 1, 1] = size
        shares[border] = count > first
        # Where the last run stops next to the start of the first, the authors append the first one, reversed.
        if count - first > 1 and np.abs(points[runs[first, 0]] - points[size - 1]).max() <= 1:
            head = points[runs[first, 0] : runs[first, 1]]
            points[size : size + len(head)] = head[::-1]
            size += len(head)
            count -= 1
            runs[first] = runs[count, 0], size
    return points, runs[:count], shares
