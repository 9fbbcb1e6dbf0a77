"""Human correction efforts (HCE): Qin et al., Highly accurate dichotomous image segmentation, ECCV 2022.

HCE counts the clicks that turn a map into its truth: points along the boundaries to redraw, and one click for each
region to delete or fill as a whole. The counts equal those of the authors' code (github.com/xuebinqin/DIS,
IS-Net/hce_metric_main.py), also for empty, full and constant arrays and single rows. There is one exception: an error
that covers the whole image is one region, as in PySODMetrics. The authors' code counts none.

No correction may lose the skeleton of the truth, which equals scikit-image's skeletonize.
"""

from dataclasses import astuple, dataclass

import numpy as np

from disbench.errors import InputError
from disbench.metrics.bits import pack, unpack
from disbench.metrics.contours import contours
from disbench.metrics.kernels import inner_kernel, kernel
from disbench.metrics.polylines import count_simplified
from disbench.metrics.stretch import half_level, map_span
from disbench.metrics.thinning import thin
from disbench.metrics.validate import check_map, check_not_binary

GAMMA = 5  # errors that this many erosions remove are too thin to be corrected
EPSILON = 2.0  # pixels by which a redrawn boundary may deviate

ONE, LAST = np.uint64(1), np.uint64(63)


@dataclass(frozen=True)
class Effort:
    """Clicks that correct one map, in the order of the authors' tuple.

    Attributes:
        false_positive_points: points on boundaries to redraw, of parts that are wrongly foreground.
        false_positive_regions: regions that are wrongly foreground and can be deleted as a whole.
        false_negative_points: points on boundaries to redraw, of parts that are wrongly background.
        false_negative_regions: regions that are wrongly background and can be filled as a whole.
    """

    false_positive_points: int
    false_positive_regions: int
    false_negative_points: int
    false_negative_regions: int

    @property
    def total(self) -> int:
        """HCE of the image. HCE of a data set is the mean over images."""
        return sum(astuple(self))


def effort(
    prediction: np.ndarray,
    truth: np.ndarray,
    skeleton: np.ndarray | None = None,
    prediction_above: int | None = None,
    *,
    relax: int = GAMMA,
    epsilon: float = EPSILON,
) -> Effort:
    """Count the clicks that correct one map. Many threads may call this function.

    Args:
        prediction: the map, uint8 (h, w).
        truth: the truth, uint8 (h, w), foreground where > 128.
        skeleton: the truth's skeleton(), to save the time of computing it.
        prediction_above: the map is foreground where its level is above this one, 128 in the authors' code. None: it
            is foreground where the stretched map is above 1/2, as in PySODMetrics.
        relax: errors that this many erosions remove are too thin to be corrected.
        epsilon: pixels by which a redrawn boundary may deviate.

    Returns:
        The counts.

    Raises:
        InputError: for arrays of another type or shape, and for a truth or skeleton of levels 0 and 1.
    """
    check_map("prediction", prediction)
    expected = _pack_foreground("truth", truth)
    bones = thin(expected) if skeleton is None else _pack_foreground("skeleton", skeleton)
    for name, array in (("prediction", prediction), ("skeleton", skeleton)):
        if array is not None and array.shape != truth.shape:
            raise InputError(f"{name} is {array.shape}, truth is {truth.shape}; both must have the same (h, w)")
    above = half_level(*map_span(prediction)) if prediction_above is None else prediction_above
    predicted = pack(np.greater(prediction, above, order="C"))
    inside = np.repeat(pack(np.ones((1, prediction.shape[1]), bool)), len(prediction), 0)
    hits = expected & predicted
    # Errors count in the eroded union of map and truth, and as far as `relax` steps lead back out of it.
    outside = _dilate(inside & ~(expected | predicted), inside, relax)
    spilled, missed = predicted & ~expected, expected & ~predicted
    spilled = _dilate(spilled & ~outside, spilled, relax)
    missed = _dilate(missed & ~outside, missed, relax) | bones & ~hits
    return Effort(
        *_count_corrections(spilled, _dilate(hits | missed, inside, 1), epsilon),
        *_count_corrections(missed, _dilate(inside & ~(hits | spilled | missed), inside, 1), epsilon),
    )


def effort_columns(
    prediction: np.ndarray, truth: np.ndarray, skeleton: np.ndarray, prediction_above: int | None
) -> dict[str, float]:
    """Count as effort() does, for storage: HCE and its four parts by metric."""
    clicks = effort(prediction, truth, skeleton, prediction_above)
    return {
        "hce": float(clicks.total),
        "hce_fp_points": float(clicks.false_positive_points),
        "hce_fp_regions": float(clicks.false_positive_regions),
        "hce_fn_points": float(clicks.false_negative_points),
        "hce_fn_regions": float(clicks.false_negative_regions),
    }


def skeleton(truth: np.ndarray) -> np.ndarray:
    """Return the skeleton of a truth, uint8 (h, w) with foreground > 128, as uint8 (h, w), 0 or 255.

    The result equals scikit-image's skeletonize(truth > 128). Raises InputError as effort() does.
    """
    return -unpack(thin(_pack_foreground("truth", truth)), truth.shape[1])  # 1 becomes 255


def _pack_foreground(name: str, array: np.ndarray) -> np.ndarray:
    """Check a mask and return its foreground, packed."""
    check_map(name, array)
    check_not_binary(name, array)
    return pack(np.greater(array, 128, order="C"))


@kernel
def _dilate(words, within, steps):
    """Return the packed pixels that `steps` steps to one of four neighbours reach without leaving `within`."""
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


def _count_corrections(errors: np.ndarray, shared: np.ndarray, epsilon: float) -> tuple[int, int]:
    """Count the clicks for one kind of error.

    Args:
        errors: the wrong pixels, packed.
        shared: pixels at which a boundary of the errors must be redrawn, packed; cleared in part.
        epsilon: pixels by which a redrawn boundary may deviate.

    Returns:
        The points on shared boundaries, and the number of regions of errors that have none.
    """
    # The authors follow the tree of all contours. Region by region, the contours of each come in the same order.
    points, spans, outer = contours(errors)
    redrawn, runs, has_shared = _shared_runs(points, spans, shared.view(np.uint8))
    is_region = outer == np.arange(outer.size)
    is_region[outer[has_shared]] = False
    return count_simplified(redrawn, runs, epsilon**2), int(np.count_nonzero(is_region))


@inner_kernel
def _are_neighbours(points, first, second):
    """Check whether two points are at most one row and one column apart."""
    x, y = points[first, 0] - points[second, 0], points[first, 1] - points[second, 1]
    return -1 <= x <= 1 and -1 <= y <= 1


@kernel
def _shared_runs(borders, spans, shared):
    """Collect the points of borders that lie in `shared`.

    Args:
        borders: points (x, y) of all borders, int32 (n, 2).
        spans: start and stop of each border in these points, int64 (m, 2).
        shared: packed pixels by bytes. Each one that is taken is cleared, because no pixel is taken twice.

    Returns:
        points: the points in `shared`, int32 (k, 2).
        runs: start and stop of each run of consecutive points, int64 (l, 2).
        has_shared: which borders have any, bool (m,).
    """
    points = np.empty((2 * len(borders), 2), np.int32)
    runs = np.empty((len(borders), 2), np.int64)
    has_shared = np.empty(len(spans), np.bool_)
    size, count = 0, 0
    for border in range(len(spans)):
        first, broken = count, True
        for at in range(spans[border, 0], spans[border, 1]):
            x, y = borders[at, 0], borders[at, 1]
            byte, bit = x >> 3, np.uint8(1 << (x & 7))
            if shared[y, byte] & bit == 0:
                broken = True
                continue
            if broken:
                runs[count, 0] = size
                count += 1
                broken = False
            shared[y, byte] ^= bit
            points[size, 0], points[size, 1] = x, y
            size += 1
            runs[count - 1, 1] = size
        has_shared[border] = count > first
        # If the last run stops next to the start of the first one, the authors append the first one, reversed.
        if count - first > 1 and _are_neighbours(points, runs[first, 0], size - 1):
            for at in range(runs[first, 1] - 1, runs[first, 0] - 1, -1):
                points[size, 0], points[size, 1] = points[at, 0], points[at, 1]
                size += 1
            count -= 1
            runs[first, 0], runs[first, 1] = runs[count, 0], size
    return points, runs[:count], has_shared
