"""run.json: what was run, on what, and the key of the run."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec

from disbench.data.dataset import Sample
from disbench.errors import InputError
from disbench.metrics.protocols import get_protocol
from disbench.runs.row_log import Row
from disbench.system.files import write_atomic

SCHEMA = 2
REBUILD_HINT = "delete its run.json and give the command of the run again, which goes on from the shards"
MAX_LISTED = 4  # runs in a folder that is none
RUN_ONLY_KEYS = {"device", "data", "kernel", "resized", "columns"}  # in an identity, what is not the model's own


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
        hint = f"; runs in it: {', '.join(below[:MAX_LISTED])}" if below else ""
        raise InputError(f"{folder}: not a run folder (it has no run.json){hint}") from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {REBUILD_HINT}") from None
    if manifest.schema != SCHEMA:
        raise InputError(f"{path}: schema {manifest.schema}, this disbench reads {SCHEMA}; run it again")
    try:
        get_protocol(manifest.protocol)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    write_atomic(folder / "run.json", msgspec.json.format(msgspec.json.encode(manifest), indent=1))


def mask_path(folder: Path, row: Row | Sample) -> Path:
    return folder / "masks" / row.split / f"{row.name}.png"
