"""Scales of the page's plots: from values to plot units, with their ticks, and where labels go."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SIDE = 400  # plot units of a plot's side; y grows downwards, as in SVG
LABEL_HEIGHT, LETTER_WIDTH = 19, 10  # plot units of a label
LABEL_OFFSET = 12  # plot units between a dot and the end of its label
LEAST_VALUE = 1e-3  # on logarithmic scales: a microsecond, if the values are milliseconds


@dataclass(frozen=True)
class Scale:
    """A scale along one side of a plot.

    Attributes:
        to_units: from a value to plot units.
        ticks: (plot units, text) of each tick.
    """

    to_units: Callable[[float], int]
    ticks: list[tuple[int, str]]


def linear_scale(values: Sequence[float]) -> Scale:
    """Make a scale along the y axis that holds all values, with some room around them and round ticks."""
    least, most = min(values), max(values)
    room = max(0.08 * (most - least), 0.02 * abs(most), 1e-3)
    # Metrics in 0..1 get no ticks beyond.
    low = max(0.0, least - room) if least >= 0 else least - room
    high = min(1.0, most + room) if most <= 1 else most + room
    power = 10 ** math.floor(math.log10(high - low))
    step = next(power * k for k in (0.1, 0.2, 0.5, 1, 2) if (high - low) / (power * k) <= 6)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))

    def to_units(value: float) -> int:
        return round(SIDE * (high - value) / (high - low))

    ticks = [low + k * step for k in range(round((high - low) / step) + 1)]
    return Scale(to_units, [(to_units(tick), f"{tick:,.{decimals}f}") for tick in ticks])


def log_scale(values: Sequence[float]) -> Scale:
    """Make a logarithmic scale along the x axis, with ticks at 1, 2 and 5 times powers of ten.

    Over many powers of ten, only they have ticks.
    """
    values = [max(value, LEAST_VALUE) for value in values]
    low, high = math.log10(min(values)), math.log10(max(values))
    room = max(0.08 * (high - low), 0.1)
    low, high = low - room, high + room

    def to_units(value: float) -> int:
        return round(SIDE * (math.log10(max(value, LEAST_VALUE)) - low) / (high - low))

    steps = (1, 2, 5) if high - low < 2.2 else (1,)
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [k * 10.0**power for power in powers for k in steps]
    ticks = [tick for tick in ticks if low <= math.log10(tick) <= high]
    return Scale(to_units, [(to_units(tick), _format_tick(tick)) for tick in ticks])


def _format_tick(tick: float) -> str:
    """Format a tick of a logarithmic scale, as in 0.05, 200, 5k, 1M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if tick >= size:
            return f"{tick / size:g}{letter}"
    return f"{tick:g}"


def place_labels(points: Sequence[tuple[int, int]], labels: Sequence[str]) -> list[int]:
    """Choose the height of each label next to its point, moved down until it covers no other label.

    Args:
        points: (x, y) in plot units. Labels of points in the right half go to the left.
        labels: a text for each point.

    Returns:
        y in plot units of each label.
    """
    placed: list[tuple[float, float, int]] = []  # left, right, y
    heights = [0] * len(points)
    for i in sorted(range(len(points)), key=lambda i: points[i][1]):
        x, y = points[i]
        width = LETTER_WIDTH * len(labels[i]) + LABEL_OFFSET
        left, right = (x - width, x) if x > SIDE / 2 else (x, x + width)
        while any(
            left < other_right and other_left < right and abs(y - other_y) < LABEL_HEIGHT
            for other_left, other_right, other_y in placed
        ):
            y += 1
        placed.append((left, right, y))
        heights[i] = y
    return heights
