"""Validation of entries, each by itself and against the others: names, published columns and measured parts."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from disbench.data.dataset import OVERALL, SPLIT_COUNTS
from disbench.data.training import UNSTATED, TrainedOn, check_training
from disbench.errors import InputError, suggest_names
from disbench.leaderboard.check_measured import check_measured
from disbench.leaderboard.entry import Cells, Entry, Reported, read_entry
from disbench.leaderboard.names import is_address, is_entry_name, is_plain_text
from disbench.leaderboard.tables import Published, TableName, name_parts, parse_number, read_tables
from disbench.leaderboard.truths import SeenEvidence
from disbench.metrics.catalogue import METRICS
from disbench.metrics.protocols import PROTOCOLS


def check_entries(paths: Sequence[Path]) -> list[str]:
    """Validate entries, each by itself and against each other. Returns one line for each fault."""
    faults: list[str] = []
    tables = _read_whole_tables(paths)
    columns: dict[tuple[str, str, int], Path] = {}
    seen = SeenEvidence()
    for path in paths:
        try:
            entry = read_entry(path)
        except InputError as error:
            faults.append(str(error))
            continue
        entry_faults = list(_check_entry(path, entry, seen))
        for name, part in name_parts(entry):
            entry_faults += _check_against_table(entry, part, tables.get(name))
            entry_faults += _check_column(path, part, columns)
        faults += [f"{path}: {fault}" for fault in entry_faults]
    return faults


def _read_whole_tables(paths: Sequence[Path]) -> dict[TableName, Published]:
    """Read the published tables next to the leaderboards of some entries, by name."""
    files = dict.fromkeys(file for path in paths for file in sorted((path.parent.parent / "tables").glob("*.json")))
    tables: dict[TableName, Published] = {}
    for file in files:
        for table in read_tables(file):
            tables.setdefault(table.name, table)
    return tables


def _check_against_table(entry: Entry, reported: Reported, whole: Published | None) -> Iterator[str]:
    if whole is None:
        return
    if whole.columns.get(entry.title, {}) != reported.printed:
        yield f"its numbers are not those of {reported.source.table} in tables/"
    if whole.marks.get(entry.title, {}) != reported.marks:
        yield f"its marks are not those of {reported.source.table} in tables/"
    if whole.trained_on.get(entry.title) != reported.trained_on:
        yield f"its training data are not those of {reported.source.table} in tables/"
    if (entry.title in whole.sees_truth) != reported.sees_truth:
        yield f"whether it received ground truth is not what {reported.source.table} in tables/ says"


def _check_column(path: Path, reported: Reported, columns: dict[tuple[str, str, int], Path]) -> Iterator[str]:
    """Check that no two entries claim one column of a table; `columns` collects them."""
    source = reported.source
    column = (source.title, source.table, source.column)
    if source.column < 1:
        yield f"column {source.column} of {source.table} does not exist; columns are counted from 1"
    elif column in columns:
        yield f"column {source.column} of {source.table} is that of {columns[column].name}, too"
    columns.setdefault(column, path)


def _check_entry(path: Path, entry: Entry, seen: SeenEvidence) -> Iterator[str]:
    if not is_entry_name(entry.model):
        yield f"{entry.model!r} is not the name of an entry; only letters, digits, - and _ are"
    for text in (entry.title, *entry.paper.values()):
        if not is_plain_text(text):
            yield f"{text[:80]!r} is not plain text"
    if "url" in entry.paper and not is_address(entry.paper["url"]):
        yield f"the address of its paper, {entry.paper['url']!r:.80}, is not an https:// address"
    if entry.model != path.stem:
        yield f"it is the entry of {entry.model}, so it must be called {entry.model}.json"
    for reported in entry.reported:
        yield from _check_reported(reported)
    for reproduced in entry.reproduced:
        yield from _check_reported(reproduced)
        yield from _check_reproduced(entry, reproduced)
    if not entry.published and not entry.measured:
        yield "nothing is reported, reproduced or measured"
    parts = [(measured.protocol, *sorted(measured.splits)) for measured in entry.measured]
    if len(set(parts)) < len(parts):
        yield "two measured parts are of the same subsets by the same protocol"
    for trained_on in (*(part.trained_on for part in entry.published), *(part.trained_on for part in entry.measured)):
        yield from _check_trained_on(trained_on)
    for measured in entry.measured:
        yield from check_measured(path, entry, measured, seen)


def _check_trained_on(trained_on: TrainedOn | None) -> Iterator[str]:
    if isinstance(trained_on, str):
        if trained_on != UNSTATED:
            yield f"trained_on: {trained_on[:80]!r} is neither a list of splits nor {UNSTATED!r}"
        return
    try:
        check_training(trained_on or ())
    except InputError as error:
        yield str(error)


def _check_reported(reported: Reported) -> Iterator[str]:
    source = reported.source
    table = f"{source.table} of {source.title}"
    if source.url and not source.url.startswith("https://"):
        yield f"{table}: {source.url!r} is not an https:// address"
    if source.arxiv and not re.fullmatch(r"\d{4}\.\d{4,5}", source.arxiv, re.ASCII):
        yield f"{table}: {source.arxiv!r} is not an arXiv number such as 2410.10105"
    if not source.arxiv and not source.url:
        yield f"{table}: no source can be looked up; give an arXiv number or an address"
    if source.secondhand and not source.url:
        yield f"{table}: secondhand numbers need the address of the page that they were read at"
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


def _check_reproduced(entry: Entry, reproduced: Reported) -> Iterator[str]:
    source = reproduced.source
    table = f"{source.table} of {source.title}"
    if reproduced.protocol is None:
        yield f"{table}: reproduced, but the protocol of the script that scored it is not named"
    if not source.url:
        yield f"{table}: reproduced, but the address that it was read at is missing"
    own = {entry.paper.get("title"), entry.paper.get("arxiv")} - {None, ""}
    if own & {source.title, source.arxiv}:
        yield f"{table}: the method's own paper reports its numbers and does not reproduce them"


def _check_names(cells: Cells) -> Iterator[str]:
    for subset, row in cells.items():
        if subset not in SPLIT_COUNTS and subset != OVERALL:
            yield f"unknown subset {subset!r}; {suggest_names(subset, [*SPLIT_COUNTS, OVERALL])}"
        yield from (f"unknown metric {key!r}; {suggest_names(key, METRICS)}" for key in row if key not in METRICS)
