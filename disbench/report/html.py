"""The report as one HTML file that needs nothing else: no network, no script or picture outside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from disbench.errors import InputError
from disbench.metrics import METRICS, STANDARD, per_image
from disbench.metrics.catalogue import paper
from disbench.metrics.protocols import find
from disbench.report.page import data_uri, page
from disbench.report.plots import SCALE, by_complexity, curve_panels, trade
from disbench.report.table import ARROWS, MISSING, Table, build
from disbench.report.times import alike, record, stage_times
from disbench.runs import Result, distinct

if TYPE_CHECKING:
    from disbench.report.cases import Case

STAGES = ("prepare", "infer", "restore")
PLOTTED = 16  # subsets whose curves a page can hold; the categories of DIS5K are 225
Place = tuple[str, str, int]  # of a score: subset, metric, column


def render(
    table: Table,
    results: Sequence[Result] = (),
    cases: Sequence[Case] = (),
    ranks: Mapping[tuple[str, str], float] | None = None,
    intervals: Mapping[Place, tuple[float, float]] | None = None,
    tied: Collection[Place] = (),
) -> str:
    """The page of a table; with the results behind it also curves, times, environment and the score of every image.

    `cases`: the qualitative grid; `ranks`: (subset, image) -> complexity, for scores against it; `intervals`: 95 % of
    each score, where known; `tied`: the scores that a test does not tell from the best. All from outside is escaped.
    """
    standard = (key for key in STANDARD if all(result.holds(key) for result in results))
    explained = dict.fromkeys((*(line.metric for line in table.lines), *(standard if results else ())))
    every = build(results, tuple(explained)) if results else table
    scored = {(line.split, k) for line in every.lines for k, cell in enumerate(line.cells) if cell.value is not None}
    whole = [split for split, _ in every.groups if all((split, k) in scored for k in range(len(every.columns)))]
    runs = distinct(results)
    records = [record(run) for run in runs]
    names = dict.fromkeys(name for one in records for name in one)
    return page(
        "report.html.j2",
        ("base.css", "report.css"),
        ("base.js", "report.js"),
        table=table,
        every=every,
        scored=scored,
        start=(whole or [split for split, _ in every.groups])[-1],
        shown={line.metric for line in table.lines},
        explained=[METRICS[key] for key in explained],
        synthetic=any("|dis-mini-" in signature for signature in table.signatures),
        intervals=intervals or {},
        tied=tied,
        metrics=METRICS,
        arrows=ARROWS,
        missing=MISSING,
        scale=SCALE,
        plots=[(split, curve_panels(results, split)) for split, _ in table.groups]
        if results and len(table.groups) <= PLOTTED
        else [],
        trade=trade(table, results) if results else None,
        intricate=by_complexity(table, results, ranks) if results and ranks else [],
        stages=STAGES,
        times=times(runs),
        comparable=len(alike([run for run in runs if stage_times(run)])) < 2,
        machines=[run.title for run in runs],
        records=[(name, [str(one.get(name, MISSING)) for one in records]) for name in names],
        images=image_scores(results, table.methods) if results else None,
        pictures=[pictures(case, 420 if len(case.masks) <= 4 else 300) for case in cases],
    )


def grid_page(cases: Sequence[Case], how: str) -> str:
    """The grid as a page of its own, its pictures larger than in a report. InputError where there is no case."""
    from disbench.report.cases import rule
    from disbench.report.grid import NONE

    if not cases:
        raise InputError(NONE)
    shown = [pictures(case, 720) for case in cases]
    styles, scripts = ("base.css", "report.css"), ("base.js",)
    return page("grid.html.j2", styles, scripts, pictures=shown, rule=rule(shown[0]["first"], how))


def times(results: Sequence[Result]) -> list[dict[str, Any]]:
    """The times of each method that was timed, in milliseconds, and on what."""
    timed = []
    for result in results:
        if found := stage_times(result):
            machine = record(result)
            device = machine.get("gpu") or machine.get("cpu") or MISSING
            stages = {stage: 1000 * value for stage, value in found.stages.items()}
            timed.append(
                {"method": result.title, "stages": stages, "total": 1000 * found.total, "n": found.n, "device": device}
            )
    return timed


def image_scores(results: Sequence[Result], methods: Sequence[str]) -> dict[str, Any]:
    """The scores of every image as data for a page's script: values[metric][method][image], None where missing."""
    keys = sorted({(row.split, row.name) for r in results for split in r.splits for row in r.rows[split]})
    place = {key: i for i, key in enumerate(keys)}
    columns = paper(find(result.protocol) for result in results)
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


def pictures(case: Case, width: int) -> dict[str, Any]:
    """One case of the grid: its name, and (title, score, data URI) of each picture, `width` pixels wide."""
    from disbench.report.cases import short
    from disbench.report.grid import tiles

    found = [(title, case.scores.get(title), data_uri(tile)) for title, tile in tiles(case, width).items()]
    names = {"split": case.sample.split, "name": short(case.sample.name), "full": case.sample.name}
    return names | {"first": next(iter(case.masks)), "tiles": found}
