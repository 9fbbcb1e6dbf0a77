"""Time per image: medians of the three stages, so that the first, slow images do not count for more."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from disbench.environment import flat
from disbench.runs import Result


@dataclass(frozen=True)
class Times:
    """Median seconds per image over `n` images, of each stage and of all stages together."""

    stages: dict[str, float]
    total: float
    n: int


def stage_times(result: Result) -> Times | None:
    """The times of a run; None for maps that were not predicted here."""
    rows = [row.seconds for split in result.splits for row in result.rows[split]]
    if not any(rows):
        return None
    stages = {stage: median(row[stage] for row in rows) for stage in rows[0]}
    return Times(stages, median(sum(row.values()) for row in rows), len(rows))


def record(result: Result) -> dict[str, Any]:
    """What a run was timed in, flat."""
    values = flat(result.meta.get("environment", {}))
    if "workers" in result.meta:
        values["workers"] = result.meta["workers"]
    return values


def alike(results: Sequence[Result]) -> list[list[int]]:
    """The places of the results in groups of one environment each, whose times compare.

    Records must agree in everything that both hold: a method that runs without torch has no word on its threads.
    """
    records = [record(result) for result in results]
    groups: list[list[int]] = []
    for i, one in enumerate(records):
        for group in groups:
            if all(one[name] == records[k][name] for k in group for name in one.keys() & records[k].keys()):
                group.append(i)
                break
        else:
            groups.append([i])
    return groups
