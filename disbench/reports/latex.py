r"""The table as LaTeX (booktabs), to \input or to compile by itself.

The marks and intervals are macros, declared with \providecommand, so that a paper can restyle them.
"""

from collections.abc import Sequence

from disbench.reports.caption import COLOUR_MARKS, PLAIN_MARKS, describe_source
from disbench.reports.citations import list_citations, make_keys
from disbench.reports.latex_body import Body, format_symbol
from disbench.reports.latex_document import Float, Style, render_floats
from disbench.reports.latex_text import allow_breaks, escape_latex, escape_prose
from disbench.reports.options import LABEL, LatexOptions
from disbench.reports.plan import COLUMN_WIDTH, TEXT_WIDTH, Space, announce_plan, lay_out
from disbench.reports.table import INTERVALS_NOTE, Table

__all__ = ("allow_breaks", "escape_latex", "escape_prose", "format_lines", "format_symbol", "render_latex")

PAGE_WIDTH = 483.0  # points between the margins of a document that compiles by itself
MARKS = {"bold": PLAIN_MARKS, "colour": COLOUR_MARKS}


def render_latex(table: Table, options: LatexOptions | None = None) -> str:
    """Render a table as LaTeX table environments, or as a whole document if options.standalone."""
    options = options or LatexOptions()
    space = Space(
        width=_choose_width(options),
        caption=len(" ".join(table.describe(MARKS[options.marks]))) + len(INTERVALS_NOTE) * options.intervals,
        notes=len("".join([*table.notes, *(signature for _, signature in table.provenance)])),
        intervals=options.intervals,
    )
    table, plan = lay_out(table, space, options.layout, wide=options.wide)
    announce_plan(plan)
    sentences = table.describe(MARKS[options.marks]) + [INTERVALS_NOTE] * options.intervals
    keys = make_keys(list_citations(table)) if options.cite else {}
    notes = [*_format_sources(table, keys), *_format_signatures(table)]
    body = Body(table=table, plan=plan, keys=keys, intervals=options.intervals, marks=options.marks)
    floats = [
        Float(
            tabular=body.format_tabular(panels),
            caption="Continued from the table before." if number > 1 else escape_prose(" ".join(sentences)),
            label=f"{options.label}-{number}" if number > 1 else options.label,
            notes=notes if number == len(plan.tables) else (),
            wide=plan.wide,
            height=plan.height,
            separator=plan.separator,
        )
        for number, panels in enumerate(plan.tables, 1)
    ]
    style = Style(
        marks=options.marks,
        tied=any(cell.tied for cell in table.cells),
        intervals=options.intervals,
        standalone=options.standalone,
        bibliography=options.bibliography,
        comment=f"Text prints at {plan.points:.1f} pt or more where lines are {plan.width:.0f} pt long.",
    )
    return render_floats(floats, style)


def _choose_width(options: LatexOptions) -> float:
    if options.width:
        return options.width
    if options.standalone:
        return PAGE_WIDTH if options.wide is not False else COLUMN_WIDTH
    return COLUMN_WIDTH if options.wide is False else TEXT_WIDTH


def _format_sources(table: Table, keys: dict[str, str]) -> list[str]:
    """Return the notes on the sources of published columns, as one paragraph."""
    notes = []
    for number, source in enumerate(table.sources, 1):
        text = None
        before, paper, after = source.text.partition(source.paper)
        if source.paper in keys:
            text = f"{before.rstrip()}\0{after}"  # which no text holds
        head = f"$^{{{number}}}$~" if any(table.numbers) else "Source: "
        parts = describe_source(source, table.ranking, text).split("\0")
        notes.append(head + rf"~\cite{{{keys.get(paper)}}}".join(map(escape_prose, parts)) + ".")
    return [" ".join(notes)] if notes else []


def _format_signatures(table: Table) -> list[str]:
    return [
        (f"{escape_prose(methods)}: " if methods else "") + rf"\texttt{{{allow_breaks(signature)}}}"
        for methods, signature in table.provenance
    ]


def format_lines(
    caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], columns: str, standalone: bool
) -> str:
    r"""Render any lines of cells as a table environment.

    Args:
        caption: plain text.
        head: headings, which are LaTeX already.
        rows: cells, which are LaTeX already.
        columns: the column specification of the tabular.
        standalone: a document that compiles, in place of a table to \input.
    """
    tabular = "\n".join(
        [
            rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *(" & ".join(row) + r" \\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )
    lines = Float(tabular=tabular, caption=escape_prose(caption), label=LABEL)
    return render_floats([lines], Style(standalone=standalone))
