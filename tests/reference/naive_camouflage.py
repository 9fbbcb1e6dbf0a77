"""Slow, naive degree of camouflage, pixel by pixel and patch by patch."""

import math

import cv2
import numpy as np


def degree(image, inside, gamma, weight):
    height, width = inside.shape
    around = np.zeros_like(inside)
    for y, x in np.argwhere(inside):
        around[max(0, y - 9) : y + 11, max(0, x - 9) : x + 11] = True
    around &= ~inside
    result, old, new = np.zeros(inside.shape), corners(inside), corners(around)
    if not old or not new:
        return result
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(int)
    places = np.array(new + old, float)
    spread = [places[:, axis].std() or 1 for axis in (0, 1)]

    def distance(first, second):
        colours = (lab[first[0] : first[0] + 7, first[1] : first[1] + 7] - patch(lab, second)) ** 2
        return colours.sum() + sum((weight * (first[i] - second[i]) / spread[i]) ** 2 for i in (0, 1))

    total, count = np.zeros(image.shape), np.zeros(inside.shape)
    for corner in old:
        best = min(new, key=lambda other: distance(corner, other))
        patch(total, corner)[:] += patch(image, best)
        patch(count, corner)[:] += 1
    for y, x in np.argwhere(inside):
        colour = [round(v / count[y, x]) if count[y, x] else 0 for v in total[y, x]]
        similarity = 1 - min(1, ciede2000(lab_of(colour), lab_of(image[y, x])) / 100)
        result[y, x] = (math.exp(gamma * similarity) - 1) / (math.exp(gamma) - 1)
    assert result.shape == (height, width)
    return result


def corners(mask):
    """Upper left corners of the 7 x 7 patches in a mask, every third row and column."""
    height, width = mask.shape
    places = [(y, x) for y in range(0, height - 6, 3) for x in range(0, width - 6, 3)]
    return [place for place in places if patch(mask, place).all()]


def patch(array, corner):
    return array[corner[0] : corner[0] + 7, corner[1] : corner[1] + 7]


def lab_of(colour):
    linear = [((v / 255 + 0.055) / 1.055) ** 2.4 if v / 255 > 0.04045 else v / 255 / 12.92 for v in map(int, colour)]
    rows = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
    xyz = [sum(a * b for a, b in zip(row, linear, strict=True)) for row in rows]
    ratios = [value / white for value, white in zip(xyz, (0.95047, 1, 1.08883), strict=True)]
    x, y, z = (r ** (1 / 3) if r > 0.008856 else 7.787 * r + 16 / 116 for r in ratios)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(first, second):
    """Equations 2 to 22 of Sharma et al. 2005, in degrees."""
    (l1, a1, b1), (l2, a2, b2) = first, second
    c_mean = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(c_mean**7 / (c_mean**7 + 25**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = math.degrees(math.atan2(b1, a1)) % 360, math.degrees(math.atan2(b2, a2)) % 360
    if c1 * c2 == 0:
        dh, h = 0, h1 + h2
    else:
        dh = h2 - h1
        h = (h1 + h2) / 2
        if dh > 180:
            dh -= 360
        elif dh < -180:
            dh += 360
        if abs(h1 - h2) > 180:
            h += 180 if h1 + h2 < 360 else -180
    big_dh = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(dh) / 2)
    light, c = (l1 + l2) / 2, (c1 + c2) / 2
    cosines = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    t = 1 + sum(factor * math.cos(math.radians(times * h + shift)) for factor, times, shift in cosines)
    theta = 30 * math.exp(-(((h - 275) / 25) ** 2))
    rotation = -2 * math.sqrt(c**7 / (c**7 + 25**7)) * math.sin(math.radians(2 * theta))
    sl = 1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2)
    sc, sh = 1 + 0.045 * c, 1 + 0.015 * c * t
    parts = (l2 - l1) / sl, (c2 - c1) / sc, big_dh / sh
    return math.sqrt(sum(part**2 for part in parts) + rotation * parts[1] * parts[2])
