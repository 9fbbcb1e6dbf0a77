"""Slow, naive human correction efforts, to test the fast ones against. Arrays are bool (h, w)."""

import cv2
import numpy as np
from naive import stretched
from scipy.ndimage import binary_dilation, binary_erosion, label

RING = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]  # row, column of bits 0 to 7
# Neighbourhoods that scikit-image treats otherwise than the rule of Zhang and Suen, by the passes that remove a pixel.
DEPARTURES = {
    0: (48, 129),
    1: (3, 6, 11, 12, 14, 131, 134, 161, 194, 198),
    2: (24, 26, 56, 96, 104, 108, 176, 192, 224),
    3: (10, 40, 130, 160),
}


def removable(neighbours):
    """Return which passes remove a pixel with these neighbours: 1 (the first), 2 (the second), 3 (both) or 0."""
    ring = [neighbours >> bit & 1 for bit in range(8)]
    _, north, _, east, _, south, _, west = ring
    departed = [passes for passes, those in DEPARTURES.items() if neighbours in those]
    if departed:
        return departed[0]
    runs = sum(after > before for before, after in zip(ring, ring[1:] + ring[:1], strict=True))
    if runs != 1 or not 2 <= sum(ring) <= 6:
        return 0
    first = not (east and south and (north or west))
    second = not (north and west and (east or south))
    return first + 2 * second


REMOVABLE = [removable(neighbours) for neighbours in range(256)]


def skeleton(foreground):
    """Thin by checking every pixel in every pass. A pass removes its pixels at once."""
    image = np.pad(foreground, 1)
    before = None
    while before is None or (before != image).any():
        before = image.copy()
        for current in (1, 2):
            removed = []
            for y, x in np.argwhere(image):
                neighbours = sum(2**bit for bit, (row, column) in enumerate(RING) if image[y + row, x + column])
                if REMOVABLE[neighbours] & current:
                    removed.append((y, x))
            for y, x in removed:
                image[y, x] = False
    return image[1:-1, 1:-1]


def effort(mask, truth, skeleton, mask_above=None):
    """Return the four counts; mask and truth are uint8."""
    expected = truth > 128
    predicted = stretched(mask) > 0.5 if mask_above is None else mask > mask_above
    core = binary_erosion(expected | predicted, iterations=5, border_value=1)
    spilled = substantial(predicted & ~expected, core, ~expected)
    missed = substantial(expected & ~predicted, core, ~predicted) | (skeleton & ~(expected & predicted))
    hits = expected & predicted
    return *corrections(spilled, hits | missed), *corrections(missed, ~(hits | spilled | missed))


def substantial(errors, core, passable):
    reached = errors & core
    for _ in range(5):
        reached = binary_dilation(reached) & passable
    return errors & reached


def corrections(errors, other):
    shared = binary_dilation(other)
    regions, count = label(errors, np.ones((3, 3)))
    whole, taken, points = set(range(1, count + 1)), set(), 0
    for contour in cv2.findContours(errors.astype(np.uint8), cv2.RETR_TREE, cv2.CHAIN_APPROX_NONE)[0]:
        runs = [[]]
        for x, y in contour[:, 0].tolist():
            if shared[y, x] and (x, y) not in taken:
                taken.add((x, y))
                runs[-1].append((x, y))
                whole.discard(regions[y, x])
            else:
                runs.append([])
        runs = [run for run in runs if run]
        if len(runs) > 1 and max(abs(a - b) for a, b in zip(runs[0][0], runs[-1][-1], strict=True)) == 1:
            runs = [*runs[1:-1], runs[-1] + runs[0][::-1]]
        points += sum(len(cv2.approxPolyDP(np.array(run, np.int32), 2.0, False)) for run in runs)
    return points, len(whole)
