"""Tables of a LaTeX file: its tabular environments as grids."""

import re
from collections.abc import Iterator
from itertools import islice

from disbench.leaderboard.papers.grid import MAX_CHARS, MAX_SPAN, MAX_TABLES, Grid, GridCell, spread_spans
from disbench.leaderboard.papers.tex_text import plain_text, read_group, skip_optional

TABULAR = r"tabular\*?|tabularx|tabulary|longtable|tblr|NiceTabular"
ARGUMENTS = {"tabular*": 2, "tabularx": 2, "tabulary": 2}  # before the cells; others have the columns only
MAX_MACROS = 500
MAX_EXPANDED = 4  # times the length of the file, to which macros may expand it
RULES = re.compile(
    r"\s*\\(?:hline|toprule|midrule|bottomrule|cmidrule|cline|specialrule|addlinespace|rowcolor|noalign|Xhline|"
    r"hdashline|cdashline|arrayrulecolor|rowcolors|morecmidrules|endhead|endfirsthead|endfoot|endlastfoot|"
    r"centering|small|hhline|vspace)(?![A-Za-z])\*?"
)
CONTINUED = re.compile(r"\bcontinued\b|\bcont(?:'d|\.)", re.IGNORECASE)
MULTIROW = re.compile(r"\s*\\multirow(?![A-Za-z])")
MULTICOLUMN = re.compile(r"\s*\\multicolumn(?![A-Za-z])")


def read_tex(source: str) -> Iterator[Grid]:
    """Yield the tabular environments of a LaTeX file. Macros without arguments that it defines are expanded.

    Raises:
        ValueError: for braces that are nested too deeply, and for macros or cells beyond all measure.
    """
    # A comment keeps its line, so that tables are named by their lines.
    source = re.sub(r"(?m)(?<!\\)((?:\\\\)*)%.*$", r"\1", source)
    source = _expand_macros(source)
    at, number, opened = 0, 0, -1
    while begin := re.compile(rf"\\begin\s*\{{({TABULAR})\}}").search(source, at):
        start = _skip_column_arguments(source, begin)
        end, at = _find_end(source, start)
        number += 1
        if number > MAX_TABLES:
            raise ValueError(f"it has more than {MAX_TABLES} tables")
        line = source.count("\n", 0, begin.start()) + 1
        rows = [[_parse_cell(cell) for cell in cells] for cells in _split_rows(source[start:end])]
        kept = [row for row in rows if any(cell.text for cell in row)]
        start, caption = _find_caption(source, begin.start(), at)
        continues = CONTINUED.search(caption) is not None or (start >= 0 and start == opened)
        opened = start
        name = f"table {number} (line {line})"
        yield Grid(name=name, caption=caption, rows=spread_spans(kept), continues=continues and number > 1)


def _expand_macros(source: str) -> str:
    """Expand the macros without arguments that the file defines."""
    bodies: dict[str, str] = {}
    definition = re.compile(r"\\(?:(?:re)?newcommand|providecommand|def)\*?\s*\{?\s*\\([A-Za-z]+)\s*\}?\s*(?=\{)")
    for match in islice(definition.finditer(source), MAX_MACROS):
        group = read_group(source, match.end(), MAX_CHARS)
        if group:
            bodies[match[1]] = group[0]
    if not bodies:
        return source
    names = "|".join(sorted(map(re.escape, bodies), key=len, reverse=True))
    use = re.compile(rf"\\({names})(?![A-Za-z])(?:\{{\}})?")
    text = source
    for _ in range(5):  # macros in macros
        sizes = sum(len(bodies[match[1]]) for match in use.finditer(text))
        if len(text) + sizes > MAX_EXPANDED * len(source) + 100_000:
            raise ValueError("its macros expand to much more than the file")
        # The lines of a body would move the lines behind it.
        expanded = use.sub(lambda match: bodies[match[1]].replace("\n", " "), text)
        if expanded == text:
            break
        text = expanded
    return text


def _skip_column_arguments(source: str, begin: re.Match) -> int:
    at = begin.end()
    for _ in range(ARGUMENTS.get(begin[1], 1)):
        at = skip_optional(source, at)
        group = read_group(source, at)
        at = group[1] if group else at
    return at


def _find_end(source: str, start: int) -> tuple[int, int]:
    """Return the end of the cells, and the place behind the environment."""
    depth = 1
    for match in re.compile(rf"\\(begin|end)\s*\{{(?:{TABULAR})\}}").finditer(source, start):
        depth += 1 if match[1] == "begin" else -1
        if not depth:
            return match.start(), match.end()
    return len(source), len(source)


def _find_caption(source: str, begin: int, end: int) -> tuple[int, str]:
    """Find the table environment around a tabular, by its place in the source, and its caption."""
    opened = max(source.rfind(r"\begin{table", 0, begin), source.rfind(r"\begin{longtable", 0, begin + 1))
    closed = source.find(r"\end{table", end)
    if opened < 0 or source.find(r"\end{table", opened, begin) >= 0:
        return -1, ""
    caption = re.compile(r"\\caption\*?").search(source, opened, closed if closed >= 0 else len(source))
    group = read_group(source, skip_optional(source, caption.end())) if caption else None
    return opened, plain_text(group[0])[0] if group else ""


def _split_rows(source: str) -> Iterator[list[str]]:
    r"""Split the content of a tabular at & and \\ that are in no braces and in no inner environment."""
    cells, start, braces, inner = [], 0, 0, 0
    token = re.compile(r"\\tabularnewline|\\begin\s*\{|\\end\s*\{|\\(?:[A-Za-z]+|.)|[{}&]", re.DOTALL)
    for match in token.finditer(source):
        word = match[0]
        if word == "{":
            braces += 1
        elif word == "}":
            braces -= 1
        elif word.startswith(r"\begin") and word.endswith("{"):
            inner, braces = inner + 1, braces + 1
        elif word.startswith(r"\end") and word.endswith("{"):
            inner, braces = inner - 1, braces + 1
        elif braces <= 0 and inner <= 0 and word == "&":
            cells.append(source[start : match.start()])
            start = match.end()
        elif braces <= 0 and inner <= 0 and word in ("\\\\", r"\tabularnewline"):
            yield [*cells, source[start : match.start()]]
            cells, start = [], match.end()
            if space := re.compile(r"\*?\s*\[[^\]\n&]{0,30}\]|\*").match(source, start):
                start = space.end()
    yield [*cells, source[start:]]


def _parse_cell(source: str) -> GridCell:
    source = _drop_rules(source)
    columns = rows = 1
    for _ in range(3):  # a span in a span
        if match := MULTICOLUMN.match(source):
            columns, source = _read_span(source, match.end())
        elif match := MULTIROW.match(source):
            rows, source = _read_span(source, match.end())
        else:
            break
    text, styles = plain_text(source[:MAX_CHARS])
    return GridCell(text=text, styles=styles, columns=max(1, columns), rows=rows)


def _drop_rules(source: str) -> str:
    """Drop rules and colours of rows, which stand before the first cell of a row."""
    while match := RULES.match(source):
        at = skip_optional(source, match.end())
        while (group := read_group(source, at)) and source[at : at + 1] == "{":
            at = skip_optional(source, group[1])
        source = source[at:]
    return source


def _read_span(source: str, at: int) -> tuple[int, str]:
    """Read the arguments of a cell that spans several places: their number, and the content with what is behind."""
    groups: list[str] = []
    for _ in range(3):
        at = skip_optional(source, at)
        if at < len(source) and source[at : at + 1] == "*":  # \multirow{2}*{text}
            groups.append("*")
            at += 1
        elif group := read_group(source, at):
            groups.append(group[0])
            at = group[1]
    count = re.fullmatch(r"\s*(-?\d{1,4})\s*", groups[0]) if groups else None
    if not count or len(groups) < 3 or abs(int(count[1])) > MAX_SPAN:
        raise ValueError(f"a cell spans {groups[0] if groups else 'nothing'!r:.20} places")
    return int(count[1]), f"{groups[2]} {source[at:]}"
