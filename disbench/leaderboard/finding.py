"""A finding of the audit of published tables."""

from dataclasses import dataclass

from disbench.leaderboard.tables import Place


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A contradiction in a published table.

    Attributes:
        rule: name of the rule that the table breaks.
        table: the table's name, or two names for a contradiction between tables.
        places: the cells concerned.
        message: the fault, in words.
        fixes: (cell, text) that would resolve it, if the table determines them.
        paper: the paper's citation.
    """

    rule: str
    table: str
    places: tuple[Place, ...]
    message: str
    fixes: tuple[tuple[Place, str], ...] = ()
    paper: str = ""
