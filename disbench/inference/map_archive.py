"""Prediction maps in a zip file, extracted into a temporary folder while they are scored."""

import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from disbench.data.dataset import SPLIT_COUNTS
from disbench.data.file_lists import is_ignored
from disbench.data.float_maps import MAP_EXTENSIONS
from disbench.errors import InputError, describe_error
from disbench.system.files import require_regular_file, temporary_folder

SUFFIX = ".zip"
MAX_FILES = 200_000
MAX_EXPANSION = 200  # bytes extracted for each byte of the archive; maps are hardly compressed further
SMALL = 1 << 28  # bytes that are always accepted: black maps expand a thousand times
_CHUNK = 1 << 20
_FOREIGN = "__MACOSX"  # a folder that macOS adds


def is_archive(maps: Path) -> bool:
    """Return whether maps are in a zip file."""
    return maps.suffix.lower() == SUFFIX and maps.is_file()


def name_maps(maps: Path) -> str:
    """Return the title of maps without one: the name of their folder, or of their zip file without its suffix."""
    path = maps.resolve()
    return path.stem if is_archive(maps) else path.name


@contextmanager
def open_maps(maps: Path) -> Iterator[Path]:
    """Open a folder or a zip file of maps for the duration of the block, and yield the folder.

    A folder that has no map and no other folder next to it is opened, at any depth, unless it is named like a split.

    Raises:
        InputError: for a damaged or encrypted archive, for one that is too large, and for names that lead elsewhere.
    """
    if not is_archive(maps):
        yield maps
        return
    with temporary_folder(Path(tempfile.gettempdir())) as temporary:
        root = temporary / "maps"
        root.mkdir()
        try:
            with zipfile.ZipFile(require_regular_file(maps)) as archive:
                _extract(maps, archive, root)
        except InputError:
            raise
        except Exception as error:  # each compression fails on damaged bytes in its own ways
            raise InputError(f"{maps}: cannot be extracted ({describe_error(error)}); check the archive") from None
        try:
            yield _unwrap(root)
        except InputError as error:
            raise InputError(str(error).replace(str(root), str(maps))) from None


def _unwrap(root: Path) -> Path:
    """Return the folder of the maps, below folders that hold only one folder."""
    while True:
        entries = [path for path in root.iterdir() if path.is_dir() or path.suffix.lower() in MAP_EXTENSIONS]
        if len(entries) != 1 or not entries[0].is_dir() or entries[0].name in SPLIT_COUNTS:
            return root
        root = entries[0]


def _extract(maps: Path, archive: zipfile.ZipFile, root: Path) -> None:
    members = [member for member in archive.infolist() if not member.is_dir()]
    _check_members(maps, members)
    for member in members:
        if _is_foreign(member.filename):
            continue
        target = root.joinpath(*PurePosixPath(member.filename).parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        left = member.file_size
        with archive.open(member) as source, target.open("xb") as file:
            while chunk := source.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise InputError(f"{maps}: {member.filename} is larger than the archive says; check the archive")
                file.write(chunk)


def _check_members(maps: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    """Raise InputError for an archive that may not be extracted."""
    names = set()
    for member in members:
        name = member.filename
        parts = PurePosixPath(name).parts
        kind = stat.S_IFMT(member.external_attr >> 16)
        is_path = "\\" in name or ".." in parts or PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive
        if is_path or (kind and not stat.S_ISREG(kind)) or not name.isprintable():
            raise InputError(f"{maps}: {name!r} leads out of the archive, or is no plain file; remove it")
        if name.casefold() in names:
            raise InputError(f"{maps}: has two files called {name}; remove one")
        names.add(name.casefold())
    size = sum(member.file_size for member in members)
    allowed = max(SMALL, MAX_EXPANSION * maps.stat().st_size)
    if len(members) > MAX_FILES or size > allowed:
        raise InputError(
            f"{maps}: {len(members):,} files of {size:,} bytes, at most {MAX_FILES:,} of {allowed:,} are extracted; "
            "extract it yourself and give the folder"
        )
    if size > shutil.disk_usage(tempfile.gettempdir()).free:
        raise InputError(f"{maps}: needs {size:,} bytes in {tempfile.gettempdir()}; set TMPDIR to a larger disk")


def _is_foreign(name: str) -> bool:
    """Return whether a member is hidden, or left by a file manager."""
    parts = PurePosixPath(name).parts
    return not parts or is_ignored(parts[-1]) or parts[0] == _FOREIGN
