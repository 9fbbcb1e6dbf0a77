"""How wide a table prints: widths in points of its text at 10 pt, in LaTeX's own font, Computer Modern.

The fonts of journals, such as Times, are as wide or narrower.
"""

from disbench.reports.symbols import GREEK, split_symbol
from disbench.reports.table import PRINTABLE_METRICS

SIZE = 10.0  # points, of the text of a table before it is scaled
SCRIPT = 0.84  # width of a character in a subscript or superscript, 7 pt with wider letters, relative to 10 pt
BOLD = 1.15  # width of bold digits, relative to others
_WIDTHS = {  # em -> characters, from the metrics of cmr10
    0.28: "’!',.:;[]`il|",
    0.31: "fj",
    0.34: "-I",
    0.39: "()rst",
    0.45: "cez",
    0.50: "–$*/0123456789^agño\"?~",
    0.53: "kqvxyJ",
    0.56: "Sbdhnpu",
    0.62: "ZL",
    0.66: "F_",
    0.69: "EP",
    0.75: "ABCDHNRTUVXYw",
    0.79: "&+=@<>GKOQ",
    0.84: "#%m",
    0.92: "M",
    1.03: "W",
}
_EMS = {char: width for width, chars in _WIDTHS.items() for char in chars}
_OTHER, _CODE_POINT = 0.6, 4.5  # em, of other letters, and of characters that print as [U+1234]
_SPACE = 0.34
ARROW = 8.0  # points, with the space before it


def measure_text(text: str, scale: float = 1.0) -> float:
    """Return the width of plain text, in points at a size of 10 pt times `scale`."""
    return SIZE * scale * sum(map(_measure_char, text))


def _measure_char(char: str) -> float:
    if char == " ":
        return _SPACE
    return _EMS.get(char, _OTHER if char <= "ſ" or char in GREEK.values() else _CODE_POINT)


def measure_symbol(metric: str) -> float:
    """Return the width of a metric's symbol and its arrow, in points at 10 pt."""
    word, letter, below, above = split_symbol(PRINTABLE_METRICS[metric].latex)
    scripts = max(measure_text(below, SCRIPT), measure_text(above, SCRIPT))
    return measure_text(word) + 1.2 * measure_text(letter.replace("ℳ", "M")) + scripts + ARROW  # italics are wider
