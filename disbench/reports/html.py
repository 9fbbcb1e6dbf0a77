"""The report as one HTML file that needs nothing else: no network, no script or picture outside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from disbench.errors import InputError
from disbench.metrics.catalogue import METRICS, STANDARD, paper_metrics
from disbench.metrics.protocols import get_protocol
from disbench.metrics.scoring import per_image
from disbench.reports.page import encode_data_uri, render_page
from disbench.reports.plots import SCALE, collect_trades, curve_panels, plot_by_complexity
from disbench.reports.table import ARROWS, KNOWN, MISSING, Table
from disbench.reports.times import Key, group_by_environment, own_times, run_id
from disbench.runs.result import Result, drop_other_protocols
from disbench.runs.times import Times, flatten_environment

if TYPE_CHECKING:
    from disbench.reports.cases import Case

STAGES = ("prepare", "infer", "restore")
PLOTTED = 16  # subsets whose curves a page can hold; the categories of DIS5K are 225


def list_explained(shown: Sequence[str], results: Sequence[Result]) -> tuple[str, ...]:
    """The measures of a page: those shown at first, then the standard ones that all results hold."""
    standard = [key for key in STANDARD if results and all(result.holds(key) for result in results)]
    return tuple(dict.fromkeys(key for key in (*shown, *standard) if key in METRICS))


def render_html(
    every: Table,
    shown: Sequence[str],
    results: Sequence[Result] = (),
    cases: Sequence[Case] = (),
    ranks: Mapping[tuple[str, str], float] | None = None,
    ruled: Mapping[Key, Times] | None = None,
) -> str:
    """The page of a table, which shows the metrics `shown` at first; with the results behind it, which are its last
    columns, also curves, times, environment and the score of every image.

    `cases`: the qualitative grid; `ranks`: (subset, image) -> complexity, for scores against it; `ruled`: times in the
    place of the results' own (disbench.report.times.ruled). All from outside is escaped.
    """
    measured = _measured(every, shown, len(results)) if results else None
    scored = {(line.split, k) for line in every.lines for k, cell in enumerate(line.cells) if cell.value is not None}
    splits = [split for split, _ in every.groups]
    whole = [split for split in splits if all((split, k) in scored for k in range(len(every.columns)))]
    drawn = [split for split, _ in measured.groups] if measured and len(measured.groups) <= PLOTTED else []
    runs = drop_other_protocols(results)
    times = own_times(runs) if ruled is None else ruled
    records = [flatten_environment(run) for run in runs]
    names = dict.fromkeys(name for one in records for name in one)
    return render_page(
        "report.html.j2",
        ("base.css", "report.css"),
        ("base.js", "report.js"),
        table=replace(every, lines=tuple(line for line in every.lines if line.metric in shown)),
        every=every,
        shown=shown,
        explained=[KNOWN[key] for key in dict.fromkeys(line.metric for line in every.lines)],
        synthetic=any("|dis-mini-" in signature for signature in every.signatures),
        scored=scored,
        start=(whole or splits)[-1],
        metrics=KNOWN,
        arrows=ARROWS,
        missing=MISSING,
        scale=SCALE,
        methods=measured.methods if measured else (),
        plots=[(split, curve_panels(results, split)) for split in drawn],
        trade=collect_trades(measured, results, times) if measured else None,
        intricate=plot_by_complexity(measured, results, ranks) if measured and ranks else [],
        stages=STAGES,
        times=[(run.title, times[run_id(run)]) for run in runs if run_id(run) in times],
        ruled=ruled is not None,
        comparable=len(group_by_environment([one.record for one in times.values()])) < 2,
        machines=[run.title for run in runs],
        records=[(name, [str(one.get(name, MISSING)) for one in records]) for name in names],
        images=format_image_scores(results, measured.methods) if measured else None,
        pictures=[render_pictures(case, 420 if len(case.masks) <= 4 else 300) for case in cases],
    )


def _measured(every: Table, shown: Sequence[str], columns: int) -> Table:
    """The last columns of a table, in the metrics shown."""
    lines = [replace(line, cells=line.cells[-columns:]) for line in every.lines if line.metric in shown]
    scored = tuple(line for line in lines if any(cell.value is not None for cell in line.cells))
    return replace(every, columns=every.columns[-columns:], signatures=every.signatures[-columns:], lines=scored)


def render_grid_page(cases: Sequence[Case], how: str) -> str:
    """The grid as a page of its own, its pictures larger than in a report. InputError where there is no case."""
    from disbench.reports.cases import NO_CASES, describe_selection

    if not cases:
        raise InputError(NO_CASES)
    shown = [render_pictures(case, 720) for case in cases]
    styles, scripts = ("base.css", "report.css"), ("base.js",)
    return render_page("grid.html.j2", styles, scripts, pictures=shown, rule=describe_selection(shown[0]["first"], how))


def format_image_scores(results: Sequence[Result], methods: Sequence[str]) -> dict[str, Any]:
    """The scores of every image as data for a page's script: values[metric][method][image], None where missing."""
    keys = sorted({(row.split, row.name) for r in results for split in r.splits for row in r.rows[split]})
    place = {key: i for i, key in enumerate(keys)}
    columns = paper_metrics(get_protocol(result.protocol) for result in results)
    shown = [key for key in columns if all(result.holds(key) for result in results)]
    values: dict[str, list[list[float | None]]] = {metric: [] for metric in shown}
    for result in results:
        rows = [row for split in result.splits for row in result.rows[split]]
        scores = per_image([row.measurement for row in rows], result.protocol, shown)
        for metric in shown:
            column: list[float | None] = [None] * len(keys)
            for row, value in zip(rows, scores[metric], strict=True):
                column[place[row.split, row.name]] = round(float(value), 4)
            values[metric].append(column)
    return {
        "methods": methods,
        "metrics": [
            {"key": key, "symbol": METRICS[key].symbol, "higher": METRICS[key].direction == "higher"} for key in shown
        ],
        "images": keys,
        "values": values,
    }


def render_pictures(case: Case, width: int) -> dict[str, Any]:
    """One case of the grid: its name, and (title, score, data URI) of each picture, `width` pixels wide."""
    from disbench.reports.cases import shorten_name
    from disbench.reports.tiles import make_tiles

    found = [(title, case.scores.get(title), encode_data_uri(tile)) for title, tile in make_tiles(case, width).items()]
    names = {"split": case.sample.split, "name": shorten_name(case.sample.name), "full": case.sample.name}
    return names | {"first": next(iter(case.masks)), "tiles": found}
