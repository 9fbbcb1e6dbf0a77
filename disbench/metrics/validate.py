"""Checks of the arrays that users pass."""

import numpy as np

from disbench.errors import InputError
from disbench.metrics.catalogue import METRICS, PAPER, STANDARD, VARIANTS, Metric, MetricKeys, as_is, resolve_metrics  # noqa: F401


def check_map(name: str, array: np.ndarray) -> None:
    """InputError unless `array` is uint8 (h, w) of at least one pixel; `name` is what the message calls it."""
    if not isinstance(array, np.ndarray):
        raise InputError(f"{name}: got a {type(array).__name__}, wanted a NumPy array, uint8 (h, w)")
    if array.dtype != np.uint8 or array.ndim != 2 or array.size == 0:
        raise InputError(
            f"{name}: got {array.dtype} of shape {array.shape}, wanted uint8 (h, w) of at least one pixel, "
            "levels 0 to 255"
        )
