"""Checks of the arrays that users pass.

An array is accepted if it is a numpy.ndarray or numpy.memmap of the documented dtype and shape, in any memory layout,
also read-only. Anything that would have to be interpreted (another range, order of channels, or library) is refused,
and the message says how to convert it.
"""

from os import PathLike
from typing import Any

import numpy as np

from disbench.errors import InputError

FOREGROUND_ABOVE = 128  # level of a truth under most protocols; a truth below it is refused under all
MAP, IMAGE = "uint8 (h, w)", "uint8 (h, w, 3)"


def check_map(name: str, array: np.ndarray) -> None:
    """Raise InputError unless `array` is uint8 (h, w) with at least one pixel. The message calls it `name`."""
    check_type(name, array, MAP, mode="L")
    if array.dtype != np.uint8 or array.ndim != 2 or array.size == 0:
        advice = _advise_dtype(array.dtype)
        if not advice and array.ndim == 3 and 1 in (array.shape[0], array.shape[2]):
            advice = "; remove the axis of channels with .squeeze()"
        elif not advice and array.ndim == 3:
            advice = "; give one channel, such as map[..., 0]"
        raise InputError(
            f"{name}: got {array.dtype} of shape {array.shape}, expected {MAP} with at least one pixel, "
            f"levels 0 to 255{advice}"
        )


def check_image(name: str, array: np.ndarray) -> None:
    """Raise InputError unless `array` is uint8 (h, w, 3) with at least one pixel. The message calls it `name`."""
    check_type(name, array, IMAGE, mode="RGB")
    if array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and array.size:
        return
    advice = _advise_dtype(array.dtype)
    if not advice and array.size:
        if array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 1):
            advice = "; repeat the grey channel, as numpy.dstack([image] * 3)"
        elif array.ndim == 3 and array.shape[2] == 4:
            advice = "; drop the alpha channel, as image[..., :3]"
        elif array.ndim == 3 and array.shape[0] in (1, 3, 4):
            advice = "; put the channels last, as image.transpose(1, 2, 0)"
        elif array.ndim == 4:
            advice = "; give one image at a time, such as batch[0]"
    raise InputError(
        f"{name}: got {array.dtype} of shape {array.shape}, expected {IMAGE} RGB with at least one pixel{advice}"
    )


def check_not_binary(name: str, array: np.ndarray) -> None:
    """Raise InputError for a mask of levels 0 and 1, which has no foreground because that begins above 128."""
    if array.max() == 1:
        raise InputError(f"{name}: its levels are 0 and 1, so no pixel is foreground; multiply it by 255")


def scale_truth(name: str, levels: np.ndarray, *, has_8_bits: bool = True) -> np.ndarray:
    """Apply the rule of the largest level to a truth: a mask of 0 and 1 becomes 0 and 255.

    Args:
        name: what messages call the truth, such as its path.
        levels: uint8 (h, w).
        has_8_bits: the levels are as stored. False: they were rounded to 8 bits, so level 1 is not a mask's 1.

    Returns:
        uint8 (h, w).

    Raises:
        InputError: if the largest level is between 2 and 128: ids of classes or objects, or a faint mask, which every
            measure would take as empty.
    """
    top = int(levels.max())
    if top == 1 and has_8_bits:
        return levels * np.uint8(255)
    if 0 < top <= FOREGROUND_ABOVE:
        raise InputError(
            f"{name}: its largest level is {top}, so no pixel is foreground, which begins above {FOREGROUND_ABOVE}; "
            "save the mask with 0 and 255"
        )
    return levels


def check_type(name: str, value: Any, expected: str, mode: str) -> None:
    """Raise InputError for anything other than an array of NumPy; subclasses give some operations another meaning."""
    kind = type(value)
    if kind is np.ndarray or kind is np.memmap:
        return
    library = kind.__module__.partition(".")[0]
    if isinstance(value, np.ma.MaskedArray):
        advice = "fill its masked pixels, as x.filled(0)"
    elif isinstance(value, np.ndarray):
        advice = "convert it with numpy.asarray(x)"
    elif library == "PIL":
        advice = f'convert it with numpy.asarray(image.convert("{mode}"))'
    elif library == "torch":
        order = "x.permute(1, 2, 0).cpu().numpy()" if mode == "RGB" else "x.cpu().numpy()"
        advice = f"convert it, as {order} for levels 0 to 255"
    elif isinstance(value, str | bytes | PathLike):
        advice = f'read the file first, as numpy.asarray(PIL.Image.open(path).convert("{mode}"))'
    elif isinstance(value, list | tuple):
        advice = "convert it with numpy.array(x, numpy.uint8)"
    else:
        advice = "convert it with numpy.asarray(x)"
    module = "" if kind.__module__ == "builtins" else f"{library}."
    raise InputError(f"{name}: got a {module}{kind.__name__}, expected a NumPy array, {expected}; {advice}")


def _advise_dtype(dtype: np.dtype) -> str:
    if dtype == np.uint8:
        return ""
    if dtype.kind == "b":
        return "; convert it with x.astype(numpy.uint8) * 255"
    if dtype.kind == "f":
        return "; convert values in 0..1 with (x * 255).round().astype(numpy.uint8)"
    if dtype.kind == "u" and dtype.itemsize == 2:
        return "; convert 16-bit levels with (x / 257).round().astype(numpy.uint8)"
    return "; convert levels 0 to 255 with x.astype(numpy.uint8)" if dtype.kind in "iu" else ""
