"""The one error that a user's mistake may raise."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input or wrong use. The message is shown as it is: it names the file or the option, and the way out."""


class BrokenPlugin(UserWarning):
    """A model from outside that cannot be listed, and why."""


class DigestMismatch(UserWarning):
    """A file that has the name of a published one, but not its digest."""


def suggest_names(name: str, known: Iterable[str]) -> str:
    """A hint for the message about an unknown name: the names most like it, else those that are known, 20 at most."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    more = f" and {len(known) - 20} more" * (len(known) > 20)
    return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known[:20])}{more}"


def escape_control_chars(text: str) -> str:
    """With escapes for control characters: a name from outside must neither steer a terminal nor break a line."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def escape_csv_formula(text: str) -> str:
    """As a cell of a CSV file: what a spreadsheet would take for a formula gets an apostrophe before it.

    A carriage return, which Python's writer does not quote, would begin a new row, so it is escaped.
    """
    text = text.replace("\r", "\\r")
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text


def require_utf8(name: object) -> str:
    """The name as text; InputError where it holds bytes that are not UTF-8, which no report nor run.json can."""
    if any("\ud800" <= c <= "\udfff" for c in str(name)):  # how Python shows such bytes
        raise InputError(f"{name}: a name that is not UTF-8; rename it")
    return str(name)
