"""Slow, naive measures, from the formulas of the papers, to test the fast ones against.

`mask` and `truth` are uint8 (h, w). Where a formula asks whether something is zero, it is evaluated in fractions.
"""

import math
from fractions import Fraction

import numpy as np
from scipy.ndimage import convolve, distance_transform_edt

EPS = np.spacing(1.0)


def stretched(mask):
    """Stretch a map to 0..1, minimum to 0 and maximum to 1, unless it is constant."""
    values = mask / 255
    if values.max() == values.min():
        return values
    return (values - values.min()) / (values.max() - values.min())


def fractions(mask):
    """Stretch as stretched() does, exactly."""
    low, high = (int(mask.min()), int(mask.max())) if mask.max() != mask.min() else (0, 255)
    exact = [Fraction(int(level) - low, high - low) for level in mask.ravel()]
    return np.array(exact, dtype=object).reshape(mask.shape)


def mae(mask, truth):
    """Perazzi et al., Saliency filters, CVPR 2012."""
    return np.abs(stretched(mask) - (truth > 128)).mean()


def precision_recall_f(positive, truth, beta2=0.3):
    """Achanta et al., Frequency-tuned salient region detection, CVPR 2009; 0 / 0 is 0."""
    foreground = truth > 128
    hits = (positive & foreground).sum()
    precision, recall = hits / max(positive.sum(), 1), hits / max(foreground.sum(), 1)
    f = (1 + beta2) * precision * recall / (beta2 * precision + recall) if hits else 0.0
    return precision, recall, f


def e_measure(positive, truth, eps=EPS):
    """Fan et al., Enhanced-alignment measure for binary foreground map evaluation, IJCAI 2018.

    The authors' code divides by the number of pixels less one; a single pixel is divided by 1.
    """
    foreground = truth > 128
    if not foreground.any():
        enhanced = 1.0 - positive
    elif foreground.all():
        enhanced = 1.0 * positive
    else:
        p, t = positive - positive.mean(), foreground - foreground.mean()
        enhanced = (1 + 2 * p * t / (p**2 + t**2 + eps)) ** 2 / 4
    return enhanced.sum() / (max(truth.size - 1, 1) + eps)


def curves(mask, truth):
    """precision, recall, f, e at thresholds 0..255 of the stretched map, truncated to 8 bits."""
    level = (stretched(mask) * 255).astype(int)
    rows = [(*precision_recall_f(level >= t, truth), e_measure(level >= t, truth)) for t in range(256)]
    return dict(zip(("precision", "recall", "f", "e"), np.array(rows).T, strict=True))


def adaptive(mask, truth):
    """F and E at the threshold min(twice the mean, 1)."""
    values = fractions(mask)
    positive = (values >= min(2 * values.mean(), 1)).astype(bool)
    return precision_recall_f(positive, truth)[2], e_measure(positive, truth)


def s_measure(mask, truth, population=False, eps=EPS, lowest=0.0, objects=0.5, region=0.5):
    """Fan et al., Structure-measure, ICCV 2017, equal weights of object and region.

    population: variances over n, not over n - 1, but for the covariance; no score is less than `lowest`;
    objects, region: the weights of the two parts
    """
    values, foreground = fractions(mask), truth > 128
    if not foreground.any():
        return float(1 - values.mean())
    if foreground.all():
        return float(values.mean())
    share = Fraction(int(foreground.sum()), foreground.size)
    similarity = share * _object(values[foreground], population, eps)
    similarity += (1 - share) * _object(1 - values[~foreground], population, eps)
    row, column = (round(Fraction(int(axis.sum()), axis.size)) + 1 for axis in np.nonzero(foreground))
    regions = 0.0
    for rows in (slice(None, row), slice(row, None)):
        for columns in (slice(None, column), slice(column, None)):
            if foreground[rows, columns].size:
                weight = foreground[rows, columns].size / foreground.size
                regions += weight * _ssim(values[rows, columns], foreground[rows, columns], population, eps)
    return max(lowest, objects * float(similarity) + region * regions)


def _object(values, population, eps):
    mean = values.mean()
    variance = ((values - mean) ** 2).sum() / (values.size if population else max(values.size - 1, 1))
    return float(2 * mean) / (float(mean**2) + 1 + math.sqrt(variance) + eps)


def _ssim(values, foreground, population, eps):
    x, y = values.mean(), Fraction(int(foreground.sum()), foreground.size)
    samples = max(values.size - 1, 1)
    dx, dy = values - x, np.array([int(inside) - y for inside in foreground.ravel()], dtype=object)
    dx = dx.ravel()
    alpha = 4 * x * y * (dx * dy).sum() / samples
    beta = (x**2 + y**2) * ((dx**2).sum() + (dy**2).sum()) / (values.size if population else samples)
    if alpha != 0:
        return float(alpha) / (float(beta) + eps)
    return 1.0 if beta == 0 else 0.0


def weighted_errors(mask, foreground, lo, hi):
    """The sums of weighted F, on foreground and background, without rounding between terms; distances up to 181."""
    error = np.where(foreground, hi - mask.astype(int), mask.astype(int) - lo)
    distance, (row, column) = distance_transform_edt(~foreground, return_indices=True)
    gaussian = {(y, x): math.exp(-(y * y + x * x) / 50) for y in range(-3, 4) for x in range(-3, 4)}
    around = np.pad(error[row, column], 3)
    missed = []
    for y, x in np.argwhere(foreground):
        products = [share * int(around[y + 3 + up, x + 3 + left]) for (up, left), share in gaussian.items()]
        missed.append(min(int(error[y, x]), math.fsum(products) / math.fsum(gaussian.values())))
    weights = [2 - 0.5 ** (min(far, 181) / 5) for far in distance[~foreground].tolist()]
    spilled = [level * weight for level, weight in zip(error[~foreground].tolist(), weights, strict=True)]
    return math.fsum(missed) / (hi - lo), math.fsum(spilled) / (hi - lo)


def f_weighted(mask, truth, eps=EPS):
    """Margolin et al., How to evaluate foreground maps?, CVPR 2014, beta = 1; 0 without foreground."""
    foreground = truth > 128
    if not foreground.any():
        return 0.0
    error = np.abs(stretched(mask) - foreground)
    distance, (row, column) = distance_transform_edt(~foreground, return_indices=True)
    offsets = np.arange(-3, 4)
    gaussian = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 5**2))
    dependent = convolve(error[row, column], gaussian / gaussian.sum(), mode="constant")
    smaller = np.where(foreground, np.minimum(error, dependent), error)
    weighted = smaller * np.where(foreground, 1, 2 - np.exp(math.log(0.5) / 5 * distance))
    hits = foreground.sum() - weighted[foreground].sum()
    recall = 1 - weighted[foreground].mean()
    precision = hits / (hits + weighted[~foreground].sum() + eps)
    return 2 * recall * precision / (recall + precision + eps)
