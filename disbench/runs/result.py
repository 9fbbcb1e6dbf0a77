"""A complete run, as reports and comparisons see it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from disbench.data.dataset import OVERALL, TEST_SPLITS
from disbench.errors import InputError, describe_error, escape_control_chars, suggest_names, wrong_type
from disbench.metrics.catalogue import MetricKeys, paper_metrics, resolve_metrics
from disbench.metrics.measurement import Measurement
from disbench.metrics.pixel_metrics import column_of_metric
from disbench.metrics.protocols import get_protocol
from disbench.metrics.scoring import make_signature, score
from disbench.runs.lookup import RESUME_HINT, find_run, sort_complete
from disbench.runs.manifest import REBUILD_HINT, Manifest, check_place, mask_path, read_manifest
from disbench.runs.row_log import Row
from disbench.runs.scores_file import read_scores
from disbench.runs.tables import read_digests, read_parquet
from disbench.system.files import require_path
from disbench.system.progress import announce_once

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, repr=False)
class Result:
    """The rows of a complete run, and what they were measured on.

    Attributes:
        title: the method.
        dataset: the title of the data set.
        signature: one line with everything that decides a score. Scores with equal signatures are comparable.
        splits: the splits in the order of the data set, or groups of images (see disbench.runs.grouping).
        rows: split -> rows, sorted by name.
        meta: the place of the data, and the environment of the run.
        folder: the run folder, or the file of a leaderboard entry.
        token: the name of the data set in signatures.
        protocol: the evaluation protocol of the scores.
        size: how maps were resized, and how many; "native" if no map was resized.
        by: the property that images are grouped by, such as "complexity/4"; "" for splits.
        identity: the content that the run key hashes.
    """

    title: str
    dataset: str
    signature: str
    splits: tuple[str, ...]
    rows: Mapping[str, Sequence[Row]]
    meta: Mapping[str, Any]
    folder: Path
    token: str
    protocol: str = "pysod"
    size: str = "native"
    by: str = ""
    identity: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        counts = ", ".join(f"{split}: {len(self.rows[split])}" for split in self.splits[:8])
        more = ", ..." if len(self.splits) > 8 else ""
        return (
            f"Result({self.title!r} on {self.dataset!r}, protocol {self.protocol!r}, "
            f"images {{{counts}{more}}}, folder {str(self.folder)!r})"
        )

    def _repr_html_(self) -> str:
        """Show the table of scores in a notebook."""
        caption = html.escape(f"{self.title} on {self.dataset}, protocol {self.protocol}")
        table = self.to_frame().T.rename_axis(None, axis=1).to_html(float_format="{:.3f}".format, border=0)
        return f"<p><b>{caption}</b></p>{table}<p><code>{html.escape(self.signature)}</code></p>"

    @property
    def subsets(self) -> tuple[str, ...]:
        """The subsets with scores: the splits of the run, and "Overall" (DIS-TE1..4 together) if it has all four."""
        return (*self.splits, OVERALL) if set(TEST_SPLITS) <= set(self.splits) else self.splits

    def with_protocol(self, protocol: str) -> Result:
        """Return the same measurements under another protocol.

        Raises:
            InputError: if maps were resized in another way than the protocol resizes them.
        """
        resize = get_protocol(protocol).resize
        if self.size not in ("native", f"{resize}:{self.size.rpartition(':')[2]}"):
            advice = f"score them with --protocol {protocol}" if resize else "resize the maps yourself and score those"
            raise InputError(
                f"{self.folder}: its maps were resized ({self.size}), which is not what protocol {protocol} does; "
                f"{advice}"
            )
        counts = {split: len(rows) for split, rows in self.rows.items()}
        return replace(self, protocol=protocol, signature=make_signature(protocol, self.token, counts, self.size))

    def score(self, subset: str, metrics: MetricKeys = None) -> dict[str, float]:
        """Score one subset.

        Args:
            subset: a split, or "Overall".
            metrics: keys of metrics. Default: the standard metrics; see disbench.score.

        Returns:
            metric -> score.

        Raises:
            InputError: for an unknown subset or metric, and for a metric that was not measured.
        """
        measurements = self.measurements(subset)
        try:
            return score(measurements, self.protocol, metrics)
        except InputError as error:
            raise InputError(f"{self.folder}: {error}") from None

    def scores(self, metrics: MetricKeys = None) -> dict[str, dict[str, float]]:
        """Score every subset: subset -> metric -> score."""
        return {subset: self.score(subset, metrics) for subset in self.subsets}

    def to_frame(self, metrics: MetricKeys = None) -> pd.DataFrame:
        """Return the scores as a pandas DataFrame: a row for each subset, a column for each metric.

        The default metrics are the metrics that papers of the protocol print.
        """
        import pandas as pd

        keys = metrics or paper_metrics([get_protocol(self.protocol)])
        frame = pd.DataFrame.from_dict(self.scores(keys), orient="index")
        frame.index.name, frame.columns.name = "subset", "metric"
        return frame

    def to_dict(self, metrics: MetricKeys = None) -> dict[str, Any]:
        """Return what `--json` prints: the run, what its scores mean, and the scores."""
        return {
            "run": str(self.folder),
            "title": self.title,
            "dataset": self.dataset,
            "protocol": self.protocol,
            "size": self.size,
            "signature": self.signature,
            "scores": self.scores(metrics),
        }

    def has_metric(self, metric: str) -> bool:
        """Whether the run has measured what a metric needs. InputError for an unknown metric."""
        (metric,) = resolve_metrics([metric])
        column = column_of_metric(metric, get_protocol(self.protocol))
        return column is None or all(column in row.measurement.values for rows in self.rows.values() for row in rows)

    def measurements(self, subset: str) -> list[Measurement]:
        """List the measurements of a split, or of "Overall". InputError for any other text."""
        return [row.measurement for row in self.subset_rows(subset)]

    def subset_rows(self, subset: str) -> list[Row]:
        """List the rows of a split, or of "Overall". InputError for any other text."""
        if subset not in self.subsets:
            if not isinstance(subset, str):
                raise wrong_type("subset", subset, f"text: one of {', '.join(self.subsets)}")
            raise InputError(f"{self.folder}: no subset {subset!r}; {suggest_names(subset, self.subsets)}")
        splits = TEST_SPLITS if subset == OVERALL else (subset,)
        return [row for split in splits for row in self.rows[split]]

    def mask(self, row: Row) -> Path | None:
        """Return the path of a row's saved prediction map; None if the run did not keep it."""
        if not isinstance(row, Row):
            raise wrong_type("row", row, "a row of the result, such as result.rows[split][0]")
        path = mask_path(self.folder, row)
        return path if path.exists() else None


def load_run(folder: str | PathLike[str], title: str | None = None) -> Result:
    """Load a complete run.

    Args:
        folder: the run folder, or another reference to one run; see disbench.runs.lookup.find_runs.
        title: the name of the method. Default: the run's own.

    Raises:
        InputError: for a folder that is not a run, is not finished, or is damaged.
    """
    import pyarrow as pa

    folder = find_run(require_path("folder", folder))
    manifest = read_manifest(folder)
    if not manifest.complete:
        raise InputError(f"{folder}: not finished; {RESUME_HINT}")
    check_place(folder, manifest)
    try:
        scores = read_scores(folder / "scores.parquet", has_digests=manifest.has_digests)
        seconds = read_parquet(folder / "seconds.parquet", has_digests=manifest.has_digests)
        rows = _join_seconds(manifest, scores, seconds)
        for name, digests in manifest.tables.items():
            if read_digests(folder / name) not in ("", digests):
                raise ValueError(f"{name} is of another run")
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError) as error:  # the last three: other columns
        reason = f"no column or split {error}" if isinstance(error, KeyError) else describe_error(error)
        reason = escape_control_chars(" ".join(reason.split()))
        raise InputError(f"{folder}: its tables cannot be read ({reason}); {REBUILD_HINT}") from None
    counts = {split: len(split_rows) for split, split_rows in rows.items()}
    if counts != manifest.splits:
        raise InputError(f"{folder}: scores.parquet has {counts} rows where run.json says {manifest.splits}")
    return Result(
        title=title or manifest.title,
        dataset=manifest.dataset,
        signature=make_signature(manifest.protocol, manifest.token, counts, manifest.size),
        splits=tuple(manifest.splits),
        rows=rows,
        meta=manifest.meta,
        folder=folder,
        token=manifest.token,
        protocol=manifest.protocol,
        size=manifest.size,
        identity=manifest.identity,
    )


def load_latest(root: Path) -> list[Result]:
    """Load the latest finished run of every method under `root`, on the most recently used data set.

    Returns:
        The results in the order in which the runs ended.

    Raises:
        InputError: if there is no finished run.
    """
    runs = sort_complete(path.parent for path in root.glob("*/*/run.json"))
    if not runs:
        raise InputError(f"{root}: no finished run; give `disbench run` first, or name run folders")
    token = runs[-1][1].token
    last = {manifest.title: folder for folder, manifest in runs if manifest.token == token}
    return [load_run(folder) for folder, _ in runs if folder in last.values()]


def put_last(results: Sequence[Result], focus: str | None) -> list[Result]:
    """Put the method of interest last, where reports, comparisons and pictures look for it.

    Args:
        results: in the order in which they were named.
        focus: its title, or the name of its folder in ./runs. None: the last result is of interest.

    Raises:
        InputError: if no result, or several methods, are called so.
    """
    if focus is None:
        return list(results)
    if not isinstance(focus, str):
        raise wrong_type("focus", focus, "the title of a method")
    titles = {result.title for result in results}
    if focus not in titles:
        folders = {result.title: result.folder.parent.name for result in results}
        named = [title for title, folder in folders.items() if folder == focus]
        if len(named) != 1:
            hint = f"its folder has {' and '.join(named)}" if named else suggest_names(focus, sorted(titles))
            raise InputError(f"--focus {focus}: not the title of one of the runs; {hint if titles else 'give some'}")
        focus = named[0]
    return sorted(results, key=lambda result: result.title == focus)


def drop_other_protocols(results: Sequence[Result]) -> list[Result]:
    """Keep one result of each run: the first, under whatever protocol."""
    first: dict[tuple[Path, str], Result] = {}
    for result in results:
        first.setdefault((result.folder, result.title), result)
    return list(first.values())


def share_protocol(results: Sequence[Result]) -> list[Result]:
    """Return one result of each run, for scores that stand next to each other in pictures.

    All are under the protocol of the last, unless its maps were resized by the rule of another.
    """
    listed = drop_other_protocols(results)
    protocol, shared = listed[-1].protocol, []
    for result in listed:
        try:
            shared.append(result.with_protocol(protocol))
        except InputError:
            announce_once(f"the pictures have scores of {result.title} under {result.protocol}, which do not compare")
            shared.append(result)
    if any(result.protocol != protocol for result in listed):
        announce_once(f"the pictures have scores under {protocol}, the protocol of {listed[-1].title}")
    return shared


def common_subsets(results: Sequence[Result]) -> list[str]:
    """List the subsets that all results have, in the order of the first."""
    return [subset for subset in results[0].subsets if all(subset in result.subsets for result in results)]


def _join_seconds(
    manifest: Manifest, scores: Sequence[Row], seconds: dict[str, list[Any]]
) -> dict[str, list[Row]]:
    """Group rows by split, and fill in the seconds of their stages. ValueError where the tables do not fit together."""
    names = list(zip(seconds.pop("split"), seconds.pop("image"), strict=True))
    if names != [row.key for row in scores]:
        raise ValueError("scores and seconds are of different images")
    rows: dict[str, list[Row]] = {split: [] for split in manifest.splits}
    for i, row in enumerate(scores):
        row.seconds.update((stage, column[i]) for stage, column in seconds.items())
        rows[row.split].append(row)
    return rows
