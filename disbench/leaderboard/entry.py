"""Entries of leaderboards: reported and reproduced numbers with their source, measured scores with their evidence.

    leaderboards/<data set>/<model>.json               one entry per file
    leaderboards/<data set>/evidence/<digest>.parquet  the per-image statistics that measured scores follow from
    leaderboards/tables/<name>.json                    a published table that is not a leaderboard, such as an ablation

Published numbers are kept as printed, as text, so that roundings, marks and mistakes of a paper stay visible.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from disbench.data.mini import TITLE as MINI_TITLE
from disbench.data.training import TrainedOn
from disbench.errors import InputError, suggest_names
from disbench.system.documents import read_json_bytes, report_unreadable
from disbench.system.files import is_file, write_atomic
from disbench.system.progress import announce_once

SCHEMA = 1
MAX_BYTES = 1 << 24  # of an entry
_PACKAGE = Path(__file__).parent.parent
_ROOTS = (_PACKAGE / "_shipped" / "leaderboards", _PACKAGE.parent / "leaderboards")  # installed, or a checkout
BOARDS_ROOT = next((path for path in _ROOTS if path.is_dir()), None)
OWN_ROOT = Path("leaderboards")  # of the user, in the current folder, where `disbench submit` writes

Cells = dict[str, dict[str, str]]  # subset -> metric -> text
Interval = tuple[float, float | None, float | None]  # score, and the ends of its interval; None: too few images


@dataclass(frozen=True, kw_only=True)
class Citation:
    """The place of a published number.

    Attributes:
        title: title of the paper.
        venue: its venue and year.
        arxiv: its arXiv number. "": it has none, and `url` is given.
        table: name of the table in the paper.
        heading: the name of the method in the paper.
        column: the method's place in the table, from 1.
        url: address of the source, if it was not the paper itself.
        secondhand: whether the number was read at a page that quotes the source. `url` is that page.
    """

    title: str
    venue: str
    arxiv: str
    table: str
    heading: str
    column: int
    url: str = ""
    secondhand: bool = False

    @property
    def paper(self) -> str:
        """The paper's citation, the same for all methods in its tables."""
        arxiv = f", arXiv:{self.arxiv}" if self.arxiv else ""
        return f"{self.title} ({self.venue}{arxiv})"

    @property
    def label(self) -> str:
        """The arXiv number, or the start of the address of a source that has none."""
        return f"arXiv:{self.arxiv}" if self.arxiv else "/".join(self.url.split("/")[2:4])


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One column of a published table.

    Attributes:
        source: the publication.
        protocol: the evaluation protocol that it was probably made with. None: unknown.
        because: the reason to assume so.
        printed: the printed texts.
        marks: "best" or "second", as the table marks them.
        trained_on: the splits that the method was trained on, or "unstated". None: not recorded.
        sees_truth: whether the method received ground truth.
    """

    source: Citation
    protocol: str | None
    because: str
    printed: Cells
    marks: Cells = field(default_factory=dict)
    trained_on: TrainedOn | None = None
    sees_truth: bool = False


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The scores of one run, which follow from its evidence.

    Attributes:
        protocol: the evaluation protocol.
        signature: one line with everything that decides a score, as reports print it.
        splits: subset -> number of images.
        truths: subset -> digest of the ground truth.
        scores: subset -> metric -> score with its 95 % interval.
        seconds: stage -> median seconds per image; "total" is their sum's median.
        environment: the environment in which the seconds were measured, workers included.
        run: the model's identity, as the run key hashes it.
        finished: when the run finished, in ISO 8601.
        evidence: SHA-256 of the evidence file, as hexadecimal digits.
        trained_on: the splits that the weights were trained on, or "unstated". None: not recorded.
    """

    protocol: str
    signature: str
    splits: dict[str, int]
    truths: dict[str, str]
    scores: dict[str, dict[str, Interval]]
    seconds: dict[str, float]
    environment: dict[str, Any]
    run: dict[str, Any]
    finished: str
    evidence: str
    trained_on: TrainedOn | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One method on one data set.

    Attributes:
        model: name of the method; its name in the registry, if it is there.
        title: name for people.
        dataset: title of the data set.
        token: the data set's token in signatures.
        paper: the method's paper, as in its card.
        reported: columns of tables that the method's authors, or authors of later methods, published.
        reproduced: columns of tables of others, who made maps of the method and scored them with its authors' script.
        measured: scores of runs.
        schema: version of this file format.
    """

    model: str
    title: str
    dataset: str
    token: str
    paper: dict[str, str] = field(default_factory=dict)
    reported: tuple[Reported, ...] = ()
    reproduced: tuple[Reported, ...] = ()
    measured: tuple[Measured, ...] = ()
    schema: int = SCHEMA

    @property
    def published(self) -> tuple[Reported, ...]:
        """The columns of published tables: reported, then reproduced."""
        return self.reported + self.reproduced


def read_entry(path: Path) -> Entry:
    """Read an entry; InputError for any other file, and for a token that is not of its data set."""
    if not path.exists():
        raise InputError(f"{path}: no such file")
    with report_unreadable(path, "not a leaderboard entry"):
        data = read_json_bytes(path, MAX_BYTES)
        entry = msgspec.json.decode(data, type=Entry)
        json.loads(data, object_pairs_hook=_refuse_duplicates)
    if entry.schema != SCHEMA:
        raise InputError(f"{path}: has schema {entry.schema}, this disbench reads {SCHEMA}")
    titles = {"dis5k": "DIS5K"}
    title = MINI_TITLE if entry.token.startswith("dis-mini-") else titles.get(entry.token)
    if entry.dataset != title:
        raise InputError(f"{path}: {entry.dataset!r} is not the data set of the token {entry.token!r}")
    return entry


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object with a duplicate key: JSON readers differ on which of the two values counts."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError(f"a key stands twice among {', '.join(values)}")
    return values


def describe_entry(entry: Entry) -> dict[str, Any]:
    """Return an entry as JSON has it: the keys of later versions only if they say something."""
    content = msgspec.to_builtins(entry)
    # msgspec omits a default of an entry that it has read, and no default of another entry.
    if not entry.reproduced:
        content.pop("reproduced", None)
    for part in (*content.get("reported", ()), *content.get("reproduced", ())):
        if not part["source"].get("secondhand"):
            part["source"].pop("secondhand", None)
    return content


def encode_entry(entry: Entry) -> bytes:
    """Encode an entry as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(describe_entry(entry)), indent=1) + b"\n"


def write_entry(path: Path, entry: Entry) -> None:
    """Write an entry as indented JSON."""
    write_atomic(path, encode_entry(entry))


def list_boards(root: Path | None = BOARDS_ROOT) -> dict[str, Path]:
    """List the leaderboards in a folder, by name. The other folders hold tables and suites."""
    folders = sorted(root.iterdir()) if root and root.is_dir() else []
    return {path.name: path for path in folders if path.is_dir() and path.name not in ("tables", "suites")}


def list_entries(board: str | Path = "dis5k") -> list[Path]:
    """List the entries of a leaderboard, which is a folder or the name of a shipped one."""
    folder = Path(board) if Path(board).is_dir() else list_boards().get(str(board))
    if folder is None:
        raise InputError(f"{board}: no such leaderboard; {suggest_names(str(board), list_boards())}")
    paths = sorted(folder.glob("*.json"))
    if not paths:
        below = [path.name for path in list_boards(folder).values() if any(path.glob("*.json"))]
        advice = f"; give {' or '.join(str(folder / name) for name in below)}" if below else ""
        raise InputError(f"{folder}: has no entries in it{advice}")
    return paths


def list_own_entries(board: str) -> list[Path]:
    """List the user's entries of a leaderboard: those in ./leaderboards, where that is not the shipped folder."""
    folder, shipped = OWN_ROOT / board, list_boards().get(board)
    if not folder.is_dir() or (shipped and folder.samefile(shipped)):
        return []
    return sorted(folder.glob("*.json"))


def is_own_entry(path: Path) -> bool:
    """Return whether a file of an entry, or of its evidence, is among the user's own, which `find_entries` adds."""
    folder = path.parent.parent if path.parent.name == "evidence" else path.parent
    return any(
        own.parent.samefile(folder) for board in list_boards() for own in list_own_entries(board)[:1] if folder.is_dir()
    )


def find_entries(arguments: Iterable[str]) -> list[Path]:
    """Find the entries that arguments name.

    An argument is a file, a folder of entries, the name of a shipped leaderboard, or a method on DIS5K. A name also
    means the user's own entries, in ./leaderboards, which is announced.
    """
    paths: list[Path] = []
    for argument in arguments:
        path = Path(argument)
        if path.suffix == ".json":
            paths.append(path)
        elif path.is_dir():
            paths += list_entries(path)
        elif argument in list_boards():
            paths += _announce_own(_list_named_entries(argument))
        elif is_file(path):
            raise InputError(f"{path}: a file, not an entry; give the .json file of one, or a folder of entries")
        else:
            named = _list_named_entries("dis5k")
            entries = [file for file in named if file.stem == argument]
            if not entries:
                hint = suggest_names(argument, (file.stem for file in named))
                raise InputError(f"{argument}: no such folder, and no entry on DIS5K; {hint}")
            paths += _announce_own(entries)
    return list(dict.fromkeys(paths))


def _announce_own(paths: list[Path]) -> list[Path]:
    own = [path for path in paths if path.parent.parent == OWN_ROOT]
    if 0 < len(own) < len(paths):
        names = ", ".join(path.stem for path in own)
        announce_once(f"with your entries in ./{own[0].parent.as_posix()}: {names}")
    return paths


def _list_named_entries(board: str) -> list[Path]:
    """List the shipped entries of a leaderboard and the user's own.

    An own entry that repeats published columns of the shipped one of its name is a copy of it, and takes its place.
    """
    own = list_own_entries(board)
    copies = {path.name for path in own if _repeats(path, list_boards()[board] / path.name)}
    return [path for path in list_entries(board) if path.name not in copies] + own


def _repeats(own: Path, shipped: Path) -> bool:
    if not shipped.exists():
        return False
    try:
        columns = [{part.source.paper + part.source.table for part in read_entry(path).published}
                   for path in (own, shipped)]  # fmt: skip
    except InputError:  # reported by whoever reads the entry
        return False
    return bool(columns[0] & columns[1])


def evidence_path(path: Path, measured: Measured) -> Path:
    """Return the evidence file of a measured part of the entry at `path`.

    InputError if its digest is not a digest: it becomes part of a path, which must stay in the folder.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", measured.evidence):
        raise InputError(f"{path}: {measured.evidence!r} is not a SHA-256 digest of evidence")
    return path.parent / "evidence" / f"{measured.evidence[:16]}.parquet"
