"""The audit of a paper's own file: its tables, what was not read of them, findings, and protocols."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from disbench.errors import InputError
from disbench.leaderboard.audit import audit_tables
from disbench.leaderboard.finding import Finding
from disbench.leaderboard.papers.grid import MAX_BYTES, MAX_METHODS, Grid
from disbench.leaderboard.papers.layout import UNNAMED, PaperCells, read_cells
from disbench.leaderboard.papers.marks import nest_marks, read_marks, split_sources
from disbench.leaderboard.papers.protocols import Verdict, judge_protocols
from disbench.leaderboard.papers.tex import read_tex
from disbench.leaderboard.papers.text_tables import read_csv, read_markdown
from disbench.leaderboard.rules import check_between, check_digits
from disbench.leaderboard.tables import Published
from disbench.system.documents import report_unreadable
from disbench.system.files import require_regular_file

READERS = {".tex": read_tex, ".md": read_markdown, ".markdown": read_markdown, ".csv": read_csv}


@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """A table of a paper's file and what the audit says of it.

    Attributes:
        table: its numbers, with the marks of best, second and third.
        findings: contradictions in its numbers and marks.
        unread: one line for each column, row or cell that was not read.
        notes: how headings and styles were read.
        verdicts: protocols that cannot have produced rows, or are unlikely to have.
    """

    table: Published
    findings: list[Finding]
    unread: list[str]
    notes: list[str]
    verdicts: list[Verdict]


def is_paper(path: Path) -> bool:
    """Return whether a file is the source of a paper's tables, by its suffix."""
    return path.suffix.lower() in READERS


def audit_paper(path: Path) -> list[PaperTable]:
    """Audit the tables of a LaTeX, Markdown or CSV file.

    Raises:
        InputError: for a file that cannot be read, and for one without a table of scores.
    """
    parts: list[list[Grid]] = []
    for grid in _read_grids(path):
        if grid.continues:
            parts[-1].append(grid)
        else:
            parts.append([grid])
    tables = [_audit_table(path, grids[0], read_cells(grids)) for grids in parts]
    if not any(table.table.columns for table in tables):
        raise InputError(
            f"{path}: none of its {len(parts)} tables has scores under the name of a measure, as maxF, S_m or MAE; "
            "see docs/leaderboard.md for what is read"
        )
    for i, table in enumerate(tables):
        for earlier in tables[:i]:
            differing = check_between([earlier.table, table.table])
            table.findings.extend(finding for finding in differing if finding.places[0][1] != UNNAMED)
    return tables


def _read_grids(path: Path) -> list[Grid]:
    if not path.exists():
        raise InputError(f"{path}: no such file")
    kinds = {".tex": "LaTeX with tables", ".csv": "a CSV table"}
    with report_unreadable(path, f"not {kinds.get(path.suffix.lower(), 'Markdown with tables')}"):
        with require_regular_file(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES >> 20} MiB")
        return list(READERS[path.suffix.lower()](data.decode("utf-8-sig")))


def _audit_table(path: Path, grid: Grid, cells: PaperCells) -> PaperTable:
    if len(cells.columns) > MAX_METHODS:
        raise InputError(f"{path}: {grid.name} has {len(cells.columns)} methods; at most {MAX_METHODS} are read")
    table = Published(paper=str(path), table=grid.name, columns=cells.columns)
    marks = read_marks(table, cells)
    findings = [finding for finding in audit_tables([table]) if finding.rule != "digits"]
    # Sources that a table joins have their own numbers of digits.
    digits = [finding for source in split_sources(table, cells) for finding in check_digits(source)]
    findings += [replace(finding, paper=str(path)) for finding in (*digits, *marks.findings)]
    return PaperTable(
        table=replace(table, marks=nest_marks(marks.marks)),
        findings=findings,
        unread=cells.unread,
        notes=[*cells.notes, *marks.notes],
        verdicts=list(judge_protocols(table)),
    )


def describe_paper(tables: list[PaperTable]) -> Iterator[str]:
    """Yield the lines that a terminal shows about the tables of a file."""
    for paper_table in tables:
        table = paper_table.table
        subsets = ", ".join(dict.fromkeys(subset for subset, _ in table.lines))
        metrics = ", ".join(dict.fromkeys(metric for _, metric in table.lines))
        methods = f"{len(table.columns)} methods ({', '.join(table.columns)})"
        contents = f"{table.count_numbers()} numbers, {methods}; {subsets}; {metrics}"
        yield f"{table.paper}, {table.table}: {contents if table.columns else 'no scores'}"
        yield from (f"  {finding.message}" for finding in paper_table.findings)
        yield from (f"  not read: {line}" for line in paper_table.unread)
        yield from (f"  note: {line}" for line in paper_table.notes)
        yield from _describe_verdicts(paper_table.verdicts)


def _describe_verdicts(verdicts: list[Verdict]) -> Iterator[str]:
    """Describe verdicts, a line for each method and kind; evidence once for each command."""
    groups: dict[tuple[str, tuple[str, ...], str, str], list[Verdict]] = {}
    for verdict in verdicts:
        # The words after the numbers are the same for all subsets.
        kind = verdict.message.partition(" ")[0] + verdict.command
        groups.setdefault((verdict.verdict, verdict.protocols, verdict.method, kind), []).append(verdict)
    commands: dict[str, Verdict] = {}
    for (word, protocols, method, _), group in groups.items():
        first = group[0]
        place = f"{method} on {first.subset}: " if method else "these columns: "
        others = ", ".join(verdict.subset for verdict in group[1:])
        more = f" (also on {others})" if others else ""
        phrase = "cannot be" if word == "impossible" else "is unlikely to be"
        yield f"  protocol: {place}{phrase} {' or '.join(protocols)}: {first.message}{more}"
        if first.command:
            commands.setdefault(first.command, first)
    for command, verdict in commands.items():
        yield f"  evidence on DIS-Mini, as `{command}` prints it:"
        for row in verdict.evidence:
            scores = ", ".join(f"{key} {score:.3f}" for key, score in row.scores.items())
            yield f"    {row.method} ({row.protocol}), {row.subset}: {scores}"
