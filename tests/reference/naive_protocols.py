"""Slow, naive versions of the scripts other than PySODMetrics, for (mask, truth) pairs, uint8 (h, w) each."""

import naive
import numpy as np

EPS = np.spacing(1)


def mvanet(pairs, of_means=False, binarise=False, smaller=False):
    """github.com/qianyu-dlut/MVANet, test.py; `of_means`: as of April 2024; `smaller`: as of November 2024, with EPS in
    divisors; `binarise`: DiffDIS, test_score.py."""
    eps = EPS if smaller else 1e-8
    rows, precisions, recalls, curves = [], [], [], []
    for mask, truth in pairs:
        truth = np.where(2 * truth.astype(int) > truth.max(), 255, 0).astype(np.uint8)
        if binarise:
            mask = np.where(naive.fractions(mask) > 0.5, 255, 0).astype(np.uint8)
        rows.append(_mvanet_image(mask, truth, eps, EPS if smaller else 1e-6))
        precision, recall = _precision_recall(_level(mask, mask.astype(float)), truth, eps, 0)
        precisions.append(precision)
        recalls.append(recall)
        if truth.any():
            curves.append(_f(precision, recall, 0))
    scores = {key: np.mean([row[key] for row in rows]) for key in rows[0]}
    if of_means:
        return scores | {"f_max": _f(np.mean(precisions, 0), np.mean(recalls, 0), 1e-8).max()}
    return scores | {"f_max": np.mean(curves, 0).max() if curves else 0}


def isnet(pairs):
    """github.com/xuebinqin/DIS, IS-Net's valid(), of network outputs level / 255; a constant map is in no bin."""
    curves, errors = [], []
    for mask, truth in pairs:
        value = mask.astype(np.float32) / np.float32(255)
        if mask.min() < mask.max():
            curves.append(_precision_recall(_level(mask, value), truth, 1e-4, 1e-4))
        else:
            curves.append((np.zeros(255), np.zeros(255)))
        errors.append(np.abs(naive.fractions(mask) * 255 - truth).sum() / (255 * truth.size))
    precision, recall = np.mean(curves, 0)
    return {"f_max": _f(precision, recall, 1e-8).max(), "mae": float(np.mean(errors))}


def birefnet_s(mask, truth):
    """S of github.com/ZhengPeng7/BiRefNet: where a variance or a mean is of nothing, max(0, NaN) is 0."""
    foreground = truth > 128
    if foreground.any() and not foreground.all():
        smallest = min(quarter.size for quarter in _quarters(foreground))
        if min(foreground.sum(), (~foreground).sum()) == 1 or smallest < 2:
            return 0.0
    return naive.s_measure(mask, truth)


def pdfnet(pairs):
    """github.com/Tennine2077/PDFNet, metric_tools: F of mean P and R, and S whose objects have population variances."""
    curves = [naive.curves(*pair) for pair in pairs]
    precision, recall = (np.mean([curve[name] for curve in curves], 0) for name in ("precision", "recall"))
    return {
        "f_max": (1.3 * precision * recall / (0.3 * precision + recall + 1e-16)).max(),
        "s_measure": np.mean([_pdfnet_s(*pair) for pair in pairs]),
        "mae": np.mean([naive.mae(*pair) for pair in pairs]),
    }


def _pdfnet_s(mask, truth):
    """Return S; a quadrant with a pixel or none makes it NaN, and max(0, NaN) is 0."""
    foreground = truth > 128
    if not foreground.any() or foreground.all():
        return naive.s_measure(mask, truth)
    if min(quarter.size for quarter in _quarters(foreground)) < 2:
        return 0.0
    objects = (naive.s_measure(mask, truth, population=True, eps=1e-16, lowest=-np.inf, region=0.0),
               naive.s_measure(mask, truth, eps=1e-16, lowest=-np.inf, objects=0.0))  # fmt: skip
    return max(0.0, sum(objects))


def _quarters(foreground):
    row, column = (round(axis.sum() / axis.size) + 1 for axis in map(np.asarray, np.nonzero(foreground)))
    return [part[:, side] for part in (foreground[:row], foreground[row:])
            for side in (slice(None, column), slice(column, None))]  # fmt: skip


def _mvanet_image(mask, truth, eps, weighted_eps):
    foreground, values = truth > 128, naive.fractions(mask).astype(float)
    exact = naive.fractions(mask)
    adaptive = (exact >= min(2 * exact.mean(), 1)).astype(bool)
    above, at_half = (exact > 0.5).astype(bool), (exact >= 0.5).astype(bool)
    right, hits, misses = foreground == at_half, foreground & at_half, ~foreground & ~at_half
    return {
        "f_adaptive": naive.precision_recall_f(adaptive, truth)[2],
        "e_adaptive": naive.e_measure(adaptive, truth, eps),
        "s_measure": naive.s_measure(mask, truth, population=True, eps=eps, lowest=-np.inf),
        "f_weighted": naive.f_weighted(mask, truth, weighted_eps),
        "mae": np.abs(values - foreground).mean(),
        "iou_binary": ((above & foreground).sum() + 1e-5) / ((above | foreground).sum() + 1e-5),
        "ber_binary": 1 - (hits.sum() / (foreground.sum() + eps) + misses.sum() / ((~foreground).sum() + eps)) / 2,
        "accuracy_binary": right.mean(),
        "dice_soft": (2 * values[foreground].sum() + 1e-5) / (values.sum() + foreground.sum() + 1e-5),
    }


def _level(mask, values):
    """The bin 0..254 of each pixel, in the precision of the values."""
    lowest, highest = values.min(), values.max()
    if lowest == highest:
        return np.minimum((mask / 255 * 255).astype(int), 254)
    return np.minimum(((values - lowest) / (highest - lowest) * values.dtype.type(255)).astype(int), 254)


def _precision_recall(level, truth, precision_eps, recall_eps):
    foreground = truth > 128
    positives = np.array([(level >= t).sum() for t in range(255)])
    hits = np.array([((level >= t) & foreground).sum() for t in range(255)])
    return hits / np.maximum(positives + precision_eps, 1e-30), hits / max(foreground.sum() + recall_eps, 1e-30)


def _f(precision, recall, eps):
    return 1.3 * precision * recall / np.maximum(0.3 * precision + recall + eps, 1e-30)
