"""A timing as it is stored, and its summary."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, count, zip_longest
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from disbench.errors import InputError
from disbench.system.environment import first_difference, flatten_record
from disbench.system.files import write_atomic
from disbench.system.nvidia import SLOWED
from disbench.timing.rule import TimingRule

SCHEMA = 1
DRIFT, OUTLIERS, LOAD = 1.1, 0.05, 1.1  # either way; of all images; processes to a core: above, times are in doubt


@dataclass(frozen=True)
class LatencySummary:
    """Of seconds per image.

    outliers: how many lie further from the median than ten times the median distance from it
    drift: the median of the last third over that of the first; far from 1, the machine changed meanwhile
    """

    n: int
    p50: float
    p90: float
    p99: float
    outliers: int
    drift: float


@dataclass(frozen=True)
class Timing:
    """One model on one machine; seconds, bytes, images per second.

    identity: what decides the maps, as in a run
    environment: two timings compare where it agrees; load: before and after
    raw: stage -> seconds of every image, in order; first_call: of the very first image, compiling included
    throughput: batch size -> images per second of inference, of the first image; batch: the size that was asked for
    memory: peak allocated and reserved on the device, or peak resident of the process on the CPU
    flops: of one image, a multiplication and addition being two
    uncounted: operators whose work is not among them, products and attention first
    audit: what was checked, and whether it held
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
    batch: int | None = None
    schema: int = SCHEMA

    @property
    def spreads(self) -> dict[str, LatencySummary]:
        return {stage: summarise_latency(values) for stage, values in self.raw.items()}

    @property
    def doubts(self) -> list[str]:
        """What says that the machine was not still or not alone; the times are then not to be relied on."""
        both = [self.spreads[stage] for stage in ("infer", "whole")]
        drift = max((one.drift for one in both), key=lambda drift: abs(drift - 1))
        outliers, n = max((one.outliers, one.n) for one in both)
        busiest = max(self.load.values(), key=lambda one: one.get("processes", 0), default={})
        slow = {reason for one in self.load.values() for reason in one.get("gpu_slow_by", ())}
        found = [] if 1 / DRIFT <= drift <= DRIFT else [f"drift {drift:.2f}"]
        found += [f"{outliers} outliers of {n}"] if outliers > OUTLIERS * n else []
        if busiest.get("processes", 0) > LOAD * busiest.get("cores", np.inf):
            found.append(f"load {busiest['processes']} on {busiest['cores']} cores")
        return found + [f"the GPU's {reason}" for reason in SLOWED.values() if reason in slow]

    @property
    def conditions(self) -> dict[str, Any]:
        """Flat; two timings compare where it agrees."""
        here = {"data": self.dataset, "images": self.images, "rule": asdict(self.rule), "clock": self.clock}
        return flatten_record(self.environment | here)


def summarise_latency(seconds: list[float]) -> LatencySummary:
    """Percentiles by linear interpolation, as NumPy's."""
    values = np.array(seconds)
    median = np.median(values)
    away = np.abs(values - median)
    third = max(1, len(values) // 3)
    return LatencySummary(
        len(values),
        *(float(np.percentile(values, p)) for p in (50, 90, 99)),
        outliers=int(np.sum(away > 10 * np.median(away))),
        drift=float(np.median(values[-third:]) / np.median(values[:third])),
    )


def hash_timing(timing: Timing) -> str:
    """Of the model, the conditions and the batch: the same command on the same machine gives the same."""
    what = msgspec.json.encode([timing.identity, timing.conditions, timing.batch], order="deterministic")
    return hashlib.sha256(what).hexdigest()[:12]


def summarise_timing(timing: Timing) -> dict[str, Any]:
    """Plain data for a program: everything but the raw values, and the spreads and doubts made of them."""
    plain = msgspec.to_builtins(timing)
    del plain["raw"]
    spreads = {stage: asdict(found) for stage, found in timing.spreads.items()}
    return plain | {"spreads": spreads, "doubts": timing.doubts}


def next_free_path(path: Path) -> Path:
    """The path, or where it is taken with the first free number behind it: a repeat is a timing of its own."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return path if not path.exists() else next(other for other in numbered if not other.exists())


def write_timing(path: Path, timing: Timing) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, msgspec.json.format(msgspec.json.encode(timing), indent=1))


def read_timing(path: Path) -> Timing:
    """InputError for a file that is no timing, or one of another version."""
    try:
        timing = msgspec.json.decode(path.read_bytes(), type=Timing)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file or folder; `disbench time` writes timings") from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a timing ({error}); `disbench time` writes them") from None
    if timing.schema != SCHEMA:
        raise InputError(f"{path}: schema {timing.schema}, this disbench reads {SCHEMA}; time the model again")
    if not (timing.raw.keys() >= {"whole", "infer"} and all(timing.raw.values()) and timing.throughput):
        raise InputError(f"{path}: not a timing (values are missing); `disbench time` writes them")
    return timing


def read_timings(paths: Sequence[Path]) -> dict[Path, Timing]:
    """Those in files, and in all .json files of folders. InputError as of `read`, and where there is none."""
    files = [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    if not files:
        raise InputError(f"{paths[0]}: no timings in it; `disbench time` writes them")
    return {file: read_timing(file) for file in files}


def check_same_conditions(timings: dict[Path, Timing]) -> None:
    """InputError with the first thing in which two timings differ that makes their times incomparable."""
    for (first, one), (path, other) in combinations(timings.items(), 2):
        a, b = one.conditions, other.conditions
        if (key := first_difference(a, b)) is None:
            continue
        what = f"{key} is {b[key]!r}, not {a[key]!r}"
        if key == "images":
            pairs = enumerate(zip_longest(b[key], a[key], fillvalue="none"), 1)
            k, (mine, its) = next((k, pair) for k, pair in pairs if pair[0] != pair[1])
            what = f"of its {len(b[key])} images, number {k} is {mine}, not {its} of {len(a[key])}"
        raise InputError(
            f"{path}: timed under other conditions than {first}: {what}; "
            "time both on one machine, on the same images and by the same rule"
        )
