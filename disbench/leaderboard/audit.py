"""Audit of published tables: what their own numbers contradict, by rules that hold for any table.

Every printed number stands for all numbers that round to it. A finding is reported only if no unrounded numbers could
produce the printed ones, within the slack of a pooled maximum. A swap is reported only if it resolves two findings.
"""

from collections.abc import Sequence
from dataclasses import replace

from disbench.leaderboard.entry import Cells
from disbench.leaderboard.finding import Finding
from disbench.leaderboard.overall import check_overall
from disbench.leaderboard.rules import (
    check_between,
    check_copies,
    check_digits,
    check_marks,
    check_numbers,
    check_pairs,
    derive_marks,
)
from disbench.leaderboard.tables import Published

RULES = (check_numbers, check_digits, check_overall, check_marks, check_pairs, check_copies)


def audit_tables(tables: Sequence[Published]) -> list[Finding]:
    """Audit each table, and all tables of a paper against each other."""
    findings = [replace(finding, paper=table.citation) for table in tables for rule in RULES for finding in rule(table)]
    return findings + list(check_between(tables))


def apply_corrections(table: Published) -> Published:
    """Return the table with every fix of the audit, and with marks that follow from its numbers.

    Findings without a fix stay.
    """
    fixes = {place: text for finding in audit_tables([table]) for place, text in finding.fixes}
    corrected = table.changed(fixes)
    marks: dict[str, Cells] = {}
    for subset, metric in corrected.lines:
        for method, mark in derive_marks(corrected, subset, metric).items():
            marks.setdefault(method, {}).setdefault(subset, {})[metric] = mark
    return replace(corrected, marks=marks)
