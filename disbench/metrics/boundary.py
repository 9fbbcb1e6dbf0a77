"""Measures of boundaries: boundary IoU and mean boundary accuracy, mBA.

A boundary is what an erosion takes away (boundary IoU), or where a dilation and an erosion differ (mBA). Outside of the
image there is background for boundary IoU, so that an object which the image cuts has a boundary there; there is
nothing for mBA. `mask` and `foreground` are uint8 (h, w), foreground 0 or 255; lo and hi are the levels of the mask
that stand for 0 and 1. All answers lie in 0..1, more is better, and a quotient 0/0 is 0: boundary IoU without
foreground in map and truth, mBA where truth is empty or full, of which BiRefNet's code makes NaN.
"""

import math

import cv2
import numpy as np

from disbench.metrics.bits import pack
from disbench.metrics.kernels import joint_histogram, kernel
from disbench.metrics.stretch import half_level, truncate_levels

SHARE = 0.02  # of the image's diagonal: how far from its outline the boundary of an object reaches
MBA_ABOVE = 128  # the map of mBA is not stretched; its level is foreground where greater
STEPS = 5  # radii of mBA

ONE, LAST = np.uint64(1), np.uint64(63)
# Masks and shift of a sum of bits in parallel.
PAIRS, FOURS, EIGHTS, SUM = map(np.uint64, (0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F, 2**64 // 255))


def boundary_iou(mask: np.ndarray, foreground: np.ndarray, lo: int, hi: int) -> float:
    """Intersection over union of the boundaries, 2 % of the diagonal wide, of the truth and of the map above 1/2.

    Cheng et al., Boundary IoU: improving object-centric image segmentation evaluation, CVPR 2021, eq. 3, with the
    squares of their code for circles.
    """
    found, wanted = _inside(np.where(mask > half_level(lo, hi), np.uint8(255), np.uint8(0))), _inside(foreground)
    return np.count_nonzero(found & wanted) / max(np.count_nonzero(found | wanted), 1)


def grey_boundary_iou(mask: np.ndarray, foreground: np.ndarray, lo: int, hi: int) -> np.ndarray:
    """float64 (256,): boundary IoU at thresholds 0 to 255, as BiRefNet's evaluation defines it.

    The boundary of the map is grey: its levels, stretched and truncated, less their minimum within 2 % of the
    diagonal. It is cut at the thresholds, at or above which it is positive; it is not the boundary of the cut map.
    """
    found = _inside(truncate_levels(lo, hi)[mask])
    spilled, hits = joint_histogram(found, _inside(foreground), 0, 0).sum(0)[:, ::-1].cumsum(1)[:, ::-1]
    return hits / np.maximum(hits[0] + spilled, 1)


def mean_boundary_accuracy(mask: np.ndarray, foreground: np.ndarray) -> float:
    """mBA: the share of right pixels of the map > 128 around the boundary of the truth, mean over five radii.

    From 1 up to (h + w) / 300 in equal steps, rounded down. Cheng et al., CascadePSP: toward class-agnostic and very
    high-resolution segmentation via global and local refinement, CVPR 2020, section 4.2.
    """
    height, width = mask.shape
    steps = np.arange(STEPS) * (((width + height) / 300 - 1) / STEPS)
    radii = 1 + steps.astype(np.int64)
    every, wanted, found = map(pack, (np.ones_like(foreground), foreground, mask > MBA_ABOVE))
    right, pixels = _around(wanted, every, every & ~(wanted ^ found), _discs(radii))
    return sum((right / np.maximum(pixels, 1)).tolist()) / STEPS


def _inside(levels: np.ndarray) -> np.ndarray:
    """The boundary uint8 (h, w): levels less their minimum in a square, 0 outside of the image."""
    height, width = levels.shape
    reach = max(1, round(SHARE * math.sqrt(height**2 + width**2)))
    # The minimum of 2 reach + 1 neighbours, by minima of 1, 2, 4...; faster than OpenCV's for wide squares.
    low = cv2.copyMakeBorder(levels, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0)
    for flipped in (False, True):
        have, left = 1, 2 * reach
        while left:
            step = min(have, left)
            low = np.minimum(low[:, :-step], low[:, step:]) if flipped else np.minimum(low[:-step], low[step:])
            have, left = have + step, left - step
    return levels - low


def _discs(radii: np.ndarray) -> np.ndarray:
    """int64 (n, r + 1): OpenCV's ellipses, as half the width of row 0, ±1... of each; -1 where there is no such row."""
    halves = np.full((len(radii), radii.max() + 1), -1)
    for row, radius in zip(halves, radii.tolist(), strict=True):
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        row[: radius + 1] = disc[radius:].sum(1) // 2
    return halves


@kernel
def _widen(row, wider):
    """The packed pixels of a row and their neighbours to the left and right."""
    words = row.size
    for x in range(words):
        wider[x] = row[x] | row[x] << ONE | row[x] >> ONE
    for x in range(1, words):
        wider[x] |= row[x - 1] >> LAST
        wider[x - 1] |= row[x] << LAST


@kernel
def _bits(word):
    word -= word >> ONE & PAIRS
    word = (word & FOURS) + (word >> np.uint64(2) & FOURS)
    word = word + (word >> np.uint64(4)) & EIGHTS
    return word * SUM >> np.uint64(56)


@kernel
def _collect(rows, near):
    for x in range(near.size):
        near[x] |= rows[x]


@kernel
def _count(near, off, every, right, counts):
    for x in range(near.size):
        around = near[x] & off[x] & every[x]
        counts[0] += np.int64(_bits(around & right[x]))
        counts[1] += np.int64(_bits(around))


@kernel
def _around(wanted, every, right, halves):
    """How many pixels of `right`, and of `every`, have wanted and other ones in the disc around them.

    Packed arrays; int64 (n,) each, by disc. The last rows of both sides are kept, each widened 0, 1, 2... times.
    """
    height, words = wanted.shape
    discs, reach = halves.shape[0], halves.shape[1] - 1
    rows, widths = 2 * reach + 1, halves.max() + 1
    wide = np.zeros((2, rows, widths, words), np.uint64)
    near = np.empty((2, words), np.uint64)
    counts = np.zeros((discs, 2), np.int64)
    for y in range(height + reach):
        for side in range(2):
            latest = wide[side, y % rows]
            if y < height:
                latest[0] = wanted[y] if side == 0 else every[y] & ~wanted[y]
                for width in range(1, widths):
                    _widen(latest[width - 1], latest[width])
            else:
                latest[:] = np.uint64(0)
        centre = y - reach
        if centre < 0:
            continue
        for disc in range(discs):
            near[:] = np.uint64(0)
            for row in range(-reach, reach + 1):
                width = halves[disc, abs(row)]
                if width >= 0 and centre + row >= 0:
                    for side in range(2):
                        _collect(wide[side, (centre + row) % rows, width], near[side])
            _count(near[0], near[1], every[centre], right[centre], counts[disc])
    return counts[:, 0], counts[:, 1]
