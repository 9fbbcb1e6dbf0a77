"""Entries against what they must be: known words, whole subsets, known data, and values that follow from evidence."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from disbench.data.dis5k import COUNTS, OVERALL, TEST
from disbench.data.mini import SPLITS as MINI
from disbench.errors import InputError, nearest
from disbench.leaderboard import Cells, Entry, Measured, Reported, read
from disbench.leaderboard.audit import number, read_tables
from disbench.leaderboard.evidence import results, scored
from disbench.metrics import METRICS, signature
from disbench.metrics.protocols import PROTOCOLS
from disbench.runs import Result

TOLERANCE = 1e-9  # the last bits of a mean depend on the machine
WITHIN = 1e-4  # and an interval's ends, which are single numbers of resamples, on more of it


def check(paths: Sequence[Path]) -> list[str]:
    """One line for each fault in some entries; none where all hold."""
    faults: list[str] = []
    truths: dict[tuple[str, str], tuple[str, Path]] = {}
    columns: dict[tuple[str, str, int], Path] = {}
    beside = dict.fromkeys(file for path in paths for file in sorted((path.parent.parent / "tables").glob("*.json")))
    tables = [table for file in beside for table in read_tables(file)]
    for path in paths:
        try:
            entry = read(path)
        except InputError as error:
            faults.append(str(error))
            continue
        faults += [f"{path}: {fault}" for fault in _entry(path, entry)]
        for one in entry.reported:
            whole = next((t for t in tables if (t.paper, t.table) == (one.source.paper, one.source.table)), None)
            if whole and whole.columns.get(entry.title) != one.printed:
                faults.append(f"{path}: its numbers are not those of {one.source.table} in tables/")
            place = (one.source.title, one.source.table, one.source.column)
            if columns.setdefault(place, path) is not path:
                faults.append(f"{path}: column {place[2]} of {place[1]} is that of {columns[place].name}, too")
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
    for one in entry.measured:
        yield from _measured(one, entry.token)
    try:
        found = results(path)
    except InputError as error:
        yield str(error)
        return
    for one, result in zip(entry.measured, found, strict=True):
        yield from _recomputed(one, result)


def _reported(one: Reported) -> Iterator[str]:
    where = f"{one.source.table} of {one.source.title}"
    if one.protocol is not None and one.protocol not in PROTOCOLS:
        yield f"{where}: unknown protocol {one.protocol!r}; {nearest(one.protocol, PROTOCOLS)}"
    yield from (f"{where}: {fault}" for fault in _words(one.printed))
    for subset, row in one.printed.items():
        bad = (f"{text!r} ({metric}, {subset})" for metric, text in row.items() if number(text) is None)
        yield from (f"{where}: {cell} is no number" for cell in bad)
    for subset, row in one.marks.items():
        for metric, mark in row.items():
            if mark not in ("best", "second"):
                yield f"{where}: unknown mark {mark!r}; known: best, second"
            if metric not in one.printed.get(subset, {}):
                yield f"{where}: a mark but no number of {metric} on {subset}"


def _words(cells: Cells) -> Iterator[str]:
    for subset, row in cells.items():
        if subset not in COUNTS and subset != OVERALL:
            yield f"unknown subset {subset!r}; {nearest(subset, [*COUNTS, OVERALL])}"
        yield from (f"unknown metric {key!r}; {nearest(key, METRICS)}" for key in row if key not in METRICS)


def _measured(one: Measured, token: str) -> Iterator[str]:
    if one.protocol not in PROTOCOLS:
        yield f"unknown protocol {one.protocol!r}; {nearest(one.protocol, PROTOCOLS)}"
        return
    expected = signature(one.protocol, token, one.splits, one.signature.rpartition("|size:")[2])
    if expected.split("|")[2:] != one.signature.split("|")[2:]:  # whatever the version and the kernel
        yield f"its signature {one.signature} is not that of {one.protocol} on these subsets: {expected}"
    counts = MINI if token.startswith("dis-mini-") else COUNTS
    for split, n in one.splits.items():
        if counts.get(split) != n:
            yield f"{split} has {counts.get(split)} images, {n} were scored: a subset is scored whole or not at all"
    subsets = {*one.splits, *([OVERALL] if set(TEST) <= set(one.splits) else [])}
    if set(one.scores) != subsets or set(one.truths) != set(one.splits):
        yield f"its scores are of {', '.join(one.scores)} where its subsets are {', '.join(sorted(subsets))}"


def _recomputed(one: Measured, result: Result) -> Iterator[str]:
    counts = {split: len(rows) for split, rows in result.rows.items()}
    if counts != one.splits:
        yield f"its evidence has {counts} images where it says {one.splits}"
        return
    for split, row in one.scores.items():
        try:
            found = scored(result, split, tuple(row))
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
