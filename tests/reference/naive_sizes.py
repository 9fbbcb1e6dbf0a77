"""Slow, naive size-invariant MAE, F and other measures of binary maps."""

from functools import partial

import naive_counts
import numpy as np
from naive import precision_recall_f, stretched
from scipy.ndimage import find_objects, label


def targets(foreground):
    """A box, as two slices, for each; the whole image if there is no foreground."""
    parts, count = label(foreground)
    areas = [(parts == part).sum() for part in range(1, count + 1)]
    is_target = [area >= 50 or area == max(areas) < 50 for area in areas]
    boxes = find_objects(parts)
    return [box for box, yes in zip(boxes, is_target, strict=True) if yes] or [(slice(None), slice(None))]


def size_mae(mask, truth):
    error = np.abs(stretched(mask) - (truth > 128))
    outside, boxes = np.ones(mask.shape, bool), targets(truth > 128)
    for box in boxes:
        outside[box] = False
    share = outside.sum() / (~outside).sum()
    total = sum(error[box].mean() for box in boxes)
    if outside.any():
        total += share * error[outside].mean()
    return total / (len(boxes) + share)


def size_f(mask, truth):
    return size_invariant(mask, truth, lambda positive, target: precision_recall_f(positive, target)[2])


def size_measures(mask, truth):
    """Return max, mean, adaptive and binary of all measures that are in naive_counts, by name."""
    names = [name for name in naive_counts.score_binary(truth > 128, truth) if name not in ("f", "e")]
    return {name: size_invariant(mask, truth, partial(binary_measure, name=name)) for name in names}


def whole_measures(pairs):
    """All measures in naive_counts of the pixels of all targets of all pairs where the map is above 1/2, by name."""
    total = np.zeros(4, int)
    for mask, truth in pairs:
        values = stretched(mask)
        for box in targets(truth > 128):
            positive, target = np.zeros(mask.shape, bool), np.zeros_like(truth)
            positive[box], target[box] = values[box] > 0.5, truth[box]
            total += naive_counts.counts(positive, target)
    return {name: float(value) for name, value in naive_counts.measures(*total.tolist()).items()}


def binary_measure(positive, target, name):
    return float(naive_counts.measures(*naive_counts.counts(positive, target))[name])


def size_invariant(mask, truth, measure):
    if mask.min() < mask.max():
        lo, values = int(mask.min()), stretched(mask)
    else:
        lo, values = 0, mask / 255
    scores = []
    for box in targets(truth > 128):
        # Outside of the box is the lowest level, which may be the only one inside; the range stays the whole map's.
        inside, target = np.zeros(mask.shape, bool), np.zeros_like(truth)
        inside[box] = True
        target[box] = truth[box]
        part = np.where(inside, values, 0)
        levels = (part * 255).astype(int)
        curve = [measure(levels >= threshold, target) for threshold in range(256)]
        exact = np.where(inside, mask.astype(int) - lo, 0)
        top = int(mask.max()) - lo if mask.min() < mask.max() else 255
        above = (exact * mask.size >= 2 * exact.sum()) | (exact == top)
        at_adaptive, at_half = (measure(positive, target) for positive in (above, part > 0.5))
        scores.append((max(curve), np.mean(curve), at_adaptive, at_half))
    return dict(zip(("max", "mean", "adaptive", "binary"), np.mean(scores, 0).tolist(), strict=True))
