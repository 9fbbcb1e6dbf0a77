"""Scored subsets against the training data of a run, and runs of methods that receive ground truth."""

import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from disbench.data.training import UNSTATED, TrainedOn, is_trained_on, normalise_training
from disbench.errors import TrainedOnScored, escape_control_chars
from disbench.runs.manifest import read_manifest, write_manifest
from disbench.runs.result import Result

# "sees_truth": receives ground truth, which comes before the others; "contaminated": trained on the subset; "unstated":
# the training data are not stated; None: none of these, or not recorded.
TrainingMark = Literal["sees_truth", "contaminated", "unstated"] | None
SIGNS: dict[TrainingMark, str] = {"sees_truth": "§", "contaminated": "†", "unstated": "‡", None: ""}
UNRANKED: tuple[TrainingMark, ...] = ("sees_truth", "contaminated")
SEES_TRUTH = "receives the ground truth"
UNSTATED_NOTE = "‡: the training data are not stated."


def mark_splits(trained_on: Any, token: str, splits: Iterable[str]) -> TrainingMark:
    """Compare training data, as a run or an entry stores them, with scored splits of a data set."""
    stated = normalise_training(trained_on)
    if stated is None:
        return None
    if isinstance(stated, str):
        return "unstated"
    return "contaminated" if any(is_trained_on(stated, token, split) for split in splits) else None


def mark_subset(result: Result, subset: str) -> TrainingMark:
    """Compare the training data of a run with one of its subsets, which may be Overall or a group of images."""
    if subset not in result.subsets:
        return None
    if result.identity.get("sees_truth"):
        return "sees_truth"
    splits = dict.fromkeys(row.split for row in result.subset_rows(subset))
    return mark_splits(result.meta.get("trained_on"), result.token, splits)


def record_training(folder: Path, trained_on: TrainedOn) -> None:
    """Record training data in a finished run. A list that it has is not replaced by UNSTATED."""
    manifest = read_manifest(folder)
    recorded = normalise_training(manifest.meta.get("trained_on"))
    if recorded != trained_on and (recorded is None or trained_on != UNSTATED):
        with suppress(OSError):  # of a folder that is only read
            write_manifest(folder, replace(manifest, meta={**manifest.meta, "trained_on": trained_on}))


def warn_of_training(title: str, trained_on: TrainedOn, token: str, splits: Iterable[str]) -> None:
    """Warn of scored splits that a model was trained on."""
    if isinstance(trained_on, str):
        return
    seen = [split for split in splits if is_trained_on(trained_on, token, split)]
    if seen:
        message = f"{title} was trained on {', '.join(seen)}: scores there are marked and not ranked"
        warnings.warn(escape_control_chars(message), TrainedOnScored, stacklevel=3)
