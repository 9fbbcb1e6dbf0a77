"""The cells of a table, its columns, and the sources of published columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from disbench.runs.training import SIGNS, TrainingMark

MISSING = "–"
REPORTED = "reported"  # the "protocol" of the first published table; further tables have [2], [3]
Rank = Literal["best", "second", "third"] | None
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A score as printed.

    Attributes:
        value: the score; None if the method was not scored on the whole subset.
        text: the score as printed.
        rank: "best", "second", "third" or None.
        interval: lower and upper end of the 95 % interval; None if unknown.
        tied: not significantly worse than the best; see disbench.reports.confidence.
        training: "sees_truth" where the method received ground truth, "contaminated" where it was trained on the
            subset, "unstated" where its training data are not stated, otherwise None.
    """

    value: float | None
    text: str
    rank: Rank
    interval: tuple[float, float] | None = None
    tied: bool = False
    training: TrainingMark = None

    @property
    def sign(self) -> str:
        """The sign of `training` behind the score."""
        return SIGNS[self.training]


EMPTY_CELL = Cell(value=None, text=MISSING, rank=None)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A published table that columns come from.

    Attributes:
        label: the "protocol" of its columns.
        text: the table and its paper, as "Table 2 of ...".
        paper: the citation of the paper.
        corrected: whether its numbers are corrected as the audit proposes.
        reranked: whether some of its marks were derived anew, without methods that saw images or their truths.
        rounded: whether numbers are printed with fewer decimals than the paper has.
    """

    label: str
    text: str
    paper: str
    corrected: bool = False
    reranked: bool = False
    rounded: bool = False


def is_published(column: tuple[str, str]) -> bool:
    """Return whether a column, (method, protocol), is of a published table."""
    return column[1] == REPORTED or column[1].startswith("[")


def is_reproduced(column: tuple[str, str]) -> bool:
    """Return whether a column, (method, protocol), is a reproduction by others than the method's authors."""
    return is_published(column) and "reproduced" in column[1]


def superscript(number: int) -> str:
    """Write a number in superscript digits."""
    return str(number).translate(_SUPERSCRIPTS)
