"""The steps before and after the networks of GenPercept's two versions, as in its authors' scripts for DIS."""

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from disbench.errors import InputError

SMALLEST = 8  # pixels of one latent pixel's side


class V1:
    """Steps of GenPercept_v1/tools/inference_genpercept.py --mode seg: three channels, converted to grey by OpenCV."""

    @staticmethod
    def prepare(image: np.ndarray, longest: int) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W) in [-1, 1], resized by Pillow's bicubic."""
        size = fit_size(image.shape[:2], longest)
        resized = Image.fromarray(image)
        if longest:
            resized = resized.resize(size[::-1], Image.Resampling.BICUBIC)
        return torch.from_numpy((np.asarray(resized) / 255.0 * 2.0 - 1.0).astype(np.float32)).permute(2, 0, 1)

    @staticmethod
    def postprocess(pixels: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, 3, H, W), clipped to [-1, 1]."""
        return pixels.clip(-1, 1)

    @staticmethod
    def colours(output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(3, H, W) in [-1, 1] -> uint8 (h, w, 3), as the authors save it: nearest neighbours, truncated."""
        resized = functional.interpolate(output[None], size, mode="nearest")[0]
        return ((resized + 1) / 2 * 255).clip(0, 255).permute(1, 2, 0).cpu().numpy().astype(np.uint8)

    @classmethod
    def restore(cls, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(3, H, W) in [-1, 1] -> uint8 (h, w)."""
        return cv2.cvtColor(cls.colours(output, size), cv2.COLOR_RGB2GRAY)


class V2:
    """Steps of run.py --archs genpercept --mode dis: the mean of the channels."""

    @staticmethod
    def prepare(image: np.ndarray, longest: int) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W) in [-1, 1], resized with antialiasing and rounded to 8 bit."""
        size = fit_size(image.shape[:2], longest)
        levels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
        if longest:
            levels = _resized(levels, size).round()
        return (levels / 255 * 2 - 1)[0].contiguous()

    @staticmethod
    def postprocess(pixels: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, H, W) in [0, 1]."""
        return (pixels.mean(1).clip(-1, 1) + 1) / 2

    @staticmethod
    def restore(output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H, W) -> uint8 (h, w): resized with antialiasing, clipped, truncated."""
        resized = _resized(output[None, None], size)[0, 0].clip(0, 1)
        return (resized * 255).cpu().numpy().astype(np.uint8)


def fit_size(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Scale (h, w) to a longer side of `longest` pixels, truncated; 0 keeps it. InputError for too small a side."""
    height, width = size
    factor = min(longest / width, longest / height) if longest else 1
    scaled = int(height * factor), int(width * factor)
    if min(scaled) < SMALLEST:
        fault = f"its shorter side would have fewer than {SMALLEST} pixels at processing_res={longest}"
        raise InputError(f"an image of {width} x {height}: {fault}; give a larger processing_res")
    return scaled


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    if x.shape[-2:] == size:
        return x
    return functional.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)
