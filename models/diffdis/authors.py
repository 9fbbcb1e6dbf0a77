"""How the authors' trainer changes its pictures: drawn first, then applied, so that both can be held to their code.

Pictures come at their own size, with the outline of the truth made at that size.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor

from disbench.data.dataset import Sample
from disbench.data.images import read_header
from disbench.models._training.data import EVERY, READERS, Box, paste, read

BORDER = 30  # pixels that a crop loses at most, along each axis
EDGE = np.ones((5, 5), np.uint8)
FAINTEST_EDGE = 6  # levels
CUTMIX = 0.5  # probability


@dataclass(frozen=True)
class Choices:
    """What is done to one picture.

    crop: width and height of what is left, centred; angle: degrees, 0 for none; the four factors: of Pillow's
    ImageEnhance; box: left, top, right and bottom of what CutMix takes from the neighbour, in the result, or None
    """

    mirrored: bool
    crop: tuple[int, int]
    angle: int
    brightness: float
    contrast: float
    colour: float
    sharpness: float
    box: Box | None


def batch(
    samples: Sequence[Sample],
    side: int,
    rng: np.random.Generator,
    cutmix: bool | float = True,
    part: slice = EVERY,
    min_max: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """Images (B, 3, side, side), masks and edge maps (B, 1, side, side), in [0, 1], changed and mixed.

    Of a `part` of them alone, which are then the same as they would be among all. `cutmix`: how likely it is, or
    whether it is as likely as the authors have it; `min_max`: whether each picture is stretched to [0, 1].
    """
    likely = CUTMIX if isinstance(cutmix, bool) else cutmix
    choices = [draw(read_header(sample.truth)[1][::-1], side, rng, likely) for sample in samples][part]
    with ThreadPoolExecutor(READERS) as pool:
        pairs = pool.map(read, samples[part])
        done = list(
            pool.map(lambda pair, chosen: changed(*pair, outline(pair[1]), side, chosen, min_max), pairs, choices)
        )
    images, *rest = (torch.from_numpy(np.stack(x)).float() for x in zip(*done, strict=True))
    boxes = [chosen.box if cutmix else None for chosen in choices]  # drawn all the same: what is else drawn stays
    return paste(boxes, images.movedim(-1, 1), *(x[:, None] for x in rest))


def draw(size: tuple[int, int], side: int, rng: np.random.Generator, cutmix: float = CUTMIX) -> Choices:
    """For a picture of `size` (width, height) that becomes a square of `side`, with the authors' probabilities."""
    mirrored = rng.random() < 0.5
    crop = tuple(int(rng.integers(max(1, length - BORDER), length)) if length > 1 else 1 for length in size)
    angle = int(rng.integers(-15, 15)) if rng.random() > 0.8 else 0
    brightness, contrast = (rng.integers(5, 15, endpoint=True, size=2) / 10).tolist()
    colour, sharpness = rng.integers(0, 20, endpoint=True) / 10, rng.integers(0, 30, endpoint=True) / 10
    box = cutmix_box(side, rng) if rng.random() <= cutmix else None
    return Choices(mirrored, crop, angle, brightness, contrast, float(colour), float(sharpness), box)


def cutmix_box(side: int, rng: np.random.Generator) -> Box:
    """Of 2 to 40 % of the area, its height 0.3 to 3.3 times its width; drawn again until it fits."""
    area = rng.uniform(0.02, 0.4) * side * side
    while True:
        ratio = rng.uniform(0.3, 1 / 0.3)
        width, height = int((area / ratio) ** 0.5), int((area * ratio) ** 0.5)
        left, top = rng.integers(0, side, 2).tolist()
        if left + width <= side and top + height <= side:
            return left, top, left + width, top + height


def outline(truth: np.ndarray) -> np.ndarray:
    """uint8 (h, w) -> uint8 (h, w), 255 where a 5 x 5 square around the pixel differs by 6 levels or more."""
    return np.where(cv2.dilate(truth, EDGE) - cv2.erode(truth, EDGE) >= FAINTEST_EDGE, np.uint8(255), np.uint8(0))


def changed(
    image: np.ndarray, truth: np.ndarray, edge: np.ndarray, side: int, choices: Choices, min_max: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """uint8 (h, w, 3), (h, w), (h, w) -> float64 (side, side, 3), (side, side), (side, side) in [0, 1], each stretched
    to it if `min_max`.

    A picture that is constant stays 0, where the authors' code makes NaN of it.
    """
    pictures = [_moved(Image.fromarray(x), choices) for x in (image, truth, edge)]
    for kind, factor in (
        (ImageEnhance.Brightness, choices.brightness),
        (ImageEnhance.Contrast, choices.contrast),
        (ImageEnhance.Color, choices.colour),
        (ImageEnhance.Sharpness, choices.sharpness),
    ):
        pictures[0] = kind(pictures[0]).enhance(factor)
    levels = (np.asarray(x.resize((side, side), Image.Resampling.BILINEAR)) for x in pictures)
    return tuple(_stretched(x) if min_max else x / np.float64(255) for x in levels)


def _moved(picture: Image.Image, choices: Choices) -> Image.Image:
    if choices.mirrored:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    ends = [((full - kept) >> 1, (full + kept) >> 1) for full, kept in zip(picture.size, choices.crop, strict=True)]
    (left, right), (top, bottom) = ends
    picture = picture.crop((left, top, right, bottom))
    return picture.rotate(choices.angle, Image.Resampling.BICUBIC) if choices.angle else picture


def _stretched(levels: np.ndarray) -> np.ndarray:
    low, high = int(levels.min()), int(levels.max())
    return (levels - np.float64(low)) / max(high - low, 1)
