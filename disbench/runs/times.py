"""The times of a run: median seconds per image, and the environment they were measured in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from disbench.runs.result import Result
from disbench.system.environment import flatten_record


@dataclass(frozen=True, kw_only=True)
class Times:
    """Median seconds per image, and the costs that were measured together with them.

    Attributes:
        stages: seconds of each stage.
        total: seconds of all stages together: the median of sums, not the sum of medians.
        n: number of timed images.
        record: the environment, as a flat mapping from field to value.
        rate: images per second of inference, and the batch size with the largest rate. None if not measured.
        parameters: parameters of all networks; 0 if unknown or none.
        flops: floating-point operations for one image; 0 if unknown.
        memory: kind of peak memory, as in disbench.timing.record.Timing -> bytes.
    """

    stages: dict[str, float]
    total: float
    n: int
    record: dict[str, Any]
    rate: tuple[float, int] | None = None
    parameters: int = 0
    flops: int = 0
    memory: Mapping[str, int] = field(default_factory=dict)

    @property
    def device(self) -> str:
        """The name of the GPU, or of the CPU if none was used, and how many images were computed at once."""
        name = str(self.record.get("gpu") or self.record.get("cpu") or "–")
        return f"{name}{self.at_once}"

    @property
    def at_once(self) -> str:
        """The words for several images at once, with a comma before; "" for one after the other."""
        count = self.record.get("at_once", 1)
        return f", {count} at once" if count != 1 else ""


def flatten_environment(result: Result) -> dict[str, Any]:
    """Return the environment of a run as a flat mapping, with its workers and its images at once."""
    values = flatten_record(result.meta.get("environment", {})) | select_threads(result.meta)
    return {"at_once": 1} | values if "workers" in values else values


def select_threads(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run records of its threads: its workers, and its images at once if they are several."""
    return {key: meta[key] for key in ("workers", "at_once") if key in meta}


def recorded_parameters(result: Result) -> int:
    """Return the number of parameters that a run recorded; 0 if it recorded none."""
    count = result.meta.get("parameters", 0)
    return count if isinstance(count, int) else 0


def stage_times(result: Result) -> Times | None:
    """Return the times of a run, or of the run behind a leaderboard entry.

    None for prediction maps that were made by another program.
    """
    seconds = [row.seconds for split in result.splits for row in result.rows[split]]
    environment = flatten_environment(result)
    if any(seconds):
        return Times(
            stages={stage: median(image[stage] for image in seconds) for stage in seconds[0]},
            total=median(sum(image.values()) for image in seconds),
            n=len(seconds),
            record=environment,
        )
    submitted = dict(result.meta.get("seconds", {}))
    if "total" not in submitted:
        return None
    total = submitted.pop("total")
    return Times(stages=submitted, total=total, n=len(seconds), record=environment)
