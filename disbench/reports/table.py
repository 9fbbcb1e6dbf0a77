"""Results -> the layout of the paper's Table 2: subsets and measures as lines, methods as columns, Overall last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from disbench.data.dataset import OVERALL, SPLIT_COUNTS, TEST_SPLITS
from disbench.metrics.catalogue import METRICS, Metric, MetricKeys, paper_metrics, resolve_metrics
from disbench.metrics.protocols import get_protocol
from disbench.runs.comparable import check_comparable, count_images
from disbench.runs.result import Result

MISSING = "–"
BRACKETS = "In brackets: 95 % intervals, bootstrapped over images."
REPORTED = "reported"  # in the place of the protocol of what is published alone; of further tables: [2], [3]
BY = {
    "complexity": "complexity, isoperimetric quotient times dominant points, which ranks DIS-TE1 to DIS-TE4",
    "size": "size, in megapixels",
    "category": "the category in their names",
}
ARROWS = {"higher": "↑", "lower": "↓"}
_SECONDS = Metric(
    key="seconds",
    symbol="seconds",
    latex=r"\mathrm{seconds}",
    direction="lower",
    formula="per image, as printed",
    reference="its source",
    measure="seconds",
    digits=2,
)
KNOWN = METRICS | {"seconds": _SECONDS}  # and what published tables have beside


@dataclass(frozen=True)
class Cell:
    """One score as printed; `value` is None where the method has no whole subset to score.

    rank: "best", "second" or None; interval: of 95 %, if known; tied: not significantly worse than the best
    (disbench.report.confidence)
    """

    value: float | None
    text: str
    rank: str | None
    interval: tuple[float, float] | None = None
    tied: bool = False


@dataclass(frozen=True)
class TableLine:
    """One measure on one subset of `n` images, 0 where they are not known; a cell per method."""

    split: str
    metric: str
    n: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """What every format prints. A column is a method under a protocol; `columns`, (method, protocol), and `signatures`
    have one entry for each. A rank is among the columns of one protocol.

    by: what the subsets are groups by, with their number, as in complexity/4; "" where they are those of the data set.
    notes: sentences of the caption on where its numbers are from; printed: its marks are those of a publication
    turned: of one subset, to be printed with methods as lines and measures as columns
    """

    title: str
    columns: tuple[tuple[str, str], ...]
    signatures: tuple[str, ...]
    lines: tuple[TableLine, ...]
    by: str = ""
    notes: tuple[str, ...] = ()
    printed: bool = False
    turned: bool = False

    def label(self, line: TableLine) -> str:
        """The subset of a line where a format shows no number of images: that of a group is known from nowhere else."""
        return f"{line.split} ({line.n:,})" if self.by else line.split

    @property
    def methods(self) -> tuple[str, ...]:
        """What heads the columns: the method, with the protocol where there are several, or the note on its source."""
        several = len({protocol for _, protocol in self.columns if not protocol.startswith("[")}) > 1
        return tuple(
            f"{method} {protocol}" if protocol.startswith("[") else f"{method} ({protocol})" if several else method
            for method, protocol in self.columns
        )

    @property
    def groups(self) -> list[tuple[str, list[TableLine]]]:
        """The lines of each subset, in order."""
        return [(split, list(lines)) for split, lines in groupby(self.lines, lambda line: line.split)]

    @property
    def caption(self) -> str:
        """How to read the table, in plain text."""
        subset = f" (subset: {self.lines[0].split})" if self.turned else ""
        parts = [f"Scores on {self.title}{subset}. ↑: higher is better, ↓: lower is better."]
        ranks = {cell.rank for line in self.lines for cell in line.cells} - {None}
        if ranks:
            shared = (
                "as printed, among the methods of a source" if self.printed else "scores equal in print share a mark"
            )
            second = ", the second underlined" if "second" in ranks else ""
            parts.append(f"The best score of each measure on a subset is bold{second}; {shared}.")
        if any(cell.tied for line in self.lines for cell in line.cells):
            parts.append("≈: not significantly worse than the best (paired randomisation test, Holm, 5 %).")
        parts += self.notes
        if self.by:
            parts.append(f"Images are grouped by {BY[self.by.split('/')[0]]}; a group is scored by itself.")
        if len({protocol for _, protocol in self.columns if not protocol.startswith("[")}) > 1:
            parts.append("In brackets: the protocol; only scores of one protocol compare.")
        pooled = next((line.n for line in self.lines if line.split == OVERALL), None)
        if pooled and not all(map(is_published, self.columns)):
            pool = f"all {pooled:,} images of {TEST_SPLITS[0]} to {TEST_SPLITS[-1]}"
            parts.append(f"{OVERALL}: one score over {pool}, not a mean of their scores.")
        if any(cell.value is None for line in self.lines for cell in line.cells):
            parts.append(f"{MISSING}: not scored.")
        return " ".join(parts)

    @property
    def provenance(self) -> list[tuple[str, str]]:
        """(methods, signature) pairs of what was measured; methods is "" where one signature holds for all columns."""
        columns = list(zip(self.methods, self.columns, self.signatures, strict=True))
        measured = [(m, s) for m, column, s in columns if not is_published(column)]
        if len(set(self.signatures)) == 1:
            return [("", s) for _, s in measured[:1]]
        return [
            (", ".join(m for m, s in measured if s == signature), signature)
            for signature in dict.fromkeys(s for _, s in measured)
        ]


def is_published(column: tuple[str, str]) -> bool:
    """Whether a column, (method, protocol), is of a published table."""
    return column[1] == REPORTED or column[1].startswith("[")


def build_table(results: Sequence[Result], metrics: MetricKeys = None) -> Table:
    """The table of some results, in each subset a line for each metric (None: the paper's five, E as the protocols do).

    InputError where the results must not stand side by side.
    """
    check_comparable(results)
    metrics = resolve_metrics(metrics or paper_metrics(get_protocol(result.protocol) for result in results))
    columns = tuple((result.title, result.protocol) for result in results)
    scores = [result.scores(metrics) for result in results]
    lines = []
    for split, metric in sort_lines((split, metric) for score in scores for split in score for metric in metrics):
        n = max(count_images(result, split) for result in results)
        values = [score.get(split, {}).get(metric) for score in scores]
        lines.append(make_line(split, metric, n, values, [protocol for _, protocol in columns]))
    return Table(
        title=results[0].dataset,
        columns=columns,
        signatures=tuple(result.signature for result in results),
        lines=tuple(lines),
        by=results[0].by,
    )


def sort_lines(lines: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """(subset, metric) each once: subsets in DIS5K's order, then others by name, Overall last; metrics as they come."""
    found = list(dict.fromkeys(lines))
    order = [*SPLIT_COUNTS, *sorted({split for split, _ in found} - SPLIT_COUNTS.keys() - {OVERALL}), OVERALL]
    metrics = list(dict.fromkeys(metric for _, metric in found))
    return sorted(found, key=lambda one: (order.index(one[0]), metrics.index(one[1])))


def make_line(
    split: str, metric: str, n: int, values: Sequence[float | None], protocols: Sequence[str] | None = None
) -> TableLine:
    """A line with its best and second of each protocol marked, on the values as printed: all that tie share a place.

    A lone score is not marked: it was compared with nothing.
    """
    protocols = protocols or [""] * len(values)
    texts = [MISSING if value is None else f"{value:.{KNOWN[metric].digits}f}" for value in values]
    ranks = {}
    for protocol in set(protocols):
        scored = [text for text, p in zip(texts, protocols, strict=True) if p == protocol and text != MISSING]
        places = sorted(set(scored), key=float, reverse=METRICS[metric].direction == "higher")
        if len(scored) > 1:
            ranks |= zip([(protocol, place) for place in places], ("best", "second"), strict=False)
    columns = zip(values, texts, protocols, strict=True)
    return TableLine(split, metric, n, tuple(Cell(value, text, ranks.get((p, text))) for value, text, p in columns))
