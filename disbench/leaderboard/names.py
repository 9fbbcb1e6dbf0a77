"""Names, titles and facts of papers in entries: what may become a file's name, a line of a terminal, or a link."""

import re
import unicodedata
from collections.abc import Sequence

from disbench.errors import InputError

MAX_TITLE = 300  # characters


def is_entry_name(model: str) -> bool:
    """Return whether a text can name an entry, and so a file."""
    return re.fullmatch(r"[\w-][\w.-]{0,99}", model, re.ASCII) is not None


def is_plain_text(text: str) -> bool:
    """Return whether a name or title is one printable line in one Unicode form, without markup of HTML or LaTeX."""
    normal = unicodedata.is_normalized("NFC", text) and text == text.strip()
    return normal and 0 < len(text) <= MAX_TITLE and text.isprintable() and not set(text) & set("<>\\{}$`")


def make_paper(title: str | None, url: str | None, authors: Sequence[str]) -> dict[str, str]:
    """Make the facts of a paper that a user gives, without those that are missing.

    Raises:
        InputError: for text that is not one plain line, and for another address than of https.
    """
    facts = {"title": title, "url": url, "authors": ", ".join(authors) if authors else None}
    paper = {key: text for key, text in facts.items() if text is not None}
    for key, text in paper.items():
        option = {"title": "--paper", "url": "--url", "authors": "--author"}[key]
        if not is_plain_text(text):
            raise InputError(f"{option}: {text!r:.80} is not plain text; give one line without markup")
    if url is not None and not is_address(url):
        raise InputError(f"--url: {url!r:.80} is not an https:// address")
    return paper


def is_address(text: str) -> bool:
    """Return whether a text is an https address, without spaces or quotes."""
    return re.fullmatch(r"https://[^\s\"'<>]+", text) is not None
