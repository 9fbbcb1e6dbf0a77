"""The plan of a suite: what is available, what is missing and how to get it, what is done, and what the rest costs."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from disbench.data.dataset import DataSet
from disbench.data.headers import read_header
from disbench.data.identity import hash_dataset, identify_splits
from disbench.data.inputs import pair_inputs
from disbench.errors import InputError
from disbench.inference.command import load_command
from disbench.inference.map_archive import is_archive, open_maps
from disbench.registry.card import Card, name_runs_folder
from disbench.registry.discovery import cli_arguments
from disbench.registry.external import KINDS, WEIGHTS_SUFFIXES
from disbench.registry.loading import import_attribute
from disbench.registry.weights import find_entry, is_fetchable
from disbench.runs.command import CommandSource
from disbench.runs.engines.base import Description, describe
from disbench.runs.engines.threads import Threads
from disbench.runs.execute import check_inputs, list_passes, plan_run
from disbench.runs.manifest import Manifest, read_manifest
from disbench.runs.row_log import RowLogs
from disbench.runs.spec import MeasureSpec, ModelSpec
from disbench.runs.suite import DataEntry, MethodEntry, Suite
from disbench.runs.suite_run import SuiteConfig, SuiteInputs, check_titles, describe_fault
from disbench.runs.tables import read_parquet

BYTES_PER_ROW = 8192  # in the row log and the tables, at most


@dataclass(frozen=True, kw_only=True)
class PlanItem:
    """One method on one data set, before it is run.

    Attributes:
        method: the name of the method.
        dataset: the name of the data set in the suite.
        faults: what is missing and how to get it.
        images: number of images; 0 if the data set is missing.
        done: number of images that are measured already.
        run: the folder of the run that has them, the first one where protocols resize differently; "" if none.
        seconds: estimated seconds that the other images take, from an earlier run of the model; None if unknown.
        bytes: estimated bytes that they take on the disk, at most where no earlier run shows it.
    """

    method: str
    dataset: str
    faults: tuple[str, ...] = ()
    images: int = 0
    done: int = 0
    run: str = ""
    seconds: float | None = None
    bytes: int = 0

    @property
    def status(self) -> str:
        """The state of the work: "missing", "done", "started" or "to do"."""
        if self.faults:
            return "missing"
        if self.done and self.done == self.images:
            return "done"
        return "started" if self.done else "to do"


def plan_suite(suite: Suite, config: SuiteConfig) -> list[PlanItem]:
    """Plan a suite. Nothing is computed; models are loaded only where a run of theirs may be the one of the suite."""
    inputs, measures = SuiteInputs(config), suite.measures
    check_titles(suite, inputs)
    items = []
    for method, data in suite.cells:
        item = PlanItem(method=method.label, dataset=data.label)
        faults = [
            *_list_faults(_check_data, method, data, measures, inputs),
            *_list_faults(_check_method, method, data, inputs),
        ]
        if not faults:
            try:
                item = _plan_cell(method, data, measures, inputs, config)
            except Exception as error:
                faults.append(describe_fault(error))
        items.append(replace(item, faults=tuple(faults)))
    return items


def _list_faults(check: Callable[..., None], *arguments: Any) -> list[str]:
    """Call a check. Whatever is wrong with a method, the others are planned."""
    try:
        check(*arguments)
    except Exception as error:
        return [describe_fault(error)]
    return []


def _check_data(method: MethodEntry, data: DataEntry, measures: MeasureSpec, inputs: SuiteInputs) -> None:
    try:
        check_inputs(inputs.find(method, data, measures), measures)
    except InputError as error:
        raise InputError(f"{error}; docs/data.md names the sources of data sets") from None


def _check_method(method: MethodEntry, data: DataEntry, inputs: SuiteInputs) -> None:
    """Check that a method's maps, or its weights, code and program are there. InputError says how to get them."""
    inputs.get_title(method)
    folder = method.get_maps(data)
    if folder is None:
        _check_available(inputs.get_card(method), inputs.make_model_spec(method))
    elif not folder.is_dir() and not is_archive(folder):
        hint = _hint_at_maps(inputs.get_card(method)) if method.model else ""
        raise InputError(f"{folder}: no such folder or zip file{hint}")


def _plan_cell(
    method: MethodEntry, data: DataEntry, measures: MeasureSpec, inputs: SuiteInputs, config: SuiteConfig
) -> PlanItem:
    folder = method.get_maps(data)
    dataset = inputs.find(method, data, measures)
    passes: list[tuple[Description, MeasureSpec]] = []
    if folder is not None:
        saved = inputs.make_maps_spec(method, folder)
        with open_maps(folder) as opened:
            for maps, together in list_passes(saved, opened, dataset, measures):
                name = maps.name
                passes.append((describe(maps), together))
        bytes_per_image = BYTES_PER_ROW * len(passes)
    else:
        spec = inputs.make_model_spec(method)
        card = inputs.get_card(method)
        name = name_runs_folder(card.name)
        description = _describe_model(spec, name, dataset, config.run.out)
        dataset = pair_inputs(dataset, card.title, description.inputs if description else card.inputs)
        passes += [(description, measures)] if description else []
        bytes_per_image = _estimate_bytes(config.run.out / name, dataset, saves=config.run.save_maps)
    total, saves = len(dataset.samples), folder is None and config.run.save_maps
    keys = [plan_run(description, hash_dataset(dataset), together).key for description, together in passes]
    places = [config.run.out / name / key for key in keys]
    done = min((_count_done(place, saves=saves) for place in places), default=0)
    run = str(places[0]) if places and (places[0] / "run.json").is_file() else ""
    seconds = _estimate_seconds(config.run.out / name)
    left = total - done
    return PlanItem(
        method=method.label,
        dataset=data.label,
        images=total,
        done=done,
        run=run,
        seconds=0.0 if not left else None if seconds is None else seconds * left,
        bytes=bytes_per_image * left,
    )


def _check_available(card: Card, spec: ModelSpec) -> None:
    weights = spec.weights or ""
    path, published = Path(weights), {entry.name for entry in card.weights}
    names_file = path.suffix.lower() in {*WEIGHTS_SUFFIXES, *KINDS} or path.name in published - {weights}
    entry = find_entry(card, weights)
    is_named = entry is not None and is_fetchable(entry)
    if weights and names_file and not path.exists() and not is_named:  # other texts are ids that the model understands
        download = next((entry for entry in card.weights if entry.name in (path.name, path.stem)), None)
        download = download or next((entry for entry in card.weights if entry.urls), None)
        address = f"get {download.name} by hand from {download.urls[0]}, or " if download and download.urls else ""
        raise InputError(f"{weights}: no such file; {address}see `disbench models {cli_arguments(card)}`")
    if not card.command:
        import_attribute(card, card.predictor)
    elif shutil.which(card.command[0]) is None and not (card.folder / card.command[0]).is_file():
        raise InputError(f"{card.title}: the program {card.command[0]} is not on the path; install it")


def _hint_at_maps(card: Card) -> str:
    if not card.maps:
        return ""
    return f"; published maps: {card.maps[0].urls[0]}, see `disbench models {cli_arguments(card)}`"


def _describe_model(spec: ModelSpec, name: str, dataset: DataSet, out: Path) -> Description | None:
    """Describe a model. None, without loading it, if no run of it is on this data set."""
    if method := load_command(spec.name, spec.weights, spec.device, spec.options):
        return CommandSource(method, Threads()).description
    identities = identify_splits(hash_dataset(dataset))
    if not any(_is_on(manifest, identities) for _, manifest in _list_runs(out / name)):
        return None
    device = spec.device.partition(",")[0] if spec.device else None
    return describe(ModelSpec(name=spec.name, weights=spec.weights, device=device, options=spec.options).load())


def _is_on(manifest: Manifest, identities: Mapping[str, Mapping[str, str]]) -> bool:
    """Return whether a run is on data of these digests, whatever its additional inputs are."""
    data = manifest.identity.get("data", {})
    splits = data.keys() == identities.keys()
    return splits and all(digests.items() <= data[split].items() for split, digests in identities.items())


def _list_runs(folder: Path) -> list[tuple[Path, Manifest]]:
    """List the readable runs of a model, those that ended last first."""
    runs = []
    for path in folder.glob("*/run.json"):
        try:
            runs.append((path.parent, read_manifest(path.parent)))
        except InputError:  # a damaged run is reported when it is resumed
            continue
    return sorted(runs, key=lambda run: str(run[1].meta.get("finished", "")), reverse=True)


def _count_done(run: Path, *, saves: bool) -> int:
    """Count the images that have a row and, if maps are saved, a map in the folder of a run, which may be missing."""
    if not (run / "run.json").is_file():
        return 0
    manifest = read_manifest(run)
    done = sum(manifest.splits.values()) if manifest.complete else len(RowLogs(run))
    return min(done, sum(1 for _ in run.glob("masks/*/*"))) if saves else done


def _estimate_seconds(folder: Path) -> float | None:
    """Return the seconds per image of the latest run of a model that recorded some."""
    for run, manifest in _list_runs(folder):
        process = manifest.meta.get("process")
        if manifest.complete and process:
            return sum(process["seconds"].values()) / sum(process["images"].values())
        if manifest.complete:
            try:
                columns = read_parquet(run / "seconds.parquet", has_digests=manifest.has_digests)
            except Exception:  # a damaged table is reported when its run is read
                continue
            stages = [values for key, values in columns.items() if key not in ("split", "image")]
            if stages:
                return median(map(sum, zip(*stages, strict=True))) / manifest.meta.get("at_once", 1)
    return None


def _estimate_bytes(folder: Path, dataset: DataSet, *, saves: bool) -> int:
    """Return bytes per image: those of the maps of the latest run; without one, as many as pixels."""
    if not saves:
        return BYTES_PER_ROW
    for run, manifest in _list_runs(folder):
        sizes = [path.stat().st_size for path in run.glob("masks/*/*.png")]
        if manifest.complete and sizes:
            return BYTES_PER_ROW + sum(sizes) // len(sizes)
    pixels = [height * width for height, width in (read_header(s.truth)[1] for s in dataset.samples)]
    return BYTES_PER_ROW + sum(pixels) // len(pixels)
