"""The table of scores and the time per image, as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table as Grid
from rich.text import Text

from disbench.errors import escape_control_chars
from disbench.metrics.catalogue import METRICS, Metric, MetricKeys
from disbench.reports.table import ARROWS, build_table
from disbench.runs.result import Result, drop_other_protocols
from disbench.runs.times import stage_times
from disbench.system.console import make_console

if TYPE_CHECKING:
    from disbench.stats.compare import Comparison, Difference, MethodScore

STYLES = {"best": "bold", "second": "underline", None: ""}


def print_results_table(results: Sequence[Result], metrics: MetricKeys = None) -> None:
    """Print the table of `results`, what it is a table of, and how long an image took."""
    table = build_table(results, metrics)
    grid = Grid(title=_text(table.title), box=None, header_style="bold")
    for head in ("subset", "measure", *table.methods):
        grid.add_column(_text(head), justify="left" if len(grid.columns) < 2 else "right", overflow="fold")
    for split, lines in table.groups:
        for first, line in enumerate(lines):
            metric = METRICS[line.metric]
            cells = [Text(cell.text, style=STYLES[cell.rank]) for cell in line.cells]
            label = _text(f"{split} ({line.n})" if first == 0 else "")
            grid.add_row(label, f"{metric.symbol} {ARROWS[metric.direction]}", *cells, end_section=line is lines[-1])
    console = make_console()
    console.print(grid)
    for result in drop_other_protocols(results):
        if times := stage_times(result):
            stages = ", ".join(f"{stage} {1000 * value:.0f}" for stage, value in times.stages.items())
            device = result.meta["environment"]["device"]
            total = f"{1000 * times.total:.0f} ms per image on {device}"
            console.print(_text(f"{result.title}: {total} ({stages}; medians)"))
        if result.size != "native":
            console.print(_text(f"{result.title}: maps resized to their truths' sizes ({result.size})"))
    for methods, signature in table.provenance:
        console.print(_text(f"{methods}: {signature}" if methods else signature, "dim"), soft_wrap=True)


def _text(text: str, style: str = "") -> Text:
    """What is printed as it is: a name from outside is no markup, and steers no terminal."""
    return Text(escape_control_chars(text), style)


def print_comparison(lines: Sequence[Comparison], resamples: int, seed: int) -> None:
    """Print what disbench.compare.compare gives: scores, differences from the first, and what decides them."""
    console = make_console()
    for split in dict.fromkeys(line.split for line in lines):
        inside = [line for line in lines if line.split == split]
        grid = Grid(title=_text(f"{split} ({inside[0].n} images)"), box=None, header_style="bold", title_justify="left")
        for head in ("measure", "method", "score, 95 %", "", "difference, 95 %", "p", "p (Holm)", "decided by"):
            grid.add_column(head, justify="right" if head in ("p", "p (Holm)") else "left", overflow="fold")
        for line in inside:
            metric = METRICS[line.metric]
            label = f"{metric.symbol} {ARROWS[metric.direction]}"
            apart = {one.method: one for one in line.differences}
            for title, score in line.scores.items():
                mark = "best" if score.best else "tied" if score.tied else ""
                value = Text(_number(score, metric), style="bold" if score.best else "")
                grid.add_row(label, _text(title), value, mark, *_difference(apart.get(title), metric, line.n))
                label = ""
            grid.add_section()
        console.print(grid)
        console.print()
    console.print(
        _text(
            f"Differences are from the first. Intervals: BCa bootstrap over images, {resamples:,} resamples, seed "
            f"{seed}; p: paired randomisation test, adjusted by Holm over all tests above. Tied: not significantly "
            "worse than the best (5 %, by Holm over the methods of the line). Decided by: so many images, without "
            "which the difference would be gone, and the first of them."
        )
    )


def _difference(one: Difference | None, metric: Metric, n: int) -> tuple[Text | str, ...]:
    if one is None:
        return ("",) * 4
    p = ("", "") if one.p is None else (_p(one.p), _p(one.adjusted))
    images = ", ".join(_short(name) for name, _ in one.decisive[:2])
    return _number(one, metric, "+"), *p, _text(f"{one.carried_by} of {n}: {images}" if images else "")


def _number(one: MethodScore | Difference, metric: Metric, sign: str = "") -> str:
    """With its interval, to one digit more than tables have."""
    value, *ends = (x if x is None else f"{x:{sign}.{metric.digits + 1}f}" for x in (one.value, one.low, one.high))
    return value if None in ends else f"{value} [{', '.join(ends)}]"


def _short(name: str) -> str:
    """'Category id' of DIS5K's group#Group#category#Category#id."""
    parts = name.split("#")
    return f"{parts[3]} {parts[-1]}" if len(parts) >= 5 else name


def _p(p: float) -> str:
    return f"{p:.4f}" if p >= 0.0001 else "< 0.0001"
