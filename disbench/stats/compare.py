"""Comparison of several methods on the same images.

Scores and differences with 95 % intervals, tests, ties with the best, and the images that decide a difference. All are
computed from stored statistics with a seed, so the same input gives the same output.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike

import numpy as np

from disbench.data.dataset import OVERALL, TEST_SPLITS
from disbench.errors import InputError, wrong_type
from disbench.metrics.catalogue import METRICS, MetricKeys, paper_metrics, resolve_metrics
from disbench.metrics.protocols import get_protocol
from disbench.runs.comparable import check_comparable
from disbench.runs.join import join_runs
from disbench.runs.result import Result, common_subsets, load_run, put_last
from disbench.runs.training import UNRANKED, TrainingMark, mark_subset
from disbench.stats.decisive import Decisive, find_decisive
from disbench.stats.intervals import bca_interval
from disbench.stats.resample import (
    MIN_IMAGES,
    MIN_RESAMPLES,
    RESAMPLES,
    SEED,
    Columns,
    bootstrap_scores,
    build_columns,
    jackknife_scores,
)
from disbench.stats.significance import adjust_holm, randomise_pairs

ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class MethodScore:
    """The score of one method.

    Attributes:
        value: the score.
        low: lower end of its 95 % interval. None: too few images.
        high: upper end of the interval.
        best: whether it is the best of all methods.
        tied: whether it is not significantly worse than the best, by the paired test with Holm's adjustment over the
            methods. The best is tied with itself.
    """

    value: float
    low: float | None = None
    high: float | None = None
    best: bool = False
    tied: bool = False


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The score of the method of interest minus that of another.

    Attributes:
        method: the title of the method of interest.
        reference: the title of the other method.
        value: the difference.
        low: lower end of its 95 % interval. None: too few images.
        high: upper end of the interval.
        p: p-value of the paired randomisation test. None: too few images.
        adjusted: p with Holm's adjustment over all tests of the call.
        decisive: (image, contribution to the difference), the most influential images first.
        carried_by: how many of the most influential images must be removed before the difference disappears.
    """

    method: str
    reference: str
    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    adjusted: float | None = None
    decisive: Decisive = ()
    carried_by: int = 0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One metric on one subset.

    Attributes:
        split: the subset.
        metric: the metric's key.
        n: number of images.
        scores: method -> score.
        differences: the differences of the last method, which is the one of interest, from every other.
        marks: method -> "contaminated" if it was trained on images of the subset, "sees_truth" if it received ground
            truth. Others are omitted.
    """

    split: str
    metric: str
    n: int
    scores: dict[str, MethodScore]
    differences: tuple[Difference, ...] = ()
    marks: dict[str, TrainingMark] = field(default_factory=dict)


def compare(
    results: Sequence[Result | str | PathLike[str]],
    metrics: MetricKeys = None,
    split: str | None = None,
    *,
    focus: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> list[Comparison]:
    """Compare runs, metric by metric and subset by subset.

    Args:
        results: at least two finished runs of one protocol on the same images, as results or by reference, as
            disbench.runs.lookup.find_runs takes them. The last is the method of interest.
        metrics: metric keys. None: those that papers of the protocol print.
        split: a subset, or "Overall". None: every subset that all results have.
        focus: the title of the method of interest, if it is not the last.
        resamples: bootstrap resamples, and random exchanges of each test, at least MIN_RESAMPLES.
        seed: seed of both.

    Returns:
        A comparison for each metric on each subset.

    Raises:
        InputError: for results of different data sets, images, kernels or protocols, and for results that share no
            subset.
    """
    if isinstance(results, str | bytes) or not isinstance(results, Iterable):
        raise wrong_type("results", results, "a list of results")
    loaded = [_load(i, result) for i, result in enumerate(results)]
    for name, number, least in (("resamples", resamples, MIN_RESAMPLES), ("seed", seed, 0)):
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            raise wrong_type(name, number, f"a whole number from {least}")
    loaded = put_last(join_runs(loaded), focus)
    if len(loaded) < 2:
        raise InputError("nothing to compare: give finished runs of at least two methods")
    comparisons: list[Comparison] = []
    for subset in _select_subsets(loaded, split):
        comparisons += compare_subset(loaded, subset, metrics, resamples=resamples, seed=seed)
    return _adjust_differences(comparisons)


def compare_subset(
    results: Sequence[Result],
    split: str,
    metrics: MetricKeys = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    differences: bool = True,
) -> list[Comparison]:
    """Compare results of one protocol on a subset that all results have. p is not adjusted.

    Args:
        results: the results. One is enough for its intervals.
        split: a subset, or "Overall".
        metrics: metric keys. None: those that papers of the protocol print.
        resamples: bootstrap resamples, and random exchanges of each test.
        seed: seed of both.
        differences: whether to compute the differences of the last, and the images that decide them.

    Returns:
        A comparison for each metric.
    """
    keys = resolve_metrics(metrics or paper_metrics([get_protocol(results[0].protocol)]))
    samples = _Samples([_read_columns(result, split, keys) for result in results], resamples, seed)
    names = _name_images(results[0], split)
    titles = [result.title for result in results]
    marks = {result.title: mark for result in results if (mark := mark_subset(result, split)) in UNRANKED}
    comparisons = []
    for k, key in enumerate(keys):
        scores = dict(zip(titles, samples.score_methods(k, key), strict=True))
        of_last: list[Difference] = []
        if differences:
            of_last = [samples.subtract_from_last(i, k, key, titles, names) for i in range(len(results) - 1)]
        comparisons.append(
            Comparison(
                split=split,
                metric=key,
                n=len(names),
                scores=scores,
                differences=tuple(of_last),
                marks=marks,
            )
        )
    return comparisons


class _Samples:
    """The resampled scores of some methods on the same images, and their paired tests, each computed once."""

    def __init__(self, methods: Sequence[Columns], resamples: int, seed: int):
        self.methods, self.resamples, self.seed = methods, resamples, seed
        self.values = [columns.scores() for columns in methods]
        self.enough = methods[0].n >= MIN_IMAGES
        self.resampled = bootstrap_scores(methods, resamples, seed) if self.enough else []
        self.jackknifed = [jackknife_scores(columns) for columns in methods] if self.enough else []
        self.tests: dict[tuple[int, int], list[float]] = {}

    def p(self, i: int, j: int) -> list[float]:
        """Test methods i and j against each other; returns p of each metric."""
        pair = min(i, j), max(i, j)
        if pair not in self.tests:
            first, second = (self.methods[index] for index in pair)
            self.tests[pair] = randomise_pairs(first, second, self.resamples, self.seed).tolist()
        return self.tests[pair]

    def score_methods(self, k: int, key: str) -> list[MethodScore]:
        """Score every method by metric `key`, which is the k-th."""
        values = [float(scores[k]) for scores in self.values]
        best = int(np.argmax(values) if METRICS[key].direction == "higher" else np.argmin(values))
        if not self.enough:
            return [MethodScore(value=value, best=i == best) for i, value in enumerate(values)]
        rivals = [i for i in range(len(values)) if i != best]
        adjusted = dict(zip(rivals, adjust_holm([self.p(best, i)[k] for i in rivals]), strict=True))
        scores = []
        for i, value in enumerate(values):
            low, high = bca_interval(value, self.resampled[i][:, k], self.jackknifed[i][:, k])
            tied = i == best or adjusted[i] >= ALPHA
            scores.append(MethodScore(value=value, low=low, high=high, best=i == best, tied=tied))
        return scores

    def subtract_from_last(
        self, i: int, k: int, key: str, titles: Sequence[str], names: Sequence[str]
    ) -> Difference:
        """Subtract method i from the last method by metric `key`, which is the k-th."""
        decisive, carried_by = find_decisive(self.methods[i], self.methods[-1], key, names)
        difference = Difference(
            method=titles[-1],
            reference=titles[i],
            value=float(self.values[-1][k]) - float(self.values[i][k]),
            decisive=decisive,
            carried_by=carried_by,
        )
        if not self.enough:
            return difference
        resampled = self.resampled[-1][:, k] - self.resampled[i][:, k]
        jackknifed = self.jackknifed[-1][:, k] - self.jackknifed[i][:, k]
        low, high = bca_interval(difference.value, resampled, jackknifed)
        return replace(difference, low=low, high=high, p=self.p(i, len(self.methods) - 1)[k])


def _load(i: int, result: Result | str | PathLike[str]) -> Result:
    if isinstance(result, Result):
        return result
    if not isinstance(result, str | PathLike):
        raise wrong_type(f"results[{i}]", result, "a Result, or the folder or name of a run")
    return load_run(result)


def _adjust_differences(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Fill in `adjusted`: Holm's p over all tests of all comparisons."""
    p = [difference.p for comparison in comparisons for difference in comparison.differences]
    adjusted = iter(adjust_holm([value for value in p if value is not None]))
    adjusted_comparisons = []
    for comparison in comparisons:
        differences = [
            difference if difference.p is None else replace(difference, adjusted=next(adjusted))
            for difference in comparison.differences
        ]
        adjusted_comparisons.append(replace(comparison, differences=tuple(differences)))
    return adjusted_comparisons


def _read_columns(result: Result, split: str, keys: Sequence[str]) -> Columns:
    try:
        return build_columns(result.measurements(split), result.protocol, keys)
    except InputError as error:
        raise InputError(f"{result.folder}: {error}") from None


def _name_images(result: Result, split: str) -> list[str]:
    splits = TEST_SPLITS if split == OVERALL else (split,)
    return [f"{row.split}/{row.name}" for name in splits for row in result.rows[name]]


def _select_subsets(results: Sequence[Result], split: str | None) -> list[str]:
    check_comparable(results)
    if len({result.protocol for result in results}) > 1:
        raise InputError("these results have several protocols; choose one with --protocol")
    shared = common_subsets(results)
    if not shared:
        raise InputError("these results share no whole subset; choose results that do")
    if split is not None and split not in shared:
        raise InputError(f"--split {split}: not a subset of all results; they share {', '.join(shared)}")
    return [split] if split else shared
