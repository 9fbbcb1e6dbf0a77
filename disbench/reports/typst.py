"""The table as Typst. Text from outside is in string literals, which hold no markup."""

import json
from collections.abc import Iterator
from itertools import groupby

from disbench.reports.caption import COLOUR_MARKS, PLAIN_MARKS
from disbench.reports.cells import Cell, is_published
from disbench.reports.options import TypstOptions
from disbench.reports.plan import Panel, Plan, Space, announce_plan, lay_out
from disbench.reports.ranking import RANKS
from disbench.reports.symbols import split_symbol
from disbench.reports.table import ARROWS, PRINTABLE_METRICS, Table

LINE_WIDTH = 453.0  # points, on a page of Typst, A4 with its default margins
LOOKS = {  # of best, second and third
    "bold": ("strong(it)", "underline(it)", "it"),
    "colour": ("text(fill: red, it)", "text(fill: green.darken(30%), it)", "text(fill: blue, it)"),
}


def render_typst(table: Table, options: TypstOptions | None = None) -> str:
    """Render a table as a Typst figure, or as several that follow each other."""
    options = options or TypstOptions()
    marks = PLAIN_MARKS if options.marks == "bold" else COLOUR_MARKS
    signatures = [f"{methods}: {signature}" if methods else signature for methods, signature in table.provenance]
    space = Space(width=LINE_WIDTH, caption=len(table.caption), notes=len("".join(signatures)))
    table, plan = lay_out(table, space, options.layout, wide=True)
    announce_plan(plan)
    lines = ["// The best scores: change these functions to change the marks."]
    lines += [f"#let {rank}(it) = {look}" for rank, look in zip(RANKS, LOOKS[options.marks], strict=True)]
    for number, panels in enumerate(plan.tables):
        caption = "Continued." if number else " ".join([*table.describe(marks), *table.notes])
        lines += ["#figure(", "  kind: table,", f"  caption: text(size: 9pt, {_quote(caption)}),", "  {"]
        lines.append(f"    set text(size: {plan.points:.1f}pt)")
        for panel in panels:
            lines += _format_panel(table, plan, panel)
        if number == len(plan.tables) - 1:
            lines += [f"    block(text(size: 7pt, {_quote(signature)}))" for signature in signatures]
        lines += ["  },", f") <{f'{options.label}-{number + 1}' if number else options.label}>"]
    return "\n".join(lines) + "\n"


def _format_panel(table: Table, plan: Plan, panel: Panel) -> Iterator[str]:
    is_columns = plan.layout == "columns"
    labels, columns = (2, len(panel.columns)) if is_columns else (1, len(panel.lines))
    yield "    table("
    yield f"      columns: {labels + columns}, stroke: none, inset: (x: 0.35em, y: 0.3em),"
    yield f"      align: (col, _) => if col < {labels} {{ left }} else {{ center }},"
    yield "      table.hline(),"
    rows = _list_columns(table, plan, panel) if is_columns else _list_rows(table, panel)
    for row in rows:
        yield f"      {row},"
    yield "      table.hline(),"
    yield "    )"


def _list_columns(table: Table, plan: Plan, panel: Panel) -> Iterator[str]:
    heads = [_format_method(table, column) for column in panel.columns]
    if plan.rotated:
        heads = [f"rotate(-90deg, reflow: true, {head})" for head in heads]
    yield ", ".join(['"Subset"', '"Metric"', *heads])
    for _, group in groupby(panel.lines, lambda line: line.split):
        yield "table.hline(stroke: 0.5pt)"
        for number, line in enumerate(group):
            label = _quote("" if number else table.subset_label(line))
            cells = [_format_cell(line.cells[column]) for column in panel.columns]
            yield ", ".join([label, _format_symbol(line.metric), *cells])


def _list_rows(table: Table, panel: Panel) -> Iterator[str]:
    if not table.transposed:
        groups = [list(group) for _, group in groupby(panel.lines, lambda line: line.split)]
        labels = [_quote(table.subset_label(group[0])) for group in groups]
        heads = [f"table.cell(colspan: {len(g)}, {label})" for g, label in zip(groups, labels, strict=True)]
        yield ", ".join(['""', *heads])
    yield ", ".join(['"Method"', *(_format_symbol(line.metric) for line in panel.lines)])
    yield "table.hline(stroke: 0.5pt)"
    published = [is_published(table.columns[column]) for column in panel.columns]
    for place, column in enumerate(panel.columns):
        if place and published[place] != published[place - 1]:
            yield "table.hline(stroke: 0.5pt)"
        yield ", ".join([_format_method(table, column), *(_format_cell(line.cells[column]) for line in panel.lines)])


def _format_method(table: Table, column: int) -> str:
    number = table.numbers[column]
    return _quote(table.names[column]) + (f' + super("{number}")' if number else "")


def _format_cell(cell: Cell) -> str:
    text = _quote(cell.text)
    if cell.rank:
        text = f"{cell.rank}({text})"
    return text + (f" + super({_quote(cell.sign)})" if cell.sign else "") + (' + super("≈")' if cell.tied else "")


def _format_symbol(metric: str) -> str:
    entry = PRINTABLE_METRICS[metric]
    word, letter, below, above = split_symbol(entry.latex)
    text = _quote(word) if word else letter
    text += f"_{_quote_script(below)}" if below else ""
    text += f"^{_quote_script(above)}" if above else ""
    return f"${text} {ARROWS[entry.direction]}$"


def _quote_script(text: str) -> str:
    return text if len(text) == 1 else _quote(text)


def _quote(text: str) -> str:
    r"""Write text as a string literal of Typst, which has JSON's escapes but \u{...}."""
    flat = "".join(char if char.isprintable() else " " for char in " ".join(text.split()))
    return json.dumps(flat, ensure_ascii=False)
