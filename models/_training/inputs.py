"""Inputs next to the training pictures: depth maps, prompts and boxes, changed as their pictures are."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from disbench.data.dataset import DataSet, Sample
from disbench.data.headers import read_header
from disbench.data.identity import hash_inputs
from disbench.data.input_values import read_inputs
from disbench.data.inputs import declare_inputs, identify_inputs, pair_inputs
from disbench.registry.card import Card
from disbench.runs.outputs import check_output

READERS = 4  # threads
Values = dict[str, Any]
"""The inputs of a square picture: `depth`, uint8 (s, s); `prompt`, a text; `box`, float64 (4,), in its pixels."""
Batch = dict[str, Any]
"""Of b pictures: `depth`, float32 (b, 1, s, s) in [0, 1]; `prompt`, b texts; `box`, float32 (b, 4), in pixels."""


@dataclass(frozen=True)
class InputFiles:
    """The inputs of samples, read from their files each time."""

    samples: Sequence[Sample]
    size: int

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> Values:
        return read_values(self.samples[i], self.size)


@dataclass(frozen=True)
class Inputs:
    """The inputs of training pictures.

    Attributes:
        values: of each picture, in memory or read from files.
        digests: subset -> name of the input -> digest of its values.
    """

    values: Sequence[Values] | InputFiles
    digests: dict[str, dict[str, str]]

    def load(self) -> "Inputs":
        """Return them in memory."""
        return replace(self, values=self.read(range(len(self.values))))

    def read(self, indices: Sequence[int]) -> list[Values]:
        """Read the inputs of some pictures."""
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(self.values.__getitem__, indices))


def pair_training_inputs(dataset: DataSet, *, card: Card, places: Mapping[str, str], out: Path) -> DataSet:
    """Return a data set whose samples have the additional inputs of a model, as `run` pairs them, with their digests.

    Args:
        dataset: the data set.
        card: the model.
        places: name of the input -> its place, as `--input` has it.
        out: output folder of the training, which must not be in an input.

    Raises:
        InputError: as disbench.data.inputs.pair_inputs does.
    """
    if not card.inputs and not places:
        return dataset
    dataset = pair_inputs(declare_inputs(dataset, places), card.title, card.inputs)
    check_output(out, dataset.input_places)
    return hash_inputs(dataset)


def find_inputs(samples: Sequence[Sample], size: int) -> Inputs | None:
    """Find the inputs of samples for pictures of `size` pixels a side. None if they have none."""
    in_order = sorted(samples, key=lambda sample: sample.split)
    digests = {split: identify_inputs(list(group)) for split, group in groupby(in_order, lambda sample: sample.split)}
    return Inputs(InputFiles(samples, size), digests) if any(digests.values()) else None


def read_values(sample: Sample, size: int) -> Values:
    """Read the inputs of a sample for its picture reduced to size x size."""
    values = read_inputs(sample)
    if "depth" in values:
        values["depth"] = cv2.resize(values["depth"], (size, size), interpolation=cv2.INTER_AREA)
    if "box" in values:
        height, width = read_header(sample.truth)[1]
        values["box"] = values["box"] * size / np.array([width, height, width, height])
    return values


def stack_values(values: Sequence[Values]) -> Batch:
    """Stack the inputs of pictures to a batch."""
    batch: Batch = {}
    for name in values[0]:
        column = [value[name] for value in values]
        if name == "depth":
            batch[name] = torch.from_numpy(np.stack(column))[:, None].float() / 255
        else:
            batch[name] = column if name == "prompt" else torch.from_numpy(np.stack(column)).float()
    return batch


def to_device(batch: Batch, device: str) -> Batch:
    """Move the tensors of a batch to a device."""
    return {name: x.to(device) if isinstance(x, Tensor) else x for name, x in batch.items()}
