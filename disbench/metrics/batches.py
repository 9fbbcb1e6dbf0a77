"""Batches of a training loop as maps of 8 bits: arrays of NumPy or tensors of torch, which is not imported for them.

A float x becomes a level by one of two rules of ROUNDINGS. The product x * 255 has the precision of x, and single
precision for types of fewer bits, so that the level is the one that these lines save:

    truncate    (x * 255).astype(numpy.uint8)
    round       (x * 255).round().astype(numpy.uint8)
"""

import sys
from typing import Any

import numpy as np

from disbench.errors import InputError, describe_error
from disbench.metrics.validate import check_type, scale_truth

ROUNDINGS = ("round", "truncate")
# Interpolation leaves 0..1 by rounding errors. This is too little to change the level of 0 or 1.
TOLERANCE = 1e-5
_TYPES = "float 0 to 1, uint8 0 to 255 or bool"
_SHAPES = "(b, 1, h, w), (b, h, w), (h, w), or a list of (h, w) or (1, h, w)"


def list_maps(name: str, batch: Any) -> list[np.ndarray]:
    """List the maps (h, w) of a batch, in their own type. InputError for another shape; it calls the batch `name`."""
    if isinstance(batch, list | tuple):
        return [_drop_channel(f"{name}[{i}]", _read_array(f"{name}[{i}]", item)) for i, item in enumerate(batch)]
    array = _read_array(name, batch)
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[0] > 1 and array.shape[2] == 1):
        raise _wrong_shape(name, array)
    return [array] if array.ndim == 2 else list(array)


def to_levels(name: str, values: np.ndarray, rounding: str) -> np.ndarray:
    """Return the levels of a map, uint8 (h, w).

    Args:
        name: what messages call the map.
        values: float 0 to 1, uint8, which is returned as it is, or bool.
        rounding: how a float becomes a level; see ROUNDINGS.

    Returns:
        The levels.

    Raises:
        InputError: for another type, NaN and values out of 0..1; it says what was received.
    """
    if values.size == 0:
        raise InputError(f"{name}: got the shape {values.shape}, expected at least one pixel")
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values * np.uint8(255)
    if values.dtype.kind != "f":
        raise InputError(f"{name}: got {values.dtype}, expected {_TYPES}; convert levels 0 to 255 to uint8")
    _check_range(name, values)
    levels = (values.astype(np.float32) if values.dtype.itemsize < 4 else values) * 255
    return (np.rint(levels) if rounding == "round" else levels).astype(np.uint8)


def to_truth_levels(name: str, values: np.ndarray) -> np.ndarray:
    """Return the levels of a ground truth, uint8 (h, w), by the rules for files.

    A float is rounded, because it is a level of a file divided by 255. Raises InputError as to_levels() and
    scale_truth() do.
    """
    return scale_truth(name, to_levels(name, values, "round"), has_8_bits=values.dtype == np.uint8)


def _read_array(name: str, value: Any) -> np.ndarray:
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        check_type(name, value, f"or a tensor of torch, {_TYPES}", mode="L")
        return value
    tensor = value.detach()
    if tensor.is_floating_point() and tensor.dtype not in (torch.float32, torch.float64):
        tensor = tensor.float()  # bfloat16 and others that NumPy has not
    try:
        return tensor.cpu().numpy()
    except (NotImplementedError, TypeError) as error:  # without pixels, or not dense
        reason = describe_error(error).partition("\n")[0]
        raise InputError(f"{name}: cannot be read ({reason}); give a dense tensor with values") from None


def _drop_channel(name: str, array: np.ndarray) -> np.ndarray:
    if array.ndim == 3 and array.shape[0] == 1:
        return array[0]
    if array.ndim != 2:
        raise _wrong_shape(name, array)
    return array


def _wrong_shape(name: str, array: np.ndarray) -> InputError:
    advice = "remove the last axis with x[..., 0]" if array.ndim > 2 and array.shape[-1] == 1 else "give one channel"
    return InputError(f"{name}: got the shape {array.shape}, expected {_SHAPES}; {advice}")


def _check_range(name: str, values: np.ndarray) -> None:
    low, high = float(values.min()), float(values.max())
    if low >= -TOLERANCE and high <= 1 + TOLERANCE:
        return
    if not np.isfinite(values).all():
        raise InputError(
            f"{name}: got NaN or infinity in {np.count_nonzero(~np.isfinite(values))} of {values.size} pixels, "
            "expected 0 to 1; check the loss, and the precision of the network"
        )
    if low < -TOLERANCE:
        advice = "apply a sigmoid to logits, or clamp the values"
    else:
        advice = "divide levels by 255, apply a sigmoid to logits, or clamp the values"
    raise InputError(f"{name}: got floats from {low:.6g} to {high:.6g}, expected 0 to 1; {advice}")
