"""Soft ground truths (alpha mattes), and trimaps, which say where such a truth is unknown before it is drawn."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from disbench.data.dataset import TRUTH_KINDS, DataSet, Sample
from disbench.data.float_maps import read_prediction
from disbench.data.map_files import match_maps
from disbench.errors import InputError, require_utf8


def declare_truths(dataset: DataSet, kind: str | None = None, trimaps: Path | None = None) -> DataSet:
    """Return a data set with its kind of ground truth, and with its trimaps.

    Args:
        dataset: the data set.
        kind: "binary", or "alpha" for soft truths, whose levels are shares of 255. None: that of the data set.
        trimaps: the folder of the trimaps: `trimaps/<split>/`, or the folder itself for a single split. None: there
            are none.

    Returns:
        The data set.

    Raises:
        InputError: for another kind, trimaps of binary truths, and missing, extra, unreadable or wrongly sized
            trimaps. One error names all faults of a split.
    """
    kind = kind or dataset.truth_kind
    if kind not in TRUTH_KINDS:
        raise InputError(f"truth kind {kind!r} is unknown; known: {', '.join(TRUTH_KINDS)}")
    if kind == "binary" and trimaps is not None:
        raise InputError(f"{trimaps}: trimaps are of soft ground truths; add --truth-kind alpha, or omit --trimaps")
    if trimaps is not None:
        require_utf8(trimaps.resolve())
    splits = {}
    for split, samples in dataset.splits.items():
        files = _match_trimaps(split, samples, trimaps, only=len(dataset.splits) == 1) if trimaps else {}
        splits[split] = tuple(
            replace(sample, truth_kind=kind, trimap=files.get(sample.name)) for sample in samples
        )
    return replace(dataset, splits=splits, truth_kind=kind, trimaps=trimaps)


def _match_trimaps(split: str, samples: tuple[Sample, ...], trimaps: Path, *, only: bool) -> dict[str, Path]:
    """Match the trimaps of a split by name; `only`: the data set has no other split."""
    folder = trimaps if only and not (trimaps / split).is_dir() else trimaps / split
    return match_maps(samples, folder, kind="trimaps")[0]


def read_trimap(sample: Sample) -> np.ndarray | None:
    """Read the trimap of a sample, uint8 (h, w); None if it has none. InputError as for read_map()."""
    return read_prediction(sample.trimap, sample.trimap_digest) if sample.trimap else None
