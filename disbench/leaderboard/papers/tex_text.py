"""LaTeX source of a cell as plain text, with the macros that set it off."""

import re
from dataclasses import dataclass, field

MAX_DEPTH = 40  # of braces
MAX_GROUP = 20_000  # characters in braces
STYLES = {
    "textbf": "bold", "mathbf": "bold", "bm": "bold", "boldsymbol": "bold", "bfseries": "bold", "bf": "bold",
    "underline": "underline", "uline": "underline", "textit": "italic", "emph": "italic", "itshape": "italic",
    "it": "italic",
}  # fmt: skip
COLOURS = {"textcolor", "color", "cellcolor", "colorbox"}
SYMBOLS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "phi": "φ", "varphi": "φ", "xi": "ξ", "omega": "ω", "kappa": "κ",
    "uparrow": "↑", "downarrow": "↓", "dagger": "†", "dag": "†", "ddagger": "‡", "ddag": "‡", "S": "§",
    "textsection": "§", "textdagger": "†", "textdaggerdbl": "‡", "ast": "*", "star": "*", "pm": "±", "approx": "≈",
    "textendash": "–", "textemdash": "—", "times": "×", "textbackslash": "\\", "textasciicircum": "^",
    "textasciitilde": "~", "textless": "<", "textgreater": ">", "textbar": "|", "textasciigrave": "`",
    "_": "_", "%": "%", "&": "&", "#": "#", "$": "$", "{": "{", "}": "}", "quad": " ", "qquad": " ", " ": " ",
    ",": " ", ";": " ", ":": " ", "!": "", "/": "", "\\": " ", "newline": " ", "textperiodcentered": "·",
}  # fmt: skip
SCRIPTS = {"textsuperscript": "^", "textsubscript": "_", "tnote": "^", "footnotemark": "^"}
# Macros that print nothing, or only how the rest is set, with the number of their arguments in braces.
SILENT = {
    "label": 1, "vspace": 1, "hspace": 1, "footnote": 1, "footnotetext": 1, "phantom": 1, "vphantom": 1,
    "hphantom": 1, "rule": 2, "fontsize": 2, "selectfont": 0, "centering": 0, "raggedright": 0, "small": 0,
    "footnotesize": 0, "scriptsize": 0, "tiny": 0, "normalsize": 0, "large": 0, "rm": 0, "sc": 0, "normalfont": 0,
    "displaystyle": 0, "left": 0, "right": 0, "hfill": 0, "hfil": 0, "null": 0, "protect": 0, "allowbreak": 0,
    "linebreak": 0, "relax": 0, "strut": 0, "(": 0, ")": 0, "-": 0, "ignorespaces": 0,
}  # fmt: skip
# Macros whose last argument is printed as it is, with the number of arguments before it.
NEUTRAL = {
    "makecell": 0, "shortstack": 0, "text": 0, "textrm": 0, "textsf": 0, "texttt": 0, "textsc": 0, "textnormal": 0,
    "mathrm": 0, "mathcal": 0, "mathit": 0, "mathsf": 0, "mathtt": 0, "mathbb": 0, "operatorname": 0, "mbox": 0,
    "hbox": 0, "rlap": 0, "llap": 0, "mathrlap": 0, "smash": 0, "tied": 0, "ensuremath": 0, "href": 1, "parbox": 1,
    "rotatebox": 1, "scalebox": 1, "raisebox": 1, "resizebox": 2,
}  # fmt: skip
EMPTY = "\0"  # stands for {} while hyphens become dashes, because it keeps them apart
INTERVAL = "ci"  # the macro of reports for the two ends of an interval


@dataclass
class _Rendering:
    text: list[str] = field(default_factory=list)
    styles: set[str] = field(default_factory=set)


def plain_text(source: str) -> tuple[str, tuple[str, ...]]:
    """Return the text that LaTeX source prints, and the styles in it; see GridCell. ValueError if nested too deep."""
    out = _Rendering()
    _render(source, out, 0)
    text = "".join(out.text).replace("---", "—").replace("--", "–").replace(EMPTY, "")
    return " ".join(text.split()), tuple(sorted(out.styles))


def read_group(source: str, start: int, limit: int = MAX_GROUP) -> tuple[str, int] | None:
    """Return what is in the braces that begin at or after `start`, and the place behind; None if there are none.

    Braces that do not end within `limit` characters end there.
    """
    start = _skip_space(source, start)
    if start >= len(source) or source[start] != "{":
        return None
    depth, at = 0, start
    end = min(len(source), start + limit)
    while at < end:
        if source[at] == "\\":
            at += 1
        elif source[at] == "{":
            depth += 1
        elif source[at] == "}":
            depth -= 1
            if not depth:
                return source[start + 1 : at], at + 1
        at += 1
    return source[start + 1 : end], end


def skip_optional(source: str, start: int) -> int:
    """Return the place behind all [arguments] and (arguments) that begin at or after `start`."""
    while True:
        begin = _skip_space(source, start)
        if begin >= len(source) or source[begin] not in "[(":
            return start
        end = source.find("]" if source[begin] == "[" else ")", begin)
        if end < 0:
            return start
        start = end + 1


def _skip_space(source: str, at: int) -> int:
    while at < len(source) and source[at].isspace():
        at += 1
    return at


def _render(source: str, out: _Rendering, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError("its braces are nested too deeply")
    at = 0
    while at < len(source):
        char = source[at]
        if char == "\\":
            at = _render_macro(source, at, out, depth)
        elif char == "{":
            group, at = read_group(source, at) or ("", at + 1)
            out.text.append("" if group else EMPTY)
            _render(group, out, depth + 1)
        elif char in "^_":
            at = _render_script(source, at + 1, char, out, depth)
        else:
            out.text.append({"$": "", "}": "", "~": " ", "\n": " "}.get(char, char))
            at += 1


def _render_script(source: str, at: int, sign: str, out: _Rendering, depth: int) -> int:
    inner = _Rendering()
    group = read_group(source, at)
    if group:
        _render(group[0], inner, depth + 1)
        at = group[1]
    elif macro := re.compile(r"\\[A-Za-z]+|\\?.").match(source, at):
        _render(macro[0], inner, depth + 1)
        at = macro.end()
    out.styles |= inner.styles
    out.text.append(f"{sign}{{{''.join(inner.text).strip()}}}")
    return at


def _render_macro(source: str, at: int, out: _Rendering, depth: int) -> int:
    """Render the macro that begins at `at`. Returns the place behind it and its arguments."""
    macro = re.compile(r"\\([A-Za-z@]+)\*?|\\(.?)", re.DOTALL).match(source, at)
    assert macro is not None  # a backslash is at `at`
    name, at = macro[1] or macro[2], macro.end()
    if name in SYMBOLS:
        out.text.append(SYMBOLS[name])
        return at if macro[2] is not None else _skip_space(source, at)
    if name in SCRIPTS:
        optional = skip_optional(source, at)
        note = source[at:optional].strip("[] ")
        if not note:
            return _render_script(source, at, SCRIPTS[name], out, depth)
        _render_script(f"{{{note}}}", 0, "^", out, depth)
        return optional
    if name.lower().startswith(("cite", "ref", "eqref", "parencite")) or name in SILENT:
        return _skip_arguments(source, skip_optional(source, at), SILENT.get(name, 1))
    if name in COLOURS:
        colour, at = read_group(source, skip_optional(source, at)) or ("", at)
        out.styles.add(f"colour {colour.strip()}")
        return at
    if name == INTERVAL:
        return _skip_arguments(source, at, 2)
    if name in STYLES:
        out.styles.add(STYLES[name])
        return at
    if name in NEUTRAL:
        return _skip_arguments(source, skip_optional(source, at), NEUTRAL[name])
    if name in ("begin", "end"):
        environment, at = read_group(source, at) or ("", at)
        has_columns = name == "begin" and environment in ("tabular", "array")
        return _skip_arguments(source, skip_optional(source, at), 1) if has_columns else at
    if read_group(source, at):  # an author's own macro, which may be a mark
        out.styles.add(f"\\{name}")
        return at
    out.text.append(f"\\{name} ")
    return at


def _skip_arguments(source: str, at: int, count: int) -> int:
    for _ in range(count):
        group = read_group(source, at)
        at = group[1] if group else at
    return at
