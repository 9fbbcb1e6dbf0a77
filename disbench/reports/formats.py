"""The formats of a report. Nothing here imports the module of a format before it is used."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from disbench.errors import InputError
from disbench.reports.options import (
    FormatOptions,
    HtmlOptions,
    LatexOptions,
    LayoutOptions,
    MarkdownOptions,
    TypstOptions,
)


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
        Format(name="xlsx", suffix=".xlsx", renderer="xlsx:render_xlsx", options=LayoutOptions),
        Format(name="json", suffix=".json", renderer="json:render_json"),
        Format(name="typst", suffix=".typ", renderer="typst:render_typst", options=TypstOptions),
        Format(name="model-index", suffix=".yaml", renderer="model_index:render_model_index"),
    )
}
HAVE_INTERVALS = ("html", "csv", "json")  # always


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


def make_options(
    name: str, chosen: Mapping[str, Any], *, intervals: bool = False, bib: Path | None = None
) -> FormatOptions:
    """Make the options of a format.

    Args:
        name: the format.
        chosen: option -> value; None, False and "" are not chosen, but False is for `wide`.
        intervals: 95 % intervals, which HAVE_INTERVALS have without it.
        bib: the BibTeX file that a document cites.

    Raises:
        InputError: for an option that the format does not have, or a value that it does not take.
    """
    target = FORMATS[name]
    known = {field.name for field in fields(target.options)}
    values = {key: value for key, value in chosen.items() if value is not None and (value or key == "wide")}
    values |= {"intervals": True} if intervals and name not in HAVE_INTERVALS else {}
    for key in values.keys() - known:
        formats = [entry.name for entry in FORMATS.values() if key in {field.name for field in fields(entry.options)}]
        formats += HAVE_INTERVALS if key == "intervals" else ()
        option = "--wide and --narrow" if key == "wide" else f"--{key}"
        raise InputError(f"{option}: not in {name}; the formats with it are {', '.join(formats)}")
    if bib is not None:
        values |= {"cite": True, "bibliography": check_bibliography(bib)}
    return target.options(**values)


def check_bibliography(path: Path) -> str:
    r"""Return the name by which LaTeX finds a BibTeX file. InputError for a name that \\bibliography cannot hold."""
    if path.suffix != ".bib" or not re.fullmatch(r"[A-Za-z0-9._-]+", path.stem):
        raise InputError(f"--bib {path}: give a file NAME.bib, with letters, digits and . _ - in its name")
    return path.stem
