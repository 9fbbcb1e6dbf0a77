"""Scores, times and comparisons, as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from disbench.errors import escape_control_chars
from disbench.metrics.catalogue import METRICS, Metric, MetricKeys
from disbench.reports.caption import describe_marks
from disbench.reports.cases import label_image
from disbench.reports.table import ARROWS, Table, build_table
from disbench.runs.result import Result, drop_other_protocols
from disbench.runs.times import stage_times
from disbench.runs.training import SEES_TRUTH, TrainingMark
from disbench.system.console import make_console, print_table

if TYPE_CHECKING:
    from disbench.stats.compare import Comparison, Difference, MethodScore

STYLES = {"best": "bold", "second": "underline", "third": "", None: ""}
COMPARISON_HEADS = ("measure", "method", "score, 95 %", "", "difference, 95 %", "p", "p (Holm)", "decided by")


def print_results_table(results: Sequence[Result], metrics: MetricKeys = None) -> None:
    """Print the table of results, the time per image, and the signatures."""
    table = build_table(results, metrics)
    console = make_console()
    _print_scores(table)
    for sentence in describe_marks(table.cells):
        console.print(_make_text(sentence))
    for result in drop_other_protocols(results):
        times = stage_times(result)
        if times:
            stages = ", ".join(f"{stage} {1000 * seconds:.0f}" for stage, seconds in times.stages.items())
            device = result.meta["environment"]["device"]
            total = f"{1000 * times.total:.0f} ms per image on {device}{times.at_once}"
            console.print(_make_text(f"{result.title}: {total} ({stages}; medians)"))
        if process := result.meta.get("process"):  # of an external command; not comparable with stages
            total = f"{sum(process['seconds'].values()):.1f} s for {sum(process['images'].values()):,} images"
            console.print(_make_text(f"{result.title}: {total} ({process['measured']})"))
        if result.size != "native":
            note = f"maps resized to the sizes of their ground truths ({result.size})"
            console.print(_make_text(f"{result.title}: {note}"))
    for methods, signature in table.provenance:
        line = f"{methods}: {signature}" if methods else signature
        console.print(_make_text(line, "dim"), soft_wrap=True)


def _print_scores(table: Table) -> None:
    rows: list[tuple[Text | str, ...]] = []
    for split, lines in table.groups:
        for i, line in enumerate(lines):
            metric = METRICS[line.metric]
            label = f"{split} ({line.n})" if i == 0 else ""
            cells = [Text.assemble((cell.text, STYLES[cell.rank]), cell.sign) for cell in line.cells]
            rows.append((label, f"{metric.symbol} {ARROWS[metric.direction]}", *cells))
    print_table(("subset", "measure", *table.methods), rows, title=table.title, keys=2, right=table.methods)


def _make_text(text: str, style: str = "") -> Text:
    """Make text that is printed literally: names from outside are not markup, and do not steer the terminal."""
    return Text(escape_control_chars(text), style)


def print_comparison(lines: Sequence[Comparison], resamples: int, seed: int) -> None:
    """Print a comparison of runs: scores, differences of the last method, and the images that decide them.

    Args:
        lines: the comparisons that disbench.compare returned.
        resamples: number of bootstrap resamples, for the caption.
        seed: seed of the resampling, for the caption.
    """
    console = make_console()
    for split in dict.fromkeys(line.split for line in lines):
        split_lines = [line for line in lines if line.split == split]
        console.print(_make_text(f"{split} ({split_lines[0].n} images)", "italic"), soft_wrap=True)
        rows = [row for line in split_lines for row in _list_comparison(line)]
        print_table(COMPARISON_HEADS, rows, keys=2, right=("p", "p (Holm)"))
        console.print()
    console.print(
        _make_text(
            f"Differences: {list(lines[0].scores)[-1]} minus the method of the line. Intervals: BCa bootstrap over "
            f"images, {resamples:,} resamples, seed {seed}; p: paired randomisation test, adjusted by Holm over all "
            "tests above. Tied: not significantly worse than the best (5 %, by Holm over the methods of the line). "
            "Decided by: how many of the most decisive images must be removed before the difference disappears, and "
            "the first of them."
        )
    )
    marked: dict[tuple[TrainingMark, str], dict[str, None]] = {}  # mark and method -> subsets
    for line in lines:
        for method, mark in line.marks.items():
            marked.setdefault((mark, method), {})[line.split] = None
    for (mark, method), subsets in marked.items():
        fact = SEES_TRUTH if mark == "sees_truth" else f"was trained on images of {', '.join(subsets)}"
        console.print(_make_text(f"{method} {fact}."), soft_wrap=True)


def _list_comparison(line: Comparison) -> Iterator[tuple[Text | str, ...]]:
    """List a row per method."""
    metric = METRICS[line.metric]
    differences = {difference.reference: difference for difference in line.differences}
    label = f"{metric.symbol} {ARROWS[metric.direction]}"
    for title, score in line.scores.items():
        mark = "best" if score.best else "tied" if score.tied else ""
        value = Text(_number(score, metric), style="bold" if score.best else "")
        difference = _difference_cells(differences.get(title), metric, line.n)
        yield label, _make_text(title), value, mark, *difference
        label = ""


def _difference_cells(difference: Difference | None, metric: Metric, n: int) -> tuple[Text | str, ...]:
    if difference is None:  # the method of interest itself
        return ("",) * 4
    p_values = ("", "")
    if difference.p is not None and difference.adjusted is not None:
        p_values = _format_p(difference.p), _format_p(difference.adjusted)
    images = ", ".join(label_image(name) for name, _ in difference.decisive[:2])
    decided_by = f"{difference.carried_by} of {n}: {images}" if images else ""
    return _number(difference, metric, "+"), *p_values, _make_text(decided_by)


def _number(score: MethodScore | Difference, metric: Metric, sign: str = "") -> str:
    """Format a score with its interval, to a digit more than in tables."""
    digits = metric.digits + 1
    value = f"{score.value:{sign}.{digits}f}"
    if score.low is None or score.high is None:
        return value
    return f"{value} [{score.low:{sign}.{digits}f}, {score.high:{sign}.{digits}f}]"


def _format_p(p: float) -> str:
    return f"{p:.4f}" if p >= 0.0001 else "< 0.0001"
