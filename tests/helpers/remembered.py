"""Bootstraps that tests on the same images share: each takes a fifth of a second."""

import pickle
from collections.abc import Callable

from disbench.leaderboard import evidence
from disbench.stats import compare, intervals
from disbench.stats.resample import bootstrap_scores, build_columns
from disbench.stats.significance import randomise_pairs

_columns: dict = {}
_results: dict = {}


def remember_columns(measurements, protocol="pysod", metrics=None):
    """Like build_columns, with the same object for the same arguments."""
    key = pickle.dumps((measurements, protocol, metrics))
    if key not in _columns:
        _columns[key] = build_columns(measurements, protocol, metrics)
    return _columns[key]


def remember_scores(methods, *arguments):
    """Like bootstrap_scores, computed once for the same objects, which are kept."""
    key = (*map(id, methods), arguments)
    if key not in _results:
        _results[key] = methods, bootstrap_scores(methods, *arguments)
    return [scores.copy() for scores in _results[key][1]]


def remember_pairs(first, second, *arguments):
    """Like randomise_pairs, computed once for the same objects, which are kept."""
    key = (id(first), id(second), arguments, "pairs")
    if key not in _results:
        _results[key] = (first, second), randomise_pairs(first, second, *arguments)
    return _results[key][1].copy()


def share_bootstraps(replace: Callable) -> None:
    """Let the commands share bootstraps; `replace` is monkeypatch.setattr."""
    replace(evidence, "build_columns", remember_columns)
    replace(compare, "build_columns", remember_columns)
    replace(compare, "bootstrap_scores", remember_scores)
    replace(compare, "randomise_pairs", remember_pairs)
    replace(intervals, "bootstrap_scores", remember_scores)
