"""The stage times of a run."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from disbench.runs.result import Result
from disbench.system.environment import flatten_record


@dataclass(frozen=True)
class Times:
    """Median seconds per image over `n` images, of each stage and of all together; record: what in, flat.

    rate: images per second of inference, and the size of batch that it is largest at, where that was measured
    """

    stages: dict[str, float]
    total: float
    n: int
    record: dict[str, Any]
    rate: tuple[float, int] | None = None

    @property
    def device(self) -> str:
        return str(self.record.get("gpu") or self.record.get("cpu") or "–")


def flatten_environment(result: Result) -> dict[str, Any]:
    """What a run was timed in, flat."""
    values = flatten_record(result.meta.get("environment", {}))
    if "workers" in result.meta:
        values["workers"] = result.meta["workers"]
    return values


def stage_times(result: Result) -> Times | None:
    """The times of a run, or those that an entry was submitted with; None for maps that were not predicted here."""
    rows = [row.seconds for split in result.splits for row in result.rows[split]]
    if any(rows):
        stages = {stage: median(row[stage] for row in rows) for stage in rows[0]}
        return Times(stages, median(sum(row.values()) for row in rows), len(rows), flatten_environment(result))
    if "total" not in (submitted := result.meta.get("seconds", {})):
        return None
    stages = {stage: value for stage, value in submitted.items() if stage != "total"}
    return Times(stages, submitted["total"], len(rows), flatten_environment(result))
