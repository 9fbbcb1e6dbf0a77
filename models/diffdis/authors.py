"""The picture augmentation of the authors' trainer.

Changes are drawn first and then applied, so that both can be tested against the authors' code. Pictures come at their
original size, and the edge map of the ground truth is made at that size.
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
from disbench.data.headers import read_header
from disbench.models._training.data import EVERY, READERS, Box, paste_boxes, read_pair

BORDER = 30  # pixels that a crop removes at most, along each axis
EDGE = np.ones((5, 5), np.uint8)
FAINTEST_EDGE = 6  # levels of 255
CUTMIX = 0.5  # probability of a box


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The changes of one picture.

    Attributes:
        mirrored: whether it is flipped horizontally.
        crop: width and height of the centred crop.
        angle: degrees; 0 for no rotation.
        brightness: factor of Pillow's ImageEnhance, as are the next three.
        contrast: factor.
        colour: factor.
        sharpness: factor.
        box: box of the result that CutMix takes from the neighbour, or None.
    """

    mirrored: bool
    crop: tuple[int, int]
    angle: int
    brightness: float
    contrast: float
    colour: float
    sharpness: float
    box: Box | None


def make_batch(
    samples: Sequence[Sample],
    side: int,
    rng: np.random.Generator,
    cutmix: bool | float = True,
    part: slice = EVERY,
    *,
    min_max: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """Read, augment and mix the pictures of a batch.

    Args:
        samples: pictures of the whole batch.
        side: side of the results in pixels.
        rng: generator of the changes.
        cutmix: probability of a box; True for the authors' probability, False for none.
        part: pictures of the batch to make. They are the same as in the whole batch.
        min_max: whether each picture is stretched to [0, 1].

    Returns:
        Images (b, 3, side, side), masks and edge maps (b, 1, side, side), float32 in [0, 1].
    """
    probability = CUTMIX if isinstance(cutmix, bool) else cutmix
    choices = [draw_choices(read_header(sample.truth)[1][::-1], side, rng, probability) for sample in samples][part]

    def augment(pair: tuple[np.ndarray, np.ndarray], choice: Choices) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        image, truth = pair
        return apply_choices((image, truth, make_edge_map(truth)), side, choice, min_max=min_max)

    with ThreadPoolExecutor(READERS) as pool:
        pairs = pool.map(read_pair, samples[part])
        augmented = list(pool.map(augment, pairs, choices))
    images, masks, edges = (torch.from_numpy(np.stack(x)).float() for x in zip(*augmented, strict=True))
    # Boxes are drawn without CutMix too, so that the other changes stay the same.
    boxes = [choice.box if cutmix else None for choice in choices]
    return paste_boxes(boxes, images.movedim(-1, 1), masks[:, None], edges[:, None])


def draw_choices(size: tuple[int, int], side: int, rng: np.random.Generator, cutmix: float = CUTMIX) -> Choices:
    """Draw how one picture is changed, with the authors' probabilities.

    Args:
        size: width and height of the picture.
        side: side of the square that it becomes.
        rng: generator.
        cutmix: probability of a box.
    """
    mirrored = rng.random() < 0.5
    crop = tuple(int(rng.integers(max(1, length - BORDER), length)) if length > 1 else 1 for length in size)
    angle = int(rng.integers(-15, 15)) if rng.random() > 0.8 else 0
    brightness, contrast = (rng.integers(5, 15, endpoint=True, size=2) / 10).tolist()
    colour, sharpness = rng.integers(0, 20, endpoint=True) / 10, rng.integers(0, 30, endpoint=True) / 10
    box = draw_box(side, rng) if rng.random() <= cutmix else None
    return Choices(
        mirrored=mirrored,
        crop=crop,
        angle=angle,
        brightness=brightness,
        contrast=contrast,
        colour=float(colour),
        sharpness=float(sharpness),
        box=box,
    )


def draw_box(side: int, rng: np.random.Generator) -> Box:
    """Draw a box of 2 to 40 % of the area, 0.3 to 3.3 times as high as wide; repeat until it fits."""
    area = rng.uniform(0.02, 0.4) * side * side
    while True:
        ratio = rng.uniform(0.3, 1 / 0.3)
        width, height = int((area / ratio) ** 0.5), int((area * ratio) ** 0.5)
        left, top = rng.integers(0, side, 2).tolist()
        if left + width <= side and top + height <= side:
            return left, top, left + width, top + height


def make_edge_map(truth: np.ndarray) -> np.ndarray:
    """Mark the pixels, uint8 (h, w), around which levels differ by 6 or more within a 5 x 5 square, with 255."""
    return np.where(cv2.dilate(truth, EDGE) - cv2.erode(truth, EDGE) >= FAINTEST_EDGE, np.uint8(255), np.uint8(0))


def apply_choices(
    pictures: tuple[np.ndarray, np.ndarray, np.ndarray], side: int, choices: Choices, *, min_max: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Change an image, its ground truth and its edge map.

    Args:
        pictures: uint8 (h, w, 3), (h, w) and (h, w).
        side: side of the results in pixels.
        choices: the changes.
        min_max: whether each picture is stretched to [0, 1]. A constant picture becomes 0, where the authors' code
            makes NaN.

    Returns:
        float64 (side, side, 3), (side, side) and (side, side) in [0, 1].
    """
    picture, *masks = (_move(Image.fromarray(x), choices) for x in pictures)
    for kind, factor in (
        (ImageEnhance.Brightness, choices.brightness),
        (ImageEnhance.Contrast, choices.contrast),
        (ImageEnhance.Color, choices.colour),
        (ImageEnhance.Sharpness, choices.sharpness),
    ):
        picture = kind(picture).enhance(factor)
    levels = (np.asarray(x.resize((side, side), Image.Resampling.BILINEAR)) for x in (picture, *masks))
    image, truth, edge = (_stretch(x) if min_max else x / np.float64(255) for x in levels)
    return image, truth, edge


def _move(picture: Image.Image, choices: Choices) -> Image.Image:
    if choices.mirrored:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    (left, right), (top, bottom) = (
        ((full - crop) >> 1, (full + crop) >> 1) for full, crop in zip(picture.size, choices.crop, strict=True)
    )
    picture = picture.crop((left, top, right, bottom))
    return picture.rotate(choices.angle, Image.Resampling.BICUBIC) if choices.angle else picture


def _stretch(levels: np.ndarray) -> np.ndarray:
    low, high = int(levels.min()), int(levels.max())
    return (levels - np.float64(low)) / max(high - low, 1)
