"""Files that are written whole or not at all, TOML and JSON that is read or refused, and folders of one process."""

import os
import re
import secrets
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from disbench.errors import InputError, wrong_type

MAX_TOML, MAX_JSON = 1 << 20, 1 << 28  # bytes; a larger file is no card and no manifest
MAX_DEPTH = 32  # levels of tables in TOML
# tomllib needs memory that grows with the square of the number of parts of a dotted key; here they are MAX_DEPTH.
_LONG_KEY = re.compile(r"""(?m)(?:^|[\[{,])[ \t]*(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){32}""")


@contextmanager
def report_unreadable(path: Path, fault: str, advice: str = "") -> Iterator[None]:
    """Turn each error of reading and parsing a file into one InputError, `path: fault (reason); advice`."""
    try:
        yield
    except InputError:
        raise
    except RecursionError:
        raise InputError(_describe(path, fault, "it is nested too deeply", advice)) from None
    except OSError as error:
        raise InputError(_describe(path, fault, error.strerror or str(error), advice)) from None
    except UnicodeDecodeError as error:
        reason = f"it is not UTF-8 text, from byte {error.start}"
        raise InputError(_describe(path, fault, reason, advice)) from None
    except (ValueError, TypeError) as error:  # errors of tomllib, json and msgspec are ValueErrors
        reason = str(error).partition("; use sys.set_int_max_str_digits")[0]
        raise InputError(_describe(path, fault, reason, advice)) from None


def read_toml(path: Path, fault: str = "not TOML") -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        InputError: `path: fault (reason)` for any file that is unreadable, not TOML, or larger than cards and recipes
            are. Its integers have at most 64 bits, as TOML demands.
    """
    with report_unreadable(path, fault):
        text = _read_limited(path, MAX_TOML).decode("utf-8-sig")
        if _LONG_KEY.search(text):
            raise ValueError("a dotted key is nested too deeply")
        table = tomllib.loads(text)
        _check_toml(table)
        return table


def read_json(path: Path, kind: Any = Any, *, fault: str = "not JSON", advice: str = "") -> Any:
    """Read a JSON file as a value of the type `kind`.

    Raises:
        InputError: `path: fault (reason); advice` for any file that is unreadable, not JSON, or of another type.
    """
    with report_unreadable(path, fault, advice):
        return msgspec.json.decode(read_json_bytes(path), type=kind)


def read_json_bytes(path: Path) -> bytes:
    """Read the text of a JSON file without its byte order mark. ValueError for a file that is too large."""
    return _read_limited(path, MAX_JSON).removeprefix(b"\xef\xbb\xbf")


def require_path(name: str, value: Any) -> Path:
    """Return a path that a user passes as text or as an os.PathLike. InputError for anything other than those."""
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if isinstance(text, bytes):
        raise InputError(f"{name}: got bytes, expected text or a pathlib.Path; decode it with os.fsdecode")
    if not isinstance(text, str):
        raise wrong_type(name, value, "text or a pathlib.Path")
    if "\0" in text:
        raise InputError(f"{name}: {text!r:.60} holds a null character, which no path can")
    return Path(text)


def _read_limited(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"it is larger than {limit >> 20} MiB")
    return data


def _check_toml(value: Any, depth: int = 0) -> None:
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("an integer has more than 64 bits")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_toml(item, depth + 1)


def _describe(path: Path, fault: str, reason: str, advice: str) -> str:
    return f"{path}: {fault} ({reason})" + (f"; {advice}" if advice else "")


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
