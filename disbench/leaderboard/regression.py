"""A run against a baseline: is any score worse? For continuous integration; times are not compared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from disbench.errors import InputError
from disbench.leaderboard.entry import read_entry
from disbench.leaderboard.evidence import load_measured
from disbench.metrics.catalogue import METRICS, MetricKeys
from disbench.runs.comparable import check_comparable
from disbench.runs.result import Result, load_run
from disbench.stats.compare import compare_subset
from disbench.system.files import require_path

TOLERANCE = 0.001  # one in the last printed digit; different machines differ by less
CHECK_HEAD = ("subset", "measure", "old", "new", "difference", "95 % interval", "may lose", "")


@dataclass(frozen=True, kw_only=True)
class ScoreCheck:
    """One metric on one subset, of a run and its baseline.

    Attributes:
        split: the subset.
        metric: the metric's key.
        n: number of images.
        old: score of the baseline.
        new: score of the run.
        difference: new minus old.
        low: lower end of the difference's 95 % interval. None: too few images.
        high: upper end of the interval.
        tolerance: how much worse the new score may be.
    """

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
    def passed(self) -> bool:
        """Whether the new score is worse by no more than the tolerance."""
        loss = -self.difference if METRICS[self.metric].direction == "higher" else self.difference
        return loss <= self.tolerance + 1e-12


def check_run(
    run: str | Path | Result,
    against: str | Path,
    tolerances: Mapping[str, float] | None = None,
    metrics: MetricKeys = None,
) -> list[ScoreCheck]:
    """Check every metric of a run on every subset of a baseline.

    Args:
        run: a run, or its folder.
        against: the baseline: a run folder, or a leaderboard entry with its evidence.
        tolerances: metric -> how much worse it may be; "" for all other metrics. Default: 0.001.
        metrics: metric keys. None: the metrics of the entry, otherwise those that papers of the run's protocol print.

    Returns:
        A check for each metric on each subset.

    Raises:
        InputError: if nothing can be compared: other data, rules or images, or a subset that the run lacks.
    """
    result = run if isinstance(run, Result) else load_run(run)
    baseline, entry_metrics = _load_baseline(require_path("against", against), result)
    result = result.with_protocol(baseline.protocol)
    baseline = replace(baseline, title="baseline" if result.title != "baseline" else "old baseline")
    missing = set(baseline.splits) - set(result.splits)
    if missing and baseline.dataset == result.dataset:
        raise InputError(f"{result.folder}: has no {', '.join(sorted(missing))}, which {against} has; run it whole")
    check_comparable([baseline, result])
    checks = list(_check_scores(baseline, result, metrics or entry_metrics, tolerances or {}))
    checked = list(dict.fromkeys(check.metric for check in checks))
    unchecked = set(tolerances or {}) - {"", *checked}
    if unchecked:
        raise InputError(f"--tolerance {min(unchecked)}: not among the checked metrics, {', '.join(checked)}")
    return checks


def _check_scores(
    baseline: Result, result: Result, metrics: MetricKeys, tolerances: Mapping[str, float]
) -> Iterator[ScoreCheck]:
    default_tolerance = tolerances.get("", TOLERANCE)
    for split in baseline.subsets:
        for comparison in compare_subset([baseline, result], split, metrics):
            old, new = comparison.scores.values()
            (difference,) = comparison.differences
            yield ScoreCheck(
                split=split,
                metric=comparison.metric,
                n=comparison.n,
                old=old.value,
                new=new.value,
                difference=difference.value,
                low=difference.low,
                high=difference.high,
                tolerance=tolerances.get(comparison.metric, default_tolerance),
            )


def format_checks(checks: Sequence[ScoreCheck]) -> str:
    """Format checks as an aligned table. Worse scores are marked, and the last line is the verdict."""
    rows = [CHECK_HEAD, *map(format_row, checks)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(CHECK_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, format_verdict(checks)])


def format_verdict(checks: Sequence[ScoreCheck]) -> str:
    """Return how many scores are worse, as one line."""
    worse = sum(not check.passed for check in checks)
    scores = "1 score" if len(checks) == 1 else f"{len(checks)} scores"
    return f"{worse} of {scores} worse" if worse else f"held: {scores}"


def format_row(check: ScoreCheck) -> tuple[str, ...]:
    """Return the cells of a check under CHECK_HEAD."""
    interval = "–" if check.low is None else f"{check.low:+.4f} to {check.high:+.4f}"
    scores = f"{check.old:.4f}", f"{check.new:.4f}", f"{check.difference:+.4f}"
    verdict = "" if check.passed else "WORSE"
    return (f"{check.split} ({check.n})", check.metric, *scores, interval, f"{check.tolerance:g}", verdict)


def _load_baseline(path: Path, result: Result) -> tuple[Result, tuple[str, ...]]:
    """Load the baseline that fits a run best, and the metrics of its entry; no metrics for a run."""
    if path.suffix != ".json":
        return load_run(path), ()
    parts = list(zip(load_measured(path), read_entry(path).measured, strict=True))
    fitting = [(baseline, part) for baseline, part in parts if set(baseline.splits) <= set(result.splits)]
    if not fitting:
        measured = "; ".join(", ".join(baseline.splits) for baseline, _ in parts) or "nothing"
        raise InputError(f"{path}: it measures {measured}, and {result.folder} has {', '.join(result.splits)}")
    candidates = [pair for pair in fitting if pair[0].protocol == result.protocol] or fitting
    baseline, part = max(candidates, key=lambda pair: len(pair[0].splits))
    return baseline, tuple(dict.fromkeys(metric for row in part.scores.values() for metric in row))
