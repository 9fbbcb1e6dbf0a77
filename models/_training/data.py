"""Training pictures: read once, then cut, turned, recoloured and mixed from a seed and a step number alone.

No generator lives on between steps, so a resumed training sees the very pictures of an uninterrupted one.
"""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
from msgspec import Meta
from torch import Tensor
from torch.nn import functional

from disbench.data.dataset import DataLocation, Sample
from disbench.data.images import read_image, read_truth
from disbench.data.location import find_dataset
from disbench.errors import InputError
from disbench.models._training.recipe import Cut, Share

READERS = 4  # threads
EVERY = slice(None)
Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels."""
Width = Annotated[int, Meta(ge=3, le=99)]
"""Of an edge map's band, in pixels; `check_width` says the rest."""


@dataclass(frozen=True)
class Augment:
    """How far a picture may be changed; probabilities and shares in 0..1."""

    flip: Share = 0.5
    crop: tuple[Cut, Cut] = (0.75, 1.0)  # side of the cut, as a share of the picture's
    rotation: Share = 0.2  # probability
    degrees: Annotated[float, Meta(ge=0, le=180)] = 15.0
    colour: Share = 0.4  # brightness, contrast and saturation change by up to this share
    cutmix: Share = 0.5


@dataclass(frozen=True)
class Pictures:
    """Squares of one size: uint8 (n, s, s, 3) and their truths, uint8 (n, s, s), soft where a pixel is shared."""

    images: np.ndarray
    truths: np.ndarray
    digest: str = ""  # of the files that they are from, where that is known

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        return self.images[i], self.truths[i]


@dataclass(frozen=True)
class Files:
    """The same, read anew each time."""

    samples: Sequence[Sample]
    size: int

    @property
    def digest(self) -> str:
        return digest(self.samples)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        pair = read(self.samples[i])
        return tuple(cv2.resize(x, (self.size, self.size), interpolation=cv2.INTER_AREA) for x in pair)


def read(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """An image, uint8 (h, w, 3), and its truth, uint8 (h, w), at their own size."""
    return read_image(sample.image), read_truth(sample.truth)


def load(samples: Sequence[Sample], size: int) -> Pictures:
    """All pictures at size x size, each pixel the mean of what it covers: thin parts fade, they do not break."""
    files = Files(samples, size)
    with ThreadPoolExecutor(READERS) as pool:
        images, truths = zip(*pool.map(files.__getitem__, range(len(files))), strict=True)
    return Pictures(np.stack(images), np.stack(truths), files.digest)


def digest(samples: Sequence[Sample]) -> str:
    """Which pictures these are, by names and sizes in bytes: what is cheap to know of 3000 of them at each start."""
    pairs = sorted((one.name, *(path.stat().st_size for path in (one.image, one.truth))) for one in samples)
    return hashlib.sha256(repr(pairs).encode()).hexdigest()


def splits(where: DataLocation, held_out: DataLocation = None, progress=None) -> tuple[Sequence[Sample], Sequence[Sample]]:
    """What to train on and to validate on: DIS-TR and DIS-VD, or a folder with im/ and gt/, which has nothing held out.

    `held_out`: such a folder in the place of DIS-VD.
    """
    if held_out and not is_own(held_out):
        raise InputError(f"--validate {held_out}: no folder with im/ and gt/")
    apart = find_dataset(held_out, None, progress=progress).samples if held_out else ()
    if is_own(where):
        return find_dataset(where, None, progress=progress).samples, apart
    found = find_dataset(where, "DIS-TR" if held_out else "DIS-TR,DIS-VD", progress=progress).splits
    return found["DIS-TR"], apart or found["DIS-VD"]


def is_own(where: DataLocation) -> bool:
    """Whether that is a folder with im/ and gt/, which has no DIS-VD."""
    where = where or os.environ.get("DISBENCH_DATA")
    return where not in (None, "mini") and (Path(where) / "gt").is_dir()


def rows(count: int, batch: int, step: int, seed: int) -> list[int]:
    """Which pictures step `step` sees: epoch after epoch, each in an order of its own."""
    return [_order(count, seed, p // count)[p % count] for p in range(step * batch, (step + 1) * batch)]


@lru_cache(maxsize=4)
def _order(count: int, seed: int, epoch: int) -> list[int]:
    return np.random.default_rng([seed, epoch]).permutation(count).tolist()


@dataclass(frozen=True)
class Change:
    """What is done to one picture. cut: side, as a share of the picture's; turned: radians, 0 for not; moved: of the
    cut's middle, as a share of the way that it has; factors: of brightness, contrast and saturation.
    """

    cut: float
    turned: float
    mirrored: bool
    moved: np.ndarray
    factors: np.ndarray


def draw(augment: Augment, rng: np.random.Generator) -> Change:
    cut = rng.uniform(*augment.crop)
    turned = rng.random() < augment.rotation
    angle = np.deg2rad(rng.uniform(-augment.degrees, augment.degrees)) * turned
    mirrored = rng.random() < augment.flip
    moved = rng.uniform(-1, 1, 2)
    factors = rng.uniform(1 - augment.colour, 1 + augment.colour, 3).astype(np.float32)
    return Change(cut, angle, mirrored, moved, factors)


def batch(
    pictures: Pictures | Files,
    which: Sequence[int],
    size: int,
    augment: Augment,
    rng: np.random.Generator,
    part: slice = EVERY,
) -> tuple[Tensor, Tensor]:
    """Images (B, 3, size, size) and masks (B, 1, size, size), both in [0, 1], augmented but not mixed.

    Of a `part` of them alone, which are then the same as they would be among all.
    """
    changes = [draw(augment, rng) for _ in which]
    with ThreadPoolExecutor(READERS) as pool:
        read = pool.map(pictures.__getitem__, which[part])
        pairs = [_changed(*pair, size, change) for pair, change in zip(read, changes[part], strict=True)]
    images, masks = (torch.from_numpy(np.stack(x)) for x in zip(*pairs, strict=True))
    return images.movedim(-1, 1).contiguous(), masks[:, None]


def _changed(image, truth, size: int, change: Change):
    source = image.shape[0]
    cut = change.cut * source
    mirror = -1 if change.mirrored else 1
    scale = cut / size
    # Maps a pixel of the result to one of the source, both counted from pixel centres.
    cos, sin = np.cos(change.turned) * scale, np.sin(change.turned) * scale
    turn = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    middle = source / 2 + change.moved * (source - cut) / 2 - 0.5
    matrix = np.column_stack([turn, middle - turn @ np.full(2, (size - 1) / 2)])
    image, truth = (
        cv2.warpAffine(
            x, matrix, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT_101
        )
        for x in (image, truth)
    )
    return recoloured(image.astype(np.float32) / 255, change.factors), truth.astype(np.float32) / 255


def recoloured(image: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """A float (h, w, 3) image with brightness, contrast and saturation multiplied by the three factors."""
    brightness, contrast, saturation = factors
    image = image * brightness
    grey = image.mean(axis=2, keepdims=True)
    image = grey + saturation * (image - grey)
    mean = image.mean()
    return np.clip(mean + contrast * (image - mean), 0, 1)


def boxes(count: int, probability: float, size: tuple[int, int], rng: np.random.Generator) -> list[Box | None]:
    """CutMix (Yun et al., 2019) for so many pictures of one size (h, w): the box that each receives, or None.

    With `probability`, a box of 2 to 40 % of the area, 0.3 to 3.3 times as wide as high.
    """
    height, width = size
    found: list[Box | None] = []
    for _ in range(count):
        if rng.random() >= probability:
            found.append(None)
            continue
        area, aspect = rng.uniform(0.02, 0.4) * height * width, np.exp(rng.uniform(-1.2, 1.2))
        h, w = min(round((area / aspect) ** 0.5), height), min(round((area * aspect) ** 0.5), width)
        top, left = rng.integers(0, height - h, endpoint=True), rng.integers(0, width - w, endpoint=True)
        found.append((left, top, left + w, top + h))
    return found


def paste(boxes: Sequence[Box | None], *tensors: Tensor) -> tuple[Tensor, ...]:
    """Each of (B, c, h, w), B even, receives its box, if any, from its unmixed neighbour: 2i from 2i + 1 and back.

    It is the same box in every tensor.
    """
    mixed = tuple(x.clone() for x in tensors)
    for i, box in enumerate(boxes):
        if box is None:
            continue
        left, top, right, bottom = box
        for to, source in zip(mixed, tensors, strict=True):
            to[i, :, top:bottom, left:right] = source[i ^ 1, :, top:bottom, left:right]
    return mixed


def edges(masks: Tensor, width: int) -> Tensor:
    """The band (B, 1, h, w) in [0, 1] around a mask's outline: dilated minus eroded by a square of `width` pixels."""
    pad = width // 2
    grown = functional.max_pool2d(masks, width, stride=1, padding=pad)
    shrunk = -functional.max_pool2d(-masks, width, stride=1, padding=pad)
    return grown - shrunk


def check_width(width: int) -> None:
    """InputError for an even one, whose maps would be a pixel larger than the mask."""
    if width % 2 == 0:
        raise InputError(f"edge_width {width}: must be odd, so that the band lies evenly about the outline")


def to_input(x: Tensor) -> Tensor:
    """[0, 1] with one or three channels -> what the VAE takes: three channels in [-1, 1]."""
    return x.expand(-1, 3, -1, -1) * 2 - 1
