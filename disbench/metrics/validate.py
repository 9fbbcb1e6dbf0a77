"""Checks of the arrays that users pass."""

import numpy as np

from disbench.errors import InputError


def check_map(name: str, array: np.ndarray) -> None:
    """Raise InputError unless `array` is uint8 (h, w) with at least one pixel. The message calls it `name`."""
    if not isinstance(array, np.ndarray):
        raise InputError(f"{name}: got a {type(array).__name__}, expected a NumPy array, uint8 (h, w)")
    if array.dtype != np.uint8 or array.ndim != 2 or array.size == 0:
        raise InputError(
            f"{name}: got {array.dtype} of shape {array.shape}, expected uint8 (h, w) with at least one pixel, "
            "levels 0 to 255"
        )


def check_not_binary(name: str, array: np.ndarray) -> None:
    """Raise InputError for a mask of levels 0 and 1, which has no foreground because that begins above 128."""
    if array.max() == 1:
        raise InputError(f"{name}: its levels are 0 and 1, so no pixel is foreground; multiply it by 255")
