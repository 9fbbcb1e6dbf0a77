"""The public function `disbench.report`, which does what the command of that name does."""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path

from disbench.errors import InputError, wrong_type
from disbench.metrics.catalogue import MetricKeys
from disbench.metrics.protocols import parse_protocols
from disbench.reports.arrange import Arrangement, arrange_results, end_sentence
from disbench.reports.citations import collect_papers, write_bibliography
from disbench.reports.formats import format_from_suffix, get_format, make_options
from disbench.reports.inputs import TitledSource, classify_inputs, load_inputs
from disbench.reports.options import HtmlOptions
from disbench.reports.output import write_output
from disbench.reports.published import PublishedSelection
from disbench.reports.render import render_report
from disbench.reports.report import Report
from disbench.runs.lookup import ROOT
from disbench.runs.outputs import check_output, list_inputs
from disbench.runs.result import Result, drop_other_protocols, load_latest, put_last
from disbench.system.files import require_path
from disbench.system.progress import Progress

ReportSource = str | PathLike[str] | Result
TitledReportSource = tuple[str | None, ReportSource]  # with the title that its column gets


def report(
    runs: ReportSource | Sequence[ReportSource | TitledReportSource] = (),
    *,
    format: str | None = None,
    out: str | PathLike[str] | None = None,
    metrics: MetricKeys = None,
    protocol: str | None = None,
    standalone: bool = False,
    intervals: bool = False,
    corrected: bool = False,
    source: str = "",
    rank_all: bool = False,
    by: str | None = None,
    parts: int | None = None,
    times: Sequence[str | PathLike[str]] = (),
    focus: str | None = None,
    split: str | None = None,
    order: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    digits: int | None = None,
    rank: str | None = None,
    caption: str = "",
    layout: str | None = None,
    marks: str | None = None,
    label: str | None = None,
    wide: bool | None = None,
    width: float | None = None,
    cite: bool = False,
    bib: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> str | bytes:
    r"""Make one table of runs and published scores.

    Args:
        runs: run folders, methods (the folder of their runs, or its name under ./runs, for the latest run), patterns
            such as "runs/MyNet/*", results, leaderboard entries (files, or names of methods on DIS5K), leaderboards
            (folders or names) and published tables (by name, as "diffdis-table-3"). A pair (title, run) sets a title.
            Default: the latest finished run of every method under ./runs.
        format: "html", "latex", "markdown", "csv", "xlsx", "json", "typst" or "model-index". Default: the format of the
            suffix of `out`, or Markdown.
        out: a file to write. Default: none.
        metrics: keys of the metrics to show, as "f_max,mae". Default: the paper's five.
        protocol: evaluation protocols, as "pysod,diffdis". Default: the protocol of each run.
        standalone: a LaTeX document that compiles, in place of a table to \input.
        intervals: 95 % intervals of measured scores in LaTeX and Markdown. HTML, CSV and JSON always have them.
        corrected: published numbers as `disbench leaderboard audit` corrects them.
        source: text that a citation must contain, for the published columns of leaderboard entries.
        rank_all: rank methods also on subsets that they were trained on.
        by: "complexity", "size" or "category", to group the images of all subsets.
        parts: number of equal parts by complexity or size. Default: 4.
        times: files or folders of `disbench time`, whose times an HTML report shows in place of those of the runs.
        focus: the method of interest, which becomes the last column of the measured ones. Default: the last run.
        split: the subsets to show, as "DIS-TE1..4,Overall". Default: all.
        order: names of methods in the order to show them; "..." stands for all others, which come last by default.
        names: name of a method -> the name to show.
        digits: decimals of scores. Default: three, and as printed for published numbers, which never get more.
        rank: which scores compete: "together" (all), "by-source" (those of each publication, and the measured ones of
            each protocol) or "measured". Default: together if there are several sources, otherwise by-source.
        caption: the first sentence of the caption, in plain text. Default: the data set is named.
        layout: "columns" or "rows": where the methods are. Default: what prints in larger type.
        marks: "bold" (the best bold, the second underlined) or "colour" (red, green, blue) in LaTeX and Typst.
        label: the key that refers to the table in LaTeX and Typst.
        wide: whether a LaTeX table spans both columns of a page. Default: if it needs to.
        width: points of the line that a LaTeX table must fit. Default: of the narrowest common class.
        cite: citations after the names of methods, in LaTeX.
        bib: a file for the BibTeX entries of these citations.
        progress: is called with (done, total, label).

    Returns:
        The report: text, or the bytes of a workbook.

    Raises:
        InputError: for unknown or unreadable runs, for results that must not stand in one table, and for options that
            do not go together, and for an `out` that is an input or in a data set.
    """
    out = require_path("out", out) if out is not None else None
    name = _choose_format(format, out)
    if parts is not None and (isinstance(parts, bool) or not isinstance(parts, int) or parts < 2):
        raise wrong_type("parts", parts, "a whole number from 2")
    if width is not None and (isinstance(width, bool) or not isinstance(width, int | float)):
        raise wrong_type("width", width, "a number of points")
    if not isinstance(source, str):
        raise wrong_type("source", source, "text that a citation contains")
    for key, text in {"by": by, "label": label, "layout": layout, "marks": marks, "focus": focus}.items():
        if text is not None and not isinstance(text, str):
            raise wrong_type(key, text, "text")
    times = _list_paths("times", times)
    bib = require_path("bib", bib) if bib is not None else None
    arrangement = Arrangement(
        splits=split, order=order, names=names or {}, digits=digits, ranking=rank, opening=end_sentence(caption)
    )
    if bib is not None and name != "latex":
        raise InputError(f"--bib: not in {name}; the formats with it are latex")
    chosen = {"layout": layout, "marks": marks, "label": label, "wide": wide, "width": width, "cite": cite or bib}
    options = make_options(name, chosen | {"standalone": standalone}, intervals=intervals, bib=bib)
    for key, value in {"--caption": caption, "--digits": digits, "--rank": rank, "--rank-all": rank_all}.items():
        if value and name in ("csv", "model-index"):
            raise InputError(f"{key}: not in {name}, which has scores with all digits, without caption and ranks")
    if parts and not by:
        raise InputError("--parts needs --by")
    if times and name != "html":
        raise InputError("--times: only an HTML report shows times; `disbench times` prints them side by side")
    inputs = classify_inputs(_list_sources(runs))
    if source and not inputs.entries:
        raise InputError("--source selects tables of leaderboard entries; name one, such as diffdis, or omit it")
    if corrected and not (inputs.entries or inputs.tables):
        raise InputError("--corrected is about published numbers; name an entry or a published table, or omit it")
    results = load_inputs(inputs.measured)
    if not inputs.tables and not inputs.entries and not results:
        results = load_latest(ROOT)
    results = put_last(results, focus)
    measured = [source for _, source in inputs.measured if isinstance(source, Path) and source.is_file()]
    for file, option in ((out, "--out"), (bib, "--bib")):
        if file:
            check_output(file, [*list_inputs(results), *inputs.entries, *measured, *times], option)
    protocols = parse_protocols(protocol) if protocol else None
    if protocols:
        results = [run.with_protocol(key) for run in drop_other_protocols(results) for key in protocols]
    if by and (inputs.entries or inputs.tables):
        raise InputError("--by: published scores have no images to group; omit --by, or the entries and tables")
    results = arrange_results(results, arrangement)
    if name == "html":
        options = _collect_html_options(results, times, progress)
    if by:
        from disbench.runs.grouping import group_images

        results = group_images(results, by, parts, progress)
    published = PublishedSelection(
        entries=inputs.entries,
        tables=inputs.tables,
        corrected=corrected,
        citation=source,
        rank_all=rank_all,
    )
    papers = collect_papers(inputs.entries, arrangement) if cite or bib else {}
    described = Report(results, published, metrics, rank_all, arrangement, papers)
    content = render_report(described, name, options)
    if bib is not None:
        write_bibliography(bib, described.build_table(confidence=False))
    if out is not None:
        write_output(out, content)
    return content


def _choose_format(format: str | None, out: Path | None) -> str:
    if format:
        return get_format(format).name
    return format_from_suffix(out).name if out else "markdown"


def _list_sources(runs: ReportSource | Sequence[ReportSource | TitledReportSource]) -> list[TitledSource]:
    """Return (title or None, path or result) for every source."""
    sources: list[TitledSource] = []
    listed = [runs] if isinstance(runs, (str, bytes, PathLike, Result)) else runs
    if not isinstance(listed, Iterable):
        raise wrong_type("runs", runs, "run folders or results")
    for run in listed:
        title, source = run if isinstance(run, tuple) and len(run) == 2 else (None, run)
        if not isinstance(title, str | None):
            raise wrong_type("runs", run, "a pair (title, run), with the title as text")
        sources.append((title, source if isinstance(source, Result) else require_path("runs", source)))
    return sources


def _list_paths(name: str, paths: Sequence[str | PathLike[str]]) -> list[Path]:
    if isinstance(paths, (str, bytes, PathLike)):
        return [require_path(name, paths)]
    if not isinstance(paths, Iterable):
        raise wrong_type(name, paths, "a list of paths")
    return [require_path(name, path) for path in paths]


def _collect_html_options(
    results: Sequence[Result], timings: Sequence[Path], progress: Progress | None
) -> HtmlOptions:
    """Collect pictures, complexity and times. Without results, only the times."""
    times = None
    if timings:
        from disbench.reports.times import match_timings

        times = match_timings(results, timings)
    if not results:
        return HtmlOptions(times=times)
    from disbench.reports.publish import load_complexity_ranks, select_report_cases

    return HtmlOptions(
        cases=select_report_cases(results), complexity=load_complexity_ranks(results, progress), times=times
    )
