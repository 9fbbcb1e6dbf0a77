"""What the three programs that run U2-Net do to images and maps. This module needs no torch."""

from collections.abc import Callable, Sequence

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


def normalise(pixels: np.ndarray, mean: Sequence[float], deviation: Sequence[float]) -> np.ndarray:
    """(H, W, 3) -> float32 (3, H, W): divided by the largest value, normalised by channel, in float64."""
    scaled = (pixels / (pixels.max() or 1) - mean) / deviation
    return np.ascontiguousarray(scaled.astype(np.float32).transpose(2, 0, 1))


def stretch(output: np.ndarray, size: tuple[int, int], kind: Image.Resampling) -> np.ndarray:
    """float32 (H, W) -> uint8 (h, w): stretched from min to max, truncated, resized in 8 bit; a constant map is 0."""
    low, high = output.min(), output.max()
    if low == high:
        return np.zeros(size, np.uint8)
    pixels = ((output - low) / (high - low) * 255).astype(np.uint8)
    return np.array(Image.fromarray(pixels).resize(size[::-1], kind))


# Value of --option steps -> how the image is resized, and the filter that resizes the map.
STEPS: dict[str, tuple[Resize, Image.Resampling]] = {
    "authors": (interpolate_linearly, Image.Resampling.BILINEAR),
    "smoothed": (smooth_first, Image.Resampling.BILINEAR),
    "rembg": (resize_by_lanczos, Image.Resampling.LANCZOS),
}


def _zoom(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    factors = [after / before for before, after in zip(pixels.shape, size, strict=False)]
    return ndimage.zoom(pixels, (*factors, 1), order=1, mode="grid-constant", grid_mode=True)
