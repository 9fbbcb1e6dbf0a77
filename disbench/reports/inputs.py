"""What commands on results take: run folders and leaderboard entries alike."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from disbench.errors import InputError
from disbench.leaderboard import evidence
from disbench.leaderboard.entry import find_entries, read_entry
from disbench.reports import published
from disbench.runs.result import Result, load_run


def is_run(path: Path) -> bool:
    """Whether an argument is to be read as a run folder: one that is there, but for a folder of entries."""
    return path.is_dir() and ((path / "run.json").exists() or not any(path.glob("*.json")))


Named = list[tuple[str | None, Path]]  # title, or None for its own, and where it is


def classify_inputs(named: Iterable[tuple[str | None, Path]]) -> tuple[list[str], list[Path], Named]:
    """Arguments as published tables by name, entries that report something, and what has results: runs, and entries
    that were measured."""
    known = published.shipped_tables()
    tables: list[str] = []
    found: list[Path] = []
    rest: Named = []
    for title, path in named:
        if is_run(path):
            rest.append((title, path))
        elif str(path) in known:
            tables.append(str(path))
        else:
            for file in _entries(str(path), known):
                entry = read_entry(file)
                if not entry.reported and not entry.measured:
                    raise InputError(f"{file}: nothing is reported in it, and nothing measured")
                found += [file] * bool(entry.reported)
                rest += [(title, file)] * bool(entry.measured)
    return tables, found, rest


def _entries(argument: str, tables: Iterable[str]) -> list[Path]:
    try:
        return find_entries([argument])
    except InputError as error:
        raise InputError(f"{error}; published tables: {', '.join(tables)}") from None


def load_inputs(named: Iterable[tuple[str | None, Path]]) -> list[Result]:
    """(title, run folder or entry) -> results; an entry gives all that was measured. InputError for one without."""
    found: list[Result] = []
    for title, path in named:
        if is_run(path):
            found.append(load_run(path, title))
            continue
        for entry in find_entries([str(path)]):
            measured = evidence.load_measured(entry)
            if not measured:
                raise InputError(f"{entry}: nothing was measured of it; what is reported has no statistics of images")
            found += [replace(one, title=title or one.title) for one in measured]
    return found
