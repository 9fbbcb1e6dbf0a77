"""A run against a baseline: has any score become worse? For continuous integration; times are no part of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from disbench.errors import InputError
from disbench.leaderboard.entry import read_entry
from disbench.leaderboard.evidence import load_measured
from disbench.metrics.catalogue import METRICS, MetricKeys
from disbench.runs.comparable import check_comparable
from disbench.runs.result import Result, load_run
from disbench.stats.compare import compare_subset

TOLERANCE = 0.001  # one in the last digit that is printed; other machines differ by less


@dataclass(frozen=True)
class ScoreCheck:
    """One metric on one subset: old and new score, new less old with its 95 % interval (None: too few images)."""

    split: str
    metric: str
    n: int
    old: float
    new: float
    difference: float
    low: float | None
    high: float | None
    tolerance: float

    @property
    def held(self) -> bool:
        """Whether it is no worse than by the tolerance."""
        loss = -self.difference if METRICS[self.metric].direction == "higher" else self.difference
        return loss <= self.tolerance + 1e-12


def check_run(
    run: str | Path | Result,
    against: str | Path,
    tolerances: Mapping[str, float] | None = None,
    metrics: MetricKeys = None,
) -> list[ScoreCheck]:
    """Every metric on every subset of a baseline, old and new.

    against: a run folder, or a leaderboard entry with its evidence beside it; tolerances: metric -> how much worse it
    may be, "" for those not named, TOLERANCE else; metrics None: those of the entry, or of a table of its protocol.

    InputError where nothing can be compared: other data, other rules, other images, a subset missing in the run.
    """
    result = run if isinstance(run, Result) else load_run(run)
    baseline, held = _baseline(Path(against), result)
    given = dict(tolerances or {})
    rest = given.pop("", TOLERANCE)
    result = result.with_protocol(baseline.protocol)
    baseline = replace(baseline, title="baseline" if result.title != "baseline" else "old baseline")
    missing = set(baseline.splits) - set(result.splits)
    if missing and baseline.dataset == result.dataset:
        raise InputError(f"{result.folder}: it has no {', '.join(sorted(missing))}, which {against} has; run it whole")
    check_comparable([baseline, result])
    found = []
    for split in baseline.subsets:
        for line in compare_subset([baseline, result], split, metrics or held):
            (old, new), (difference,) = line.scores.values(), line.differences
            ends = difference.low, difference.high
            tolerance = given.get(line.metric, rest)
            values = old.value, new.value, difference.value
            found.append(ScoreCheck(split, line.metric, line.n, *values, *ends, tolerance))
    if unknown := given.keys() - {one.metric for one in found}:
        raise InputError(f"--tolerance {min(unknown)}: not among what is checked, {', '.join(_metrics(found))}")
    return found


def format_checks(found: Sequence[ScoreCheck]) -> str:
    """The lines of a check as text, what is worse marked, and the verdict last."""
    head = ("subset", "measure", "old", "new", "difference", "95 % interval", "may lose", "")
    rows = [head, *map(_row, found)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    worse = sum(not one.held for one in found)
    return "\n".join([*lines, f"{worse} of {len(found)} scores worse" if worse else f"held: {len(found)} scores"])


def _row(one: ScoreCheck) -> tuple[str, ...]:
    ends = "–" if one.low is None else f"{one.low:+.4f} to {one.high:+.4f}"
    values = f"{one.old:.4f}", f"{one.new:.4f}", f"{one.difference:+.4f}", ends, f"{one.tolerance:g}"
    return (f"{one.split} ({one.n})", one.metric, *values, "" if one.held else "WORSE")


def _metrics(found: Sequence[ScoreCheck]) -> list[str]:
    return list(dict.fromkeys(one.metric for one in found))


def _baseline(path: Path, result: Result) -> tuple[Result, tuple[str, ...]]:
    """The baseline, and the metrics that it holds, none where it is a run."""
    if path.suffix != ".json":
        return load_run(path), ()
    parts = list(zip(load_measured(path), read_entry(path).measured, strict=True))
    fitting = [(one, part) for one, part in parts if set(one.splits) <= set(result.splits)]
    if not fitting:
        of = "; ".join(", ".join(one.splits) for one, _ in parts) or "nothing"
        raise InputError(f"{path}: it measures {of}, and {result.folder} has {', '.join(result.splits)}")
    same = [pair for pair in fitting if pair[0].protocol == result.protocol] or fitting
    one, part = max(same, key=lambda pair: len(pair[0].splits))
    return one, tuple(dict.fromkeys(metric for row in part.scores.values() for metric in row))
