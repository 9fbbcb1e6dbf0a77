"""Suites: methods, data sets, protocols and measures that one command evaluates together, as a TOML file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from disbench.data.dataset import DataLocation
from disbench.errors import InputError
from disbench.runs.outputs import list_data_folders
from disbench.runs.spec import MeasureSpec
from disbench.system.documents import read_toml, report_unreadable

FAULT, HELP = "not a suite", "see docs/suites.md"
Entry = TypeVar("Entry")


@dataclass(frozen=True, kw_only=True)
class DataEntry:
    """A data set of a suite.

    Attributes:
        title: its name in the report. "": the name of the data set itself.
        data: as --data.
        images: as --images.
        truth: as --truth; with `images`, or by itself for saved maps only.
        split: as --split.
    """

    title: str = ""
    data: str | None = None
    images: str | None = None
    truth: str | None = None
    split: str | None = None

    @property
    def label(self) -> str:
        """The name by which methods refer to the data set."""
        place = self.title or self.data or str(self.truth)
        return place if self.title or not self.split else f"{place} {self.split}"

    @property
    def location(self) -> DataLocation:
        """The place of the data set, for find_dataset()."""
        if self.truth is not None:
            return (None if self.images is None else Path(self.images)), Path(self.truth)
        return self.data


@dataclass(frozen=True, kw_only=True)
class MethodEntry:
    """A method of a suite: a model, or folders of saved maps.

    Attributes:
        title: its name in the report. "": that of the model, or of the folder.
        model: as --model.
        weights: as --weights.
        options: as --option.
        device: as --device.
        maps: folder of saved maps in place of the model's own: one for all data sets, or one per data set by its label.
    """

    title: str = ""
    model: str = ""
    weights: str | None = None
    options: dict[str, str | int | float] = field(default_factory=dict)
    device: str | None = None
    maps: str | dict[str, str] | None = None

    @property
    def label(self) -> str:
        """The name of the method in messages and reports."""
        return self.title or self.model or Path(str(self.maps)).name

    def get_maps(self, dataset: DataEntry) -> Path | None:
        """Return the folder of the maps of a data set; None for a model, and where the method has none."""
        place = self.maps.get(dataset.label) if isinstance(self.maps, dict) else self.maps
        return None if place is None else Path(place)

    def covers(self, dataset: DataEntry) -> bool:
        """Return whether the method is to be scored on a data set."""
        return self.maps is None or self.get_maps(dataset) is not None


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The content of a suite. Relative paths start at the working directory, as those of options do.

    Attributes:
        name: names the folder of the report.
        title: the heading of the report.
        methods: the methods, in the order of the columns.
        datasets: the data sets, in the order of the blocks.
        protocol: as --protocol.
        metrics: as --metrics.
        models: folders of models, as --models.
    """

    name: str
    title: str
    methods: tuple[MethodEntry, ...]
    datasets: tuple[DataEntry, ...]
    protocol: str = "pysod"
    metrics: str | None = None
    models: tuple[str, ...] = ()

    @property
    def measures(self) -> MeasureSpec:
        """The measures. InputError for an unknown protocol or metric."""
        return MeasureSpec.parse(self.protocol, self.metrics)

    @property
    def cells(self) -> list[tuple[MethodEntry, DataEntry]]:
        """The methods on their data sets, method by method."""
        return [(method, data) for method in self.methods for data in self.datasets if method.covers(data)]

    def list_inputs(self) -> Iterator[Path]:
        """List the data sets and the folders of maps, which no output may change."""
        for data in self.datasets:
            yield from list_data_folders(data.location)
        for method, data in self.cells:
            if (maps := method.get_maps(data)) is not None:
                yield maps

    def with_measures(self, protocol: str | None, metrics: str | None) -> "Suite":
        """Return the suite with another protocol or other metrics, where these are not None."""
        return replace(self, protocol=protocol or self.protocol, metrics=metrics or self.metrics)


def read_suite(path: Path) -> Suite:
    """Read a suite. InputError, with the path, for anything that is not one."""
    content = read_toml(path, FAULT)
    tables: dict[str, list[Any]] = {}
    for key, kind in (("methods", MethodEntry), ("datasets", DataEntry)):
        entries = content.pop(key, None)
        if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
            raise InputError(f"{path}: {FAULT} (it has no [[{key}]]); {HELP}")
        tables[key] = [_convert(path, entry, kind, f"[[{key}]] {i}") for i, entry in enumerate(entries, 1)]
    content.setdefault("title", path.stem)
    _check_keys(path, content, Suite, "the suite")
    with report_unreadable(path, FAULT):
        suite = msgspec.convert(content | {"name": path.stem, "methods": [], "datasets": []}, Suite)
    suite = replace(suite, methods=tuple(tables["methods"]), datasets=tuple(tables["datasets"]))
    check_suite(path, suite)
    return suite


def check_suite(path: Path, suite: Suite) -> None:
    """Check that entries are complete and have names of their own. InputError, with the path, otherwise."""
    texts = [*suite.models, *_list_texts(suite)]
    if "" in texts:
        raise InputError(f"{path}: a path or name in it is an empty text; omit it, or give . for the current folder")
    if any("\0" in (text or "") for text in texts):
        raise InputError(f"{path}: a path or name in it holds a null character, which no path can")
    for data in suite.datasets:
        if bool(data.data) == bool(data.truth) or (data.images and not data.truth):
            raise InputError(f"{path}: the data set {data.label!r} needs `data`, or `truth` with `images`; {HELP}")
    for number, method in enumerate(suite.methods, 1):
        if not method.model and not method.maps:
            raise InputError(f"{path}: [[methods]] {number} needs a `model` or `maps`; {HELP}")
        if method.maps and (method.weights or method.options or method.device):
            raise InputError(
                f"{path}: the maps of {method.label!r} take the model's place; omit weights, options and device"
            )
        labels = [data.label for data in suite.datasets]
        unknown = sorted(set(method.maps) - set(labels)) if isinstance(method.maps, dict) else []
        if unknown:
            raise InputError(
                f"{path}: {method.label!r} has maps of {unknown[0]!r}, which is no data set of the suite; "
                f"known: {', '.join(labels)}"
            )
        if isinstance(method.maps, dict) and not method.model and not method.title:
            raise InputError(f"{path}: a method with maps per data set needs a `title`")
    for kind, labels in (
        ("methods", [method.label for method in suite.methods]),
        ("data sets", [data.label for data in suite.datasets]),
    ):
        if duplicates := sorted({label for label in labels if labels.count(label) > 1}):
            raise InputError(f"{path}: two {kind} are called {duplicates[0]!r}; give each a `title` of its own")
    try:
        suite.measures  # noqa: B018, whose faults are reported before any work
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _list_texts(suite: Suite) -> Iterator[str | None]:
    """List the texts of a suite that may be missing, but not empty."""
    for data in suite.datasets:
        yield from (data.data, data.images, data.truth, data.split)
    for method in suite.methods:
        yield from (method.weights, method.device)
        yield from method.maps.values() if isinstance(method.maps, dict) else (method.maps,)


def _convert(path: Path, entry: Mapping[str, Any], kind: type[Entry], place: str) -> Entry:
    _check_keys(path, entry, kind, place)
    with report_unreadable(path, f"{FAULT}: {place}"):
        return msgspec.convert(entry, kind)


def _check_keys(path: Path, entry: Mapping[str, Any], kind: Any, place: str) -> None:
    names = [name.name for name in fields(kind) if name.name != "name"]
    if unknown := sorted(entry.keys() - set(names)):
        raise InputError(f"{path}: {place} has the unknown key {unknown[0]!r}; known: {', '.join(names)}")
