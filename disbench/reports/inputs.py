"""Arguments of commands on results: run folders, leaderboard entries and published tables."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from disbench.errors import InputError, suggest_names
from disbench.leaderboard import evidence
from disbench.leaderboard.entry import find_entries, is_own_entry, list_boards, list_entries, read_entry
from disbench.reports.published import shipped_tables
from disbench.runs.join import join_runs
from disbench.runs.lookup import ROOT, find_named_runs, find_runs_at, is_name, list_methods, unknown_run_error
from disbench.runs.result import Result, load_run
from disbench.system.files import is_folder
from disbench.system.progress import announce_once

# Where scores come from: a run folder, a leaderboard entry, or a result that is already loaded.
Source = Path | Result
TitledSource = tuple[str | None, Source]  # None: the title that the source itself has


@dataclass(frozen=True)
class ReportInputs:
    """The arguments of a report by kind.

    Attributes:
        tables: names of published tables.
        entries: leaderboard entries with published numbers.
        measured: runs, and entries with measured scores.
    """

    tables: Sequence[str]
    entries: Sequence[Path]
    measured: Sequence[TitledSource]


def classify_inputs(arguments: Iterable[TitledSource]) -> ReportInputs:
    """Sort the arguments of a report by what they are.

    Raises:
        InputError: for an argument that is nothing of the kind, and for an entry without any numbers.
    """
    shipped = shipped_tables()
    tables: list[str] = []
    entries: list[Path] = []
    measured: list[TitledSource] = []
    for title, source in arguments:
        if isinstance(source, Result):
            measured.append((title, source))
        elif str(source) in shipped and not find_runs_at(source):
            _announce_run(source)
            tables.append(str(source))
        else:
            for place in _find_places(source, shipped):
                if is_folder(place):
                    measured.append((title, place))
                    continue
                entry = read_entry(place)
                if not entry.published and not entry.measured:
                    raise InputError(f"{place}: it has neither published nor measured scores")
                if entry.published:
                    entries.append(place)
                if entry.measured:
                    measured.append((title, place))
    return ReportInputs(tables, entries, measured)


def load_inputs(arguments: Iterable[TitledSource]) -> list[Result]:
    """Load the results of runs and measured entries. An entry gives a result for each of its measurements.

    Runs of the same maps are joined; see disbench.runs.join.

    Raises:
        InputError: for a run that cannot be read, and for an entry without measured scores.
    """
    results: list[Result] = []
    for title, source in arguments:
        if isinstance(source, Result):
            results.append(replace(source, title=title or source.title))
            continue
        for place in _find_places(source):
            if is_folder(place):
                results.append(load_run(place, title))
                continue
            measured = evidence.load_measured(place)
            if not measured:
                raise InputError(
                    f"{place}: nothing was measured; published numbers come without the statistics of images"
                )
            results += [replace(result, title=title or result.title) for result in measured]
    return join_runs(_name_own_entries(results))


def _name_own_entries(results: list[Result]) -> list[Result]:
    """Name the user's own entries apart from shipped ones of the same title."""
    titles = Counter(result.title for result in results if not is_own_entry(result.folder))
    return [
        replace(result, title=f"{result.title} (own entry)")
        if is_own_entry(result.folder) and titles[result.title]
        else result
        for result in results
    ]


def _find_places(source: Path, tables: Iterable[str] | None = None) -> list[Path]:
    """Find the run folders, or the files of entries, that an argument stands for.

    A path comes before a name, and a name on a shipped leaderboard before the name of a run.

    Args:
        source: the argument.
        tables: the names of published tables, where published numbers can be used. None: only measured scores can.
    """
    runs = find_runs_at(source)
    if runs:
        return runs
    entries = _find_entries(source)
    has_run = str(source) in list_methods()
    if has_run and tables is None and not any(read_entry(entry).measured for entry in entries):
        entries = []
    if has_run and all(map(is_own_entry, entries)):  # entries of such runs
        entries = []
    if entries:
        _announce_run(source)
        return entries
    runs = find_named_runs(source)
    if not runs:
        raise _unknown_error(source, tables)
    return runs


def _find_entries(source: Path) -> list[Path]:
    try:
        return find_entries([str(source)])
    except InputError:  # no entry is called so
        return []


def _announce_run(source: Path) -> None:
    if str(source) in list_methods():
        announce_once(f"{source}: the leaderboard's numbers; {ROOT / source} is your run of this name")


def _unknown_error(source: Path, tables: Iterable[str] | None) -> InputError:
    if os.path.lexists(source) or not is_name(source):
        return unknown_run_error(source)
    methods, boards = list_methods(), list_boards()
    suggestion = suggest_names(
        str(source), [*methods, *boards, *(entry.stem for entry in list_entries()), *(tables or ())]
    )
    known = {"methods in ./runs": methods, "leaderboards": boards, "published tables": tables}
    hints = [suggestion] if suggestion.startswith("did you mean") else []
    hints += [f"{kind}: {', '.join(members)}" for kind, members in known.items() if members]
    return InputError(f"{source}: no such run folder, method or leaderboard; {'; '.join(hints)}")
