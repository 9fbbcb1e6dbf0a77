"""Measured parts of entries: from a run with its evidence, and back to a result, as reports and comparisons take it."""

import hashlib
import re
from collections import Counter
from pathlib import Path

from disbench.errors import InputError
from disbench.leaderboard.entry import Entry, Measured, evidence_path, read_entry, write_entry
from disbench.metrics.catalogue import MetricKeys, paper_metrics, resolve_metrics
from disbench.metrics.protocols import get_protocol
from disbench.metrics.scoring import make_signature
from disbench.registry.discovery import list_cards
from disbench.runs.manifest import read_manifest
from disbench.runs.result import Result
from disbench.runs.scores_file import read_scores
from disbench.runs.times import stage_times
from disbench.stats.resample import MIN_IMAGES, bca_intervals, build_columns
from disbench.system.files import write_atomic


def make_measured(result: Result, metrics: MetricKeys = None) -> Measured:
    """What an entry says of a run; `metrics` None: those of a table of its protocol."""
    keys = resolve_metrics(metrics or paper_metrics([get_protocol(result.protocol)]))
    manifest = read_manifest(result.folder)
    times = stage_times(result)
    return Measured(
        protocol=result.protocol,
        signature=result.signature,
        splits={split: len(rows) for split, rows in result.rows.items()},
        truths={split: digests["truths"] for split, digests in manifest.identity["data"].items()},
        scores={split: has_scores(result, split, keys) for split in result.subsets},
        seconds=times.stages | {"total": times.total} if times else {},
        environment=result.meta["environment"] | {k: v for k, v in result.meta.items() if k == "workers"},
        run={key: value for key, value in manifest.identity.items() if key not in ("data", "columns")},
        finished=result.meta["finished"],
        evidence=_digest(result.folder / "scores.parquet"),
    )


def has_scores(result: Result, split: str, keys: tuple[str, ...]) -> dict[str, tuple[float, float | None, float | None]]:
    """metric -> score and 95 % interval; None for its ends where there are too few images."""
    measurements = result.measurements(split)
    values = result.score(split, keys)
    if len(measurements) < MIN_IMAGES:
        return {key: (value, None, None) for key, value in values.items()}
    ends = bca_intervals(build_columns(measurements, result.protocol, keys))
    return {key: (value, *ends[key][1:]) for key, value in values.items()}


def submit_run(result: Result, root: Path, model: str | None = None, metrics: MetricKeys = None) -> Path:
    """Write a run into the entry of its model on its data set under `root`, in the place of what was measured before on
    the same subsets by the same protocol; what is reported stays. `model` names the entry, None: as the run's folder is
    called. Returns the entry's path.

    InputError for a data set of one's own: a leaderboard compares what others can get too.
    """
    if result.token.startswith("folder:"):
        raise InputError(
            f"{result.folder}: {result.dataset} is a folder of yours; leaderboards are of DIS5K or DIS-Mini"
        )
    model = model or result.folder.resolve().parent.name
    if not re.fullmatch(r"[\w-][\w.-]*", model):
        raise InputError(f"{model!r} cannot name an entry; give letters, digits, - and _ with --as")
    board = "dis-mini" if result.token.startswith("dis-mini-") else result.token
    path = root / board / f"{model}.json"
    known = list_cards().get(model)
    entry = (
        read_entry(path)
        if path.exists()
        else Entry(model, result.title, result.dataset, result.token, known.paper if known else {})
    )
    new = make_measured(result, metrics)
    kept = [old for old in entry.measured if (old.protocol, set(old.splits)) != (new.protocol, set(new.splits))]
    mine = evidence_path(path, new)
    used = b"".join(file.read_bytes() for file in path.parent.glob("*.json") if file != path)  # by other entries
    used += b"".join(one.evidence.encode() for one in (*kept, new))
    unused = [evidence_path(path, old) for old in entry.measured if old.evidence.encode() not in used]
    mine.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(mine, (result.folder / "scores.parquet").read_bytes())
    write_entry(path, Entry(model, entry.title, result.dataset, result.token, entry.paper, entry.reported, (*kept, new)))
    for old in unused:
        old.unlink(missing_ok=True)
    return path


def load_measured(path: Path) -> list[Result]:
    """The measured parts of an entry, from their evidence; InputError as of `result`."""
    entry = read_entry(path)
    return [load_part(path, entry, one) for one in entry.measured]


def load_part(path: Path, entry: Entry, one: Measured) -> Result:
    """A measured part of the entry at `path`, from its evidence. InputError where that is missing or another, and where
    the entry says what the evidence is not of: its words, its signature, its images."""
    import pyarrow as pa

    file, size = evidence_path(path, one), one.signature.rpartition("|size:")[2]
    try:
        resolve_metrics([key for row in one.scores.values() for key in row] or None)
        expected = make_signature(one.protocol, entry.token, one.splits, size)
        how = get_protocol(one.protocol).resize
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    fits = size == "native" or (how and re.fullmatch(rf"{how}:\d{{1,9}}", size))
    if not fits or expected.split("|")[2:] != one.signature.split("|")[2:]:  # whatever the version and the kernel
        raise InputError(
            f"{path}: its signature {one.signature} is not that of its subsets by its protocol: {expected}"
        )
    try:
        if _digest(file) != one.evidence:
            raise InputError(f"{file}: not the evidence of {path.name}, which has another digest; submit the run again")
        measured = read_scores(file)
    except InputError:
        raise
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError) as error:  # the last three: other columns
        raise InputError(f"{file}: the evidence of {path.name} cannot be read ({error})") from None
    where = "mini" if entry.token.startswith("dis-mini-") else entry.dataset  # where it would be found, if it is here
    counts = Counter(row.split for row in measured)
    if counts != one.splits:
        raise InputError(f"{file}: it has {dict(counts)} images where {path.name} says {one.splits}")
    rows = {split: [row for row in measured if row.split == split] for split in one.splits}
    meta = {"environment": one.environment, "finished": one.finished, "truths": one.truths, "data": [where]}
    return Result(
        title=entry.title,
        dataset=entry.dataset,
        signature=one.signature,
        splits=tuple(one.splits),
        rows=rows,
        meta=meta | {"seconds": one.seconds},
        folder=file,
        token=entry.token,
        protocol=one.protocol,
        size=size,
        identity=one.run,
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
