"""Files that are written whole or not at all, and folders that one process works in at a time.

A file is written under the name .HOST-RANDOM.part first, in the same folder, and locked meanwhile. A killed process
leaves such a part. The next process that starts in the folder removes it if it is its own host's and is not locked, or
is a day old: other hosts may not see locks, and Windows has none.
"""

import functools
import os
import re
import secrets
import shutil
import socket
import stat
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar

from disbench.errors import InputError, wrong_type

try:
    import fcntl
except ModuleNotFoundError:  # on Windows
    fcntl = None  # type: ignore[assignment]

Created = TypeVar("Created", bound=Any)
SECONDS_TO_WRITE = 24 * 3600  # after which a part is nobody's
_PART = re.compile(r"\.([0-9a-f]{8}-)?[0-9a-f]{16}\.part")  # without a host: of older versions. Others are the user's


def require_regular_file(path: Path) -> Path:
    """Return the path of a file that can be read to its end.

    A missing file and a folder are left to the reader, which reports them.

    Raises:
        InputError: for a pipe, a socket and a device, which could be waited for forever, and for a broken link.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        if path.is_symlink():
            raise InputError(f"{path}: a broken link; restore the file that it points to, or remove it") from None
        return path
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{path}: a pipe, socket or device; give a regular file")
    return path


def is_file(path: Path) -> bool:
    """Return whether a file exists, also for a text that no path can be: too long, or with a null character."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Return whether a folder exists, as `is_file` does for a file."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def require_path(name: str, value: Any) -> Path:
    """Return a path that a user passes as text or as an os.PathLike. InputError for all else, and for an empty text."""
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if isinstance(text, bytes):
        raise InputError(f"{name}: got bytes, expected text or a pathlib.Path; decode it with os.fsdecode")
    if not isinstance(text, str):
        raise wrong_type(name, value, "text or a pathlib.Path")
    if not text:
        raise InputError(f"{name}: got an empty text; give a path, such as '.' for the current folder")
    if "\0" in text:
        raise InputError(f"{name}: {text!r:.60} holds a null character, which no path can")
    return Path(text)


def write_atomic(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file. Readers and crashes see the old file or the new one, never a partial file.

    Without `sync`, which takes milliseconds, a crash of the machine may leave a damaged file.
    """
    with atomic_writer(path, sync=sync) as file:
        file.write(data)


@contextmanager
def atomic_writer(path: Path, *, sync: bool = True) -> Iterator[IO[bytes]]:
    """Open a temporary file that replaces `path` when the block ends without an error.

    Raises:
        InputError: if `path` exists and is not a file. Otherwise root could replace /dev/null by a file.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a file, so nothing is written there; choose another place")
    _remove_parts_once(path.parent.absolute())
    temporary, file = _create_part(path.parent, lambda part: part.open("xb"))
    try:
        with file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
            if fcntl:  # while the lock is held
                temporary.replace(path)
        if not fcntl:  # Windows renames only closed files
            temporary.replace(path)
    except BaseException as error:  # a full disk must not be filled further
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def link_or_copy(source: Path, target: Path, link: Callable[[Path, Path], None]) -> None:
    """Make a new path for a file: a link, or a copy where there are no links.

    Raises:
        FileExistsError: if the path is taken. It may be a link of another process, through which a copy would be
            written into the user's file.
    """
    try:
        link(source.resolve(), target)
    except FileExistsError:
        raise
    except OSError:  # another file system, or one without links; Windows lets few users make them
        with source.open("rb") as original, target.open("xb") as copy:
            shutil.copyfileobj(original, copy)


def remove_parts(folder: Path) -> None:
    """Remove the parts of files that killed processes left in a folder. Those of live processes stay."""
    with suppress(OSError):  # a folder that is missing or cannot be read has nothing to remove
        for entry in os.scandir(folder):
            if _PART.fullmatch(entry.name):
                _remove_part(Path(entry.path))


@functools.cache
def _remove_parts_once(folder: Path) -> None:
    remove_parts(folder)


def _remove_part(path: Path) -> None:
    with suppress(OSError):  # removed by another process, or not ours to remove
        is_old = time.time() - path.stat().st_mtime > SECONDS_TO_WRITE
        remove = shutil.rmtree if path.is_dir() else Path.unlink
        if not path.name.startswith(f".{_host()}-") or fcntl is None:
            if is_old:
                remove(path)
            return
        file = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(path)
        except BlockingIOError:  # its writer lives, however long it takes
            pass
        except OSError:  # a file system without locks
            if is_old:
                remove(path)
        finally:
            os.close(file)


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Create a folder for the duration of the block. A killed process leaves it to the next start in `parent`."""
    remove_parts(parent)
    path, file = _create_part(parent, _open_folder)
    try:
        yield path
    finally:
        if file is not None:
            os.close(file)
        shutil.rmtree(path, ignore_errors=True)


def _open_folder(path: Path) -> int | None:
    """Create a folder. Returns a descriptor that can be locked, if there are locks."""
    path.mkdir()
    return os.open(path, os.O_RDONLY) if fcntl else None


def _create_part(folder: Path, create: Callable[[Path], Created]) -> tuple[Path, Created]:
    """Create and lock the part of a file or folder."""
    while True:
        # The name of the file itself may be as long as names can be.
        path = folder / f".{_host()}-{secrets.token_hex(8)}.part"
        try:
            part = create(path)
        except OSError as error:  # which names the part; users know the folder
            raise OSError(error.errno, error.strerror, str(folder)) from None
        if fcntl:
            with suppress(OSError):  # of file systems without locks
                fcntl.flock(part, fcntl.LOCK_EX)
            if not path.exists():  # removed before it was locked
                continue
        return path, part


@functools.cache
def _host() -> str:
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on a folder, created if missing, for the duration of the block.

    The lock ends with the process, however that ends. Windows has no such locks: there nobody is kept out.

    Raises:
        InputError: if another process holds the lock, and if the folder cannot be created.
    """
    if fcntl is None:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; choose another place with --out") from None
    with require_regular_file(folder / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder}: another process works there; wait for it, or choose another --out") from None
        remove_parts(folder)
        yield


@contextmanager
def wait_for_folder(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on a folder, created if missing; while another process or thread holds it, wait.

    The lock ends with the process, however that ends. It leaves no file, except on network file systems, which lock no
    folders. Windows has no such locks: there nobody is kept out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            file = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
            os.close(descriptor)
            descriptor = file
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
