"""The table of a report, as every format prints it.

It has a line for each subset and metric, a column for each method, and Overall last. Formats may print methods as rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from disbench.data.dataset import OVERALL, SPLIT_COUNTS, TEST_SPLITS
from disbench.metrics.catalogue import METRICS, Metric, MetricKeys, paper_metrics, resolve_metrics
from disbench.metrics.protocols import get_protocol
from disbench.reports.caption import PLAIN_MARKS, describe_marks, describe_ranks, describe_source, describe_ties
from disbench.reports.cells import MISSING, Cell, Source, is_published, superscript
from disbench.reports.ranking import group_columns, has_lone_scores, is_ranked, rank_texts
from disbench.runs.comparable import check_comparable, count_images
from disbench.runs.join import score_measured
from disbench.runs.result import Result
from disbench.runs.training import TrainingMark, mark_subset

INTERVALS_NOTE = "In brackets: 95 % intervals, bootstrapped over images."
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
        sources: the published tables that columns come from.
        papers: the citation of each column's method, "" for none; empty if none has.
        ranking: which scores compete; a name of disbench.reports.ranking.RANKINGS.
        rank_all: scores of contaminated cells are ranked like others.
        digits: decimals of scores that have decimals. None: those of the metric.
        opening: the first sentence of the caption. "": the data set is named.
        remarks: further sentences of the caption.
        transposed: to be printed with methods as lines and metrics as columns; there is one subset only.
    """

    title: str
    columns: tuple[tuple[str, str], ...]
    signatures: tuple[str, ...]
    lines: tuple[TableLine, ...]
    by: str = ""
    sources: tuple[Source, ...] = ()
    papers: tuple[str, ...] = ()
    ranking: str = "by-source"
    rank_all: bool = False
    digits: int | None = None
    opening: str = ""
    remarks: tuple[str, ...] = ()
    transposed: bool = False

    def subset_label(self, line: TableLine) -> str:
        """Return the name of a line's subset, for formats that do not print numbers of images.

        A group of images gets its number, because a reader could not look it up.
        """
        return f"{line.split} ({line.n:,})" if self.by else line.split

    def count_digits(self, metric: str) -> int:
        """Return the number of decimals that scores of a metric are printed with."""
        digits = PRINTABLE_METRICS[metric].digits
        return digits if self.digits is None or not digits else self.digits

    @property
    def methods(self) -> tuple[str, ...]:
        """The headings of the columns: the method, with the number of its source or its protocol if needed."""
        pairs = zip(self.names, self.numbers, strict=True)
        return tuple(name + (superscript(number) if number else "") for name, number in pairs)

    @property
    def names(self) -> tuple[str, ...]:
        """The headings of the columns without the numbers of their sources."""
        several = self._has_several_protocols
        return tuple(
            f"{method} ({protocol})" if several and not is_published((method, protocol)) else method
            for method, protocol in self.columns
        )

    @property
    def numbers(self) -> tuple[int, ...]:
        """The number of each column's source; 0 for measured columns, and if all columns have the same source."""
        labels = [source.label for source in self.sources]
        if len({column[1] if is_published(column) else "" for column in self.columns}) < 2:
            return (0,) * len(self.columns)
        return tuple(labels.index(column[1]) + 1 if is_published(column) else 0 for column in self.columns)

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
        """The legend of the table and its sources, in plain text, of a format that has bold and underlined scores."""
        return " ".join([*self.describe(PLAIN_MARKS), *self.notes])

    @property
    def notes(self) -> list[str]:
        """A sentence on each source of published columns."""
        numbered = any(self.numbers)
        return [
            f"{superscript(number) if numbered else 'Source'}: {describe_source(source, self.ranking)}."
            for number, source in enumerate(self.sources, 1)
        ]

    @property
    def has_lone_scores(self) -> bool:
        """Whether a score competes, but with no other of its group."""
        lines, groups = [line.cells for line in self.lines], group_columns(self.columns, self.ranking)
        return has_lone_scores(lines, groups, rank_all=self.rank_all)

    def describe(self, marks: Mapping[str, str]) -> list[str]:
        """Return the sentences of the legend.

        Args:
            marks: rank -> what the format makes of it, as in disbench.reports.caption.
        """
        published = any(map(is_published, self.columns))
        measured = not all(map(is_published, self.columns))
        subset = f" (subset: {self.lines[0].split})" if self.transposed else ""
        sentences = [self.opening or f"Scores on {self.title}{subset}.", "↑: higher is better, ↓: lower is better."]
        ranks = {cell.rank for cell in self.cells} - {None}
        if ranks & marks.keys():
            sentences.append(describe_ranks(ranks, self.columns, self.ranking, marks))
            if self.has_lone_scores:
                sentences.append("A score without a rival has no mark.")
        if any(cell.tied for cell in self.cells):
            sentences.append(describe_ties(self.columns))
        sentences += describe_marks(self.cells, rank_all=self.rank_all)
        if self.by:
            grouping = GROUPING_NAMES[self.by.split("/")[0]]
            sentences.append(f"Images are grouped by {grouping}; a group is scored by itself.")
        if self._has_several_protocols:
            is_apart = self.ranking != "together"
            warning = "only scores of one protocol compare" if is_apart else "ranks are over all, whose rules differ"
            sentences.append(f"In brackets: the protocol; {warning}.")
        elif published and measured:
            protocol = next(column[1] for column in self.columns if not is_published(column))
            number = " (without a number)" if any(self.numbers) else ""
            sentences.append(f"Measured{number}: protocol {protocol}; published: the protocols of their authors.")
        pooled = next((line.n for line in self.lines if line.split == OVERALL), None)
        if pooled and measured:
            pool = f"all {pooled:,} images of {TEST_SPLITS[0]} to {TEST_SPLITS[-1]}"
            sentences.append(f"{OVERALL}: one score over {pool}, not a mean of their scores.")
        sentences += self.remarks
        if any(cell.value is None for cell in self.cells):
            reason = "not scored or not printed" if published else "not scored"
            sentences.append(f"{MISSING}: {reason}.")
        return sentences

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
        return len({column[1] for column in self.columns if not is_published(column)}) > 1


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
    """Make the cells of a line, with the best scores of each protocol ranked.

    Scores that print the same share a rank. A single score has no rank, because it was compared with nothing.

    Args:
        metric: key of the metric.
        values: the score of each column; None if it is missing.
        protocols: the protocol of each column. Default: one protocol for all.
        training: the mark of each column's training data. Default: none.
        rank_all: whether contaminated scores are ranked.
    """
    training = training or [None] * len(values)
    digits = PRINTABLE_METRICS[metric].digits
    texts = [MISSING if value is None else f"{value:.{digits}f}" for value in values]
    competing = [
        text if value is not None and is_ranked(mark, rank_all=rank_all) else None
        for text, value, mark in zip(texts, values, training, strict=True)
    ]
    ranks = rank_texts(competing, protocols or [""] * len(values), METRICS[metric].direction)
    return tuple(
        Cell(value=value, text=text, rank=rank, training=mark if value is not None else None)
        for text, value, rank, mark in zip(texts, values, ranks, training, strict=True)
    )
