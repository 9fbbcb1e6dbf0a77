"""Tables of Markdown and CSV files as grids."""

import csv
import io
import re
from collections.abc import Iterator, Sequence

from disbench.errors import escape_csv_formula
from disbench.leaderboard.papers.grid import MAX_CHARS, MAX_TABLES, Grid, GridCell, spread_spans
from disbench.leaderboard.papers.tex_text import plain_text
from disbench.metrics.catalogue import METRICS

_BOLD_LINE = re.compile(r"\*\*[^*]{1,200}\*\*")
_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")
_STYLES = (
    (re.compile(r"\*\*(.+?)\*\*|__(.+?)__|<(?:b|strong)>(.+?)</(?:b|strong)>", re.IGNORECASE), "bold"),
    (re.compile(r"<(?:ins|u)>(.+?)</(?:ins|u)>", re.IGNORECASE), "underline"),
    (re.compile(r"(?<![\w*\\])\*([^*]+)\*(?![\w*])|(?<![\w_\\])_([^_]+)_(?![\w_])"), "italic"),
)
_COLOUR = re.compile(r"<(?:font|span)\b[^<>]{0,200}?colou?r\s*[=:]\s*[\"']?\s*([#\w]+)", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
MAX_PRINTED = 6  # decimals of a printed number; a float has more
_TRAINING_SIGNS = {"sees_truth": "§", "contaminated": "†", "unstated": "‡"}
# The field of a long table -> the names by which its column is known.
_LONG_FIELDS = {
    "method": ("method", "model", "name"),
    "subset": ("split", "subset", "dataset", "data"),
    "metric": ("metric", "measure"),
    "value": ("value", "score"),
}


def read_markdown(source: str) -> Iterator[Grid]:
    """Yield the pipe tables of a Markdown file."""
    lines = source.splitlines()
    at = number = 0
    while at < len(lines) - 1:
        is_head = "|" in lines[at] and "|" in lines[at + 1] and _RULE.fullmatch(lines[at + 1][:10_000])
        if not is_head:
            at += 1
            continue
        start = at
        rows = [lines[at]]
        at += 2
        while at < len(lines) and "|" in lines[at]:
            rows.append(lines[at])
            at += 1
        number += 1
        if number > MAX_TABLES:
            raise ValueError(f"it has more than {MAX_TABLES} tables")
        cells = [[_parse_markdown(cell) for cell in _split_line(row)] for row in rows]
        caption = _find_caption(lines, start, at)
        yield Grid(name=f"table {number} (line {start + 1})", caption=caption, rows=spread_spans(cells))


def _find_caption(lines: list[str], start: int, end: int) -> str:
    """Return the bold line before a table, as reports write a subset, or else the line after it."""
    before = next((line.strip() for line in reversed(lines[max(start - 2, 0) : start]) if line.strip()), "")
    if _BOLD_LINE.fullmatch(before):
        return before.strip("*")
    after = next((line.strip() for line in lines[end : end + 3] if line.strip()), "")
    return "" if _BOLD_LINE.fullmatch(after) else after


def _split_line(line: str) -> list[str]:
    cells = re.split(r"(?<!\\)\|", line.strip())
    return cells[1 if not cells[0].strip() else 0 : -1 if len(cells) > 1 and not cells[-1].strip() else None]


def _parse_markdown(source: str) -> GridCell:
    source = source[:MAX_CHARS]
    styles = {f"colour {colour}" for colour in _COLOUR.findall(source)}
    # Escaped characters are no markup.
    kept: list[str] = []

    def keep(text: str) -> str:
        kept.append(text)
        return f"\ue000{len(kept) - 1}\ue001"

    text = _ESCAPED.sub(lambda match: keep(match[1]), source.replace("\ue000", "").replace("\ue001", ""))
    for pattern, style in _STYLES:
        text, count = pattern.subn(lambda match: next(group for group in match.groups() if group), text)
        styles |= {style} if count else set()
    text = re.sub(r"<sup>(.*?)</sup>", r"^{\1}", text, flags=re.IGNORECASE)
    text = re.sub(r"<sub>(.*?)</sub>", r"_{\1}", text, flags=re.IGNORECASE)
    text = re.sub(r"<br\s*/?>", " ", text, flags=re.IGNORECASE)
    text = re.sub(r"<[^<>]{0,200}>", "", text)
    text = re.sub(r"!?\[([^\[\]]*)\]\([^()\s]*\)", r"\1", text)
    text = re.sub("\ue000(\\d+)\ue001", lambda match: kept[int(match[1])], text)
    if "$" in text:
        text, math_styles = plain_text(text)
        styles |= set(math_styles)
    return GridCell(text=" ".join(text.split()), styles=tuple(sorted(styles)))


def read_csv(source: str) -> Iterator[Grid]:
    """Yield the table of a CSV file. A file with a score per line, as reports write it, becomes a wide one.

    Raises:
        ValueError: for text that is not CSV.
    """
    head = source.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(source), delimiter=delimiter, strict=True) if any(row)]
    except csv.Error as error:
        raise ValueError(str(error)) from None
    fields = _find_fields(rows[0]) if rows else None
    cells = _widen(rows[1:], fields) if fields else rows
    grid = [[GridCell(text=" ".join(text.split())) for text in row] for row in cells]
    yield Grid(name="table 1", caption="", rows=spread_spans(grid))


def _find_fields(head: Sequence[str]) -> dict[str, int] | None:
    """Find the columns of a long table by name; None for any other table."""
    names = [name.strip().lower() for name in head]
    columns = {}
    for field, words in _LONG_FIELDS.items():
        places = [names.index(word) for word in words if word in names]
        if not places:
            return None
        columns[field] = places[0]
    return columns | {name: names.index(name) for name in ("protocol", "training") if name in names}


def _widen(rows: Sequence[Sequence[str]], fields: dict[str, int]) -> list[list[str]]:
    """Turn one score per line into one column per method, headed as in other formats."""
    for row in rows:
        if len(row) <= max(fields.values()):
            raise ValueError(f"a line has {len(row)} fields: {','.join(row):.40}")
    records = [{field: row[column] for field, column in fields.items()} for row in rows]
    protocols = {record.get("protocol", "") for record in records}
    several = sum(not protocol.startswith("[") for protocol in protocols) > 1
    places: dict[tuple[str, str], int] = {}  # (source, metric) -> decimals, without zeros at the end
    for record in records:
        key = record.get("protocol", ""), record["metric"]
        places[key] = max(places.get(key, 0), _count_places(record))
    lines: dict[tuple[str, str], dict[str, str]] = {}
    methods: dict[str, None] = {}
    for record in records:
        protocol = record.get("protocol", "")
        name = _unescape(record["method"])
        if protocol.startswith("["):
            name += f" {protocol}"
        elif several:
            name += f" ({protocol})"
        methods[name] = None
        line = lines.setdefault((_unescape(record["subset"]), record["metric"]), {})
        if name in line:
            raise ValueError(f"{name}, {record['subset']}, {record['metric']} occurs twice")
        text = _format_value(record["value"], places[protocol, record["metric"]])
        line[name] = text + _TRAINING_SIGNS.get(record.get("training", ""), "")
    table = [["Subset", "Metric", *methods]]
    return table + [[*place, *(line.get(method, "") for method in methods)] for place, line in lines.items()]


def _unescape(text: str) -> str:
    """Undo what escape_csv_formula does to a formula."""
    return text[1:] if text.startswith("'") and escape_csv_formula(text[1:]) == text else text


def _count_places(record: dict[str, str]) -> int:
    """Count the decimals that a score was printed with. One at full precision is printed as reports do."""
    usual = METRICS[record["metric"]].digits if record["metric"] in METRICS else 3
    places = len(record["value"].partition(".")[2])
    return places if usual < places <= MAX_PRINTED else usual


def _format_value(value: str, places: int) -> str:
    """Format a float with this many decimals: the file has lost the zeros at its end, or never was printed."""
    if not re.fullmatch(r"-?\d{1,9}(\.\d+)?(e-\d{1,2})?", value, re.ASCII):
        return value
    return f"{float(value):.{places}f}"
