"""Arguments of commands on results: run folders, leaderboard entries and published tables."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from disbench.errors import InputError
from disbench.leaderboard import evidence
from disbench.leaderboard.entry import find_entries, read_entry
from disbench.reports.published import shipped_tables
from disbench.runs.result import Result, load_run

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


def is_run(path: Path) -> bool:
    """Return whether an argument means a run folder, and not a folder of leaderboard entries."""
    return path.is_dir() and ((path / "run.json").exists() or not any(path.glob("*.json")))


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
        if isinstance(source, Result) or is_run(source):
            measured.append((title, source))
        elif str(source) in shipped:
            tables.append(str(source))
        else:
            for path in _find_entries(str(source), shipped):
                entry = read_entry(path)
                if not entry.published and not entry.measured:
                    raise InputError(f"{path}: it has neither published nor measured scores")
                if entry.published:
                    entries.append(path)
                if entry.measured:
                    measured.append((title, path))
    return ReportInputs(tables, entries, measured)


def _find_entries(argument: str, tables: Iterable[str]) -> list[Path]:
    try:
        return find_entries([argument])
    except InputError as error:
        raise InputError(f"{error}; published tables: {', '.join(tables)}") from None


def load_inputs(arguments: Iterable[TitledSource]) -> list[Result]:
    """Load the results of runs and measured entries. An entry gives a result for each of its measurements.

    Raises:
        InputError: for a run that cannot be read, and for an entry without measured scores.
    """
    results: list[Result] = []
    for title, source in arguments:
        if isinstance(source, Result):
            results.append(replace(source, title=title or source.title))
        elif is_run(source):
            results.append(load_run(source, title))
        else:
            for path in find_entries([str(source)]):
                measured = evidence.load_measured(path)
                if not measured:
                    raise InputError(
                        f"{path}: nothing was measured; published numbers come without the statistics of images"
                    )
                results += [replace(result, title=title or result.title) for result in measured]
    return results
