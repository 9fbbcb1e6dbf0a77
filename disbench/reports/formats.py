"""The formats of a report. Nothing here imports the module of a format before it is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from disbench.errors import InputError
from disbench.reports.options import FormatOptions, HtmlOptions, LatexOptions, MarkdownOptions


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format of reports.

    Attributes:
        name: the value of --format.
        suffix: suffix of its files.
        renderer: "module:function" in disbench.reports. The function takes what `renders` says, and the options.
        options: the class of its options.
        renders: "table", or "report" for a format that shows more than the table of a report.
    """

    name: str
    suffix: str
    renderer: str
    options: type[FormatOptions] = FormatOptions
    renders: str = "table"

    def load_renderer(self) -> Callable[..., str | bytes]:
        """Import and return the function that renders this format."""
        module, _, function = self.renderer.partition(":")
        return getattr(import_module(f"disbench.reports.{module}"), function)


FORMATS = {
    entry.name: entry
    for entry in (
        Format(name="html", suffix=".html", renderer="html:render_html", options=HtmlOptions, renders="report"),
        Format(name="latex", suffix=".tex", renderer="latex:render_latex", options=LatexOptions),
        Format(name="markdown", suffix=".md", renderer="markdown:render_markdown", options=MarkdownOptions),
        Format(name="csv", suffix=".csv", renderer="csv:render_csv"),
        Format(name="xlsx", suffix=".xlsx", renderer="xlsx:render_xlsx"),
    )
}


def get_format(name: str) -> Format:
    """Return a format by its name, or raise InputError with the known names."""
    if not isinstance(name, str) or name not in FORMATS:
        raise InputError(f"unknown format {name!r}; known: {', '.join(FORMATS)}")
    return FORMATS[name]


def format_from_suffix(path: Path) -> Format:
    """Return the format that a file's suffix stands for, or raise InputError with the known suffixes."""
    for entry in FORMATS.values():
        if entry.suffix == path.suffix.lower():
            return entry
    suffixes = ", ".join(entry.suffix for entry in FORMATS.values())
    raise InputError(f"{path}: no format has this suffix; known: {suffixes}; or give --format")
