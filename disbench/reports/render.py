"""A report in one of its formats: HTML, LaTeX, Typst, Markdown, CSV, JSON, a model card or an Excel workbook."""

from pathlib import Path

from disbench.reports.formats import format_from_suffix, get_format
from disbench.reports.options import FormatOptions
from disbench.reports.output import write_output
from disbench.reports.report import Report


def render_report(report: Report, format: str = "html", options: FormatOptions | None = None) -> str | bytes:
    """Render a report.

    Args:
        report: what to show.
        format: a name of disbench.reports.formats.FORMATS.
        options: options of the format's own class. Default: the defaults of that class.

    Returns:
        Text, or the bytes of a workbook.

    Raises:
        InputError: for an unknown format or metric, and for results that must not stand in one table.
        TypeError: for options of another format.
    """
    target = get_format(format)
    options = target.options() if options is None else options
    if not isinstance(options, target.options):
        raise TypeError(f"{format} takes {target.options.__name__}, not {type(options).__name__}")
    render = target.load_renderer()
    if target.renders == "report":
        return render(report, options)
    return render(report.build_table(), options)


def write_report(
    path: str | Path, report: Report, format: str | None = None, options: FormatOptions | None = None
) -> None:
    """Render a report into a file.

    Args:
        path: the file.
        report: what to show.
        format: as in `render_report`. Default: the format of the file's suffix.
        options: as in `render_report`.

    Raises:
        InputError: as in `render_report`, and for a file that cannot be written.
    """
    path = Path(path)
    write_output(path, render_report(report, format or format_from_suffix(path).name, options))
