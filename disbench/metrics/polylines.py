"""Simplified polylines, as OpenCV's approxPolyDP makes them of open polylines.

Douglas and Peucker, Algorithms for the reduction of the number of points required to represent a digitized line or its
caricature, Cartographica 1973. A map has thousands of polylines of a few pixels each, and one call here takes them
all. Coordinates are integers below 2^15, so that all comparisons are exact.
"""

import numpy as np

from disbench.metrics.kernels import inner_kernel, kernel


@kernel
def count_simplified(points, runs, deviation2):
    """Return the total number of points of all polylines after simplification.

    Args:
        points: points (x, y) of all polylines, int32 (n, 2).
        runs: start and stop of each polyline in these points, int64 (m, 2).
        deviation2: squared distance by which a simplified polyline may miss a point.

    Returns:
        The number of points.
    """
    corners = np.empty(len(points) + 1, np.int64)
    open_parts = np.empty((len(points) + 2, 2), np.int64)
    total = 0
    for run in range(len(runs)):
        line = points[runs[run, 0] : runs[run, 1]]
        count = _split(line, deviation2, corners, open_parts)
        total += _straighten(line, deviation2, corners[:count])
    return total


@inner_kernel
def _between(line, start, stop):
    """Return the vector (x, y) from one point to another. Behind the last point comes the first."""
    last = stop % len(line)
    return np.int64(line[last, 0]) - np.int64(line[start, 0]), np.int64(line[last, 1]) - np.int64(line[start, 1])


@inner_kernel
def _split(line, deviation2, corners, open_parts):
    """Fill `corners` with the indices of the points to keep, and return their number.

    A segment is split at the farthest point if that lies too far from it. A line that ends where it starts is first
    split at the point farthest from there. `open_parts` is memory for the segments that are not yet checked.
    """
    last = len(line) - 1
    open_parts[0, 0], open_parts[0, 1] = 0, last
    waiting, count = 1, 0
    closed = line[0, 0] == line[last, 0] and line[0, 1] == line[last, 1]
    if closed:
        most, farthest = np.int64(0), 0
        for i in range(1, last):
            x, y = _between(line, np.int64(0), i)
            if x * x + y * y > most:
                most, farthest = x * x + y * y, i
        if most <= deviation2:
            return 1  # one point is not looked at again, so corners[0] need not be filled
        open_parts[0, 0], open_parts[0, 1] = farthest, last + 1
        open_parts[1, 0], open_parts[1, 1] = 0, farthest
        waiting = 2
    while waiting > 0:
        waiting -= 1
        start, stop = open_parts[waiting, 0], open_parts[waiting, 1]
        x, y = _between(line, start, stop)
        length2 = x * x + y * y
        most, farthest = np.int64(0), start
        for i in range(start + 1, stop):
            dx, dy = _between(line, start, i)
            along = dx * x + dy * y
            if along < 0:
                distance = (dx * dx + dy * dy) * length2
            elif along > length2:
                distance = ((dx - x) ** 2 + (dy - y) ** 2) * length2
            else:
                distance = (dy * x - dx * y) ** 2
            if distance > most:
                most, farthest = distance, i
        if most <= deviation2 * length2:
            corners[count] = start
            count += 1
        else:
            open_parts[waiting, 0], open_parts[waiting, 1] = farthest, stop
            open_parts[waiting + 1, 0], open_parts[waiting + 1, 1] = start, farthest
            waiting += 2
    if not closed:
        corners[count] = last
        count += 1
    return count


@inner_kernel
def _straighten(line, deviation2, corners):
    """Return the number of points without those close to the slanted line between their neighbours.

    The point behind a dropped one stays, and the next point is judged from there.
    """
    left = len(corners)
    before, here = 0, 1
    while here + 1 < len(corners) and left > 2:
        x, y = _between(line, corners[before], corners[here + 1])
        dx, dy = _between(line, corners[before], corners[here])
        onward = dx * (x - dx) + dy * (y - dy)
        if x != 0 and y != 0 and onward >= 0 and 2 * (dx * y - dy * x) ** 2 <= deviation2 * (x * x + y * y):
            left -= 1
            before, here = here + 1, here + 2
        else:
            before, here = here, here + 1
    return left
