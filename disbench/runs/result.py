"""Results, and how they are loaded from run folders.

A run folder `runs/<model>/<key>/` gets a row per image as it is measured, and its tables at the end:

    run.json          model, data, versions; `complete` is set last
    shards/*.jsonl    the rows in the order of measuring; see disbench.runs.row_log
    scores.parquet    the sorted rows: the same bytes for any number of workers; a column per pixel metric
    seconds.parquet   the stage times, which differ from run to run
    masks/            the prediction maps, if they are saved

The key hashes everything that a score depends on. So the same command resumes a run, and a changed protocol starts a
new one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from disbench.data.dataset import OVERALL, TEST_SPLITS
from disbench.errors import InputError
from disbench.metrics import pixel_metrics
from disbench.metrics.catalogue import MetricKeys
from disbench.metrics.measurement import Measurement
from disbench.metrics.protocols import get_protocol
from disbench.metrics.scoring import make_signature, score
from disbench.runs.manifest import REBUILD_HINT, Manifest, mask_path, read_manifest
from disbench.runs.row_log import Row
from disbench.runs.scores_file import read_scores
from disbench.runs.tables import read_parquet


@dataclass(frozen=True, kw_only=True)
class Result:
    """A complete run: its measured rows under one protocol.

    Attributes:
        title: name of the method in reports.
        dataset: title of the data set.
        signature: how the scores were computed.
        splits: names of the measured subsets.
        rows: subset -> rows, sorted by name.
        meta: what the manifest records besides: data, environment, workers, time of finish.
        folder: the run folder.
        token: short name of the data set in the signature.
        protocol: evaluation protocol of the scores.
        size: "native", or the rule by which maps were resized and their number.
        by: the grouping, as "complexity/4", where groups of images take the place of subsets; "" otherwise.
        identity: everything that the run key hashes.
    """

    title: str
    dataset: str
    signature: str
    splits: tuple[str, ...]
    rows: dict[str, list[Row]]
    meta: dict[str, Any]
    folder: Path
    token: str
    protocol: str = "pysod"
    size: str = "native"
    by: str = ""
    identity: dict[str, Any] = field(default_factory=dict)

    def with_protocol(self, protocol: str) -> "Result":
        """Return the same measurements, scored by another protocol.

        Raises:
            InputError: if the maps were resized, and the other protocol resizes them differently.
        """
        resize = get_protocol(protocol).resize
        if self.size not in ("native", f"{resize}:{self.size.rpartition(':')[2]}"):
            remedy = f"score them with --protocol {protocol}" if resize else "resize the maps yourself and score those"
            raise InputError(
                f"{self.folder}: its maps were resized ({self.size}), which is not what protocol {protocol} does; "
                f"{remedy}"
            )
        counts = {split: len(rows) for split, rows in self.rows.items()}
        return replace(self, protocol=protocol, signature=make_signature(protocol, self.token, counts, self.size))

    @property
    def subsets(self) -> tuple[str, ...]:
        """The splits, and "Overall" (all images of DIS-TE1 to DIS-TE4) if all four are among them."""
        return (*self.splits, OVERALL) if set(TEST_SPLITS) <= set(self.splits) else self.splits

    def score(self, subset: str, metrics: MetricKeys = None) -> dict[str, float]:
        """Return metric -> score on one subset."""
        try:
            return score(self.measurements(subset), self.protocol, metrics)
        except InputError as error:
            raise InputError(f"{self.folder}: {error}") from None

    def scores(self, metrics: MetricKeys = None) -> dict[str, dict[str, float]]:
        """Return subset -> metric -> score."""
        return {subset: self.score(subset, metrics) for subset in self.subsets}

    def holds(self, metric: str) -> bool:
        """Return whether the run measured the columns that a metric needs."""
        column = pixel_metrics.column_of_metric(metric, get_protocol(self.protocol))
        return column is None or all(column in row.measurement.values for rows in self.rows.values() for row in rows)

    def measurements(self, split: str) -> list[Measurement]:
        """Return the measurements of a subset, or of "Overall"."""
        splits = TEST_SPLITS if split == OVERALL else (split,)
        return [row.measurement for name in splits for row in self.rows[name]]

    def mask(self, row: Row) -> Path | None:
        """Return the saved prediction map of a row, or None if the run did not save it."""
        path = mask_path(self.folder, row)
        return path if path.exists() else None


def load_run(folder: str | Path, title: str | None = None) -> Result:
    """Load a complete run.

    Args:
        folder: the run folder.
        title: name of the method in reports. Default: the title in the manifest.

    Raises:
        InputError: for a folder that is not a run, an unfinished run, and damaged tables.
    """
    import pyarrow as pa

    folder = Path(folder)
    manifest = read_manifest(folder)
    if not manifest.complete:
        raise InputError(f"{folder}: not finished; run the same command again to resume it")
    try:
        measured = read_scores(folder / "scores.parquet")
        rows = _rows_by_split(manifest, measured, read_parquet(folder / "seconds.parquet"))
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError) as error:  # the last three: columns
        reason = f"no column or split {error}" if isinstance(error, KeyError) else error
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


def _rows_by_split(
    manifest: Manifest, measured: list[Row], seconds: dict[str, list[Any]]
) -> dict[str, list[Row]]:
    names = list(zip(seconds.pop("split"), seconds.pop("image"), strict=True))
    if names != [row.key for row in measured]:
        raise ValueError("scores and seconds are of different images")
    rows: dict[str, list[Row]] = {split: [] for split in manifest.splits}
    for i, row in enumerate(measured):
        rows[row.split].append(replace(row, seconds={stage: column[i] for stage, column in seconds.items()}))
    return rows


def load_latest(root: Path) -> list[Result]:
    """Load the latest finished run of every method.

    Only runs on the data set of the latest run count.

    Returns:
        Results in the order in which the runs finished.
    """
    finished = {}
    for path in root.glob("*/*/run.json"):
        manifest = read_manifest(path.parent)
        if manifest.complete:
            finished[manifest.meta["finished"], path.parent] = manifest
    if not finished:
        raise InputError(f"{root}: no finished run; start with `disbench run`, or name run folders")
    runs = [(folder, finished[time, folder]) for time, folder in sorted(finished)]
    token = runs[-1][1].token
    latest = {manifest.title: folder for folder, manifest in runs if manifest.token == token}
    return [load_run(folder) for folder, _ in runs if folder in latest.values()]


def drop_other_protocols(results: Sequence[Result]) -> list[Result]:
    """Return the results without repetitions of a run under a further protocol."""
    first: dict[tuple[Path, str], Result] = {}
    for result in results:
        first.setdefault((result.folder, result.title), result)
    return list(first.values())


def common_subsets(results: Sequence[Result]) -> list[str]:
    """Return the subsets that all results have, in the order of the first result."""
    return [subset for subset in results[0].subsets if all(subset in result.subsets for result in results)]
