"""The stage times of a run: median seconds per image, and the environment they were measured in."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from disbench.runs.result import Result
from disbench.system.environment import flatten_record


@dataclass(frozen=True, kw_only=True)
class Times:
    """Median seconds per image.

    Attributes:
        stages: seconds of each stage.
        total: seconds of all stages together: the median of sums, not the sum of medians.
        n: number of timed images.
        record: the environment, as a flat mapping from field to value.
        rate: images per second of inference, and the batch size with the largest rate. None if not measured.
    """

    stages: dict[str, float]
    total: float
    n: int
    record: dict[str, Any]
    rate: tuple[float, int] | None = None

    @property
    def device(self) -> str:
        """The name of the GPU, or of the CPU if none was used."""
        return str(self.record.get("gpu") or self.record.get("cpu") or "–")


def flatten_environment(result: Result) -> dict[str, Any]:
    """Return the environment of a run as a flat mapping, the number of workers included."""
    values = flatten_record(result.meta.get("environment", {}))
    if "workers" in result.meta:
        values["workers"] = result.meta["workers"]
    return values


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
