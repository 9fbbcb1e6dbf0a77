"""Slow, naive errors of alpha mattes, from the formulas of Rhemann et al., CVPR 2009, pixel by pixel.

`mask`, `truth` and `trimap` are uint8 (h, w). The region is the whole image, or where the trimap is neither 0 nor 255.
"""

import math
from fractions import Fraction

import numpy as np
from scipy.ndimage import correlate, label


def differences(mask, truth, region):
    errors = [abs(Fraction(int(a) - int(b), 255)) for a, b in zip(mask[region], truth[region], strict=True)]
    pixels = max(len(errors), 1)
    squares = sum(error * error for error in errors)
    return {"sad": float(sum(errors) / 1000), "mad": float(sum(errors) / pixels), "mse": float(squares / pixels)}


def gradient_error(mask, truth, region, normed):
    """Return the error with one filter of each direction, sampled on a square."""
    reach, sigma = (4, 1.4) if normed else (6, 1.4)
    offsets = range(-reach, reach + 1)
    bell = {i: math.exp(-(i * i) / (2 * sigma**2)) for i in offsets}
    weights = np.array([[j * bell[i] * bell[j] for j in offsets] for i in offsets])
    if normed:
        weights /= math.sqrt((weights**2).sum())
    else:
        weights /= sigma**2 * sum(bell.values()) ** 2
    border = "nearest" if normed else "reflect"
    lengths = []
    for image in (mask / 255, truth / 255):
        across, down = (correlate(image, filter_, mode=border) for filter_ in (weights, weights.T))
        lengths.append(np.sqrt(across**2 + down**2))
    return ((lengths[0] - lengths[1]) ** 2)[region].sum() / (1000 if normed else 10)


def connectivity_error(mask, truth, region):
    connected = np.full(mask.shape, -1)  # in tenths; -1 as long as a pixel is connected
    for tenths in range(1, 11):
        both = (10 * np.minimum(mask, truth).astype(int)) >= 255 * tenths
        parts, count = label(both)
        if count == 0:
            continue
        areas = [(parts == part).sum() for part in range(1, count + 1)]
        omega = parts == 1 + areas.index(max(areas))
        connected[(connected == -1) & ~omega] = tenths - 1
    connected[connected == -1] = 10
    total = Fraction(0)
    for y, x in np.argwhere(region):
        threshold = Fraction(int(connected[y, x]), 10)
        phi = [1 - excess(Fraction(int(image[y, x]), 255) - threshold) for image in (mask, truth)]
        total += abs(phi[0] - phi[1])
    return float(total / 1000)


def excess(distance):
    return distance if distance >= Fraction(15, 100) else 0


def errors(mask, truth):
    whole = np.ones(mask.shape, bool)
    scores = differences(mask, truth, whole)
    return {
        "sad": scores["sad"],
        "mad": scores["mad"],
        "alpha_mse": scores["mse"],
        "grad": gradient_error(mask, truth, whole, normed=False),
        "conn": connectivity_error(mask, truth, whole),
    }


def errors_unknown(mask, truth, trimap):
    unknown = (trimap != 0) & (trimap != 255)
    scores = differences(mask, truth, unknown)
    return {
        "sad_unknown": scores["sad"],
        "mad_unknown": scores["mad"],
        "alpha_mse_unknown": scores["mse"],
        "grad_unknown": gradient_error(mask, truth, unknown, normed=True),
        "conn_unknown": connectivity_error(mask, truth, unknown),
    }
