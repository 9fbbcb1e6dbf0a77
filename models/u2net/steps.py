"""Reduce or enlarge images to U2-Net's input, as the three programs do that run it."""

from collections.abc import Callable

import numpy as np
from PIL import Image
from scipy import ndimage

Resize = Callable[[np.ndarray, tuple[int, int]], np.ndarray]


def interpolate_linearly(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 (h, w, 3) -> float64 (H, W, 3) in [0, 1], as scikit-image 0.14 resizes: without smoothing, 0 outside."""
    return _zoom(image / 255, size)


def smooth_first(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 (h, w, 3) -> float64 (H, W, 3) in [0, 1], as scikit-image 0.15 and later resize: Gaussian, then linear."""
    factors = [before / after for before, after in zip(image.shape, size, strict=False)]
    sigmas = [max(0, (factor - 1) / 2) for factor in factors]
    smoothed = ndimage.gaussian_filter(image / 255, (*sigmas, 0), mode="constant") if any(sigmas) else image / 255
    return _zoom(smoothed, size)


def resize_by_lanczos(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 (h, w, 3) -> uint8 (H, W, 3), as rembg resizes: Pillow's Lanczos filter."""
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS))


# Value of --option steps -> how the image is resized, and the filter that resizes the map.
STEPS: dict[str, tuple[Resize, Image.Resampling]] = {
    "authors": (interpolate_linearly, Image.Resampling.BILINEAR),
    "smoothed": (smooth_first, Image.Resampling.BILINEAR),
    "rembg": (resize_by_lanczos, Image.Resampling.LANCZOS),
}


def _zoom(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    factors = [after / before for before, after in zip(pixels.shape, size, strict=False)]
    return ndimage.zoom(pixels, (*factors, 1), order=1, mode="grid-constant", grid_mode=True)
