"""Leaderboards: what is claimed of each method, with its source, beside what was measured, with its evidence.

    leaderboards/<data set>/<model>.json             one entry per file
    leaderboards/<data set>/evidence/<digest>.parquet  the per-image statistics that measured values follow from
    leaderboards/tables/<name>.json                  a published table that is no leaderboard, as an ablation

Reported numbers are kept as printed, as text, so that what a paper rounds, marks or gets wrong can be told.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from disbench.data.mini import TITLE as MINI
from disbench.errors import InputError, suggest_names
from disbench.system.files import write_atomic

SCHEMA = 1
_HERE = Path(__file__).parent.parent
BOARDS_ROOT = next((p for p in (_HERE / "_shipped" / "leaderboards", _HERE.parent / "leaderboards") if p.is_dir()), None)

Cells = dict[str, dict[str, str]]  # subset -> metric -> text


@dataclass(frozen=True)
class Citation:
    """Where a published number stands. heading: what the paper calls the method; column: its place, from 1; url: of
    what was read, where it was not the paper itself."""

    title: str
    venue: str
    arxiv: str
    table: str
    heading: str
    column: int
    url: str = ""

    @property
    def paper(self) -> str:
        """How it is cited, the same for all methods in its tables."""
        return f"{self.title} ({self.venue}, arXiv:{self.arxiv})"


@dataclass(frozen=True)
class Reported:
    """One column of a published table. printed: the digits; marks: "best" or "second", as the table sets them.

    protocol: by which it was likely made, None where nothing tells; because: what tells
    """

    source: Citation
    protocol: str | None
    because: str
    printed: Cells
    marks: Cells = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """The scores of one run, which follow from its evidence.

    scores: subset -> metric -> (value, low, high), the 95 % interval; None where there are too few images for one
    splits, truths: images, and the digest of their truths, by subset; seconds: medians per image by stage
    environment: what the seconds were taken in, workers included, since times of another do not compare
    evidence: SHA-256 of the file beside the entry; run: the model's own identity, as its run key hashes it
    """

    protocol: str
    signature: str
    splits: dict[str, int]
    truths: dict[str, str]
    scores: dict[str, dict[str, tuple[float, float | None, float | None]]]
    seconds: dict[str, float]
    environment: dict[str, Any]
    run: dict[str, Any]
    finished: str
    evidence: str


@dataclass(frozen=True)
class Entry:
    """One method on one data set. model: its name, also in the registry if it is there."""

    model: str
    title: str
    dataset: str
    token: str
    paper: dict[str, str] = field(default_factory=dict)
    reported: tuple[Reported, ...] = ()
    measured: tuple[Measured, ...] = ()
    schema: int = SCHEMA


def read_entry(path: Path) -> Entry:
    """An entry from its file; InputError where it is none, or of a data set under another's name."""
    try:
        data = path.read_bytes()
        entry = msgspec.json.decode(data, type=Entry)
        json.loads(data, object_pairs_hook=_once)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # msgspec's and json's are ValueErrors
        raise InputError(f"{path}: not a leaderboard entry ({error})") from None
    if entry.schema != SCHEMA:
        raise InputError(f"{path}: schema {entry.schema}, this disbench reads {SCHEMA}")
    if entry.dataset != (MINI if entry.token.startswith("dis-mini-") else {"dis5k": "DIS5K"}.get(entry.token)):
        raise InputError(f"{path}: {entry.dataset!r} is not the data set of the token {entry.token!r}")
    return entry


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers of JSON differ on which of two values of a key counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"a key stands twice among {', '.join(found)}")
    return found


def write_entry(path: Path, entry: Entry) -> None:
    write_atomic(path, msgspec.json.format(msgspec.json.encode(entry), indent=1) + b"\n")


def list_boards(root: Path | None = BOARDS_ROOT) -> dict[str, Path]:
    """The leaderboards under a folder, by name."""
    folders = sorted(root.iterdir()) if root and root.is_dir() else []
    return {path.name: path for path in folders if path.is_dir() and path.name != "tables"}


def list_entries(board: str | Path = "dis5k") -> list[Path]:
    """The entries of a leaderboard: a folder, or the name of one that disbench ships."""
    folder = Path(board) if Path(board).is_dir() else list_boards().get(str(board))
    if folder is None:
        raise InputError(f"{board}: no such leaderboard; {suggest_names(str(board), list_boards())}")
    found = sorted(folder.glob("*.json"))
    if not found:
        raise InputError(f"{folder}: no entries in it")
    return found


def find_entries(arguments: Iterable[str]) -> list[Path]:
    """The entries that arguments mean: a file, a folder of entries, a shipped leaderboard, or a method on DIS5K."""
    found: list[Path] = []
    for argument in arguments:
        path = Path(argument)
        if path.suffix == ".json":
            found.append(path)
        elif path.is_dir() or argument in list_boards():
            found += list_entries(argument)
        else:
            known = {file.stem: file for file in list_entries()}
            if argument not in known:
                raise InputError(f"{argument}: no such folder, and no entry on DIS5K; {suggest_names(argument, known)}")
            found.append(known[argument])
    return list(dict.fromkeys(found))


def evidence_path(path: Path, measured: Measured) -> Path:
    """The file that holds the per-image statistics behind a measured part of the entry at `path`. InputError where its
    digest is none: it names a file, which must not be another."""
    if not re.fullmatch(r"[0-9a-f]{64}", measured.evidence):
        raise InputError(f"{path}: {measured.evidence!r} is no SHA-256 of evidence")
    return path.parent / "evidence" / f"{measured.evidence[:16]}.parquet"
