"""Audit of a predictor for memoised answers: a time that was read from memory is not the time of the network."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from disbench.inference.model import Model
from disbench.system.clocks import Clock
from disbench.timing.stages import time_image

CACHED = 0.7  # repeated inputs that take less than this fraction of the time of new inputs were not computed
PAIRS = 10  # inputs of each kind in a round
ROUNDS = 3  # all of them must agree before caching is reported


def caches_inputs(
    model: Model, clock: Clock, image: np.ndarray, inputs: Mapping[str, Any] | None = None
) -> bool:
    """Check whether inference answers repeated inputs faster than new inputs.

    Alternates new and repeated inputs and compares the minima, so background load affects both. Reports caching only
    if every round shows it, since background load may end within a round.
    """
    new_images = (image ^ np.uint8(k) for k in count(1))
    measure = partial(time_image, model, clock, inputs=inputs)
    return all(_is_repeat_faster(measure, image, new_images) for _ in range(ROUNDS))


def _is_repeat_faster(measure: Callable[..., Any], image: np.ndarray, new_images: Iterator[np.ndarray]) -> bool:
    new_seconds, repeated_seconds = [], []
    for _ in range(PAIRS):
        new_seconds.append(measure(next(new_images))[1]["infer"])
        repeated_seconds.append(measure(image)[1]["infer"])
    return min(repeated_seconds) < CACHED * min(new_seconds)
