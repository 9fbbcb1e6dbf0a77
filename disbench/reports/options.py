"""Options of each report format."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from disbench.errors import InputError

if TYPE_CHECKING:
    from disbench.reports.cases import Case
    from disbench.reports.times import RunId
    from disbench.runs.times import Times

LAYOUTS = ("columns", "rows")
MARKS = ("bold", "colour")
LABEL = "tab:disbench"
MIN_WIDTH, MAX_WIDTH = 100, 2000  # points of a line of print


@dataclass(frozen=True, kw_only=True)
class FormatOptions:
    """Base of the options of a format. CSV, JSON and model-index have no options of their own."""


@dataclass(frozen=True, kw_only=True)
class HtmlOptions(FormatOptions):
    """Options of the HTML report.

    Attributes:
        cases: images of the qualitative grid; see disbench.reports.cases.
        complexity: (subset, image) -> complexity, for the plot of scores against it. None omits the plot.
        times: run -> times measured by `disbench time`; see disbench.reports.times.match_timings. None shows the times
            that the runs themselves recorded.
    """

    cases: Sequence[Case] = ()
    complexity: Mapping[tuple[str, str], float] | None = None
    times: Mapping[RunId, Times] | None = None


@dataclass(frozen=True, kw_only=True)
class LayoutOptions(FormatOptions):
    """Options of formats that print the table in one of two layouts.

    Attributes:
        layout: "columns" or "rows": where the methods are. None: what suits the table.
    """

    layout: str | None = None

    def __post_init__(self) -> None:
        _check("layout", self.layout, LAYOUTS)


@dataclass(frozen=True, kw_only=True)
class LatexOptions(LayoutOptions):
    r"""Options of the LaTeX table.

    Attributes:
        standalone: a document that compiles, in place of a table to \input.
        intervals: 95 % intervals next to the scores.
        marks: "bold" or "colour": what the best scores look like.
        label: the key that refers to the table.
        wide: whether the table spans both columns of a page. None: if it needs to.
        width: points of the line that the table must fit. None: of the narrowest common class.
        cite: citations after the names of methods.
        bibliography: the name of the BibTeX file that a standalone document cites. "": none.
    """

    standalone: bool = False
    intervals: bool = False
    marks: str = "bold"
    label: str = LABEL
    wide: bool | None = None
    width: float | None = None
    cite: bool = False
    bibliography: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("marks", self.marks, MARKS)
        check_label(self.label)
        if self.width is not None and not MIN_WIDTH <= self.width <= MAX_WIDTH:
            raise InputError(f"--width {self.width:g}: give the points of a line, {MIN_WIDTH} to {MAX_WIDTH}")
        if self.cite and self.standalone and not self.bibliography:
            raise InputError("--cite in a document needs its entries: give --bib FILE too, or omit --standalone")


@dataclass(frozen=True, kw_only=True)
class TypstOptions(LayoutOptions):
    """Options of the Typst table.

    Attributes:
        marks: "bold" or "colour": what the best scores look like.
        label: the key that refers to the table.
    """

    marks: str = "bold"
    label: str = LABEL

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("marks", self.marks, MARKS)
        check_label(self.label, ":._-")


@dataclass(frozen=True, kw_only=True)
class MarkdownOptions(LayoutOptions):
    """Options of the Markdown table.

    Attributes:
        intervals: 95 % intervals next to the scores.
    """

    intervals: bool = False


def check_label(label: str, signs: str = ":._/+-") -> None:
    """Raise InputError for a label that LaTeX, or Typst with its fewer signs, would not take as one."""
    if not re.fullmatch(rf"[A-Za-z0-9{re.escape(signs)}]+", label):
        raise InputError(f"--label {label}: give letters, digits and {' '.join(signs)}, as tab:results")


def _check(option: str, value: str | None, known: Sequence[str]) -> None:
    if value is not None and value not in known:
        raise InputError(f"unknown {option} {value!r}; known: {', '.join(known)}")
