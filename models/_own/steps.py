"""Steps before and after the network of a model without a folder: resizing and normalising, set by --option.

This module needs no torch. All settings are part of the run key.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from PIL import Image

from disbench.data.hashing import load_hashed
from disbench.errors import InputError

SIZE = 1024  # default if neither the user nor the model sets it
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, the default of most networks of the field
OPENCV = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC}
PILLOW = {key: Image.Resampling[key.upper()] for key in ("bilinear", "bicubic", "lanczos")}
RESIZES = [f"opencv-{key}" for key in OPENCV] + [f"pillow-{key}" for key in PILLOW]
ACTIVATIONS, STRETCHES = ("none", "sigmoid"), ("none", "min-max")
Loaded = TypeVar("Loaded")
OPTIONS = ("size", "mean", "std", "resize", "activation", "stretch")


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Settings of resizing, normalising and restoring.

    Attributes:
        size: Working size (height, width), or None for the image's size, rounded to multiples of `multiple`.
        multiple: Divisor of the sides if `size` is None.
        mean: Means of the colours in [0, 1].
        std: Standard deviations of the colours in [0, 1].
        resize: One of RESIZES.
        activation: One of ACTIVATIONS, applied to the output.
        stretch: One of STRETCHES, applied to the map.
    """

    size: tuple[int, int] | None = (SIZE, SIZE)
    multiple: int = 1
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD
    resize: str = "opencv-linear"
    activation: str = "none"
    stretch: str = "none"

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """uint8 (h, w, 3) RGB -> float32 (3, H, W): resized, scaled to [0, 1], normalised."""
        x: np.ndarray = _resize(image, self.size or self._rounded_size(image), self.resize).astype(np.float32) / 255
        x = (x - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(x.transpose(2, 0, 1))

    def restore(self, output: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Convert an output (H, W) to a map, uint8 (h, w): activation, linear resize (OpenCV), stretch, rounding.

        InputError for values outside [0, 1], which cannot be probabilities of foreground.
        """
        x: np.ndarray = output.astype(np.float32)
        if self.activation == "sigmoid":
            with np.errstate(over="ignore"):  # of very low logits, whose sigmoid is 0
                x = 1 / (1 + np.exp(-x))
        low, high = float(x.min()), float(x.max())
        in_range = self.stretch == "min-max" or (low > -1e-3 and high < 1.001)
        if not np.isfinite([low, high]).all() or not in_range:
            raise InputError(
                f"the network's values range from {low:.3g} to {high:.3g}, not within 0..1; if they are logits, give "
                "--option activation=sigmoid; --option output=NAME selects another output"
            )
        if x.shape != size:
            x = cv2.resize(x, size[::-1], interpolation=cv2.INTER_LINEAR)
        if self.stretch == "min-max":
            low, high = x.min(), x.max()
            x = (x - low) / (high - low) if high > low else np.zeros_like(x)
        return np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8)

    def _rounded_size(self, image: np.ndarray) -> tuple[int, int]:
        height, width = (max(self.multiple, round(n / self.multiple) * self.multiple) for n in image.shape[:2])
        return height, width


def parse_steps(
    title: str, options: dict[str, str], adapter_options: tuple[str, ...] = (), **defaults: Any
) -> Steps:
    """Parse a user's options.

    Args:
        title: Model to name in errors.
        options: Values by option.
        adapter_options: Further options of the adapter, to list in errors.
        defaults: Settings from the model's file, for options that the user does not give.

    Raises:
        InputError: An option or its value is unknown.
    """
    if unknown := options.keys() - set(OPTIONS):
        available = ", ".join((*adapter_options, *OPTIONS))
        raise InputError(f"{title} has no option {min(unknown)!r}; available: {available}")
    parsers: dict[str, Callable[[str, str], dict[str, Any]]] = {
        "size": _parse_size,
        "mean": _parse_colour,
        "std": _parse_colour,
        "resize": partial(_parse_choice, RESIZES),
        "activation": partial(_parse_choice, ACTIVATIONS),
        "stretch": partial(_parse_choice, STRETCHES),
    }
    settings = dict(defaults)
    for key, text in options.items():
        try:
            settings |= parsers[key](key, text)
        except ValueError as error:
            raise InputError(f"--option {key}={text}: {error}") from None
    return Steps(**settings)


def load_hashed_files(path: Path, data_files: Iterable[Path], load: Callable[[], Loaded]) -> tuple[Loaded, str]:
    """Load a model's file, and hash it, the file next to it in which ONNX may keep its tensors, and further such files.

    Raises ChangedFileError for a file that changed while it was loaded.
    """
    tensors = path.with_name(f"{path.name}.data")
    paths = dict.fromkeys([path, *([tensors] if tensors.is_file() else []), *data_files])
    loaded, digests = load_hashed(list(paths), load)
    return loaded, "+".join(digests)


def select_channel(output: Any, channel: int | None) -> Any:
    """Select the map (b, H, W) from (b, c, H, W) or (b, H, W), of NumPy or torch.

    InputError if the channel is missing, or if there are several and none is given.
    """
    if output.ndim == 3 and channel is None:
        return output
    channels = output.shape[1] if output.ndim == 4 else 0
    if channel is None and channels == 1:
        return output[:, 0]
    if channel is not None and channel < channels:
        return output[:, channel]
    raise InputError(
        f"the network's output is {tuple(output.shape)}; select one map: --option output=NAME, or NAME:CHANNEL"
    )


def parse_output(text: str) -> tuple[str, int | None]:
    """Parse NAME or NAME:CHANNEL; NAME may be a number, or empty for the first output."""
    name, _, channel = text.partition(":")
    if channel and not channel.isdecimal():
        raise InputError(f"--option output={text}: must be NAME or NAME:CHANNEL, with channels counted from 0")
    return name, int(channel) if channel else None


def _parse_size(key: str, text: str) -> dict[str, Any]:
    if native := re.fullmatch(r"native(?::([1-9]\d*))?", text):
        return {"size": None, "multiple": int(native[1] or 1)}
    if square := re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", text):
        return {"size": (int(square[1]), int(square[2] or square[1]))}
    raise ValueError("must be a number of pixels, HEIGHTxWIDTH, native, or native:32 for multiples of 32")


def _parse_colour(key: str, text: str) -> dict[str, Any]:
    numbers = tuple(float(number) for number in text.split(","))
    if len(numbers) not in (1, 3) or not np.isfinite(numbers).all() or (key == "std" and min(numbers) <= 0):
        raise ValueError("must be one number, or three with commas, for colours in 0..1")
    return {key: numbers * (3 // len(numbers))}


def _parse_choice(choices: Sequence[str], key: str, text: str) -> dict[str, Any]:
    if text not in choices:
        raise ValueError(f"must be one of {', '.join(choices)}")
    return {key: text}


def _resize(image: np.ndarray, size: tuple[int, int], method: str) -> np.ndarray:
    if image.shape[:2] == size:
        return image
    library, _, kind = method.partition("-")
    if library == "opencv":
        return cv2.resize(image, size[::-1], interpolation=OPENCV[kind])
    return np.asarray(Image.fromarray(image).resize(size[::-1], PILLOW[kind]))
