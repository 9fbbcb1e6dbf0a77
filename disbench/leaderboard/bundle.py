"""Bundles: an entry with its evidence in one file, to hand to others.

A bundle is a zip file with the paths of a leaderboards folder, <board>/<model>.json and
<board>/evidence/<digest>.parquet. The entry holds the run's identity, as its run key hashes it, and the digest of the
evidence. The same run makes the same bytes: members are stored, not compressed, in a fixed order and without times.
"""

import io
import os
import re
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from disbench.errors import InputError
from disbench.leaderboard.check import check_entries
from disbench.leaderboard.entry import MAX_BYTES as MAX_ENTRY
from disbench.leaderboard.entry import Entry, encode_entry, read_entry
from disbench.leaderboard.evidence import PreparedEntry, write_parts
from disbench.leaderboard.evidence_file import MAX_BYTES as MAX_EVIDENCE
from disbench.leaderboard.names import is_entry_name
from disbench.system.documents import report_unreadable
from disbench.system.files import require_regular_file, wait_for_folder, write_atomic

MAX_MEMBERS = 17  # an entry and sixteen measured parts
MAX_BYTES = MAX_ENTRY + MAX_EVIDENCE
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip file can hold
MEMBER = re.compile(r"(dis5k|dis-mini)/(?:[\w-][\w.-]{0,99}\.json|evidence/[0-9a-f]{16}\.parquet)", re.ASCII)
NOT_A_BUNDLE = "not a bundle of `disbench submit --bundle`"


def write_bundle(path: Path, prepared: PreparedEntry) -> None:
    """Write an entry and its evidence as one file."""
    board, entry = prepared.board, prepared.entry
    members = {f"{board}/{entry.model}.json": encode_entry(entry)}
    members |= {f"{board}/evidence/{digest[:16]}.parquet": data for digest, data in prepared.evidence.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system = 3  # whatever system writes it
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, data)
    try:
        write_atomic(path, file.getvalue())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; choose another place with --bundle") from None


def add_bundle(path: Path, root: Path, model: str | None = None) -> Path:
    """Check a bundle and write its entry into a leaderboard.

    Measured parts join an entry of the same name and title. Nothing that is there is replaced by anything else.

    Args:
        path: the bundle.
        root: the folder of leaderboards.
        model: another name for the entry. None: its own.

    Returns:
        The path of the entry.

    Raises:
        InputError: for a file that is no bundle, for an entry with faults, and for another entry of its name.
    """
    members = _read_members(path)
    with TemporaryDirectory() as folder:
        entry = _check_members(path, members, Path(folder))
    board = PurePosixPath(next(iter(members))).parts[0]
    if model is not None and not is_entry_name(model):
        raise InputError(f"{model!r} cannot name an entry; give letters from a to z, digits, - and _ with --as")
    entry = replace(entry, model=model or entry.model)
    data = {part.evidence: members[f"{board}/evidence/{part.evidence[:16]}.parquet"] for part in entry.measured}
    target = root / board / f"{entry.model}.json"
    with wait_for_folder(target.parent):
        _check_target(path, target, entry)
        write_parts(target, PreparedEntry(board=board, entry=entry, evidence=data))
    return target


def _read_members(path: Path) -> dict[str, bytes]:
    """Read the members of a bundle: the entry first. Nothing is unpacked, and no member is compressed."""
    if not path.exists():
        raise InputError(f"{path}: no such file")
    with report_unreadable(path, NOT_A_BUNDLE):
        if (size := require_regular_file(path).stat().st_size) > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES >> 20} MiB")
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
                _check_infos(members, size)
                contents = {info.filename: archive.read(info) for info in members}
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            raise ValueError(str(error) or "it is damaged") from None
    entries = [name for name in contents if name.endswith(".json")]
    if len(entries) != 1:
        raise InputError(f"{path}: {NOT_A_BUNDLE} (it has {len(entries)} entries)")
    return {entries[0]: contents.pop(entries[0]), **contents}


def _check_infos(members: list[zipfile.ZipInfo], size: int) -> None:
    """Check names, kinds and sizes of members before any is read. ValueError for what no bundle has."""
    if not 0 < len(members) <= MAX_MEMBERS:
        raise ValueError(f"it has {len(members)} members; 1 to {MAX_MEMBERS} are possible")
    names = [info.filename for info in members]
    if len(set(names)) < len(names):
        raise ValueError("two members have one name")
    for info in members:
        name = info.filename
        if not MEMBER.fullmatch(name) or info.orig_filename != name:
            raise ValueError(f"a member {name!r:.80}, which no bundle has")
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise ValueError(f"{name}: a link or a device")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise ValueError(f"{name}: compressed, which no member of a bundle is")
        if info.file_size > (MAX_ENTRY if name.endswith(".json") else MAX_EVIDENCE):
            raise ValueError(f"{name}: too large")
    if len({name.partition("/")[0] for name in names}) > 1:
        raise ValueError("its members are of several leaderboards")
    if sum(info.file_size for info in members) > size:
        raise ValueError("its members are larger than itself")


def _check_members(path: Path, members: Mapping[str, bytes], folder: Path) -> Entry:
    """Check the entry and its evidence like `disbench leaderboard check`, in a folder of their own."""
    for name, data in members.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    name, *others = members
    faults = [fault.replace(f"{folder}{os.sep}", "") for fault in check_entries([folder / name])]
    if faults:
        more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
        raise InputError(f"{path}: {faults[0]}{more}; nothing was added")
    entry = read_entry(folder / name)
    board = name.partition("/")[0]
    if entry.published:
        raise InputError(f"{path}: {name}: published numbers, which are entered by hand; a bundle has measured ones")
    if (entry.token == "dis5k") != (board == "dis5k"):
        raise InputError(f"{path}: {name}: {entry.dataset} is not the data set of the leaderboard {board}")
    evidence = [f"{board}/evidence/{part.evidence[:16]}.parquet" for part in entry.measured]
    if set(evidence) != set(others):
        raise InputError(f"{path}: {NOT_A_BUNDLE} (its evidence is not that of its entry)")
    return entry


def _check_target(path: Path, target: Path, entry: Entry) -> None:
    """Check that adding an entry changes nothing that is in the leaderboard."""
    if not target.exists():
        return
    present = read_entry(target)
    advice = "nothing was added; give another name with --as, or remove that entry first"
    if present.title != entry.title or (present.paper and entry.paper and present.paper != entry.paper):
        raise InputError(f"{path}: {target} is another entry, {present.title!r}, not {entry.title!r}; {advice}")
    parts = {(part.protocol, *sorted(part.splits)): part for part in present.measured}
    for part in entry.measured:
        other = parts.get((part.protocol, *sorted(part.splits)))
        if other and other != part:
            subsets = ", ".join(part.splits)
            raise InputError(f"{path}: {target} has other scores on {subsets} under {part.protocol}; {advice}")
