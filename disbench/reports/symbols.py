"""The parts of a metric's symbol, for formats that do not read LaTeX."""

import re
from typing import NamedTuple

GREEK = {r"\alpha": "α", r"\beta": "β", r"\phi": "φ", r"\omega": "ω", r"\kappa": "κ", r"\xi": "ξ", r"\mathcal{M}": "ℳ"}


class Symbol(NamedTuple):
    """A letter or a word, with at most one subscript and one superscript."""

    word: str
    letter: str
    below: str
    above: str


def split_symbol(latex: str) -> Symbol:
    """Split the LaTeX symbol of a metric, and replace its commands by characters. Either word or letter is empty."""
    script = r"(\{.*?\}|\\[a-z]+|.)"
    base = r"(?:\\mathrm\{(\w+)\}|(\\mathcal\{M\}|.+?))"
    match = re.fullmatch(rf"{base}(?:_{script})?(?:\^{script})?", latex)
    if match is None:
        raise ValueError(f"{latex}: not a symbol with at most one subscript and one superscript")
    word, letter, below, above = match.groups(default="")
    letter, below, above = (GREEK.get(text, text) for text in (letter, below.strip("{}"), above.strip("{}")))
    return Symbol(word, letter, below, above)
