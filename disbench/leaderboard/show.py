"""Entries as lines for a terminal."""

from collections.abc import Sequence

from disbench.errors import InputError, suggest_names
from disbench.leaderboard.audit import parse_number
from disbench.leaderboard.entry import Entry
from disbench.metrics.catalogue import METRICS, PAPER, MetricKeys, resolve_metrics

HEAD = ("method", "venue", "what", "by")
MISSING = "–"


def build_rows(entries: Sequence[Entry], split: str, metrics: MetricKeys = None) -> tuple[list[str], list[tuple[str, ...]]]:
    """The symbols of the metrics, and a line for each reported and measured column that has one, best first.

    InputError for a subset that no column has.
    """
    keys = resolve_metrics(metrics or PAPER)
    cells = [cells for e in entries for cells in (*(r.printed for r in e.reported), *(m.scores for m in e.measured))]
    subsets = list(dict.fromkeys(subset for one in cells for subset in one))
    if subsets and split not in subsets:
        raise InputError(f"--split {split}: none of these entries has it; {suggest_names(split, subsets)}")
    lines = []
    for entry in entries:
        venue = entry.paper.get("venue", "")
        for one in entry.reported:
            values = one.printed.get(split, {})
            head = entry.title, venue, "reported", f"arXiv:{one.source.arxiv}"
            lines.append((parse_number(values.get(keys[0])), head, values))
        for one in entry.measured:
            scores = one.scores.get(split, {})
            values = {key: _text(key, *scores[key]) for key in keys if key in scores}
            lines.append((scores.get(keys[0], [None])[0], (entry.title, venue, "measured", one.protocol), values))
    sign = -1 if METRICS[keys[0]].direction == "higher" else 1
    lines.sort(key=lambda line: (line[0] is None, sign * float(line[0] or 0)))
    lines = [(*head, *(values.get(key, MISSING) for key in keys)) for _, head, values in lines if values]
    return [METRICS[key].symbol for key in keys], lines


def _text(key: str, value: float, low: float | None, high: float | None) -> str:
    digits = METRICS[key].digits
    ends = "" if low is None or high is None else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{value:.{digits}f}{ends}"
