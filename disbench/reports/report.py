"""A report: results, published tables next to them, and the metrics to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from disbench.leaderboard.entry import is_own_entry
from disbench.metrics.catalogue import MetricKeys, paper_metrics, resolve_metrics
from disbench.metrics.protocols import get_protocol
from disbench.reports.arrange import Arrangement, arrange_table
from disbench.reports.citations import add_papers
from disbench.reports.published import PublishedSelection, add_published
from disbench.reports.table import Table, build_table
from disbench.runs.result import Result


@dataclass(frozen=True)
class Report:
    """The content of a report, in whatever format.

    Attributes:
        results: runs and measured leaderboard entries, a column each.
        published: published tables, whose columns come first.
        metrics: keys of the metrics to show. None: the paper's five, E as the protocols compute it.
        rank_all: whether methods are ranked on subsets that they were trained on.
        arrangement: how the table is arranged.
        papers: name of a method -> the citation of its paper, for formats that cite.
    """

    results: Sequence[Result] = ()
    published: PublishedSelection = field(default_factory=PublishedSelection)
    metrics: MetricKeys = None
    rank_all: bool = False
    arrangement: Arrangement = field(default_factory=Arrangement)
    papers: Mapping[str, str] = field(default_factory=dict)
    _bootstrapped: list[Table] = field(default_factory=list, init=False, repr=False, compare=False)

    def list_metrics(self) -> tuple[str, ...]:
        """List the keys of the metrics to show. Runs are scored only if there are published tables, too."""
        if self.published:
            return tuple(dict.fromkeys(line.metric for line in self.build_table(confidence=False).lines))
        return resolve_metrics(self.metrics or paper_metrics(get_protocol(result.protocol) for result in self.results))

    def build_table(self, metrics: MetricKeys = None, *, confidence: bool = True) -> Table:
        """Build the table of the report.

        Args:
            metrics: keys of the metrics to show. Default: the metrics of the report.
            confidence: whether measured cells get 95 % intervals and ties, which need a bootstrap.

        Raises:
            InputError: for an unknown metric, and for results that must not stand in one table.
        """
        metrics = metrics or self.metrics
        if self.published:
            tables = self.published.load()
            table = add_published(
                tables,
                self.published.dataset,
                self.results,
                metrics,
                corrected=self.published.corrected,
                rank_all=self.rank_all,
            )
        else:
            table = build_table(self.results, metrics, rank_all=self.rank_all)
        if self.results and confidence:
            table = self._find_bootstrapped(table) or self._bootstrap(table)
        table = replace(table, remarks=tuple(note_own_entries(self.results)))
        table = arrange_table(table, self.arrangement)
        if self.papers:
            table = add_papers(table, self.papers)
        # The tables of ablations have one subset, and are printed with a method per line.
        return replace(table, transposed=bool(self.published.tables) and len(table.groups) == 1)

    def _bootstrap(self, table: Table) -> Table:
        from disbench.reports.confidence import add_confidence

        self._bootstrapped.append(add_confidence(table, self.results))
        return self._bootstrapped[-1]

    def _find_bootstrapped(self, table: Table) -> Table | None:
        """Return the table with the intervals and ties of an earlier one that has all its lines, or None.

        So the page and the LaTeX table of a run share a bootstrap, which takes seconds.
        """
        names = {(line.split, line.metric) for line in table.lines}
        for wider in self._bootstrapped:
            lines = tuple(line for line in wider.lines if (line.split, line.metric) in names)
            if [(line.split, line.metric) for line in lines] == [(line.split, line.metric) for line in table.lines]:
                return replace(table, lines=lines)
        return None


def note_own_entries(results: Sequence[Result]) -> list[str]:
    """Return the sentence of a caption about columns that are entries of the user's own, next to shipped ones."""
    titles = dict.fromkeys(result.title for result in results if is_own_entry(result.folder))
    return [f"From ./leaderboards, not shipped with disbench: {', '.join(titles)}."] if titles else []
