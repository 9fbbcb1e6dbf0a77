"""Measured parts of entries: from a run to its evidence, and from evidence to a result for reports and comparisons."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from disbench.data.training import normalise_training
from disbench.errors import InputError, describe_error
from disbench.leaderboard.entry import (
    Entry,
    Interval,
    Measured,
    evidence_path,
    read_entry,
    write_entry,
)
from disbench.leaderboard.evidence_file import hash_evidence, read_evidence
from disbench.leaderboard.names import is_entry_name, is_plain_text
from disbench.metrics.catalogue import MetricKeys, paper_metrics, resolve_metrics
from disbench.metrics.protocols import get_protocol
from disbench.metrics.scoring import make_signature
from disbench.registry.discovery import list_cards
from disbench.runs.manifest import read_manifest
from disbench.runs.result import Result
from disbench.runs.row_log import Row
from disbench.runs.times import select_threads, stage_times
from disbench.stats.intervals import bca_intervals
from disbench.stats.resample import MIN_IMAGES, build_columns
from disbench.system.files import require_regular_file, wait_for_folder, write_atomic


def make_measured(result: Result, metrics: MetricKeys = None) -> Measured:
    """Make the measured part of an entry from a run. metrics None: those that papers of its protocol print."""
    keys = resolve_metrics(metrics or paper_metrics([get_protocol(result.protocol)]))
    manifest = read_manifest(result.folder)
    times = stage_times(result)
    return Measured(
        protocol=result.protocol,
        signature=result.signature,
        splits={split: len(rows) for split, rows in result.rows.items()},
        truths={split: digests["truths"] for split, digests in manifest.identity["data"].items()},
        scores={split: score_with_intervals(result, split, keys) for split in result.subsets},
        seconds=times.stages | {"total": times.total} if times else {},
        environment=result.meta["environment"] | select_threads(result.meta),
        run={key: value for key, value in manifest.identity.items() if key not in ("data", "columns")},
        finished=result.meta["finished"],
        evidence=hash_evidence(result.folder / "scores.parquet"),
        trained_on=normalise_training(result.meta.get("trained_on")),
    )


def score_with_intervals(result: Result, split: str, keys: tuple[str, ...]) -> dict[str, Interval]:
    """Compute metric -> score with its 95 % interval. The ends are None with too few images."""
    measurements = result.measurements(split)
    values = result.score(split, keys)
    if len(measurements) < MIN_IMAGES:
        return {key: (value, None, None) for key, value in values.items()}
    intervals = bca_intervals(build_columns(measurements, result.protocol, keys))
    return {key: (value, *intervals[key][1:]) for key, value in values.items()}


@dataclass(frozen=True, kw_only=True)
class PreparedEntry:
    """An entry with measured parts only, and their evidence, before it is written.

    Attributes:
        board: the name of the leaderboard.
        entry: the entry.
        evidence: digest -> bytes of the evidence file, for each measured part.
    """

    board: str
    entry: Entry
    evidence: Mapping[str, bytes]


def submit_run(
    result: Result,
    root: Path,
    model: str | None = None,
    metrics: MetricKeys = None,
    paper: Mapping[str, str] | None = None,
) -> Path:
    """Write a run into the entry of its model on its data set.

    Replaces the scores of an earlier run on the same subsets by the same protocol. Reported numbers stay.

    Args:
        result: the run.
        root: the folder of leaderboards.
        model: name of the entry. None: the name of the run's model.
        metrics: metric keys. None: those that papers of the run's protocol print.
        paper: facts of the method's paper, as its title, which replace those of the model's card or of the entry.

    Returns:
        The path of the entry.

    Raises:
        InputError: for a data set that others cannot get, and for a name that cannot be a file's.
    """
    model, board = _name_entry(result, model)
    path = root / board / f"{model}.json"
    if path.exists():
        read_entry(path)  # an entry that cannot be changed is reported before the intervals are computed
    prepared = prepare_entry(result, model, metrics, paper)
    with wait_for_folder(path.parent):
        write_parts(path, prepared, paper)
    return path


def _name_entry(result: Result, model: str | None) -> tuple[str, str]:
    """Return the name of a run's entry and of its leaderboard; InputError for a run that cannot be submitted."""
    if result.token.startswith("folder:"):
        raise InputError(
            f"{result.folder}: {result.dataset} is a folder of yours; leaderboards are of DIS5K or DIS-Mini"
        )
    if result.identity.get("truth_kind", "binary") != "binary":
        raise InputError(f"{result.folder}: scored on soft ground truths; leaderboards are of binary ones")
    model = result.folder.resolve().parent.name if model is None else model
    if not is_entry_name(model):
        raise InputError(f"{model!r} cannot name an entry; give letters from a to z, digits, - and _ with --as")
    if not is_plain_text(result.title):
        raise InputError(f"{result.title!r} cannot be a title; give plain text in front of the run: TITLE=RUN")
    return model, "dis-mini" if result.token.startswith("dis-mini-") else result.token


def prepare_entry(
    result: Result, model: str | None = None, metrics: MetricKeys = None, paper: Mapping[str, str] | None = None
) -> PreparedEntry:
    """Make the entry of a run, with its evidence. Arguments and errors are those of `submit_run`."""
    model, board = _name_entry(result, model)
    cards = list_cards()
    card = cards.get(result.folder.resolve().parent.name) or cards.get(model)
    entry = Entry(
        model=model,
        title=result.title,
        dataset=result.dataset,
        token=result.token,
        paper={**(card.paper if card else {}), **(paper or {})},
    )
    measured = make_measured(result, metrics)
    data = require_regular_file(result.folder / "scores.parquet").read_bytes()
    return PreparedEntry(board=board, entry=replace(entry, measured=(measured,)), evidence={measured.evidence: data})


def write_parts(path: Path, prepared: PreparedEntry, paper: Mapping[str, str] | None = None) -> None:
    """Write measured parts and their evidence into the entry at `path`, which is the prepared one if there is none.

    The caller holds the lock of the leaderboard. The evidence is written before the entry that needs it, and deleted
    after no entry needs it. `paper` replaces facts of the paper of an entry that is there.
    """
    new = prepared.entry
    entry = read_entry(path) if path.exists() else replace(new, measured=())
    subsets = [(part.protocol, set(part.splits)) for part in new.measured]
    others = [part for part in entry.measured if (part.protocol, set(part.splits)) not in subsets]
    parts = (*others, *new.measured)
    unused = _list_unused_evidence(path, entry, parts)
    for measured in new.measured:
        evidence = evidence_path(path, measured)
        evidence.parent.mkdir(exist_ok=True)
        write_atomic(evidence, prepared.evidence[measured.evidence])
    facts = {**(entry.paper or new.paper), **(paper or {})}
    updated = replace(
        entry, model=new.model, dataset=new.dataset, token=new.token, paper=facts, measured=parts
    )
    write_entry(path, updated)
    for file in unused:
        file.unlink(missing_ok=True)


def _list_unused_evidence(path: Path, entry: Entry, parts: tuple[Measured, ...]) -> list[Path]:
    """List the evidence that no entry of the leaderboard needs once the entry at `path` consists of `parts`."""
    used = b"".join(require_regular_file(file).read_bytes() for file in path.parent.glob("*.json") if file != path)
    used += b"".join(part.evidence.encode() for part in parts)
    return [evidence_path(path, part) for part in entry.measured if part.evidence.encode() not in used]


def load_measured(path: Path) -> list[Result]:
    """Load the measured parts of an entry from their evidence; InputError as for `load_part`."""
    entry = read_entry(path)
    return [load_part(path, entry, measured) for measured in entry.measured]


def load_part(path: Path, entry: Entry, measured: Measured) -> Result:
    """Load a measured part of an entry from its evidence.

    Args:
        path: the entry's file.
        entry: the entry.
        measured: the part to load.

    Returns:
        The result, as of the run that was submitted.

    Raises:
        InputError: for evidence that is missing or has changed, and for names, a signature or numbers of images that
            contradict the evidence.
    """
    import pyarrow as pa

    file = evidence_path(path, measured)
    size = _check_signature(path, entry, measured)
    try:
        if hash_evidence(file) != measured.evidence:
            raise InputError(f"{file}: not the evidence of {path.name}, which has another digest; submit the run again")
        scored = read_evidence(file)
    except InputError:
        raise
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError) as error:
        # The last three come from a table with other columns.
        raise InputError(f"{file}: the evidence of {path.name} cannot be read ({describe_error(error)})") from None
    counts = Counter(row.split for row in scored)
    if counts != measured.splits:
        raise InputError(f"{file}: has {dict(counts)} images, but {path.name} says {measured.splits}")
    rows: dict[str, list[Row]] = {split: [row for row in scored if row.split == split] for split in measured.splits}
    data = "mini" if entry.token.startswith("dis-mini-") else entry.dataset  # where it would be found, if it is here
    meta = {
        "environment": measured.environment,
        "finished": measured.finished,
        "truths": measured.truths,
        "data": [data],
        "seconds": measured.seconds,
    }
    if measured.trained_on is not None:
        meta["trained_on"] = measured.trained_on
    return Result(
        title=entry.title,
        dataset=entry.dataset,
        signature=measured.signature,
        splits=tuple(measured.splits),
        rows=rows,
        meta=meta,
        folder=file,
        token=entry.token,
        protocol=measured.protocol,
        size=size,
        identity=measured.run,
    )


def _check_signature(path: Path, entry: Entry, measured: Measured) -> str:
    """Raise InputError if a signature is not that of the subsets by the protocol; returns the size in it."""
    size = measured.signature.rpartition("|size:")[2]
    try:
        resolve_metrics([key for row in measured.scores.values() for key in row] or None)
        expected = make_signature(measured.protocol, entry.token, measured.splits, size)
        resize = get_protocol(measured.protocol).resize
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    fits = size == "native" or (resize and re.fullmatch(rf"{resize}:\d{{1,9}}", size))
    # The first two fields are the versions of disbench and of its kernels, which may be older.
    if not fits or expected.split("|")[2:] != measured.signature.split("|")[2:]:
        raise InputError(
            f"{path}: its signature {measured.signature} is not that of its subsets by its protocol: {expected}"
        )
    return size
