"""What each of the two versions does before and after the networks, as its authors' scripts for DIS have it."""

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from disbench.errors import InputError

SMALLEST = 8  # pixels to a latent pixel


class V1:
    """GenPercept_v1/tools/inference_genpercept.py --mode seg: a map in three channels, whose grey is OpenCV's."""

    @staticmethod
    def prepare(image: np.ndarray, longest: int) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W) in [-1, 1], resized by Pillow's bicubic."""
        resized = Image.fromarray(image)
        if longest:
            resized = resized.resize(fitted(image.shape[:2], longest)[::-1], Image.Resampling.BICUBIC)
        return torch.from_numpy((np.asarray(resized) / 255.0 * 2.0 - 1.0).astype(np.float32)).permute(2, 0, 1)

    @staticmethod
    def answer(pixels: Tensor) -> Tensor:
        """(b, 3, H, W) -> the same, clipped to [-1, 1]."""
        return pixels.clip(-1, 1)

    @staticmethod
    def colours(output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(3, H, W) in [-1, 1] -> uint8 (h, w, 3), which the authors save: nearest neighbours, truncated."""
        resized = functional.interpolate(output[None], size, mode="nearest")[0]
        return ((resized + 1) / 2 * 255).clip(0, 255).permute(1, 2, 0).cpu().numpy().astype(np.uint8)

    @classmethod
    def restore(cls, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        return cv2.cvtColor(cls.colours(output, size), cv2.COLOR_RGB2GRAY)


class V2:
    """run.py --archs genpercept --mode dis: the mean of the channels."""

    @staticmethod
    def prepare(image: np.ndarray, longest: int) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W) in [-1, 1], resized with antialiasing and rounded to 8 bit."""
        levels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
        if longest:
            levels = _resized(levels, fitted(image.shape[:2], longest)).round()
        return (levels / 255 * 2 - 1)[0].contiguous()

    @staticmethod
    def answer(pixels: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, H, W) in [0, 1]."""
        return (pixels.mean(1).clip(-1, 1) + 1) / 2

    @staticmethod
    def restore(output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H, W) -> uint8 (h, w): resized with antialiasing, clipped, truncated."""
        resized = _resized(output[None, None], size)[0, 0].clip(0, 1)
        return (resized * 255).cpu().numpy().astype(np.uint8)


def fitted(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """(h, w) scaled to a longer side of `longest` pixels, larger or smaller, truncated; InputError for a thread."""
    height, width = size
    factor = min(longest / width, longest / height)
    scaled = int(height * factor), int(width * factor)
    if min(scaled) < SMALLEST:
        small = f"its shorter side would have less than {SMALLEST} pixels at processing_res={longest}"
        raise InputError(f"an image of {width} x {height}: {small}; ask for more")
    return scaled


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    if x.shape[-2:] == size:
        return x
    return functional.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)
