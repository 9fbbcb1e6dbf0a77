"""The table of scores and the time per image, as a person reads them in a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from disbench.errors import printable
from disbench.metrics import METRICS, Keys
from disbench.report.table import ARROWS, build
from disbench.report.times import stage_times
from disbench.runs import Result, distinct

STYLES = {"best": "bold", "second": "underline", None: ""}


def show(results: Sequence[Result], metrics: Keys = None) -> None:
    """Print the table of `results`, what it is a table of, and how long an image took."""
    table = build(results, metrics)
    grid = Grid(title=_text(table.title), box=None, header_style="bold")
    for head in ("subset", "measure", *table.methods):
        grid.add_column(_text(head), justify="left" if len(grid.columns) < 2 else "right")
    for split, lines in table.groups:
        for first, line in enumerate(lines):
            metric = METRICS[line.metric]
            cells = [Text(cell.text, style=STYLES[cell.rank]) for cell in line.cells]
            label = _text(f"{split} ({line.n})" if first == 0 else "")
            grid.add_row(label, f"{metric.symbol} {ARROWS[metric.direction]}", *cells, end_section=line is lines[-1])
    console = Console()
    console.print(grid)
    for result in distinct(results):
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
    return Text(printable(text), style)
