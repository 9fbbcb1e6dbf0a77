"""The engine of methods that are external commands: the program makes all maps of a subset, which are then scored.

    runs/<model>/<key>/command/
        <split>.log      the command line and the output of the program
        <split>.json     the seconds of the whole process, and how many maps have another size than the ground truth
        maps/<split>/    the maps, until their rows are in the log

A run that was stopped while it scored finds the maps there, and does not run the program again.
"""

import shutil
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from disbench.data.dataset import Sample
from disbench.data.digest_cache import DigestCache
from disbench.data.hashing import ChangedFileError
from disbench.errors import InputError
from disbench.inference.command import CommandMethod, load_command, predict_folder
from disbench.inference.map_folder import MapFolder
from disbench.registry.card import name_runs_folder
from disbench.runs.engines.base import Description, Engine
from disbench.runs.manifest import read_manifest, write_manifest
from disbench.runs.pipeline import SaveMap
from disbench.runs.row_log import Row
from disbench.runs.spec import MeasureSpec, ModelSpec
from disbench.system.cores import count_cores
from disbench.system.documents import read_json
from disbench.system.environment import describe_environment
from disbench.system.files import lock_folder, temporary_folder, write_atomic
from disbench.system.progress import Progress

WHOLE_PROCESS = "whole process, including loading"  # what the seconds of a command are of


@dataclass(frozen=True, kw_only=True)
class ProcessRecord:
    """What is recorded of one call of the program.

    Attributes:
        seconds: wall time of the whole process, loading included.
        images: number of images.
        resize: how maps of another size are resized; None if they are refused.
        resized: number of maps of another size.
    """

    seconds: float
    images: int
    resize: str | None
    resized: int


class Commands:
    """The engine of a command.

    Args:
        scorer: the engine that scores the maps.
    """

    def __init__(self, scorer: Engine):
        self.scorer = scorer

    @contextmanager
    def open(self, model: ModelSpec | MapFolder) -> Iterator["CommandSource"]:
        """See Engine."""
        assert isinstance(model, ModelSpec)
        method = load_command(model.name, model.weights, model.device, model.options)
        assert method is not None
        yield CommandSource(method, self.scorer)


class CommandSource:
    """A command whose maps another engine scores."""

    def __init__(self, method: CommandMethod, scorer: Engine):
        self.method, self.scorer = method, scorer
        self.folder = Path()
        self.progress: Progress | None = None
        self.description = Description(
            title=method.card.title,
            name=name_runs_folder(method.card.name),
            device=method.device,
            identity=method.identify(),
            environment=describe_environment() | {"device": method.device, "packages": "those of the command"},
            workers=count_cores(),
            whole_subsets=True,
            sees_truth=method.card.sees_truth,
        )

    def prepare(self, folder: Path, progress: Progress | None) -> None:
        """Set the run folder, and the function that is called while the program runs."""
        self.folder, self.progress = folder / "command", progress

    def rows(
        self, samples: Sequence[Sample], measures: MeasureSpec, workers: int | None, save_map: SaveMap | None
    ) -> Generator[Row, None, None]:
        """See Source. The samples are whole splits."""
        splits: dict[str, list[Sample]] = {}
        for sample in samples:
            splits.setdefault(sample.split, []).append(sample)
        with lock_folder(self.folder):
            for split, members in splits.items():
                maps = self._make_maps(split, members, measures.protocols[0].resize)
                try:
                    with self.scorer.open(maps) as source:
                        yield from source.rows(members, measures, workers, save_map)
                except InputError as error:
                    if str(self.folder / "maps") in str(error):  # a map that cannot be scored is made again next time
                        shutil.rmtree(self.folder / "maps" / split)
                        log = self.folder / f"{split}.log"
                        raise InputError(f"{error}; its program's output is in {log}") from None
                    raise
                shutil.rmtree(self.folder / "maps" / split)  # every row is in the log now

    def finish(self, run: Path, splits: Sequence[str]) -> dict[str, Any]:
        """Complete the manifest of a run whose rows are all there. Returns what joins its meta."""
        records = {split: read_json(self.folder / f"{split}.json", ProcessRecord) for split in splits}
        resized = sum(record.resized for record in records.values())
        if resized:
            resize = next(record.resize for record in records.values() if record.resized)
            write_manifest(run, replace(read_manifest(run), size=f"{resize}:{resized}"))
        seconds = {split: record.seconds for split, record in records.items()}
        images = {split: record.images for split, record in records.items()}
        return {"process": {"seconds": seconds, "images": images, "measured": WHOLE_PROCESS}}

    def _make_maps(self, split: str, samples: Sequence[Sample], resize: str | None) -> MapFolder:
        """Return the maps of a split, made by the program unless an earlier process did."""
        folder, log = self.folder / "maps" / split, self.folder / f"{split}.log"
        if not folder.is_dir():
            folder.parent.mkdir(exist_ok=True)
            with temporary_folder(self.folder) as work:
                files, seconds = predict_folder(
                    self.method,
                    [sample.require_image() for sample in samples],
                    work,
                    log,
                    lambda count: self._report(count, len(samples)),
                )
                self._check_unchanged(samples)
                named = work / "named" / split  # a split may be called "maps"
                named.mkdir(parents=True)
                for sample, path in zip(samples, files, strict=True):
                    path.replace(named / f"{sample.name}{path.suffix}")
                record = ProcessRecord(
                    seconds=seconds,
                    images=len(samples),
                    resize=resize,
                    resized=self._open_maps(named, samples, resize).resized,
                )
                write_atomic(self.folder / f"{split}.json", msgspec.json.encode(record))
                named.replace(folder)
        return self._open_maps(folder, samples, resize)

    def _open_maps(self, folder: Path, samples: Sequence[Sample], resize: str | None) -> MapFolder:
        try:
            return MapFolder(self.description.title, folder.parent, samples, resize)
        except InputError as error:
            fault = str(error).replace(str(folder), f"the maps that {self.description.title} wrote")
            raise InputError(f"{fault}; the output of the command is in {self.folder / folder.name}.log") from None

    def _check_unchanged(self, samples: Sequence[Sample]) -> None:
        """Raise ChangedFileError where the program, or another one, changed what the run key was made from."""
        cache = DigestCache({sample.require_image().parent for sample in samples})
        for sample in samples:
            path = sample.require_image()
            if sample.image_digest is not None and cache.hash_file(path) != sample.image_digest:
                raise ChangedFileError(path)
        if self.method.identify() != self.description.identity:
            raise ChangedFileError(f"{self.method.card.folder}: a file of the command")

    def _report(self, count: int, total: int) -> None:
        if self.progress:
            self.progress(min(count, total), total, f"{self.description.title}, command")
