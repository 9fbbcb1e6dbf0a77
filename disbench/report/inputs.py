"""What commands on results take: run folders and leaderboard entries alike."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from disbench import leaderboard
from disbench.errors import InputError
from disbench.leaderboard import evidence
from disbench.runs import Result, load


def is_run(path: Path) -> bool:
    """Whether an argument is to be read as a run folder: one that is there, but for a folder of entries."""
    return path.is_dir() and ((path / "run.json").exists() or not any(path.glob("*.json")))


def results(named: Iterable[tuple[str | None, Path]]) -> list[Result]:
    """(title, run folder or entry) -> results; an entry gives all that was measured. InputError for one without."""
    found: list[Result] = []
    for title, path in named:
        if is_run(path):
            found.append(load(path, title))
            continue
        for entry in leaderboard.find([str(path)]):
            measured = evidence.results(entry)
            if not measured:
                raise InputError(f"{entry}: nothing was measured of it; what is reported has no statistics of images")
            found += [replace(one, title=title or one.title) for one in measured]
    return found
