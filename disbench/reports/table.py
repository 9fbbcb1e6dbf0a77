"""The table of a report, as every format prints it.

The layout is that of the paper's Table 2: a line for each subset and metric, a column for each method, Overall last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from disbench.data.dataset import OVERALL, SPLIT_COUNTS, TEST_SPLITS
from disbench.metrics.catalogue import METRICS, Metric, MetricKeys, paper_metrics, resolve_metrics
from disbench.metrics.protocols import get_protocol
from disbench.runs.comparable import check_comparable, count_images
from disbench.runs.join import score_measured
from disbench.runs.result import Result
from disbench.runs.training import SEES_TRUTH, SIGNS, UNRANKED, UNSTATED_NOTE, TrainingMark, mark_subset

MISSING = "–"
INTERVALS_NOTE = "In brackets: 95 % intervals, bootstrapped over images."
REPORTED = "reported"  # the "protocol" of the first published table; further tables have [2], [3]
GROUPING_NAMES = {
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
PRINTABLE_METRICS = METRICS | {"seconds": _SECONDS}  # published tables have seconds, too


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A score as printed.

    Attributes:
        value: the score; None if the method was not scored on the whole subset.
        text: the score as printed.
        rank: "best", "second" or None.
        interval: lower and upper end of the 95 % interval; None if unknown.
        tied: not significantly worse than the best; see disbench.reports.confidence.
        training: "sees_truth" where the method received ground truth, "contaminated" where it was trained on the
            subset, "unstated" where its training data are not stated, otherwise None.
    """

    value: float | None
    text: str
    rank: str | None
    interval: tuple[float, float] | None = None
    tied: bool = False
    training: TrainingMark = None

    @property
    def sign(self) -> str:
        """The sign of `training` behind the score."""
        return SIGNS[self.training]


@dataclass(frozen=True)
class TableLine:
    """One metric on one subset.

    Attributes:
        split: the subset.
        metric: key of the metric.
        n: number of images in the subset; 0 if unknown.
        cells: a cell for each column of the table.
    """

    split: str
    metric: str
    n: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """The table of a report. A column is a method under a protocol.

    Attributes:
        title: the data set.
        columns: (method, protocol) of each column.
        signatures: the signature of each column, or the citation of a published one.
        lines: in the order of printing.
        by: the grouping, as "complexity/4", if groups of images take the place of subsets; "" otherwise.
        notes: sentences of the caption about the sources of published numbers.
        as_printed: the marks are those of a publication.
        rank_all: scores of contaminated cells are ranked like others.
        transposed: to be printed with methods as lines and metrics as columns; there is one subset only.
    """

    title: str
    columns: tuple[tuple[str, str], ...]
    signatures: tuple[str, ...]
    lines: tuple[TableLine, ...]
    by: str = ""
    notes: tuple[str, ...] = ()
    as_printed: bool = False
    transposed: bool = False
    rank_all: bool = False

    def subset_label(self, line: TableLine) -> str:
        """Return the name of a line's subset, for formats that do not print numbers of images.

        A group of images gets its number, because a reader could not look it up.
        """
        return f"{line.split} ({line.n:,})" if self.by else line.split

    @property
    def methods(self) -> tuple[str, ...]:
        """The headings of the columns: the method, with its protocol or source if needed."""
        has_several = self._has_several_protocols
        headings = []
        for method, protocol in self.columns:
            if protocol.startswith("["):
                headings.append(f"{method} {protocol}")
            elif has_several:
                headings.append(f"{method} ({protocol})")
            else:
                headings.append(method)
        return tuple(headings)

    @property
    def groups(self) -> list[tuple[str, list[TableLine]]]:
        """The lines of each subset, in order."""
        return [(split, list(lines)) for split, lines in groupby(self.lines, lambda line: line.split)]

    @property
    def cells(self) -> list[Cell]:
        """All cells, line by line."""
        return [cell for line in self.lines for cell in line.cells]

    @property
    def caption(self) -> str:
        """The legend of the table, in plain text."""
        subset = f" (subset: {self.lines[0].split})" if self.transposed else ""
        sentences = [f"Scores on {self.title}{subset}. ↑: higher is better, ↓: lower is better."]
        ranks = {cell.rank for cell in self.cells} - {None}
        if ranks:
            ties = (
                "as printed, among the methods of a source" if self.as_printed else "scores equal in print share a mark"
            )
            second = ", the second underlined" if "second" in ranks else ""
            sentences.append(f"The best score of each measure on a subset is bold{second}; {ties}.")
        if any(cell.tied for cell in self.cells):
            sentences.append("≈: not significantly worse than the best (paired randomisation test, Holm, 5 %).")
        sentences += describe_marks(self.cells, rank_all=self.rank_all)
        sentences += self.notes
        if self.by:
            grouping = GROUPING_NAMES[self.by.split("/")[0]]
            sentences.append(f"Images are grouped by {grouping}; a group is scored by itself.")
        if self._has_several_protocols:
            sentences.append("In brackets: the protocol; only scores of one protocol compare.")
        pooled = next((line.n for line in self.lines if line.split == OVERALL), None)
        if pooled and not all(map(is_published, self.columns)):
            pool = f"all {pooled:,} images of {TEST_SPLITS[0]} to {TEST_SPLITS[-1]}"
            sentences.append(f"{OVERALL}: one score over {pool}, not a mean of their scores.")
        if any(cell.value is None for cell in self.cells):
            reason = "not scored or not printed" if any(map(is_published, self.columns)) else "not scored"
            sentences.append(f"{MISSING}: {reason}.")
        return " ".join(sentences)

    @property
    def provenance(self) -> list[tuple[str, str]]:
        """(methods, signature) of the measured columns; methods is "" if all columns have the same signature."""
        measured = [
            (method, signature)
            for method, column, signature in zip(self.methods, self.columns, self.signatures, strict=True)
            if not is_published(column)
        ]
        if len(set(self.signatures)) == 1:
            return [("", signature) for _, signature in measured[:1]]
        methods: dict[str, list[str]] = {}
        for method, signature in measured:
            methods.setdefault(signature, []).append(method)
        return [(", ".join(names), signature) for signature, names in methods.items()]

    @property
    def _has_several_protocols(self) -> bool:
        return len({protocol for _, protocol in self.columns if not protocol.startswith("[")}) > 1


def is_published(column: tuple[str, str]) -> bool:
    """Return whether a column, (method, protocol), is of a published table."""
    return column[1] == REPORTED or column[1].startswith("[")


def describe_marks(cells: Iterable[Cell], *, rank_all: bool = False) -> list[str]:
    """Describe the signs of training data in a table: a sentence for each sign that its cells have."""
    marks = {cell.training for cell in cells}
    sentences = []
    consequence = "ranked all the same" if rank_all else "not ranked"
    if "sees_truth" in marks:
        sentences.append(f"§: {SEES_TRUTH}, {consequence}.")
    if "contaminated" in marks:
        sentences.append(f"†: trained on images of this subset, {consequence}.")
    if "unstated" in marks:
        sentences.append(UNSTATED_NOTE)
    return sentences


def build_table(results: Sequence[Result], metrics: MetricKeys = None, *, rank_all: bool = False) -> Table:
    """Build the table of results.

    Args:
        results: a column each, in this order.
        metrics: keys of the metrics to show. Default: the paper's five, E as the protocols compute it.
        rank_all: whether methods are ranked on subsets that they were trained on.

    Raises:
        InputError: for an unknown metric, and for results that must not stand in one table.
    """
    check_comparable(results)
    keys = resolve_metrics(metrics or paper_metrics(get_protocol(result.protocol) for result in results))
    columns = tuple((result.title, result.protocol) for result in results)
    scores = [score_measured(result, results, keys) for result in results]
    subsets = dict.fromkeys(split for by_subset in scores for split in by_subset)
    marks = {split: [mark_subset(result, split) for result in results] for split in subsets}
    lines = []
    for split, metric in sort_lines((split, key) for by_subset in scores for split in by_subset for key in keys):
        n = max(count_images(result, split) for result in results)
        values = [by_subset.get(split, {}).get(metric) for by_subset in scores]
        cells = make_cells(
            metric, values, [protocol for _, protocol in columns], training=marks[split], rank_all=rank_all
        )
        lines.append(TableLine(split=split, metric=metric, n=n, cells=cells))
    return Table(
        title=results[0].dataset,
        columns=columns,
        signatures=tuple(result.signature for result in results),
        lines=tuple(lines),
        by=results[0].by,
        rank_all=rank_all,
    )


def sort_lines(lines: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Sort (subset, metric) pairs and drop duplicates.

    Subsets are in DIS5K's order, then others by name, Overall last. Metrics stay in the order of the input.
    """
    pairs = list(dict.fromkeys(lines))
    other_splits = {split for split, _ in pairs} - SPLIT_COUNTS.keys() - {OVERALL}
    splits = [*SPLIT_COUNTS, *sorted(other_splits), OVERALL]
    metrics = list(dict.fromkeys(metric for _, metric in pairs))
    return sorted(pairs, key=lambda pair: (splits.index(pair[0]), metrics.index(pair[1])))


def make_cells(
    metric: str,
    values: Sequence[float | None],
    protocols: Sequence[str] | None = None,
    *,
    training: Sequence[TrainingMark] | None = None,
    rank_all: bool = False,
) -> tuple[Cell, ...]:
    """Make the cells of a line, with the best and the second score of each protocol marked.

    Scores that print the same share a rank. A single score has no rank, because it was compared with nothing.

    Args:
        metric: key of the metric.
        values: the score of each column; None if it is missing.
        protocols: the protocol of each column. Default: one protocol for all.
        training: the mark of each column's training data. Default: none.
        rank_all: whether contaminated scores are ranked.
    """
    protocols = protocols or [""] * len(values)
    training = training or [None] * len(values)
    columns = list(zip(values, protocols, training, strict=True))
    digits = PRINTABLE_METRICS[metric].digits
    texts = [MISSING if value is None else f"{value:.{digits}f}" for value in values]
    ranks = {}  # (protocol, text) -> rank
    for protocol in set(protocols):
        scored = [
            text
            for text, (value, p, mark) in zip(texts, columns, strict=True)
            if p == protocol and value is not None and is_ranked(mark, rank_all=rank_all)
        ]
        if len(scored) < 2:
            continue
        best_first = sorted(set(scored), key=float, reverse=METRICS[metric].direction == "higher")
        for text, rank in zip(best_first, ("best", "second"), strict=False):
            ranks[protocol, text] = rank
    return tuple(
        Cell(
            value=value,
            text=text,
            rank=ranks.get((protocol, text)) if is_ranked(mark, rank_all=rank_all) else None,
            training=mark if value is not None else None,
        )
        for text, (value, protocol, mark) in zip(texts, columns, strict=True)
    )


def is_ranked(mark: TrainingMark, *, rank_all: bool) -> bool:
    """Return whether a score with a mark of its training data is ranked."""
    return rank_all or mark not in UNRANKED
