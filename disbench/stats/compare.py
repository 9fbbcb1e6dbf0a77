"""Several methods on the same images: scores and differences with 95 % intervals, tests, ties with the best, and the
images that decide a difference. All of it from stored statistics, seeded, so the same input gives the same output."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from disbench.data.dataset import OVERALL, TEST_SPLITS
from disbench.errors import InputError
from disbench.metrics.catalogue import METRICS, MetricKeys, paper_metrics, resolve_metrics
from disbench.metrics.protocols import get_protocol
from disbench.runs.comparable import check_comparable
from disbench.runs.result import Result, common_subsets
from disbench.stats.resample import (
    MIN_IMAGES,
    RESAMPLES,
    SEED,
    Columns,
    adjust_holm,
    bca_interval,
    bootstrap_scores,
    build_columns,
    jackknife_scores,
    randomise_pairs,
)

ALPHA = 0.05
MAX_LISTED = 5  # images named per difference


@dataclass(frozen=True)
class MethodScore:
    """Of one method in one line. Without an interval where there are too few images. tied: not significantly worse than
    the best of the line by the paired test, Holm-adjusted over the line; the best is tied with itself."""

    value: float
    low: float | None = None
    high: float | None = None
    best: bool = False
    tied: bool = False


@dataclass(frozen=True)
class Difference:
    """Of one method less the first. p: of the paired randomisation test; adjusted: Holm's, over all tests of the call.

    decisive: images (name, how much of the difference is due to it), the largest first
    carried_by: without so many images, the most decisive ones, the difference would be none or of the other sign
    """

    method: str
    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    adjusted: float | None = None
    decisive: tuple[tuple[str, float], ...] = ()
    carried_by: int = 0


@dataclass(frozen=True)
class Comparison:
    """One metric on one subset of `n` images: a score for each method, a difference for each but the first."""

    split: str
    metric: str
    n: int
    scores: dict[str, MethodScore]
    differences: tuple[Difference, ...] = ()


def compare(
    results: Sequence[Result],
    metrics: MetricKeys = None,
    split: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> list[Comparison]:
    """A line for each metric on each subset that all results have, or on `split`; differences are from the first.

    `metrics` None: those of a table of their protocol. InputError where the results must not stand side by side, are of
    several protocols, or share no subset.
    """
    if len(results) < 2:
        raise InputError("nothing to compare: give at least two finished runs")
    lines = [line for name in _subsets(results, split) for line in compare_subset(results, name, metrics, resamples, seed)]
    tests = [d for line in lines for d in line.differences if d.p is not None]
    adjusted = dict(zip(map(id, tests), adjust_holm([d.p for d in tests]), strict=True))
    return [
        replace(line, differences=tuple(replace(d, adjusted=adjusted.get(id(d))) for d in line.differences))
        for line in lines
    ]


def compare_subset(
    results: Sequence[Result],
    split: str,
    metrics: MetricKeys = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    differences: bool = True,
) -> list[Comparison]:
    """The lines of one subset, p not yet adjusted; without `differences`, scores alone, which is less work.

    All results must be of one protocol and have the subset.
    """
    keys = resolve_metrics(metrics or paper_metrics([get_protocol(results[0].protocol)]))
    of = [_columns(result, split, keys) for result in results]
    names = [f"{row.split}/{row.name}" for s in (TEST_SPLITS if split == OVERALL else (split,)) for row in results[0].rows[s]]
    values = [one.scores(one.values.mean(0, keepdims=True))[0] for one in of]
    enough = len(names) >= MIN_IMAGES
    drawn = bootstrap_scores(of, resamples, seed) if enough else []
    left_out = [jackknife_scores(one) for one in of] if enough else []
    tests = _Tests(of, resamples, seed)
    lines = []
    for k, key in enumerate(keys):
        column = [float(value[k]) for value in values]
        best = int(np.argmax(column) if METRICS[key].direction == "higher" else np.argmin(column))
        ends = [bca_interval(column[i], drawn[i][:, k], left_out[i][:, k]) for i in range(len(of))] if enough else []
        tied = _tied(tests, best, k, len(of)) if enough else [False] * len(of)
        scores = {
            result.title: MethodScore(column[i], *(ends[i] if enough else ()), best=i == best, tied=tied[i])
            for i, result in enumerate(results)
        }
        found = []
        for i in range(1, len(of) if differences else 1):
            decisive, carried = _decisive(of[0], of[i], key, names)
            more = ()
            if enough:
                apart, without = (side[i][:, k] - side[0][:, k] for side in (drawn, left_out))
                more = (*bca_interval(column[i] - column[0], apart, without), tests.p(0, i)[k])
            one = Difference(results[i].title, column[i] - column[0], *more, decisive=decisive, carried_by=carried)
            found.append(one)
        lines.append(Comparison(split, key, len(names), scores, tuple(found)))
    return lines


def _columns(result: Result, split: str, keys: Sequence[str]) -> Columns:
    try:
        return build_columns(result.measurements(split), result.protocol, keys)
    except InputError as error:
        raise InputError(f"{result.folder}: {error}") from None


class _Tests:
    """The paired tests of some methods, each pair once for all metrics."""

    def __init__(self, of: Sequence[Columns], resamples: int, seed: int):
        self.of, self.options, self.found = of, (resamples, seed), {}

    def p(self, i: int, j: int) -> list[float]:
        pair = min(i, j), max(i, j)
        if pair not in self.found:
            self.found[pair] = randomise_pairs(*(self.of[k] for k in pair), *self.options).tolist()
        return self.found[pair]


def _tied(tests: _Tests, best: int, k: int, methods: int) -> list[bool]:
    others = [i for i in range(methods) if i != best]
    adjusted = dict(zip(others, adjust_holm([tests.p(best, i)[k] for i in others]), strict=True))
    return [i == best or adjusted[i] >= ALPHA for i in range(methods)]


Decisive = tuple[tuple[str, float], ...]


def _decisive(first: Columns, second: Columns, key: str, names: Sequence[str]) -> tuple[Decisive, int]:
    """The images that a difference is due to, and how many, the most decisive first, it would be gone without.

    What is due to an image is how much less of the difference is there without it, in parts that add up to the whole
    for a mean, and nearly so for the maximum of a mean curve.
    """
    n, part = len(names), first.parts[key]

    def apart(means_of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        a, b = (one.finish[key](means_of(one.values[:, part])) for one in (first, second))
        return b - a

    whole = apart(lambda v: v.mean(0, keepdims=True))[0]
    if whole == 0 or n == 1:
        return (), 0
    due = (n * whole - (n - 1) * apart(lambda v: (v.sum(0) - v) / (n - 1))) / n
    order = np.argsort(-due * np.sign(whole), kind="stable")
    left = np.arange(n - 1, 0, -1)[:, None]
    gone = apart(lambda v: (v.sum(0) - v[order[:-1]].cumsum(0)) / left) * np.sign(whole) <= 0
    carried = int(gone.argmax()) + 1 if gone.any() else n
    return tuple((names[i], float(due[i])) for i in order[:MAX_LISTED]), carried


def _subsets(results: Sequence[Result], split: str | None) -> list[str]:
    check_comparable(results)
    if len({result.protocol for result in results}) > 1:
        raise InputError("these results are of several protocols; choose one with --protocol")
    common = common_subsets(results)
    if not common:
        raise InputError("these results share no whole subset; choose results that do")
    if split is not None and split not in common:
        raise InputError(f"--split {split}: not a subset that all have; they share {', '.join(common)}")
    return [split] if split else common
