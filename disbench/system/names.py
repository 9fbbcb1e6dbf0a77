"""Names of images."""

import unicodedata


def stem_key(stem: str) -> str:
    """Return the form in which names are compared: without case, and in one Unicode form.

    Archives made on macOS decompose accents.
    """
    return unicodedata.normalize("NFC", stem).casefold()
