"""The table of an ablation: means over seeds with their 95 % t intervals, differences taken seed by seed."""

import csv as csvlib
import io
from collections.abc import Sequence

import numpy as np

from disbench.errors import escape_csv_formula
from disbench.metrics.catalogue import METRICS as KNOWN
from disbench.models.diffdis.ablate import METRICS, Trained

FIELDS = ("row", "tables", "on", "metric", "direction", "seeds", "mean", "half", "paper")
FIELDS += ("against", "difference", "difference_half", "paper_difference")
NEEDS = "needs the weights of Stable Diffusion"
TITLES = {"f_max": "F-max", "e_mean": "E-mean", "s_measure": "S", "mae": "MAE"}


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half the width of its 95 % t interval, which one value alone does not have (NaN)."""
    from scipy import stats

    values = np.asarray(values)
    n = len(values)
    half = stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / n**0.5 if n > 1 else np.nan
    return float(values.mean()), float(half)


def rows(trained: Sequence[Trained]) -> list[dict]:
    """Per row: name, tables, against, what it is scored on, and for each of METRICS values, mean, half; of F-max also
    the difference.
    """
    by_name = {one.row.name: one for one in trained}
    found = []
    for one in trained:
        row = one.row
        entry = {"row": row.name, "tables": row.tables, "against": row.against, "on": one.on}
        if row.paper:
            entry["paper"] = dict(zip(METRICS, row.paper, strict=True))
        other = by_name.get(row.against)
        entry["scores"] = {key: _entry(values) for key, values in one.values.items() if values}
        if entry["scores"] and other and other.values["f_max"]:
            gains = [a - b for a, b in zip(one.values["f_max"], other.values["f_max"], strict=True)]
            entry["difference"] = _entry(gains)
        if other and row.paper and other.row.paper:
            entry["paper_difference"] = round(row.paper[0] - other.row.paper[0], 4)
        found.append(entry)
    return found


def markdown(entries: Sequence[dict]) -> str:
    head = ["row", "paper's table", *TITLES.values(), "F-max over", "difference", "in the paper"]
    lines = [head, ["---"] * len(head)]
    for entry in entries:
        scores = [_shown(entry["scores"].get(key)) for key in TITLES]
        if not entry["scores"]:
            scores = [NEEDS, *[""] * (len(TITLES) - 1)]
        lines.append([entry["row"], entry["tables"], *scores, entry["against"], *_differences(entry)])
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def latex(entries: Sequence[dict], standalone: bool = False) -> str:
    """A table environment; with `standalone`, a document around it."""
    from disbench.reports.latex import escape_latex, format_lines, format_symbol

    def number(text: str) -> str:
        return f"${escape_latex(text).replace('$', '')}$" if text else ""

    head = ["Row", "Table", *map(format_symbol, METRICS), "Over", f"${KNOWN['f_max'].latex}$ gained", "In the paper"]
    rows = []
    for entry in entries:
        scores = [number(_shown(entry["scores"].get(key))) for key in METRICS]
        if not entry["scores"]:
            scores = [rf"\multicolumn{{{len(METRICS)}}}{{c}}{{{NEEDS}}}"]
        names = [escape_latex(entry[key]) for key in ("row", "tables", "against")]
        rows.append([*names[:2], *scores, names[2], *map(number, _differences(entry))])
    seeds = max((len(one["values"]) for entry in entries for one in entry["scores"].values()), default=0)
    trained = f"means over {seeds} trainings of each, ± 95 % t intervals" if seeds > 1 else "one training of each"
    caption = (
        f"DiffDIS without some of its parts, on {entries[0]['on']}: {trained}. ↑: higher is better, ↓: lower. "
        "Gains are taken seed by seed; beside them those of the paper's Tables 3 to 5 (arXiv:2410.10105), on DIS5K."
    )
    return format_lines(caption, head, rows, "lc" + "c" * len(METRICS) + "lcc", standalone)


def csv(entries: Sequence[dict]) -> str:
    """A record of FIELDS for each row and measure; what there is not is empty, names are inert."""
    file = io.StringIO()
    writer = csvlib.writer(file, lineterminator="\n")
    writer.writerow(FIELDS)
    for entry in entries:
        names = [escape_csv_formula(entry[name]) for name in ("row", "tables", "on")]
        gain = entry.get("difference", {})
        gains = gain.get("mean"), gain.get("half"), entry.get("paper_difference")
        for key in METRICS:
            score, paper = entry["scores"].get(key, {}), entry.get("paper", {}).get(key)
            own = len(score.get("values", ())), score.get("mean"), score.get("half"), paper
            apart = [escape_csv_formula(entry["against"]), *gains] if key == "f_max" else [""] * 4
            writer.writerow([*names, key, KNOWN[key].direction, *own, *apart])
    return file.getvalue()


def _differences(entry: dict) -> tuple[str, str]:
    paper = entry.get("paper_difference")
    return _shown(entry.get("difference"), "+"), "" if paper is None else f"{paper:+.3f}"


def _entry(values: Sequence[float]) -> dict:
    mean, half = interval(values)
    return {
        "values": [round(x, 5) for x in values],
        "mean": round(mean, 5),
        "half": None if np.isnan(half) else round(half, 5),
    }


def _shown(entry: dict | None, sign: str = "") -> str:
    if entry is None:
        return ""
    return f"{entry['mean']:{sign}.3f}" + ("" if entry["half"] is None else f" ± {entry['half']:.3f}")
