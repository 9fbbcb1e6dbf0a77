"""The table of an ablation: means over seeds with their 95 % t intervals, and differences taken seed by seed."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from disbench.errors import escape_csv_formula
from disbench.metrics import catalogue
from disbench.models.diffdis.ablate import METRICS, Trained

FIELDS = (
    *("row", "tables", "on", "metric", "direction", "seeds", "mean", "half", "paper"),
    *("against", "difference", "difference_half", "paper_difference"),
)
NEEDS_BASE = "needs the weights of Stable Diffusion"
TITLES = {"f_max": "F-max", "e_mean": "E-mean", "s_measure": "S", "mae": "MAE"}
Entry = dict[str, Any]
"""One row as JSON prints it; see `make_entries`."""


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Compute the mean and half the width of its 95 % t interval, NaN for a single value."""
    from scipy import stats

    n = len(values)
    half = stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5 if n > 1 else np.nan
    return float(np.mean(values)), float(half)


def make_entries(trained: Sequence[Trained]) -> list[Entry]:
    """Summarise the rows of an ablation.

    An entry has the row's name, its tables, the row that it is compared with, the data, and for each of METRICS the
    values, their mean and half interval. It has the paper's values and the differences of F-max where there are any.
    """
    by_name = {result.row.name: result for result in trained}
    entries = []
    for result in trained:
        row = result.row
        entry: Entry = {"row": row.name, "tables": row.tables, "against": row.against, "on": result.on}
        if row.paper:
            entry["paper"] = dict(zip(METRICS, row.paper, strict=True))
        other = by_name.get(row.against)
        entry["scores"] = {key: _summarise(values) for key, values in result.values.items() if values}
        if entry["scores"] and other and other.values["f_max"]:
            gains = [a - b for a, b in zip(result.values["f_max"], other.values["f_max"], strict=True)]
            entry["difference"] = _summarise(gains)
        if other and row.paper and other.row.paper:
            entry["paper_difference"] = round(row.paper[0] - other.row.paper[0], 4)
        entries.append(entry)
    return entries


def format_markdown(entries: Sequence[Entry]) -> str:
    """Format a Markdown table."""
    head = ["row", "paper's table", *TITLES.values(), "F-max over", "difference", "in the paper"]
    lines = [head, ["---"] * len(head)]
    for entry in entries:
        scores = [_format_interval(entry["scores"].get(key)) for key in TITLES]
        if not entry["scores"]:
            scores = [NEEDS_BASE, *[""] * (len(TITLES) - 1)]
        lines.append([entry["row"], entry["tables"], *scores, entry["against"], *_format_differences(entry)])
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def format_latex(entries: Sequence[Entry], *, standalone: bool = False) -> str:
    """Format a LaTeX table environment, or with `standalone` a document with it."""
    from disbench.reports.latex import escape_latex, format_lines, format_symbol

    def number(text: str) -> str:
        return f"${escape_latex(text).replace('$', '')}$" if text else ""

    gained = f"${catalogue.METRICS['f_max'].latex}$ gained"
    head = ["Row", "Table", *map(format_symbol, METRICS), "Over", gained, "In the paper"]
    rows = []
    for entry in entries:
        scores = [number(_format_interval(entry["scores"].get(key))) for key in METRICS]
        if not entry["scores"]:
            scores = [rf"\multicolumn{{{len(METRICS)}}}{{c}}{{{NEEDS_BASE}}}"]
        name, tables, against = (escape_latex(entry[key]) for key in ("row", "tables", "against"))
        rows.append([name, tables, *scores, against, *map(number, _format_differences(entry))])
    summaries = [summary for entry in entries for summary in entry["scores"].values()]
    seeds = max((len(summary["values"]) for summary in summaries), default=0)
    trained = f"means over {seeds} trainings of each, ± 95 % t intervals" if seeds > 1 else "one training of each"
    caption = (
        f"DiffDIS without some of its parts, on {entries[0]['on']}: {trained}. ↑: higher is better, ↓: lower. Gains "
        "are taken seed by seed, next to those of the paper's Tables 3 to 5 (arXiv:2410.10105), on DIS5K."
    )
    return format_lines(caption, head, rows, "lc" + "c" * len(METRICS) + "lcc", standalone)


def format_csv(entries: Sequence[Entry]) -> str:
    """Format a CSV record of FIELDS for each row and metric. Missing values are empty; formulas are escaped."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(FIELDS)
    for entry in entries:
        names = [escape_csv_formula(entry[name]) for name in ("row", "tables", "on")]
        gain = entry.get("difference", {})
        gains = gain.get("mean"), gain.get("half"), entry.get("paper_difference")
        for key in METRICS:
            summary, paper = entry["scores"].get(key, {}), entry.get("paper", {}).get(key)
            values = len(summary.get("values", ())), summary.get("mean"), summary.get("half"), paper
            comparison = [escape_csv_formula(entry["against"]), *gains] if key == "f_max" else [""] * 4
            writer.writerow([*names, key, catalogue.METRICS[key].direction, *values, *comparison])
    return file.getvalue()


FORMATS = {"markdown": format_markdown, "latex": format_latex, "csv": format_csv}


def _format_differences(entry: Entry) -> tuple[str, str]:
    paper = entry.get("paper_difference")
    return _format_interval(entry.get("difference"), "+"), "" if paper is None else f"{paper:+.3f}"


def _summarise(values: Sequence[float]) -> dict[str, Any]:
    mean, half = interval(values)
    return {
        "values": [round(x, 5) for x in values],
        "mean": round(mean, 5),
        "half": None if np.isnan(half) else round(half, 5),
    }


def _format_interval(summary: dict[str, Any] | None, sign: str = "") -> str:
    if summary is None:
        return ""
    return f"{summary['mean']:{sign}.3f}" + ("" if summary["half"] is None else f" ± {summary['half']:.3f}")
