"""The manifest of a run, run.json: what was run, on what, and the key that names the run folder.

    runs/<model>/<key>/
        run.json          what was run, on what, by which versions; `complete` is set last of all
        shards/*.jsonl    the rows as they are measured; see disbench.runs.row_log
        scores.parquet    the rows, sorted; a column for each measure that needs pixels; see disbench.runs.scores_file
        seconds.parquet   the times of the stages, which no two runs share
        masks/            the prediction maps, with --save

The key hashes everything that a score depends on. So the same command resumes a run, and a changed one starts anew.
"""

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec

from disbench.data.dataset import Sample
from disbench.errors import InputError
from disbench.metrics.protocols import get_protocol
from disbench.runs.row_log import Row
from disbench.system.checksums import add_checksum
from disbench.system.documents import read_json, report_unreadable
from disbench.system.files import remove_parts, write_atomic

SCHEMA = 2
REBUILD_HINT = "delete its run.json and run the command of the run again, which rebuilds it from the shards"
MAX_LISTED = 4  # runs named in a message
# Keys of an identity that do not describe the model.
RUN_ONLY_KEYS = {"device", "data", "kernel", "resized", "columns", "truth_kind", "sees_truth"}


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The content of run.json.

    Attributes:
        title: the method, as reports call it.
        dataset: the title of the data set.
        token: the name of the data set in signatures.
        protocol: the first protocol that the run was made for; it is read under that one by default.
        splits: the number of images of each split.
        identity: the content that the key hashes: model, weights, columns, digests of the data, kernel version.
        size: how maps were resized, and how many; "native" if no map was resized.
        schema: the version of this file.
        complete: whether the tables are written.
        has_digests: whether the tables have digests of their values. Those of older versions have none.
        tables: digests of the tables' values, by file. Those of older versions have none.
        meta: facts that a report needs and that do not identify the run.
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
    has_digests: bool = False
    tables: dict[str, str] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The 12 hexadecimal digits that name the run folder."""
        canonical = msgspec.json.encode(self.identity, order="deterministic")
        return hashlib.sha256(canonical).hexdigest()[:12]


class _Meta(msgspec.Struct):
    finished: str
    data: Annotated[list[str], msgspec.Meta(min_length=1)]  # where the data are; the folder of images first, if apart
    environment: dict[str, Any]


class _Identity(msgspec.Struct):
    data: dict[str, dict[str, str]]


class _Finished(msgspec.Struct):
    """The part of a finished run's manifest that other code reads."""

    meta: _Meta
    identity: _Identity


def open_run(root: Path, model: str, manifest: Manifest) -> Path:
    """Open the folder of a run, created with its manifest if new. InputError if it cannot be written."""
    folder = root / model / manifest.key
    try:
        (folder / "shards").mkdir(parents=True, exist_ok=True)
        for place in (folder, *(folder / "masks").glob("*")):
            remove_parts(place)
        if not (folder / "run.json").exists():
            write_manifest(folder, manifest)
        check_place(folder, read_manifest(folder))
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; choose another place with --out") from None
    return folder


def reopen_run(folder: Path) -> None:
    """Mark a complete run as unfinished while its rows and tables change, so that it is resumed after a kill."""
    manifest = read_manifest(folder)
    if manifest.complete:
        write_manifest(folder, replace(manifest, complete=False))


def record_place(folder: Path, planned: Manifest) -> None:
    """Record in a complete run where its data are now, and what they are called, as of a run that would begin now."""
    recorded = read_manifest(folder)
    places = {key: planned.meta[key] for key in ("data", "maps", "trimaps", "inputs") if key in planned.meta}
    if len(places["data"]) < len(recorded.meta["data"]):  # the present command names no images
        places["data"] = [*recorded.meta["data"][:-1], *places["data"]]
    present = replace(recorded, dataset=planned.dataset, token=planned.token, meta=recorded.meta | places)
    if present != recorded:
        with suppress(OSError):  # of a folder that is only read
            write_manifest(folder, present)


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a run folder. InputError for a folder that is not a run, or is damaged."""
    path = folder / "run.json"
    if not path.exists():
        raise InputError(f"{folder}: {describe_place(folder)}")
    manifest = read_json(path, Manifest, fault="cannot be read", advice=REBUILD_HINT)
    with report_unreadable(path, "cannot be read", REBUILD_HINT):
        if manifest.complete:
            finished = msgspec.convert({"meta": manifest.meta, "identity": manifest.identity}, _Finished)
            if finished.identity.data.keys() != manifest.splits.keys():
                raise msgspec.ValidationError("its digests are not of its splits")
    if manifest.schema != SCHEMA:
        raise InputError(f"{path}: schema {manifest.schema}, this disbench reads {SCHEMA}; run it again")
    try:
        get_protocol(manifest.protocol)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return manifest


def check_place(folder: Path, manifest: Manifest) -> None:
    """Check that a folder that a key names has the manifest of that key. InputError after an exchange or an edit."""
    if re.fullmatch("[0-9a-f]{12}", folder.name) and folder.name != manifest.key:
        raise InputError(
            f"{folder}/run.json: describes the run {manifest.key}, not that of its folder; restore the file, or rename "
            "the folder back"
        )


def describe_place(folder: Path) -> str:
    """Describe a place that holds no run.json."""
    if folder.is_dir():
        below = sorted(str(run.parent) for run in (*folder.glob("*/run.json"), *folder.glob("*/*/run.json")))
        hint = f"; runs in it: {', '.join(below[:MAX_LISTED])}" if below else ""
        return f"not a run folder (it has no run.json){hint}"
    if not folder.exists():
        return "a broken link" if folder.is_symlink() else "no such run folder"
    hint = "; an entry of a leaderboard can only be the baseline, --against" if folder.suffix == ".json" else ""
    return f"a file, not a run folder; give the folder that holds run.json{hint}"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a run folder."""
    document = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    write_atomic(folder / "run.json", add_checksum(document))


def mask_path(folder: Path, item: Row | Sample) -> Path:
    """Return the path of a saved prediction map in a run folder."""
    return folder / "masks" / item.split / f"{item.name}.png"
