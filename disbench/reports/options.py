"""Options of each report format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from disbench.reports.cases import Case
    from disbench.reports.times import RunId
    from disbench.runs.times import Times


@dataclass(frozen=True, kw_only=True)
class FormatOptions:
    """Base of the options of a format. CSV and workbooks have no options of their own."""


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
class LatexOptions(FormatOptions):
    r"""Options of the LaTeX table.

    Attributes:
        standalone: a document that compiles, in place of a table to \input.
        intervals: 95 % intervals next to the scores.
    """

    standalone: bool = False
    intervals: bool = False


@dataclass(frozen=True, kw_only=True)
class MarkdownOptions(FormatOptions):
    """Options of the Markdown table.

    Attributes:
        intervals: 95 % intervals next to the scores.
    """

    intervals: bool = False
