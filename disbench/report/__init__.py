"""Reports: results -> one comparable table, as HTML, LaTeX, Markdown, CSV or an Excel workbook."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from disbench.errors import InputError
from disbench.files import write_whole
from disbench.metrics import Keys
from disbench.report.table import build

FORMATS = {"html": ".html", "latex": ".tex", "markdown": ".md", "csv": ".csv", "xlsx": ".xlsx"}  # file suffixes


def render(
    results: Sequence,
    format: str = "html",
    cases: Sequence = (),
    standalone: bool = False,
    metrics: Keys = None,
    **known,
) -> str | bytes:
    """The report of some results (disbench.runs.Result): text, or a workbook's bytes.

    `cases` (disbench.report.cases.cases) are the pictures of an HTML report, and what else it shows where `known` is
    said in disbench.report.html.render; `standalone` makes LaTeX a document of its own; `metrics` as in
    disbench.report.table.build. InputError for an unknown format or metric, and for results that
    must not stand in one table.
    """
    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}; known: {', '.join(FORMATS)}")
    table = build(results, metrics)
    if format == "html":
        from disbench.report import html

        return html.render(table, results, cases, **known)
    if format == "latex":
        from disbench.report import latex

        return latex.render(table, standalone)
    return import_module(f"disbench.report.{format}").render(table)


def format_of(path: Path) -> str:
    """The format that a file's suffix stands for, or an InputError that lists the suffixes."""
    for name, suffix in FORMATS.items():
        if suffix == path.suffix.lower():
            return name
    raise InputError(f"{path}: no format has this suffix; known: {', '.join(FORMATS.values())}; or give --format")


def write(path: str | Path, results: Sequence, format: str | None = None, **options) -> None:
    """`render` to a file, with its other options; without `format`, the file's suffix decides."""
    path = Path(path)
    text = render(results, format or format_of(path), **options)
    try:
        write_whole(path, text if isinstance(text, bytes) else text.encode())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; choose another place with --out") from None
