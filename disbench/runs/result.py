"""The run folder `runs/<model>/<key>/`: one row per image, appended as it is measured, merged at the end.

    run.json          what was run, on what, by which versions; `complete` is set last of all
    shards/*.jsonl    the rows as they are measured; see disbench.shards
    scores.parquet    the rows, sorted: the same bytes for any number of workers; what needs pixels has a column each
    seconds.parquet   the stage times, which no two runs share
    masks/            the maps, with --save

The key hashes everything that a score depends on, so the same command resumes and a changed protocol starts anew.
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


@dataclass(frozen=True)
class Result:
    """A complete run, as reports see it: rows per split, sorted by name.

    by: "" but where `cut` has made groups of the images, which then stand in the place of splits.
    identity: as in the manifest
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
        """The same measurements, scored by another protocol. InputError where it would have resized maps otherwise."""
        resize = get_protocol(protocol).resize
        if self.size not in ("native", f"{resize}:{self.size.rpartition(':')[2]}"):
            way = f"score them with --protocol {protocol}" if resize else "resize the maps yourself and score those"
            raise InputError(
                f"{self.folder}: its maps were resized ({self.size}), which is not what protocol {protocol} does; {way}"
            )
        counts = {split: len(rows) for split, rows in self.rows.items()}
        return replace(self, protocol=protocol, signature=make_signature(protocol, self.token, counts, self.size))

    @property
    def subsets(self) -> tuple[str, ...]:
        """What it has scores of: its splits, and "Overall", all images of DIS-TE1..4, where all four are there."""
        return (*self.splits, OVERALL) if set(TEST_SPLITS) <= set(self.splits) else self.splits

    def score(self, subset: str, metrics: MetricKeys = None) -> dict[str, float]:
        """metric -> value."""
        try:
            return score(self.measurements(subset), self.protocol, metrics)
        except InputError as error:
            raise InputError(f"{self.folder}: {error}") from None

    def scores(self, metrics: MetricKeys = None) -> dict[str, dict[str, float]]:
        """subset -> metric -> value."""
        return {subset: self.score(subset, metrics) for subset in self.subsets}

    def holds(self, metric: str) -> bool:
        """Whether the run has what this metric needs."""
        column = pixel_metrics.column_of_metric(metric, get_protocol(self.protocol))
        return column is None or all(column in row.measurement.values for rows in self.rows.values() for row in rows)

    def measurements(self, split: str) -> list[Measurement]:
        splits = TEST_SPLITS if split == OVERALL else (split,)
        return [row.measurement for s in splits for row in self.rows[s]]

    def mask(self, row: Row) -> Path | None:
        """The saved map of a row, if the run kept it."""
        path = mask_path(self.folder, row)
        return path if path.exists() else None


def load_run(folder: str | Path, title: str | None = None) -> Result:
    """A complete run from its folder, under its own title or another. InputError where it is none, or not finished."""
    import pyarrow as pa

    folder = Path(folder)
    manifest = read_manifest(folder)
    if not manifest.complete:
        raise InputError(f"{folder}: not finished; give the same command again to resume it")
    try:
        measured = read_scores(folder / "scores.parquet")
        rows = _by_split(manifest, measured, read_parquet(folder / "seconds.parquet"))
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError) as error:  # the last three: other columns
        why = f"no column or split {error}" if isinstance(error, KeyError) else error
        raise InputError(f"{folder}: its tables cannot be read ({why}); {REBUILD_HINT}") from None
    counts = {split: len(kept) for split, kept in rows.items()}
    if counts != manifest.splits:
        raise InputError(f"{folder}: scores.parquet has {counts} rows where run.json says {manifest.splits}")
    return Result(
        title or manifest.title,
        manifest.dataset,
        make_signature(manifest.protocol, manifest.token, counts, manifest.size),
        tuple(manifest.splits),
        rows,
        manifest.meta,
        folder,
        manifest.token,
        manifest.protocol,
        manifest.size,
        identity=manifest.identity,
    )


def _by_split(manifest: Manifest, measured: list[Row], seconds: dict[str, list[Any]]) -> dict[str, list[Row]]:
    names = list(zip(seconds.pop("split"), seconds.pop("image"), strict=True))
    if names != [(row.split, row.name) for row in measured]:
        raise ValueError("scores and seconds are of different images")
    rows: dict[str, list[Row]] = {split: [] for split in manifest.splits}
    for i, row in enumerate(measured):
        rows[row.split].append(replace(row, seconds={stage: column[i] for stage, column in seconds.items()}))
    return rows


def load_latest(root: Path) -> list[Result]:
    """The last finished run of every method under `root`, on the data set of the very last, in the order of time."""
    finished = {}
    for path in root.glob("*/*/run.json"):
        manifest = read_manifest(path.parent)
        if manifest.complete:
            finished[manifest.meta["finished"], path.parent] = manifest
    if not finished:
        raise InputError(f"{root}: no finished run; give `disbench run` first, or name run folders")
    runs = [(folder, finished[when, folder]) for when, folder in sorted(finished)]
    token = runs[-1][1].token
    last = {manifest.title: folder for folder, manifest in runs if manifest.token == token}
    return [load_run(folder) for folder, _ in runs if folder in last.values()]


def drop_other_protocols(results: Sequence[Result]) -> list[Result]:
    """The results without those of a run that is there already, under another protocol."""
    first: dict[tuple[Path, str], Result] = {}
    for result in results:
        first.setdefault((result.folder, result.title), result)
    return list(first.values())


def common_subsets(results: Sequence[Result]) -> list[str]:
    """The subsets that all results have, in the order of the first."""
    return [subset for subset in results[0].subsets if all(subset in result.subsets for result in results)]
