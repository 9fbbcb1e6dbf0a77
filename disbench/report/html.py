"""The report as one HTML file that needs nothing else: no network, no script or picture outside it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import jinja2
import numpy as np
from markupsafe import Markup

from disbench.data import TEST
from disbench.metrics import METRICS, STANDARD, curves, per_image
from disbench.metrics.catalogue import paper
from disbench.metrics.protocols import find
from disbench.report.curves import PANELS
from disbench.report.table import ARROWS, MISSING, Table, build
from disbench.report.times import record, stage_times
from disbench.runs import OVERALL, Result, distinct

if TYPE_CHECKING:
    from disbench.report.grid import Case

STAGES = ("prepare", "infer", "restore")
GREEK = {r"\beta": "β", r"\phi": "φ", r"\omega": "ω", r"\xi": "ξ", r"\alpha": "α", r"\kappa": "κ", r"\mathcal{M}": "ℳ"}
PLOTTED = 16  # subsets whose curves a page can hold; the categories of DIS5K are 225
SCALE = 400  # units of a plot's side


def render(table: Table, results: Sequence[Result] = (), cases: Sequence[Case] = ()) -> str:
    """The page of a table; with the results behind it also curves, times, environment and the score of every image,
    with cases also the qualitative grid. Everything from outside is escaped."""
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    )
    environment.filters["symbol"] = symbol
    standard = (key for key in STANDARD if all(result.holds(key) for result in results))
    explained = dict.fromkeys((*standard, *(line.metric for line in table.lines)))
    runs = distinct(results)
    timed, records = times(runs), [record(run) for run in runs]
    names = dict.fromkeys(name for one in records for name in one)
    return environment.get_template("report.html.j2").render(
        table=table,
        every=build(results, tuple(explained)) if results else None,
        explained=[METRICS[key] for key in explained],
        synthetic=any("|dis-mini-" in signature for signature in table.signatures),
        metrics=METRICS,
        arrows=ARROWS,
        missing=MISSING,
        scale=SCALE,
        plots=[(split, plots(results, split)) for split, _ in table.groups if results and len(table.groups) <= PLOTTED],
        stages=STAGES,
        times=timed,
        comparable=all(row["record"] == timed[0]["record"] for row in timed),
        machines=[run.title for run in runs],
        records=[(name, [str(one.get(name, MISSING)) for one in records]) for name in names],
        images=image_scores(results, table.methods) if results else None,
        pictures=[pictures(case) for case in cases],
    )


def symbol(latex: str) -> Markup:
    """A metric's LaTeX symbol, a letter or a word with at most one subscript and one superscript, as HTML."""
    part = r"(\{.*?\}|\\[a-z]+|.)"
    letters = r"(?:\\mathrm\{(\w+)\}|(\\mathcal\{M\}|.+?))"
    word, letter, below, above = re.fullmatch(rf"{letters}(?:_{part})?(?:\^{part})?", latex).groups(default="")
    letter, below, above = (GREEK.get(text, text) for text in (letter, below.strip("{}"), above.strip("{}")))
    scripts = Markup('<span class="scripts"><sup>{}</sup><sub>{}</sub></span>').format(above, below)
    base = word or Markup("<i>{}</i>").format(letter)
    return Markup("{}{}").format(base, scripts if above or below else "")


def plots(results: Sequence[Result], split: str) -> list[dict[str, Any]]:
    """The panels of one subset: title, axis labels, and (index of the method, SVG points) of each line."""
    panels = [{"title": title, "x": x[1], "y": y[1], "lines": []} for title, x, y in PANELS]
    for index, result in enumerate(results):
        if not (set(TEST) if split == OVERALL else {split}) <= set(result.splits):
            continue
        values = curves(result.measurements(split), result.protocol)
        values[None] = np.linspace(0, 1, 256)[: len(values["f"])]
        for panel, (_, (x, _), (y, _)) in zip(panels, PANELS, strict=True):
            panel["lines"].append((index, points(values[x], values[y])))
    return panels


def points(x: np.ndarray, y: np.ndarray) -> str:
    """Two curves in 0..1 as the points of an SVG polyline, in plot units."""
    pairs = np.stack([np.rint(x * SCALE), np.rint((1 - y) * SCALE)], axis=1).astype(int).tolist()
    return " ".join(f"{a},{b}" for a, b in dict.fromkeys(map(tuple, pairs)))


def times(results: Sequence[Result]) -> list[dict[str, Any]]:
    """The times of each method that was timed, in milliseconds, and on what."""
    timed = []
    for result in results:
        if found := stage_times(result):
            machine = record(result)
            device = machine.get("gpu") or machine.get("cpu") or MISSING
            stages = {stage: 1000 * value for stage, value in found.stages.items()}
            row = {"method": result.title, "stages": stages, "total": 1000 * found.total, "n": found.n}
            timed.append(row | {"device": device, "record": machine})
    return timed


def image_scores(results: Sequence[Result], methods: Sequence[str]) -> dict[str, Any]:
    """The scores of every image as data for the page's script: values[metric][method][image], None where missing."""
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
        "metrics": [{"key": metric, "symbol": METRICS[metric].symbol} for metric in shown],
        "images": keys,
        "values": values,
    }


def pictures(case: Case) -> dict[str, Any]:
    """One case of the grid: its name, and (title, score, data URI) of each picture."""
    from disbench.report.grid import short, tiles

    width = 420 if len(case.masks) <= 4 else 300
    found = [(title, case.scores.get(title), _data_uri(tile)) for title, tile in tiles(case, width).items()]
    names = {"split": case.sample.split, "name": short(case.sample.name), "full": case.sample.name}
    return names | {"first": next(iter(case.masks)), "tiles": found}


def _data_uri(pixels: np.ndarray) -> str:
    _, data = cv2.imencode(".webp", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, 80])
    return f"data:image/webp;base64,{b64encode(data.tobytes()).decode()}"
