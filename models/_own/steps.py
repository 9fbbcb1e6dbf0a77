"""What stands before and after a network of the user's own: resizing and normalising, as --option says it.

Needs no torch. All of it is in the run key.
"""

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from disbench.data.hashing import hash_file
from disbench.errors import InputError

SIZE = 1024  # where neither the user nor the model says
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, as most networks of the field want them
OPENCV = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC}
PILLOW = {key: Image.Resampling[key.upper()] for key in ("bilinear", "bicubic", "lanczos")}
RESIZES = [f"opencv-{key}" for key in OPENCV] + [f"pillow-{key}" for key in PILLOW]
ACTIVATIONS, STRETCHES = ("none", "sigmoid"), ("none", "min-max")
OPTIONS = ("size", "mean", "std", "resize", "activation", "stretch")


@dataclass(frozen=True)
class Steps:
    """size: (height, width); or None for the image's own, with sides rounded to multiples of `multiple`."""

    size: tuple[int, int] | None = (SIZE, SIZE)
    multiple: int = 1
    mean: tuple[float, ...] = MEAN  # of x/255
    std: tuple[float, ...] = STD
    resize: str = "opencv-linear"
    activation: str = "none"
    stretch: str = "none"

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """uint8 (h, w, 3) RGB -> float32 (3, H, W): resized, by 255, minus mean, by std."""
        size = self.size or tuple(max(self.multiple, round(n / self.multiple) * self.multiple) for n in image.shape[:2])
        x = _resized(image, size, self.resize).astype(np.float32) / 255
        x = (x - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(x.transpose(2, 0, 1))

    def restore(self, output: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float (H, W) -> uint8 (h, w): activation, resized (OpenCV, linear), stretched, rounded.

        InputError for values outside [0, 1], which are something else than foreground's probability.
        """
        x = output.astype(np.float32)
        if self.activation == "sigmoid":
            x = 1 / (1 + np.exp(-x))
        low, high = float(x.min()), float(x.max())
        if not (np.isfinite([low, high]).all() and (self.stretch == "min-max" or (low > -1e-3 and high < 1.001))):
            raise InputError(
                f"the network answers values from {low:.3g} to {high:.3g}, not in 0..1; if they are logits, give "
                "--option activation=sigmoid; --option output=... picks another output"
            )
        if x.shape != size:
            x = cv2.resize(x, size[::-1], interpolation=cv2.INTER_LINEAR)
        if self.stretch == "min-max":
            x = (x - x.min()) / (x.max() - x.min()) if high > low else np.zeros_like(x)
        return np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8)


def read(title: str, options: dict[str, str], own: tuple[str, ...] = (), **defaults: Any) -> Steps:
    """Steps from a user's options; what they leave open is as in `defaults`, which a model's file may say.

    InputError for an unknown option (`own` are the adapter's further ones), or value.
    """
    if unknown := options.keys() - set(OPTIONS):
        raise InputError(f"{title} has no option {min(unknown)!r}; known: {', '.join((*own, *OPTIONS))}")
    readers = {
        "size": _size,
        "mean": _colour,
        "std": _colour,
        "resize": partial(_one_of, RESIZES),
        "activation": partial(_one_of, ACTIVATIONS),
        "stretch": partial(_one_of, STRETCHES),
    }
    found = dict(defaults)
    for key, text in options.items():
        try:
            found |= readers[key](key, text)
        except ValueError as error:
            raise InputError(f"--option {key}={text}: {error}") from None
    return Steps(**found)


def digest(path: Path) -> str:
    """Of a model's file, and of the tensors that an ONNX file keeps in a file beside it."""
    beside = path.with_name(f"{path.name}.data")
    return "+".join(filter(None, [hash_file(path), beside.is_file() and hash_file(beside)]))


def single_channel(output: Any, channel: int | None) -> Any:
    """(b, c, H, W) or (b, H, W), of NumPy or torch -> (b, H, W). InputError where it is not said which channel."""
    if output.ndim == 3 and channel is None:
        return output
    channels = output.shape[1] if output.ndim == 4 else 0
    if channel is None and channels == 1:
        return output[:, 0]
    if channel is not None and channel < channels:
        return output[:, channel]
    raise InputError(
        f"the network answers {tuple(output.shape)}; one map is needed: --option output=NAME, or NAME:CHANNEL"
    )


def output_named(text: str) -> tuple[str, int | None]:
    """NAME or NAME:CHANNEL; NAME may be a number, or empty for the first."""
    name, _, channel = text.partition(":")
    if channel and not channel.isdecimal():
        raise InputError(f"--option output={text}: NAME or NAME:CHANNEL, a channel counted from 0")
    return name, int(channel) if channel else None


def _size(key: str, text: str) -> dict[str, Any]:
    if native := re.fullmatch(r"native(?::([1-9]\d*))?", text):
        return {"size": None, "multiple": int(native[1] or 1)}
    if square := re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", text):
        return {"size": (int(square[1]), int(square[2] or square[1]))}
    raise ValueError("a number of pixels, HEIGHTxWIDTH, native, or native:32 for multiples of 32")


def _colour(key: str, text: str) -> dict[str, Any]:
    numbers = tuple(float(number) for number in text.split(","))
    if len(numbers) not in (1, 3) or not np.isfinite(numbers).all() or (key == "std" and min(numbers) <= 0):
        raise ValueError("one number, or three with commas, of colours in 0..1")
    return {key: numbers * (3 // len(numbers))}


def _one_of(known: tuple[str, ...], key: str, text: str) -> dict[str, Any]:
    if text not in known:
        raise ValueError(f"known: {', '.join(known)}")
    return {key: text}


def _resized(image: np.ndarray, size: tuple[int, int], how: str) -> np.ndarray:
    if image.shape[:2] == size:
        return image
    library, _, kind = how.partition("-")
    if library == "opencv":
        return cv2.resize(image, size[::-1], interpolation=OPENCV[kind])
    return np.asarray(Image.fromarray(image).resize(size[::-1], PILLOW[kind]))
