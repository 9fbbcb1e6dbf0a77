"""Files that are written whole or not at all, and folders that one process works in at a time."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from disbench.errors import InputError


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
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")  # the name of `path` may be as long as names can be
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:  # a full disk must not be filled further
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on a folder, created if missing, for the duration of the block.

    The lock ends with the process, however that ends. Windows has no such locks: there nobody is kept out.

    Raises:
        InputError: if another process holds the lock, and if the folder cannot be created.
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; choose another place with --out") from None
    with (folder / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder}: another process works there; wait for it, or choose another --out") from None
        yield


@contextmanager
def wait_for_folder(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on a folder, created if missing; while another process or thread holds it, wait.

    The lock ends with the process, however that ends. It leaves no file, except on network file systems, which lock no
    folders. Windows has no such locks: there nobody is kept out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ModuleNotFoundError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            os.close(descriptor)
            descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
