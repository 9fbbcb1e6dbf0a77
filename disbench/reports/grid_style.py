"""How a qualitative grid looks."""

from collections.abc import Sequence
from dataclasses import dataclass

from disbench.reports.insets import OUTLINE, Insets

DPI, WIDTH = 300, 7.0  # pixels per inch; inches, about the text of a page in two columns
PAPER_RULE = "differ"  # of the insets in a figure for a paper


@dataclass(frozen=True, kw_only=True)
class GridStyle:
    """How a grid looks.

    Attributes:
        selection: how the cases were selected, which the grid says; see disbench.reports.cases.select_rows.
        insets: what is magnified.
        paper: a figure for a paper: no scores, errors or notes; the methods in the order of `methods`, and their names
            below the columns.
        methods: titles of the methods in the order of the columns of such a figure.
        width: inches.
        dpi: pixels per inch of the pictures.
    """

    selection: str = "spread"
    insets: Insets = OUTLINE
    paper: bool = False
    methods: Sequence[str] = ()
    width: float = WIDTH
    dpi: int = DPI
