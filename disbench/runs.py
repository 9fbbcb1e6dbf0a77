"""The run folder `runs/<model>/<key>/`: one row per image, appended as it is measured, merged at the end.

    run.json          what was run, on what, by which versions; `complete` is set last of all
    shards/*.jsonl    the rows as they are measured; see disbench.shards
    scores.parquet    the rows, sorted: the same bytes for any number of workers; what needs pixels has a column each
    seconds.parquet   the stage times, which no two runs share
    masks/            the maps, with --save

The key hashes everything that a score depends on, so the same command resumes and a changed protocol starts anew.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from disbench.data.dis5k import OVERALL, TEST, Sample
from disbench.errors import InputError
from disbench.files import write_whole, writing
from disbench.metrics import Keys, Measurement, pixels, score, signature
from disbench.metrics.protocols import find
from disbench.shards import AT_ONCE, Row
from disbench.tables import Writer, read_groups, read_parquet

SCHEMA = 2
AGAIN = "delete its run.json and give the command of the run again, which goes on from the shards"
NAMED = 4  # runs in a folder that is none
OF_RUNS = {"device", "data", "kernel", "resized", "columns"}  # in an identity, what is not the model's own
FIXED = {"split", "image", "height", "width", "fg_hist", "bg_hist", "fg_half", "digest"}  # the columns of every run


@dataclass(frozen=True)
class Manifest:
    """run.json. `identity` is what the key hashes: model, weights, columns, data digests, kernel version.

    protocol: the first that it was made for, and is read under unless another is asked for
    size: how maps were brought to the size of their truths, and how many were
    """

    title: str
    dataset: str
    token: str
    protocol: str
    splits: dict[str, int]
    identity: dict[str, Any]
    size: str = "native"
    schema: int = SCHEMA
    complete: bool = False
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """12 hexadecimal digits that name the run folder."""
        canonical = msgspec.json.encode(self.identity, order="deterministic")
        return hashlib.sha256(canonical).hexdigest()[:12]


class _Meta(msgspec.Struct):
    finished: str
    data: Annotated[list[str], msgspec.Meta(min_length=1)]  # where it is: the folder of images too, if apart
    environment: dict[str, Any]


class _Identity(msgspec.Struct):
    data: dict[str, dict[str, str]]


class _Finished(msgspec.Struct):
    """What others read of a finished run's manifest."""

    meta: _Meta
    identity: _Identity


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

    def under(self, protocol: str) -> "Result":
        """The same measurements, scored by another protocol. InputError where it would have resized maps otherwise."""
        resize = find(protocol).resize
        if self.size not in ("native", f"{resize}:{self.size.rpartition(':')[2]}"):
            way = f"score them with --protocol {protocol}" if resize else "resize the maps yourself and score those"
            raise InputError(
                f"{self.folder}: its maps were resized ({self.size}), which is not what protocol {protocol} does; {way}"
            )
        counts = {split: len(rows) for split, rows in self.rows.items()}
        return replace(self, protocol=protocol, signature=signature(protocol, self.token, counts, self.size))

    @property
    def subsets(self) -> tuple[str, ...]:
        """What it has scores of: its splits, and "Overall", all images of DIS-TE1..4, where all four are there."""
        return (*self.splits, OVERALL) if set(TEST) <= set(self.splits) else self.splits

    def score(self, subset: str, metrics: Keys = None) -> dict[str, float]:
        """metric -> value."""
        try:
            return score(self.measurements(subset), self.protocol, metrics)
        except InputError as error:
            raise InputError(f"{self.folder}: {error}") from None

    def scores(self, metrics: Keys = None) -> dict[str, dict[str, float]]:
        """subset -> metric -> value."""
        return {subset: self.score(subset, metrics) for subset in self.subsets}

    def holds(self, metric: str) -> bool:
        """Whether the run has what this metric needs."""
        column = pixels.column(metric, find(self.protocol))
        return column is None or all(column in row.measurement.values for rows in self.rows.values() for row in rows)

    def measurements(self, split: str) -> list[Measurement]:
        splits = TEST if split == OVERALL else (split,)
        return [row.measurement for s in splits for row in self.rows[s]]

    def cut(self, by: str, parts: int | None = None) -> "Result":
        """The same images in groups by "complexity", "size" or "category"; see disbench.report.cuts.cut."""
        from disbench.report.cuts import cut

        return cut([self], by, parts)[0]

    def mask(self, row: Row) -> Path | None:
        """The saved map of a row, if the run kept it."""
        path = mask_path(self.folder, row)
        return path if path.exists() else None


def open_run(root: Path, model: str, manifest: Manifest) -> Path:
    """The folder of this run, created with its manifest if new."""
    folder = root / model / manifest.key
    try:
        (folder / "shards").mkdir(parents=True, exist_ok=True)
        if not (folder / "run.json").exists():
            write_manifest(folder, manifest)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; choose another place with --out") from None
    return folder


def read_manifest(folder: Path) -> Manifest:
    path = folder / "run.json"
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
        if manifest.complete:
            found = msgspec.convert({"meta": manifest.meta, "identity": manifest.identity}, _Finished)
            if found.identity.data.keys() != manifest.splits.keys():
                raise msgspec.ValidationError("its digests are not of its splits")
    except FileNotFoundError:
        below = sorted(str(run.parent) for run in (*folder.glob("*/run.json"), *folder.glob("*/*/run.json")))
        hint = f"; runs in it: {', '.join(below[:NAMED])}" if below else ""
        raise InputError(f"{folder}: not a run folder (it has no run.json){hint}") from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {AGAIN}") from None
    if manifest.schema != SCHEMA:
        raise InputError(f"{path}: schema {manifest.schema}, this disbench reads {SCHEMA}; run it again")
    try:
        find(manifest.protocol)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    write_whole(folder / "run.json", msgspec.json.format(msgspec.json.encode(manifest), indent=1))


def finish(folder: Path, rows: Iterable[Row], meta: dict[str, Any], half: Row | None = None) -> None:
    """Write the two tables, then mark the manifest complete.

    `rows` in the order of the data set, of which few are held at once; `half`: one of those with fg_half, if any has.
    """
    example = {} if half is None else {"fg_half": half.measurement.fg_half}
    rows = iter(rows)
    with writing(folder / "scores.parquet") as scores, writing(folder / "seconds.parquet") as seconds:
        tables = Writer(scores, example), Writer(seconds)
        while some := list(islice(rows, AT_ONCE)):
            for table, columns in zip(tables, _columns(some), strict=True):
                table.write(columns)
        for table in tables:
            table.close()
    write_manifest(folder, replace(read_manifest(folder), complete=True, meta=meta))


def _columns(rows: list[Row]) -> tuple[dict[str, list], dict[str, list]]:
    """Of scores.parquet and of seconds.parquet."""
    names = {"split": [r.split for r in rows], "image": [r.name for r in rows]}
    measured = [vars(r.measurement) for r in rows]
    columns = {key: [m[key] for m in measured] for key in measured[0]}
    values = columns.pop("values")
    columns |= {key: [one[key] for one in values] for key in values[0]}
    seconds = {stage: [r.seconds[stage] for r in rows] for stage in rows[0].seconds}
    return names | columns | {"digest": [r.digest for r in rows]}, names | seconds


def load(folder: str | Path, title: str | None = None) -> Result:
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
        raise InputError(f"{folder}: its tables cannot be read ({why}); {AGAIN}") from None
    counts = {split: len(kept) for split, kept in rows.items()}
    if counts != manifest.splits:
        raise InputError(f"{folder}: scores.parquet has {counts} rows where run.json says {manifest.splits}")
    return Result(
        title or manifest.title,
        manifest.dataset,
        signature(manifest.protocol, manifest.token, counts, manifest.size),
        tuple(manifest.splits),
        rows,
        manifest.meta,
        folder,
        manifest.token,
        manifest.protocol,
        manifest.size,
        identity=manifest.identity,
    )


def read_scores(path: Path) -> list[Row]:
    """The rows of a scores.parquet, without times.

    OSError or pyarrow.ArrowException where it cannot be read; LookupError, TypeError or ValueError for other columns.
    """
    rows = []
    for scores in read_groups(path):
        _check_columns(scores)
        values = {key: column for key, column in scores.items() if key not in FIXED}
        for key, column in values.items():
            values[key] = [one.tolist() if isinstance(one, np.ndarray) else one for one in column]
        for i in range(len(scores["image"])):
            fg, bg, half = (scores[key][i] for key in ("fg_hist", "bg_hist", "fg_half"))
            one = {key: column[i] for key, column in values.items()}
            measurement = Measurement(scores["height"][i], scores["width"][i], fg, bg, one, half)
            rows.append(Row(scores["split"][i], scores["image"][i], measurement, {}, scores["digest"][i]))
    if len({(row.split, row.name) for row in rows}) < len(rows):
        raise ValueError("an image stands twice")
    return rows


def _check_columns(scores: dict[str, list[Any]]) -> None:
    """ValueError unless rows of a scores.parquet are what `finish` can have written: pixels are counted, numbers are
    finite, names lead nowhere."""
    if not all(isinstance(name, str) for key in ("split", "image", "digest") for name in scores[key]):
        raise ValueError("a name is no text")
    if any("/" in name for key in ("split", "image") for name in scores[key]):
        raise ValueError("a name is a path")
    pixels = np.multiply(scores["height"], scores["width"])
    fg, bg, half = ([c for c in scores[key] if c is not None] for key in ("fg_hist", "bg_hist", "fg_half"))
    for counts in filter(len, map(np.array, (fg, bg, half))):
        if counts.shape[1:] != (256,):
            raise ValueError("a histogram has not 256 levels")
        if counts.dtype.kind not in "iu" or counts.min() < 0:
            raise ValueError("a histogram counts no pixels")
    if (np.sum(fg, 1, np.int64) + np.sum(bg, 1, np.int64) != pixels).any():
        raise ValueError("histograms are not of the images' sizes")
    for key in scores.keys() - FIXED:
        if not np.isfinite(np.array(scores[key])).all():
            raise ValueError(f"{key} has what is no number")


def _by_split(manifest: Manifest, measured: list[Row], seconds: dict[str, list[Any]]) -> dict[str, list[Row]]:
    names = list(zip(seconds.pop("split"), seconds.pop("image"), strict=True))
    if names != [(row.split, row.name) for row in measured]:
        raise ValueError("scores and seconds are of different images")
    rows: dict[str, list[Row]] = {split: [] for split in manifest.splits}
    for i, row in enumerate(measured):
        rows[row.split].append(replace(row, seconds={stage: column[i] for stage, column in seconds.items()}))
    return rows


def latest(root: Path) -> list[Result]:
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
    return [load(folder) for folder, _ in runs if folder in last.values()]


def distinct(results: Sequence[Result]) -> list[Result]:
    """The results without those of a run that is there already, under another protocol."""
    first: dict[tuple[Path, str], Result] = {}
    for result in results:
        first.setdefault((result.folder, result.title), result)
    return list(first.values())


def shared(results: Sequence[Result]) -> list[str]:
    """The subsets that all results have, in the order of the first."""
    return [subset for subset in results[0].subsets if all(subset in result.subsets for result in results)]


def mask_path(folder: Path, row: Row | Sample) -> Path:
    return folder / "masks" / row.split / f"{row.name}.png"
