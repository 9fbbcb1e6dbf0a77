"""One image through a model's three stages, each with its seconds."""

from collections.abc import Mapping
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from disbench.inference.model import Model
from disbench.inference.transfer import to_host
from disbench.system.clocks import Clock, WallClock


def time_image(
    model: Model, clock: Clock, image: np.ndarray, inputs: Mapping[str, Any] | None = None
) -> tuple[np.ndarray, dict[str, float]]:
    """Predict the map of a uint8 (h, w, 3) image and time the stages.

    Args:
        model: the model to time.
        clock: the clock of the model's device, for inference. Host stages are timed by the wall clock.
        image: the image, in memory.
        inputs: the additional inputs of the model.

    Returns:
        The uint8 (h, w) map, and the seconds by stage. "whole" runs from the image to the map, copies to the device
        and back included.
    """
    start = perf_counter()
    predictor, wall = model.predictor, WallClock()
    prepared, prepare_seconds = wall.time(model.guard, partial(predictor.prepare, image, **(inputs or {})))
    output, infer_seconds = clock.time(model.guard, predictor.infer, model.batch([prepared]))
    mask, restore_seconds = wall.time(lambda: model.guard(predictor.restore, to_host(output[0]), image.shape[:2]))
    whole_seconds = perf_counter() - start
    seconds = {"prepare": prepare_seconds, "infer": infer_seconds, "restore": restore_seconds, "whole": whole_seconds}
    return mask, seconds
