"""The one error that a user's mistake may raise, its warnings, and the texts that messages are made of."""

import difflib
import sys
from collections.abc import Iterable

MAX_LISTED = 20  # names in a hint


class InputError(ValueError):
    """Bad input or wrong use.

    The message is shown as it is. It names the file or the option, the fault, and what to do.
    """


class DeviceMismatchError(InputError):
    """A model does not compute on the kind of device that was asked for."""


class DeviceMemoryError(InputError):
    """A model does not fit into the memory of its device."""


class BrokenPlugin(UserWarning):
    """A model from outside disbench cannot be listed."""


class DigestMismatch(UserWarning):
    """A file has the name of a published one, but another digest."""


class SeveralStates(UserWarning):
    """A weights file has several versions of its network, of which one is used."""


class TrainedOnScored(UserWarning):
    """A model is scored on images that it was trained on."""


class UnwritableCache(UserWarning):
    """A cache cannot be written. Results are the same, but are computed again."""


def wrong_type(name: str, value: object, expected: str) -> InputError:
    """Make the error for an argument of another type: what it is called, what was received, what is expected."""
    received = f"{value!r:.60}".partition("\n")[0]
    return InputError(f"{name}: got {received} ({type(value).__name__}), expected {expected}")


def suggest_names(name: str, names: Iterable[str]) -> str:
    """Make the hint of a message about an unknown name: the most similar names, or the list of names, 20 at most.

    Case does not count.
    """
    names = list(names)
    folded = {known.casefold(): known for known in names}
    similar = [folded[match] for match in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.5)]
    if similar:
        return f"did you mean {' or '.join(similar)}?"
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return f"known: {', '.join(names[:MAX_LISTED])}{more}"


def describe_error(error: BaseException) -> str:
    """Describe an error in words. An error of the system without its number and path, which the message names."""
    return getattr(error, "strerror", None) or str(error)


def escape_control_chars(text: str) -> str:
    """Escape control characters: a name from outside must neither steer a terminal nor break a line."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def escape_csv_formula(text: str) -> str:
    """Escape a cell of a CSV file: a text that a spreadsheet would run as a formula gets an apostrophe before it.

    A carriage return is escaped too. Python's writer does not quote it, and it would begin a new row.
    """
    text = text.replace("\r", "\\r")
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text


def require_utf8(name: object) -> str:
    """Return a name as text.

    Raises:
        InputError: if it holds bytes that are not UTF-8, which neither reports nor run.json can store.
    """
    if any("\ud800" <= c <= "\udfff" for c in str(name)):  # how Python shows such bytes
        is_utf8 = sys.getfilesystemencoding() == "utf-8"
        advice = "rename it" if is_utf8 else "set PYTHONUTF8=1, since the locale is not UTF-8, or rename it"
        raise InputError(f"{name}: a name that is not UTF-8; {advice}")
    return str(name)
