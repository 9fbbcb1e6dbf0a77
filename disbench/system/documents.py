"""TOML and JSON files, which are read or refused in one line."""

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from disbench.errors import InputError
from disbench.system.checksums import is_damaged
from disbench.system.files import require_regular_file

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


def read_json_bytes(path: Path, limit: int = MAX_JSON) -> bytes:
    """Read the text of a JSON file without its byte order mark. ValueError for damage, and beyond `limit` bytes."""
    document = _read_limited(path, limit).removeprefix(b"\xef\xbb\xbf")
    if is_damaged(document):
        raise ValueError("its checksum is that of other content")
    return document


def _read_limited(path: Path, limit: int) -> bytes:
    with require_regular_file(path).open("rb") as file:
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
