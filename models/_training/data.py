"""Training pictures: read once, then cropped, rotated, recoloured and mixed as seed and step number decide.

No generator survives a step, so a resumed training sees exactly the pictures of an uninterrupted one.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import cv2
import numpy as np
import torch
from msgspec import Meta
from torch import Tensor
from torch.nn import functional

from disbench.data.dataset import SPLIT_COUNTS, DataLocation, DataSet, Sample
from disbench.data.file_lists import list_names
from disbench.data.images import read_image, read_truth
from disbench.data.location import find_dataset, list_subsets
from disbench.errors import InputError
from disbench.models._training.changes import Augment, Change, change_pair, draw_change
from disbench.models._training.inputs import Inputs, find_inputs
from disbench.system.progress import Progress

READERS = 4  # threads
# Words in the names of subsets to train and to validate on, as in DUTS-TR and HRSOD_train.
TRAINING_WORDS = ("tr", "train", "training")
VALIDATION_WORDS = ("vd", "val", "valid", "validation", "dev")
EVERY = slice(None)
Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels."""
Width = Annotated[int, Meta(ge=3, le=99)]
"""Width of the band of an edge map, in pixels; odd, see `check_width`."""


@dataclass(frozen=True)
class Pictures:
    """Square pictures of one size in memory."""

    images: np.ndarray  # uint8 (n, s, s, 3)
    truths: np.ndarray  # uint8 (n, s, s), soft where foreground and background share a pixel
    digest: str = ""  # digest of the files that they were read from; "" if unknown
    inputs: Inputs | None = None  # what the network takes next to them

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        return self.images[i], self.truths[i]


@dataclass(frozen=True)
class Files:
    """The same pictures, read from their files each time."""

    samples: Sequence[Sample]
    size: int

    @property
    def digest(self) -> str:
        """Digest of the files, as `digest_samples` computes it."""
        return digest_samples(self.samples)

    @property
    def inputs(self) -> Inputs | None:
        """What the network takes next to the pictures."""
        return find_inputs(self.samples, self.size)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        image, truth = (
            cv2.resize(x, (self.size, self.size), interpolation=cv2.INTER_AREA) for x in read_pair(self.samples[i])
        )
        return image, truth


def read_pair(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Read an image, uint8 (h, w, 3), and its ground truth, uint8 (h, w), at their original size.

    Raises InputError as `read_image` does, and for files that have changed since they were hashed.
    """
    image = read_image(sample.image, sample.image_digest)
    return image, read_truth(sample.truth, sample.truth_digest, sample.truth_kind)


def load_pictures(samples: Sequence[Sample], size: int) -> Pictures:
    """Read all pictures and reduce them to size x size.

    Each pixel is the mean of the area that it covers, so that thin structures fade instead of breaking.
    """
    files = Files(samples, size)
    with ThreadPoolExecutor(READERS) as pool:
        images, truths = zip(*pool.map(files.__getitem__, range(len(files))), strict=True)
    return Pictures(np.stack(images), np.stack(truths), files.digest, files.inputs and files.inputs.load())


def digest_samples(samples: Sequence[Sample]) -> str:
    """Compute a digest of names and file sizes, which is cheap enough for 3000 pictures at every start."""
    pairs = sorted((s.name, s.image.stat().st_size, s.truth.stat().st_size) for s in samples)
    return hashlib.sha256(repr(pairs).encode()).hexdigest()


def find_training_samples(
    location: DataLocation,
    validation: DataLocation = None,
    progress: Progress | None = None,
    pair: Callable[[DataSet], DataSet] = lambda dataset: dataset,
) -> tuple[Sequence[Sample], Sequence[Sample]]:
    """Find the samples to train on and those to validate on.

    Args:
        location: a data set as disbench.data.location.find_dataset takes it. One without subsets is trained on as a
            whole. Otherwise the names of the subsets decide: DIS-TR or train, and DIS-VD or validation.
        validation: a data set to validate on instead, by its DIS-VD or validation; without these, all that is not to
            be trained on.
        progress: receives the progress of checking the data set.
        pair: pairs the samples of a data set with the additional inputs of a model.

    Raises:
        InputError: if a data set is missing or incomplete, or has several subsets and none of them is to be trained on.
    """
    subsets = list_subsets(location)
    if any(name.upper().replace("_", "-") in SPLIT_COUNTS for name in subsets):
        training, held_out = ["DIS-TR"], ["DIS-VD"]
    elif len(subsets) == 1:
        training, held_out = list(subsets), []
    else:
        training, held_out = _select_subsets(subsets, TRAINING_WORDS), _select_subsets(subsets, VALIDATION_WORDS)
    if subsets and not training:
        raise InputError(
            f"{location}: none of its subsets ({list_names(list(subsets))}) is called train; give --data the folder to "
            "train on, or describe the data set in a TOML file with a split train (docs/data.md)"
        )
    if validation:
        held_out = []
    splits = pair(find_dataset(location, ",".join([*training, *held_out]) or None, progress=progress)).splits
    samples = [sample for name, members in splits.items() if name not in held_out for sample in members]
    if validation:
        return samples, _find_validation_samples(validation, progress, pair)
    return samples, [sample for name in held_out for sample in splits[name]]


def _find_validation_samples(
    location: DataLocation, progress: Progress | None, pair: Callable[[DataSet], DataSet]
) -> Sequence[Sample]:
    try:
        subsets = list_subsets(location)
        names = _select_subsets(subsets, VALIDATION_WORDS)
        names = names or [name for name in subsets if name not in _select_subsets(subsets, TRAINING_WORDS)]
        if subsets and not names:
            raise InputError(f"{location}: has only subsets to train on ({list_names(list(subsets))}); give another")
        return pair(find_dataset(location, ",".join(names) or None, progress=progress)).samples
    except InputError as error:
        raise InputError(f"--validate: {error}") from None


def _select_subsets(names: Sequence[str], words: Collection[str]) -> list[str]:
    """Select the names that have one of some words."""
    return [name for name in names if not set(words).isdisjoint(re.split(r"[^a-z0-9]+", name.casefold()))]


def rows_of_step(count: int, batch: int, step: int, seed: int) -> list[int]:
    """Choose the pictures of a step: epoch after epoch, each in an order of its own.

    Args:
        count: number of pictures.
        batch: pictures per step.
        step: step, counted from 0.
        seed: seed of the orders.

    Returns:
        Indices of `batch` pictures.
    """
    return [_epoch_order(count, seed, p // count)[p % count] for p in range(step * batch, (step + 1) * batch)]


@lru_cache(maxsize=4)
def _epoch_order(count: int, seed: int, epoch: int) -> list[int]:
    return np.random.default_rng([seed, epoch]).permutation(count).tolist()


def make_batch(
    pictures: Pictures | Files,
    indices: Sequence[int],
    size: int,
    augment: Augment,
    rng: np.random.Generator,
    part: slice = EVERY,
) -> tuple[Tensor, Tensor]:
    """Make a batch of augmented pictures, not mixed with each other.

    Args:
        pictures: pictures to choose from.
        indices: the pictures of the batch.
        size: side of the results in pixels.
        augment: how far pictures may be changed.
        rng: generator of the changes.
        part: pictures of the batch to make. They are the same as in the whole batch.

    Returns:
        Images (b, 3, size, size) and masks (b, 1, size, size), float32 in [0, 1].
    """
    changes = [draw_change(augment, rng) for _ in indices]
    return change_pictures(pictures, indices[part], size, changes[part])


def change_pictures(
    pictures: Pictures | Files, indices: Sequence[int], size: int, changes: Sequence[Change]
) -> tuple[Tensor, Tensor]:
    """Make a batch of pictures that are changed in drawn ways; the results are those of `make_batch`."""
    with ThreadPoolExecutor(READERS) as pool:
        originals = pool.map(pictures.__getitem__, indices)
        pairs = [change_pair(*pair, size, change) for pair, change in zip(originals, changes, strict=True)]
    images, masks = (torch.from_numpy(np.stack(x)) for x in zip(*pairs, strict=True))
    return images.movedim(-1, 1).contiguous(), masks[:, None]


def draw_boxes(count: int, probability: float, size: tuple[int, int], rng: np.random.Generator) -> list[Box | None]:
    """Draw the boxes of CutMix (Yun et al., ICCV 2019).

    Args:
        count: number of pictures.
        probability: probability that a picture receives a box.
        size: height and width of the pictures.
        rng: generator of the boxes.

    Returns:
        For each picture a box of 2 to 40 % of its area, 0.3 to 3.3 times as wide as high, or None.
    """
    height, width = size
    boxes: list[Box | None] = []
    for _ in range(count):
        if rng.random() >= probability:
            boxes.append(None)
            continue
        area, aspect = rng.uniform(0.02, 0.4) * height * width, np.exp(rng.uniform(-1.2, 1.2))
        h, w = min(round((area / aspect) ** 0.5), height), min(round((area * aspect) ** 0.5), width)
        top, left = rng.integers(0, height - h, endpoint=True), rng.integers(0, width - w, endpoint=True)
        boxes.append((left, top, left + w, top + h))
    return boxes


def paste_boxes(boxes: Sequence[Box | None], *tensors: Tensor) -> tuple[Tensor, ...]:
    """Paste into each picture its box of the unmixed neighbour: into 2i that of 2i + 1, and the reverse.

    The tensors are (b, c, h, w) with an even b; a picture's box is the same in all of them.
    """
    mixed = tuple(x.clone() for x in tensors)
    for i, box in enumerate(boxes):
        if box is None:
            continue
        left, top, right, bottom = box
        for target, source in zip(mixed, tensors, strict=True):
            target[i, :, top:bottom, left:right] = source[i ^ 1, :, top:bottom, left:right]
    return mixed


def edges(masks: Tensor, width: int) -> Tensor:
    """Compute edge maps (b, 1, h, w) in [0, 1] of masks: dilated minus eroded by a square of `width` pixels."""
    pad = width // 2
    dilated = functional.max_pool2d(masks, width, stride=1, padding=pad)
    eroded = -functional.max_pool2d(-masks, width, stride=1, padding=pad)
    return dilated - eroded


def check_width(width: int) -> None:
    """Raise InputError for an even width, whose edge maps would be a pixel larger than the mask."""
    if width % 2 == 0:
        raise InputError(f"edge_width {width}: must be odd, so that the band is centred on the outline")


def to_input(x: Tensor) -> Tensor:
    """Convert (b, 1 or 3, h, w) in [0, 1] to the input of the VAE: three channels in [-1, 1]."""
    return x.expand(-1, 3, -1, -1) * 2 - 1
