"""Text as LaTeX: escaped, so that it prints as it is, and broken where a line needs it."""

import re
import textwrap
from itertools import pairwise

STACKED = 14  # characters of a line of a heading that is broken into lines
LONG_WORD, PIECE = 30, 10  # characters: longer words may break, after this many
NO_FONT = frozenset("ĦħĸĿŀŉŦŧſ")  # Latin letters that pdflatex has in no encoding
NEEDS_T1 = frozenset("«»ÐÞðþĄąĐđĘęĮįŊŋŲų")  # that it has in T1, and not in its default

ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "#": r"\#",
    "$": r"\$",
    "%": r"\%",
    "&": r"\&",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "’": "'",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "≈": r"$\approx$",
    "±": r"$\pm$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "§": r"$\S$",  # \textsection needs a font that some installations do not have
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
}


def escape_latex(text: str) -> str:
    """Escape text from outside, so that LaTeX prints it as it is.

    pdflatex stops at characters without a font, so characters beyond Latin are printed as their code points.
    """
    escaped = "".join(map(_escape_char, " ".join(text.split())))
    return re.sub("-(?=-)", "-{}", escaped)  # two hyphens would print a dash


def _escape_char(char: str) -> str:
    if char in ESCAPES:
        return ESCAPES[char]
    return char if " " <= char <= "ſ" and char not in NO_FONT else f"[U+{ord(char):04X}]"


def guard_line(text: str) -> str:
    r"""Keep LaTeX from taking the start of a line, as * or [, for an option of the \\ or the rule before it."""
    return f"{{}}{text}" if text.startswith(("*", "[")) else text


def escape_prose(text: str) -> str:
    """Escape text as escape_latex() does, and let lines break within its longest words, such as names of folders."""
    words = re.finditer(rf"[^\s|,]{{{LONG_WORD + 1},}}", text)
    cuts = [cut for word in words for cut in range(word.start() + PIECE, word.end(), PIECE)]
    return r"\allowbreak{}".join(escape_latex(text[start:end]) for start, end in pairwise([0, *cuts, len(text)]))


def stack_words(text: str) -> str:
    """Escape text, and break it into short lines above each other where it has spaces."""
    lines = textwrap.wrap(text, STACKED, break_long_words=False, break_on_hyphens=False)
    stacked = r" \\ ".join(guard_line(escape_latex(line)) for line in lines)
    return rf"\shortstack{{{stacked}}}" if len(lines) > 1 else stacked


def allow_breaks(signature: str) -> str:
    """Escape a signature, and let lines break after each of its fields and subsets, and within the longest."""
    return escape_prose(signature).replace(r"\textbar{}", r"\textbar\allowbreak{}").replace(",", r",\allowbreak{}")
