"""The table of an ablation: means over seeds with their 95 % t intervals, differences taken seed by seed."""

from collections.abc import Sequence

import numpy as np

from disbench.models.diffdis.ablate import METRICS, Trained

TITLES = {"f_max": "F-max", "e_mean": "E-mean", "s_measure": "S", "mae": "MAE"}


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half the width of its 95 % t interval, which one value alone does not have (NaN)."""
    from scipy import stats

    values = np.asarray(values)
    n = len(values)
    half = stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / n**0.5 if n > 1 else np.nan
    return float(values.mean()), float(half)


def rows(trained: Sequence[Trained]) -> list[dict]:
    """Per row: name, tables, against, and for each of METRICS values, mean, half; of F-max also the difference."""
    by_name = {one.row.name: one for one in trained}
    found = []
    for one in trained:
        row = one.row
        entry = {"row": row.name, "tables": row.tables, "against": row.against}
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
            scores = ["needs the weights of Stable Diffusion", *[""] * (len(TITLES) - 1)]
        paper = entry.get("paper_difference")
        gain = _shown(entry.get("difference"), "+")
        in_paper = "" if paper is None else f"{paper:+.3f}"
        lines.append([entry["row"], entry["tables"], *scores, entry["against"], gain, in_paper])
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


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
