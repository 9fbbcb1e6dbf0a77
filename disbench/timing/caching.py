"""Audit of a predictor for memoised answers: a time that was read from memory is not the time of the network."""

from collections.abc import Mapping
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from disbench.inference.model import Model
from disbench.system.clocks import Clock
from disbench.system.progress import Progress
from disbench.timing.stages import time_image

CACHED = 0.7  # repeated inputs that take less than this fraction of the time of new inputs were not computed
MAX_PAIRS = 10  # inputs of each kind in a round
ROUNDS = 3  # all of them must agree before caching is reported


def count_pairs(seconds_per_image: float, seconds: float) -> int:
    """Return the number of pairs of a new and a repeated input in a round of about this many seconds: 1 to 10."""
    return int(min(MAX_PAIRS, max(1, seconds / (2 * seconds_per_image))))


def caches_inputs(
    model: Model,
    clock: Clock,
    image: np.ndarray,
    inputs: Mapping[str, Any] | None = None,
    pairs: int = MAX_PAIRS,
    progress: Progress = lambda done, total, label: None,
) -> bool:
    """Check whether inference answers repeated inputs faster than new inputs.

    Alternates new and repeated inputs and compares the minima, so background load affects both. Reports caching only
    if every round shows it, since background load may end within a round.

    Args:
        model: the model to time.
        clock: the clock of the model's device.
        image: the image that is repeated.
        inputs: the additional inputs of the model.
        pairs: pairs of a new and a repeated input in a round.
        progress: is called with (pairs done, pairs in all rounds, label).
    """
    new_images = (image ^ np.uint8(k) for k in count(1))
    measure = partial(time_image, model, clock, inputs=inputs)
    total = ROUNDS * pairs
    for number in range(ROUNDS):
        new_seconds, repeated_seconds = [], []
        for k in range(pairs):
            progress(number * pairs + k, total, "caching")
            new_seconds.append(measure(next(new_images))[1]["infer"])
            repeated_seconds.append(measure(image)[1]["infer"])
        if min(repeated_seconds) >= CACHED * min(new_seconds):
            break
    progress(total, total, "caching")
    return min(repeated_seconds) < CACHED * min(new_seconds)
