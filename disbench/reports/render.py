"""Reports: results -> one comparable table, as HTML, LaTeX, Markdown, CSV or an Excel workbook."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from disbench.errors import InputError
from disbench.metrics.catalogue import MetricKeys
from disbench.reports.table import Table, build_table
from disbench.system.files import write_atomic

FORMATS = {"html": ".html", "latex": ".tex", "markdown": ".md", "csv": ".csv", "xlsx": ".xlsx"}  # file suffixes


def render_report(
    results: Sequence,
    format: str = "html",
    cases: Sequence = (),
    standalone: bool = False,
    metrics: MetricKeys = None,
    entries: Sequence[Path] = (),
    tables: Sequence[str] = (),
    corrected: bool = False,
    source: str = "",
    intervals: bool = False,
    ranks: Mapping[tuple[str, str], float] | None = None,
    times: Mapping | None = None,
) -> str | bytes:
    """The report of some results (disbench.runs.Result): text, or a workbook's bytes.

    `cases` (disbench.report.cases.cases) are the pictures of an HTML report, `ranks` the complexity of its images,
    `times` in the place of the runs' own (disbench.report.times.ruled);
    `standalone` makes LaTeX a document of its own; `metrics` as in disbench.report.table.build; `entries` are
    leaderboard entries whose reported columns come first, `corrected` by the audit or as printed, of a `source` alone
    if given; `tables` are names of published tables (disbench.report.published.named), which come before all;
    `intervals` are shown in LaTeX and Markdown (CSV, HTML and workbooks have them). InputError for an unknown format or
    metric, and for results that must not stand in one table.
    """
    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}; known: {', '.join(FORMATS)}")
    make = partial(_table, results, entries=entries, tables=tables, corrected=corrected, source=source)
    table = make(metrics)
    if format == "html":
        from disbench.reports import html

        shown = list(dict.fromkeys(line.metric for line in table.lines))
        every = make(html.list_explained(shown, results))
        return html.render_html(_with_confidence(every, results), shown, results, cases, ranks, times)
    table = _with_confidence(table, results)
    if format == "latex":
        from disbench.reports import latex

        return latex.render_latex(table, standalone, intervals)
    if format == "markdown":
        from disbench.reports import markdown

        return markdown.render_markdown(table, intervals)
    if format == "csv":
        from disbench.reports import csv

        return csv.render_csv(table)
    from disbench.reports import xlsx

    return xlsx.render_xlsx(table)


def _table(
    results: Sequence, metrics: MetricKeys, entries: Sequence[Path], tables: Sequence[str], corrected: bool, source: str
) -> Table:
    if not entries and not tables:
        return build_table(results, metrics)
    from disbench.leaderboard import entry
    from disbench.reports.published import add_published, select_tables, tables_of_entries

    found = select_tables(tables, corrected) + (tables_of_entries(entries, corrected, source) if entries else [])
    dataset = entry.read_entry(entries[0]).dataset if entries else "DIS5K"
    table = add_published(found, dataset, results, metrics, corrected)
    return replace(table, turned=bool(tables) and len(table.groups) == 1)


def _with_confidence(table: Table, results: Sequence) -> Table:
    from disbench.reports.confidence import add_confidence

    return add_confidence(table, results) if results else table


def format_from_suffix(path: Path) -> str:
    """The format that a file's suffix stands for, or an InputError that lists the suffixes."""
    for name, suffix in FORMATS.items():
        if suffix == path.suffix.lower():
            return name
    raise InputError(f"{path}: no format has this suffix; known: {', '.join(FORMATS.values())}; or give --format")


def write_report(path: str | Path, results: Sequence, format: str | None = None, **options) -> None:
    """`render` to a file, with its other options; without `format`, the file's suffix decides."""
    path = Path(path)
    text = render_report(results, format or format_from_suffix(path), **options)
    try:
        write_atomic(path, text if isinstance(text, bytes) else text.encode())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; choose another place with --out") from None
