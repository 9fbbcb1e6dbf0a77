"""Slow, naive measures of outlines, pixel by pixel."""

import math
from itertools import pairwise, product

from naive import stretched


def outline(inside):
    height, width = inside.shape
    found = set()
    for y in range(height):
        for x in range(width):
            others = [(y + down, x + right) for down, right in ((0, 1), (1, 0), (1, 1))]
            if any(inside[y, x] != inside[other] for other in others if other[0] < height and other[1] < width):
                found.add((y, x))
    return found


def boundary_f(mask, truth):
    reach = math.ceil(0.008 * math.hypot(*truth.shape))
    predicted, expected = outline(stretched(mask) > 0.5), outline(truth > 128)
    if not predicted or not expected:
        return float(predicted == expected)

    def share(pixels, others):
        near = [any((y - b) ** 2 + (x - a) ** 2 <= reach**2 for b, a in others) for y, x in pixels]
        return sum(near) / len(near)

    precision, recall = share(predicted, expected), share(expected, predicted)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary_recall(mask, truth):
    """Depth Pro: at each threshold the greatest ratio of each run of edges, in four directions."""
    low = int(mask.min()) if mask.min() < mask.max() else 0
    thresholds = [1.05 + 0.2 * step / 9 for step in range(10)]
    total = 0.0
    for threshold in thresholds:
        shares = []
        for transposed, backward in product((False, True), (False, True)):
            values, inside = mask.astype(int) - low, truth > 128
            if transposed:
                values, inside = values.T, inside.T
            hits, edges = 0, 0
            for line, side in zip(values, inside, strict=True):
                ends = [pair[::-1] if backward else pair for pair in pairwise(line)]
                kept = greatest_of_runs([ratio(*pair) for pair in ends], threshold)
                for x, pair in enumerate(pairwise(side)):
                    before, after = pair[::-1] if backward else pair
                    edges += after and not before
                    hits += after and not before and x in kept
            shares.append(hits / max(edges, 1))
        total += threshold * sum(shares) / 4
    return total / sum(thresholds)


def ratio(before, after):
    if before == 0:
        return math.inf if after else 0.0
    return after / before


def greatest_of_runs(ratios, threshold):
    """Return the position of the greatest ratio in each run of ratios above the threshold; the first of equal ones."""
    kept, run = set(), []
    for x, value in enumerate([*ratios, 0.0]):
        if value > threshold + 1e-12:
            run.append(x)
        elif run:
            kept.add(max(run, key=lambda at: ratios[at]))
            run = []
    return kept
