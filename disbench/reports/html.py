"""The report as one HTML file that needs nothing else: no network, and no script or picture outside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from disbench.metrics.catalogue import METRICS, STANDARD
from disbench.reports.arrange import select_columns
from disbench.reports.cases import Case, describe_selection, map_cases, shorten_name
from disbench.reports.cells import MISSING, is_published
from disbench.reports.cost_plots import compare_costs
from disbench.reports.grid_style import GridStyle
from disbench.reports.image_list import format_image_scores, list_images
from disbench.reports.insets import OUTLINE, Insets
from disbench.reports.options import HtmlOptions
from disbench.reports.page import encode_data_uri, render_page
from disbench.reports.plots import plot_by_complexity, plot_curves
from disbench.reports.report import Report
from disbench.reports.scales import SIDE
from disbench.reports.table import ARROWS, PRINTABLE_METRICS, Table
from disbench.reports.time_plots import compare_times
from disbench.reports.times import collect_times, group_by_environment, run_id
from disbench.runs.result import Result, drop_other_protocols
from disbench.runs.times import flatten_environment

STAGES = ("prepare", "infer", "restore")
MAX_CURVE_SUBSETS = 16  # the curves of more subsets make a page too large; the categories of DIS5K are 225
PICTURE_WIDTH, SMALL_PICTURE_WIDTH = 420, 300  # pixels in a report, with at most 4 methods and with more
MAX_LISTED_IMAGES = 10_000  # in the list of a page, which a browser searches and sorts
GRID_PICTURE_WIDTH = 720  # pixels in a grid page


def list_explained(shown_metrics: Sequence[str], results: Sequence[Result]) -> tuple[str, ...]:
    """Return the metrics of a page: first the metrics shown at first, then the standard metrics of all results."""
    standard = [key for key in STANDARD if results and all(result.has_metric(key) for result in results)]
    return tuple(key for key in dict.fromkeys((*shown_metrics, *standard)) if key in METRICS)


def render_html(report: Report, options: HtmlOptions | None = None) -> str:
    """Render a report as a page.

    The page shows the metrics of the report at first, and others on request. With results, it also has curves, times,
    environments, and the score of every image. All text from outside is escaped.
    """
    options = options or HtmlOptions()
    shown_metrics = report.list_metrics()
    full_table = report.build_table(list_explained(shown_metrics, report.results))
    measured = [column for column in full_table.columns if not is_published(column)]
    results = [result for result in report.results if (result.title, result.protocol) in measured]
    content = _describe_table(full_table, shown_metrics) | _describe_runs(results, options)
    if results:
        measured_table = _measured_part(full_table, shown_metrics)
        content |= _describe_results(measured_table, results, options, content["times"])
    styles, scripts = ("base.css", "report.css"), ("base.js", "report.js")
    return render_page("report.html.j2", styles, scripts, **content)


def _describe_table(full_table: Table, shown_metrics: Sequence[str]) -> dict[str, Any]:
    """Return what the page shows of any table."""
    scored = {
        (line.split, column)
        for line in full_table.lines
        for column, cell in enumerate(line.cells)
        if cell.value is not None
    }
    splits = [split for split, _ in full_table.groups]
    columns = range(len(full_table.columns))
    complete = [split for split in splits if all((split, column) in scored for column in columns)]
    metrics = dict.fromkeys(line.metric for line in full_table.lines)
    return {
        "table": replace(full_table, lines=tuple(line for line in full_table.lines if line.metric in shown_metrics)),
        "full_table": full_table,
        "shown": shown_metrics,
        "scored": scored,
        "start": (complete or splits)[-1],  # the subset that is shown at first
        "explained": [PRINTABLE_METRICS[key] for key in metrics],
        "synthetic": any("|dis-mini-" in signature for signature in full_table.signatures),
        "metrics": PRINTABLE_METRICS,
        "arrows": ARROWS,
        "missing": MISSING,
        "scale": SIDE,
        "stages": STAGES,
        "methods": (),
        "plots": [],
        "time_comparison": None,
        "cost_plots": [],
        "complexity_plots": [],
        "images": None,
    }


def _describe_runs(results: Sequence[Result], options: HtmlOptions) -> dict[str, Any]:
    """Return the pictures, times and environments of the page."""
    runs = drop_other_protocols(results)
    times = collect_times(runs) if options.times is None else options.times
    records = [flatten_environment(run) for run in runs]
    fields = dict.fromkeys(field for record in records for field in record)
    return {
        "times": times,
        "time_rows": [(run.title, times[run_id(run)]) for run in runs if run_id(run) in times],
        "is_timed_apart": options.times is not None,  # by `disbench time`
        "comparable": len(group_by_environment([entry.record for entry in times.values()])) < 2,
        "machines": [run.title for run in runs],
        "records": [(field, [str(record.get(field, MISSING)) for record in records]) for field in fields],
        "pictures": map_cases(
            lambda case: render_pictures(case, PICTURE_WIDTH if len(case.masks) <= 4 else SMALL_PICTURE_WIDTH),
            options.cases,
        ),
    }


def _describe_results(
    table: Table, results: Sequence[Result], options: HtmlOptions, times: dict[Any, Any]
) -> dict[str, Any]:
    """Return the plots and the scores of images; `table` has the columns of `results`."""
    splits = [split for split, _ in table.groups]
    return {
        "methods": table.methods,
        "plots": [(split, plot_curves(results, split)) for split in splits if len(splits) <= MAX_CURVE_SUBSETS],
        "time_comparison": compare_times(table, results, times),
        "cost_plots": compare_costs(table, results, times),
        "complexity_plots": plot_by_complexity(table, results, options.complexity) if options.complexity else [],
        "images": format_image_scores(results, table.methods, MAX_LISTED_IMAGES),
        "image_count": len(list_images(results)),
    }


def _measured_part(full_table: Table, shown_metrics: Sequence[str]) -> Table:
    """Return the measured columns of a table, which are in the order of the results, in the metrics shown."""
    places = [i for i, column in enumerate(full_table.columns) if not is_published(column)]
    table = select_columns(full_table, places)
    return replace(
        table,
        lines=tuple(
            line
            for line in table.lines
            if line.metric in shown_metrics and any(cell.value is not None for cell in line.cells)
        ),
    )


def render_grid_page(cases: Sequence[Case], style: GridStyle) -> str:
    """Render the qualitative grid as a page of its own, with larger pictures than in a report.

    Args:
        cases: rows of the grid, at least one.
        style: its selection and its insets, which are resolved.
    """
    pictures = map_cases(partial(render_pictures, width=GRID_PICTURE_WIDTH, insets=style.insets), cases)
    rule = describe_selection(pictures[0]["first"], style.selection)
    values = {"pictures": pictures, "selection_rule": rule, "inset_rule": style.insets.describe(len(cases))}
    return render_page("grid.html.j2", ("base.css", "report.css"), ("base.js",), **values)


def render_pictures(case: Case, width: int, insets: Insets = OUTLINE) -> dict[str, Any]:
    """Render one case of the grid for a template.

    Args:
        case: its files are read.
        width: pixels of the longer side of a picture.
        insets: the windows to magnify.

    Returns:
        split, name (shortened), full (name), first (title of the first method), and tiles: (title, score, data URI).
    """
    from disbench.reports.tiles import make_tiles

    return {
        "split": case.sample.split,
        "name": shorten_name(case.sample.name),
        "full": case.sample.name,
        "first": next(iter(case.masks)),
        "tiles": [
            (title, case.scores.get(title), encode_data_uri(tile))
            for title, tile in make_tiles(case, width, insets).items()
        ],
    }
