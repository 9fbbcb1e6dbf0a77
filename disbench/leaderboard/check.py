"""Validation of entries: known names, whole subsets, the same ground truth, and scores that follow from evidence."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from math import inf
from pathlib import Path

from disbench.data.dataset import OVERALL, SPLIT_COUNTS, TEST_SPLITS
from disbench.data.mini import SPLITS as MINI_COUNTS
from disbench.errors import InputError, suggest_names
from disbench.leaderboard.entry import Cells, Entry, Measured, Reported, read_entry
from disbench.leaderboard.evidence import load_part, score_with_intervals
from disbench.leaderboard.tables import Published, parse_number, read_tables
from disbench.metrics.catalogue import METRICS
from disbench.metrics.protocols import PROTOCOLS
from disbench.runs.result import Result

SCORE_TOLERANCE = 1e-9  # the last bits of a mean depend on the machine
INTERVAL_TOLERANCE = 1e-4  # the ends of an interval are single resamples, which depend on the machine more


def check_entries(paths: Sequence[Path]) -> list[str]:
    """Validate entries, each by itself and against each other. Returns one line for each fault."""
    faults: list[str] = []
    tables = _read_whole_tables(paths)
    columns: dict[tuple[str, str, int], Path] = {}
    truths: dict[tuple[str, str], tuple[str, Path]] = {}
    for path in paths:
        try:
            entry = read_entry(path)
        except InputError as error:
            faults.append(str(error))
            continue
        entry_faults = list(_check_entry(path, entry))
        for reported in entry.reported:
            entry_faults += _check_against_table(entry, reported, tables)
            entry_faults += _check_column(path, reported, columns)
        for measured in entry.measured:
            entry_faults += _check_truths(path, entry, measured, truths)
        faults += [f"{path}: {fault}" for fault in entry_faults]
    return faults


def _read_whole_tables(paths: Sequence[Path]) -> dict[tuple[str, str], Published]:
    """Read the published tables next to the leaderboards of some entries, by paper and table."""
    files = dict.fromkeys(file for path in paths for file in sorted((path.parent.parent / "tables").glob("*.json")))
    tables: dict[tuple[str, str], Published] = {}
    for file in files:
        for table in read_tables(file):
            tables.setdefault((table.paper, table.table), table)
    return tables


def _check_against_table(
    entry: Entry, reported: Reported, tables: dict[tuple[str, str], Published]
) -> Iterator[str]:
    whole = tables.get((reported.source.paper, reported.source.table))
    if whole is None:
        return
    if whole.columns.get(entry.title, {}) != reported.printed:
        yield f"its numbers are not those of {reported.source.table} in tables/"
    if whole.marks.get(entry.title, {}) != reported.marks:
        yield f"its marks are not those of {reported.source.table} in tables/"


def _check_column(path: Path, reported: Reported, columns: dict[tuple[str, str, int], Path]) -> Iterator[str]:
    """Check that no two entries claim one column of a table; `columns` collects them."""
    source = reported.source
    column = (source.title, source.table, source.column)
    if source.column < 1:
        yield f"column {source.column} of {source.table} does not exist; columns are counted from 1"
    elif column in columns:
        yield f"column {source.column} of {source.table} is that of {columns[column].name}, too"
    columns.setdefault(column, path)


def _check_truths(
    path: Path, entry: Entry, measured: Measured, truths: dict[tuple[str, str], tuple[str, Path]]
) -> Iterator[str]:
    """Check that all entries were scored against the same ground truth; `truths` collects its digests."""
    for split, digest in measured.truths.items():
        expected, other = truths.setdefault((entry.token, split), (digest, path))
        if digest != expected:
            yield f"its truths of {split} are not those of {other.name}"


def _check_entry(path: Path, entry: Entry) -> Iterator[str]:
    if entry.model != path.stem:
        yield f"it is the entry of {entry.model}, so it must be called {entry.model}.json"
    for reported in entry.reported:
        yield from _check_reported(reported)
    if not entry.reported and not entry.measured:
        yield "nothing is reported, and nothing is measured"
    parts = [(measured.protocol, *sorted(measured.splits)) for measured in entry.measured]
    if len(set(parts)) < len(parts):
        yield "two measured parts are of the same subsets by the same protocol"
    for measured in entry.measured:
        yield from _check_measured(measured, entry.token)
        try:
            result = load_part(path, entry, measured)
        except InputError as error:
            yield str(error).removeprefix(f"{path}: ")
            continue
        yield from _check_scores(measured, result)


def _check_reported(reported: Reported) -> Iterator[str]:
    source = reported.source
    table = f"{source.table} of {source.title}"
    if source.url and not source.url.startswith("https://"):
        yield f"{table}: {source.url!r} is not an https:// address"
    if not re.fullmatch(r"\d{4}\.\d{4,5}", source.arxiv, re.ASCII):
        yield f"{table}: {source.arxiv!r} is not an arXiv number such as 2410.10105"
    if reported.protocol is not None and reported.protocol not in PROTOCOLS:
        yield f"{table}: unknown protocol {reported.protocol!r}; {suggest_names(reported.protocol, PROTOCOLS)}"
    yield from (f"{table}: {fault}" for fault in _check_names(reported.printed))
    for subset, row in reported.printed.items():
        for metric, text in row.items():
            if parse_number(text) is None:
                yield f"{table}: {text!r} ({metric}, {subset}) is not a number"
    for subset, row in reported.marks.items():
        for metric, mark in row.items():
            if mark not in ("best", "second"):
                yield f"{table}: unknown mark {mark!r}; known: best, second"
            if metric not in reported.printed.get(subset, {}):
                yield f"{table}: a mark but no number of {metric} on {subset}"


def _check_names(cells: Cells) -> Iterator[str]:
    for subset, row in cells.items():
        if subset not in SPLIT_COUNTS and subset != OVERALL:
            yield f"unknown subset {subset!r}; {suggest_names(subset, [*SPLIT_COUNTS, OVERALL])}"
        yield from (f"unknown metric {key!r}; {suggest_names(key, METRICS)}" for key in row if key not in METRICS)


def _check_measured(measured: Measured, token: str) -> Iterator[str]:
    counts = MINI_COUNTS if token.startswith("dis-mini-") else SPLIT_COUNTS
    for split, n in measured.splits.items():
        if counts.get(split) != n:
            yield f"{split} has {counts.get(split)} images, {n} were scored: a subset is scored whole or not at all"
    subsets = {*measured.splits, *([OVERALL] if set(TEST_SPLITS) <= set(measured.splits) else [])}
    if set(measured.scores) != subsets or set(measured.truths) != set(measured.splits):
        yield f"its scores are of {', '.join(measured.scores)}, but its subsets are {', '.join(sorted(subsets))}"
    if not all(measured.scores.values()):
        yield "a subset has no scores"
    if not all(re.fullmatch("[0-9a-f]{64}", digest) for digest in measured.truths.values()):
        yield "a digest of truths is not a SHA-256 digest"
    seconds = measured.seconds
    if seconds and not ("total" in seconds and all(0 <= value < inf for value in seconds.values())):
        yield f"its seconds are not times: {seconds}"
    try:
        datetime.fromisoformat(measured.finished)
    except ValueError:
        yield f"finished: {measured.finished!r} is not a time"


def _check_scores(measured: Measured, result: Result) -> Iterator[str]:
    """Check that scores and intervals follow from the evidence, which `result` was read from."""
    for split, row in measured.scores.items():
        try:
            recomputed = score_with_intervals(result, split, tuple(row))
        except (InputError, KeyError) as error:
            yield f"its scores on {split} cannot be computed: {error}"
            continue
        for metric, (value, *interval) in row.items():
            expected, *expected_interval = recomputed[metric]
            if abs(value - expected) > SCORE_TOLERANCE:
                yield f"{metric} on {split} is {value}, its evidence gives {expected}"
            elif not all(map(_is_same_end, interval, expected_interval)):
                yield f"the interval of {metric} on {split} is {interval}, its evidence gives {expected_interval}"


def _is_same_end(left: float | None, right: float | None) -> bool:
    return left is right if left is None or right is None else abs(left - right) <= INTERVAL_TOLERANCE
