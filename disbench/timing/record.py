"""Timings as files: what `disbench time` writes, the summary for programs, and which timings may be compared."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations, count, zip_longest
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from disbench.errors import InputError
from disbench.system.checksums import add_checksum
from disbench.system.documents import read_json
from disbench.system.environment import first_difference, flatten_record
from disbench.system.files import write_atomic
from disbench.system.nvidia import SLOWED
from disbench.timing.rule import TimingRule

SCHEMA = 1
MAX_DRIFT = 1.1  # in either direction; beyond these three limits, times are in doubt
MAX_OUTLIERS = 0.05  # of all images
MAX_LOAD = 1.1  # processes per core
OUTLIER = 10  # median absolute deviations


@dataclass(frozen=True, kw_only=True)
class LatencySummary:
    """Distribution of the seconds per image of one stage.

    Attributes:
        n: number of values.
        p50: median, in seconds.
        p90: 90th percentile, in seconds.
        p99: 99th percentile, in seconds.
        outliers: values further from the median than ten times the median absolute deviation.
        drift: median of the last third over the median of the first. Far from 1, the machine changed meanwhile.
    """

    n: int
    p50: float
    p90: float
    p99: float
    outliers: int
    drift: float


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The times of one model on one machine, as stored in a file.

    Attributes:
        title: the model's title.
        identity: everything that decides the maps, as in a run's manifest.
        environment: hardware and software. Only timings whose environments agree are compared.
        load: how busy the machine was "before" and "after".
        dataset: title of the data set.
        images: "subset/name" of the images, in order.
        rule: the stopping rule.
        quick: whether the rule was shorter than the rule for reports.
        clock: "wall", or "events" on CUDA.
        first_call: seconds of the very first image, compiling and tuning included.
        raw: stage -> seconds of every image, in order.
        throughput: batch size -> images per second of inference on the first image.
        memory: bytes; peak "allocated" and "reserved" on the device, or peak "resident" of the process on the CPU.
        parameters: parameters of all networks.
        flops: floating-point operations for one image, a multiply-add being two. None: not counted.
        uncounted: operators that are not part of `flops`, products and attention first.
        audit: check -> whether it passed.
        audited: check -> what it compared. Missing in files of earlier versions.
        batch: the batch size that was asked for.
        schema: version of this file format.
    """

    title: str
    identity: dict[str, Any]
    environment: dict[str, Any]
    load: dict[str, dict[str, Any]]
    dataset: str
    images: list[str]
    rule: TimingRule
    quick: bool
    clock: str
    first_call: float
    raw: dict[str, list[float]]
    throughput: dict[int, float]
    memory: dict[str, int]
    parameters: int
    flops: int | None
    uncounted: list[str]
    audit: dict[str, bool]
    audited: dict[str, str] = field(default_factory=dict)
    batch: int | None = None
    schema: int = SCHEMA

    @property
    def spreads(self) -> dict[str, LatencySummary]:
        """The distribution of the seconds per image, by stage."""
        return {stage: summarise_latency(values) for stage, values in self.raw.items()}

    @property
    def doubts(self) -> list[str]:
        """Signs that the machine changed or was busy meanwhile, so that the times are not reliable."""
        summaries = [summarise_latency(self.raw[stage]) for stage in ("infer", "whole")]
        drift = max((summary.drift for summary in summaries), key=lambda drift: abs(drift - 1))
        outliers, n = max((summary.outliers, summary.n) for summary in summaries)
        busiest = max(self.load.values(), key=lambda load: load.get("processes", 0), default={})
        slowdowns = {reason for load in self.load.values() for reason in load.get("gpu_slow_by", ())}
        doubts = []
        if not 1 / MAX_DRIFT <= drift <= MAX_DRIFT:
            doubts.append(f"drift {drift:.2f}")
        if outliers > MAX_OUTLIERS * n:
            doubts.append(f"{outliers} outliers of {n}")
        if busiest.get("processes", 0) > MAX_LOAD * busiest.get("cores", np.inf):
            doubts.append(f"load {busiest['processes']} on {busiest['cores']} cores")
        return doubts + [f"the GPU's {reason}" for reason in SLOWED.values() if reason in slowdowns]

    @property
    def conditions(self) -> dict[str, Any]:
        """The fields in which two timings must agree to be compared, as one flat record."""
        measured = {"data": self.dataset, "images": self.images, "rule": self.rule.conditions, "clock": self.clock}
        return flatten_record(self.environment | measured)


def summarise_latency(seconds: list[float]) -> LatencySummary:
    """Summarise the seconds per image; percentiles by linear interpolation, as in NumPy."""
    values = np.array(seconds)
    p50, p90, p99 = (float(np.percentile(values, p)) for p in (50, 90, 99))
    deviations = np.abs(values - np.median(values))
    third = max(1, len(values) // 3)
    return LatencySummary(
        n=len(values),
        p50=p50,
        p90=p90,
        p99=p99,
        outliers=int(np.sum(deviations > OUTLIER * np.median(deviations))),
        drift=float(np.median(values[-third:]) / np.median(values[:third])),
    )


def hash_timing(timing: Timing) -> str:
    """Hash model, conditions and batch size to 12 hexadecimal digits.

    The digest is stable across repeats of the same command on the same machine.
    """
    content = msgspec.json.encode([timing.identity, timing.conditions, timing.batch], order="deterministic")
    return hashlib.sha256(content).hexdigest()[:12]


def summarise_timing(timing: Timing) -> dict[str, Any]:
    """Return a timing as plain data for programs: summaries and doubts in place of the raw values."""
    summary = msgspec.to_builtins(timing)
    del summary["raw"]
    summary["spreads"] = {stage: asdict(latency) for stage, latency in timing.spreads.items()}
    summary["doubts"] = timing.doubts
    return summary


def reserve_path(path: Path) -> Path:
    """Create an empty file at the path or, if it exists, at the path with the first free number. Return its path.

    So no timing is overwritten, also where two processes end at the same time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    candidate, numbers = path, count(2)
    while True:
        try:
            candidate.open("xb").close()
            return candidate
        except FileExistsError:
            candidate = path.with_stem(f"{path.stem}-{next(numbers)}")


def write_timing(path: Path, timing: Timing) -> None:
    """Write a timing to a JSON file; missing folders are created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, add_checksum(msgspec.json.format(msgspec.json.encode(timing), indent=1)))


def read_timing(path: Path) -> Timing:
    """Read a timing; InputError for any other file, and for another version of the format."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; `disbench time` writes timings")
    timing = read_json(path, Timing, fault="not a timing", advice="`disbench time` writes timings")
    if timing.schema != SCHEMA:
        raise InputError(f"{path}: has schema {timing.schema}, this disbench reads {SCHEMA}; time the model again")
    numbers = [load.get(key, 0) for load in timing.load.values() for key in ("processes", "cores")]
    if not all(isinstance(number, int | float) for number in numbers):
        raise InputError(f"{path}: not a timing (its load is no number); `disbench time` writes timings")
    if not (timing.raw.keys() >= {"whole", "infer"} and all(timing.raw.values()) and timing.throughput):
        raise InputError(f"{path}: not a timing (values are missing); `disbench time` writes timings")
    return timing


def read_timings(paths: Sequence[Path]) -> dict[Path, Timing]:
    """Read the timings in files, and in all .json files of folders.

    Raises:
        InputError: as for `read_timing`, and if no timing was given.
    """
    files: list[Path] = []
    for path in paths:
        files += sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{paths[0]}: has no timings in it; `disbench time` writes timings")
    return {file: read_timing(file) for file in files}


def check_same_conditions(timings: dict[Path, Timing]) -> None:
    """Raise InputError with the first condition that makes two timings incomparable."""
    for (left_path, left), (right_path, right) in combinations(timings.items(), 2):
        key = first_difference(left.conditions, right.conditions)
        if key is None:
            continue
        if key == "images":
            difference = _describe_image_difference(left.images, right.images)
        else:
            difference = f"{key} is {right.conditions[key]!r}, not {left.conditions[key]!r}"
        raise InputError(
            f"{right_path}: timed under other conditions than {left_path}: {difference}; "
            "time both on one machine, on the same images and by the same rule"
        )


def _describe_image_difference(left: Sequence[str], right: Sequence[str]) -> str:
    pairs = enumerate(zip_longest(left, right, fillvalue="none"), 1)
    number, (expected, actual) = next((number, pair) for number, pair in pairs if pair[0] != pair[1])
    counts = "" if len(left) == len(right) else f" ({len(right)} images, not {len(left)})"
    return f"image {number} is {actual}, not {expected}{counts}"
