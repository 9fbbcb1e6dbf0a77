"""Writing files whole or not at all, alone in a folder, and the folder for what can be made again."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from disbench.errors import InputError


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` so that a reader, or a process killed in the middle, leaves the old file or the new one, no part."""
    with atomic_writer(path) as file:
        file.write(data)


@contextmanager
def atomic_writer(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of `path` when the block ends without an error.

    InputError where `path` is there but no file: root could put a file in the place of /dev/null.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: no file, so nothing is written there; choose another place")
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")  # not of the name, which may be as long as names can be
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:  # a full disk is not to be filled further
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Alone in `folder`, made if need be, until the end of the block or, in whatever way, of the process.

    InputError where another process is, and where no folder can be made. Windows has no such locks: there nobody is
    kept out.
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
            raise InputError(
                f"{folder}: another process is at work there; wait for it, or choose another --out"
            ) from None
        yield
