"""Entries against what they must be: known words, whole subsets, known data, and values that follow from evidence."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from math import inf
from pathlib import Path

from disbench.data.dataset import OVERALL, SPLIT_COUNTS, TEST_SPLITS
from disbench.data.mini import SPLITS as MINI
from disbench.errors import InputError, suggest_names
from disbench.leaderboard.audit import parse_number, read_tables
from disbench.leaderboard.entry import Cells, Entry, Measured, Reported, read_entry
from disbench.leaderboard.evidence import has_scores, load_part
from disbench.metrics.catalogue import METRICS
from disbench.metrics.protocols import PROTOCOLS
from disbench.runs.result import Result

TOLERANCE = 1e-9  # the last bits of a mean depend on the machine
WITHIN = 1e-4  # and an interval's ends, which are single numbers of resamples, on more of it


def check_entries(paths: Sequence[Path]) -> list[str]:
    """One line for each fault in some entries; none where all hold."""
    faults: list[str] = []
    truths: dict[tuple[str, str], tuple[str, Path]] = {}
    columns: dict[tuple[str, str, int], Path] = {}
    beside = dict.fromkeys(file for path in paths for file in sorted((path.parent.parent / "tables").glob("*.json")))
    tables = [table for file in beside for table in read_tables(file)]
    for path in paths:
        try:
            entry = read_entry(path)
        except InputError as error:
            faults.append(str(error))
            continue
        faults += [f"{path}: {fault}" for fault in _entry(path, entry)]
        for one in entry.reported:
            whole = next((t for t in tables if (t.paper, t.table) == (one.source.paper, one.source.table)), None)
            if whole:
                for what, of, own in (("numbers", whole.columns, one.printed), ("marks", whole.marks, one.marks)):
                    if of.get(entry.title, {}) != own:
                        faults.append(f"{path}: its {what} are not those of {one.source.table} in tables/")
            place = (one.source.title, one.source.table, one.source.column)
            if place[2] < 1:
                faults.append(f"{path}: column {place[2]} of {place[1]}; they are counted from 1")
            elif place in columns:
                faults.append(f"{path}: column {place[2]} of {place[1]} is that of {columns[place].name}, too")
            columns.setdefault(place, path)
        for one in entry.measured:
            for split, digest in one.truths.items():
                known, where = truths.setdefault((entry.token, split), (digest, path))
                if known != digest:
                    faults.append(f"{path}: its truths of {split} are not those of {where.name}")
    return faults


def _entry(path: Path, entry: Entry) -> Iterator[str]:
    if entry.model != path.stem:
        yield f"it is the entry of {entry.model}, so it must be called {entry.model}.json"
    for one in entry.reported:
        yield from _reported(one)
    if not entry.reported and not entry.measured:
        yield "nothing is reported, nothing measured"
    parts = [(one.protocol, *sorted(one.splits)) for one in entry.measured]
    if len(set(parts)) < len(parts):
        yield "two measured parts are of the same subsets by the same protocol"
    for one in entry.measured:
        yield from _measured(one, entry.token)
        try:
            again = load_part(path, entry, one)
        except InputError as error:
            yield str(error).removeprefix(f"{path}: ")
            continue
        yield from _recomputed(one, again)


def _reported(one: Reported) -> Iterator[str]:
    where = f"{one.source.table} of {one.source.title}"
    if one.source.url and not one.source.url.startswith("https://"):
        yield f"{where}: {one.source.url!r} is no https:// address"
    if not re.fullmatch(r"\d{4}\.\d{4,5}", one.source.arxiv, re.ASCII):
        yield f"{where}: {one.source.arxiv!r} is no number of arXiv, as 2410.10105"
    if one.protocol is not None and one.protocol not in PROTOCOLS:
        yield f"{where}: unknown protocol {one.protocol!r}; {suggest_names(one.protocol, PROTOCOLS)}"
    yield from (f"{where}: {fault}" for fault in _words(one.printed))
    for subset, row in one.printed.items():
        bad = (f"{text!r} ({metric}, {subset})" for metric, text in row.items() if parse_number(text) is None)
        yield from (f"{where}: {cell} is no number" for cell in bad)
    for subset, row in one.marks.items():
        for metric, mark in row.items():
            if mark not in ("best", "second"):
                yield f"{where}: unknown mark {mark!r}; known: best, second"
            if metric not in one.printed.get(subset, {}):
                yield f"{where}: a mark but no number of {metric} on {subset}"


def _words(cells: Cells) -> Iterator[str]:
    for subset, row in cells.items():
        if subset not in SPLIT_COUNTS and subset != OVERALL:
            yield f"unknown subset {subset!r}; {suggest_names(subset, [*SPLIT_COUNTS, OVERALL])}"
        yield from (f"unknown metric {key!r}; {suggest_names(key, METRICS)}" for key in row if key not in METRICS)


def _measured(one: Measured, token: str) -> Iterator[str]:
    counts = MINI if token.startswith("dis-mini-") else SPLIT_COUNTS
    for split, n in one.splits.items():
        if counts.get(split) != n:
            yield f"{split} has {counts.get(split)} images, {n} were scored: a subset is scored whole or not at all"
    subsets = {*one.splits, *([OVERALL] if set(TEST_SPLITS) <= set(one.splits) else [])}
    if set(one.scores) != subsets or set(one.truths) != set(one.splits):
        yield f"its scores are of {', '.join(one.scores)} where its subsets are {', '.join(sorted(subsets))}"
    if not all(one.scores.values()):
        yield "a subset without scores"
    if not all(re.fullmatch("[0-9a-f]{64}", digest) for digest in one.truths.values()):
        yield "a digest of truths that is no SHA-256"
    if one.seconds and not ("total" in one.seconds and all(0 <= value < inf for value in one.seconds.values())):
        yield f"its seconds are no times: {one.seconds}"
    try:
        datetime.fromisoformat(one.finished)
    except ValueError:
        yield f"finished: {one.finished!r} is no time"


def _recomputed(one: Measured, result: Result) -> Iterator[str]:
    for split, row in one.scores.items():
        try:
            found = has_scores(result, split, tuple(row))
        except (InputError, KeyError) as error:
            yield f"its scores on {split} cannot be computed: {error}"
            continue
        for metric, (value, *ends) in row.items():
            again, *new_ends = found[metric]
            if abs(value - again) > TOLERANCE:
                yield f"{metric} on {split} is {value}, its evidence gives {again}"
            elif not all(map(_same, ends, new_ends)):
                yield f"the interval of {metric} on {split} is {ends}, its evidence gives {new_ends}"


def _same(a: float | None, b: float | None) -> bool:
    return a is b if a is None or b is None else abs(a - b) <= WITHIN
