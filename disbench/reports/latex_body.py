"""The rows of a LaTeX table, with methods as columns or as rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from disbench.reports.cells import Cell, is_published
from disbench.reports.latex_text import escape_latex, guard_line
from disbench.reports.plan import Panel, Plan
from disbench.reports.table import PRINTABLE_METRICS, Table

TRAINING_SIGNS = {"sees_truth": r"$^{\S}$", "contaminated": r"$^{\dagger}$", "unstated": r"$^{\ddagger}$", None: ""}
ARROWS = {"higher": r"\uparrow", "lower": r"\downarrow"}
BETWEEN = r"\midrule[\heavyrulewidth]"  # between panels


def format_symbol(metric: str) -> str:
    """Return the symbol of a metric, with an arrow in the direction of better scores."""
    entry = PRINTABLE_METRICS[metric]
    return f"${entry.latex} {ARROWS[entry.direction]}$"


def format_cell(cell: Cell, digits: int, *, intervals: bool = False, marks: str = "bold") -> str:
    """Return a score with the macros of its marks, and of its interval if `intervals`."""
    text = escape_latex(cell.text)
    if cell.rank:
        # The macros of the presets differ, because tables of both may stand in one document.
        text = f"\\{cell.rank}{'colour' if marks == 'colour' else ''}{{{text}}}"
    if cell.tied:
        text = f"\\tied{{{text}}}"
    text += TRAINING_SIGNS[cell.training]
    if intervals and cell.interval:
        low, high = cell.interval
        text += f"\\ci{{{low:.{digits}f}}}{{{high:.{digits}f}}}"
    return text


@dataclass(frozen=True, kw_only=True)
class Body:
    r"""Formats the tabular of panels.

    Attributes:
        table: the whole table.
        plan: its layout.
        keys: citation of a paper -> its key, for \cite after the names of methods.
        intervals: 95 % intervals next to the scores.
        marks: the preset of the macros of ranks.
    """

    table: Table
    plan: Plan
    keys: Mapping[str, str] = field(default_factory=dict)
    intervals: bool = False
    marks: str = "bold"

    def format_tabular(self, panels: Sequence[Panel]) -> str:
        """Return the lines of a tabular environment with all panels, one below the other."""
        if self.plan.layout == "columns":
            columns = "ll" + "c" * max(len(panel.columns) for panel in panels)
        else:
            columns = "l" + "c" * max(len(panel.lines) for panel in panels)
        lines = [rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"\toprule"]
        format_panel = self._list_columns if self.plan.layout == "columns" else self._list_rows
        for number, panel in enumerate(panels):
            lines += [BETWEEN] * (number > 0)
            lines += format_panel(panel)
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])

    def _list_columns(self, panel: Panel) -> Iterator[str]:
        heads = [self._format_method(column) for column in panel.columns]
        if self.plan.rotated:
            heads = [rf"\rotatebox{{90}}{{{head}}}" for head in heads]
        yield _join("Subset & Metric", heads)
        for _, group in groupby(panel.lines, lambda line: line.split):
            lines = list(group)
            yield r"\midrule"
            yield guard_line(escape_latex(self.table.subset_label(lines[0])))
            for line in lines:
                cells = [self._format_score(line.cells[column], line.metric) for column in panel.columns]
                yield _join(f"  & {format_symbol(line.metric)}", cells)

    def _list_rows(self, panel: Panel) -> Iterator[str]:
        if not self.table.transposed:
            yield from self._list_subsets(panel)
        yield _join("Method", [format_symbol(line.metric) for line in panel.lines])
        yield r"\midrule"
        published = [is_published(self.table.columns[column]) for column in panel.columns]
        for place, column in enumerate(panel.columns):
            if place and published[place] != published[place - 1]:
                yield r"\midrule"
            cells = [self._format_score(line.cells[column], line.metric) for line in panel.lines]
            yield _join(self._format_method(column), cells)

    def _list_subsets(self, panel: Panel) -> Iterator[str]:
        """Yield the line of subsets over their metrics, and the rules below it."""
        heads, rules, start = [], [], 2
        for _, group in groupby(panel.lines, lambda line: line.split):
            lines = list(group)
            label = escape_latex(self.table.subset_label(lines[0]))
            heads.append(rf"\multicolumn{{{len(lines)}}}{{c}}{{{label}}}")
            rules.append(rf"\cmidrule(lr){{{start}-{start + len(lines) - 1}}}")
            start += len(lines)
        yield _join("", heads)
        yield "".join(rules)

    def _format_method(self, column: int) -> str:
        number, text = self.table.numbers[column], escape_latex(self.table.names[column])
        text += f"$^{{{number}}}$" if number else ""
        key = self.keys.get(self.table.papers[column]) if self.table.papers else None
        return rf"{text}~\cite{{{key}}}" if key else text

    def _format_score(self, cell: Cell, metric: str) -> str:
        digits = self.table.count_digits(metric)
        return format_cell(cell, digits, intervals=self.intervals, marks=self.marks)


def _join(first: str, cells: Sequence[str]) -> str:
    return " & ".join([guard_line(first), *cells]) + r" \\"
