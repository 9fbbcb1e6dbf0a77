"""The runner: plan what is missing, compute, append, finish."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from disbench.data.dataset import DataSet, Sample
from disbench.data.digest_cache import forget_digests
from disbench.data.hashing import ChangedFileError
from disbench.data.hub import is_remote
from disbench.data.identity import describe_token, hash_dataset, identify_splits, list_folders
from disbench.data.inputs import pair_inputs
from disbench.data.training import TrainedOn
from disbench.errors import InputError
from disbench.inference.map_archive import open_maps
from disbench.inference.map_folder import MapFolder
from disbench.metrics.measurement import KERNEL_VERSION
from disbench.metrics.pixel_metrics import needs_images, needs_trimaps
from disbench.registry.loading import get_card
from disbench.registry.training import find_training
from disbench.runs.command import Commands, CommandSource
from disbench.runs.engines.base import Description, Engine, Source
from disbench.runs.engines.devices import Devices
from disbench.runs.engines.threads import Threads
from disbench.runs.manifest import Manifest, mask_path, open_run, read_manifest, record_place, reopen_run
from disbench.runs.outputs import check_output, list_data_folders
from disbench.runs.result import Result, load_run
from disbench.runs.row_log import Key, RowLog, RowLogs
from disbench.runs.scores_file import finish_run
from disbench.runs.shard import WHOLE
from disbench.runs.spec import MapsSpec, MeasureSpec, ModelSpec, RunConfig
from disbench.runs.training import SEES_TRUTH, record_training, warn_of_training
from disbench.runs.unchanged import find_damaged_maps
from disbench.system.files import wait_for_folder, write_atomic
from disbench.system.progress import Progress, announce_once
from disbench.system.variables import import_numba

# What a score on DIS-Mini is compared with. The last is a small network that disbench ships, for other networks.
TRIVIAL = ("all_foreground", "otsu")
LEARNED = "u2netp"


@dataclass(frozen=True)
class MapWriter:
    """Saves prediction maps in a run folder; crosses processes."""

    folder: Path

    def __call__(self, sample: Sample, png: bytes) -> None:
        """Save the map of a sample."""
        path = mask_path(self.folder, sample)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, png)


def evaluate(
    model: ModelSpec | MapFolder,
    dataset: DataSet,
    measures: MeasureSpec,
    config: RunConfig,
    *,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Result | None:
    """Score a model, or a folder of saved maps, on a data set. Resumes an earlier run of the same key.

    Args:
        model: the model or folder that provides the prediction maps.
        dataset: the samples.
        measures: the protocols and metrics to measure for.
        config: the output of the run, and the part of it that this process computes.
        engine: the engine that computes. Default: this process, or a process per device for "cuda:0,cuda:1".
        progress: is called with (done, total, label).

    Returns:
        The result under the first protocol; None while images of other shards are missing.

    Raises:
        InputError: for anything unfit. Rows that were measured stay.
    """
    check_output(config.out, [*list_data_folders(dataset.location), dataset.trimaps, *dataset.input_places])
    check_inputs(dataset, measures)
    selected = _select_engine(model, engine)
    trained_on = find_training(get_card(model.name), model.weights) if isinstance(model, ModelSpec) else None
    with selected.open(model) as source:
        dataset = pair_inputs(dataset, source.description.title, source.description.inputs)
        if trained_on is not None:
            warn_of_training(source.description.title, trained_on, dataset.token, dataset.splits)
        if source.description.sees_truth or dataset.gives_truth:
            announce_once(f"{source.description.title} {SEES_TRUTH}: its scores are marked and not ranked")
        return execute(source, dataset, measures, config, progress, trained_on)


def list_references(model: ModelSpec, *, with_untrained: bool = False) -> list[ModelSpec]:
    """List the baselines shown next to a model on DIS-Mini: all foreground, Otsu, and for a network U2-NetP-mini.

    Args:
        model: the model.
        with_untrained: whether a network is also shown untrained.
    """
    card = get_card(model.name)
    device = None if card.command else model.device
    references = [ModelSpec(name=name) for name in TRIVIAL if name != card.name]
    if card.accepts_weights and not card.source and not card.command and not card.is_variant:
        if with_untrained and model.weights != "untrained":
            references.append(ModelSpec(name=model.name, weights="untrained", device=device))
        if card.name != LEARNED or model.weights not in (None, "mini"):
            references.append(ModelSpec(name=LEARNED, device=device))
    return references


def evaluate_maps(
    saved: MapsSpec,
    dataset: DataSet,
    measures: MeasureSpec,
    config: RunConfig,
    *,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> list[Result | None]:
    """Score saved maps under every protocol. Needs no torch.

    One pass over the maps serves all protocols. Where some maps have another size than their ground truths, there is
    one pass for each way of resizing.

    Returns:
        A result for each protocol, in their order; None while images of other shards are missing.

    Raises:
        InputError: for missing, extra or unfit maps, and maps of another size under a protocol that does not resize.
    """
    check_output(config.out, [*list_data_folders(dataset.location), dataset.trimaps, saved.folder])
    check_inputs(dataset, measures)
    with open_maps(saved.folder) as folder:
        return _evaluate_folder(saved, folder, dataset, measures, config, engine=engine, progress=progress)


def _evaluate_folder(
    saved: MapsSpec,
    folder: Path,
    dataset: DataSet,
    measures: MeasureSpec,
    config: RunConfig,
    **more: Any,
) -> list[Result | None]:
    results: dict[str, Result | None] = {}
    for maps, together in list(list_passes(saved, folder, dataset, measures)):  # faults of all before any is scored
        result = evaluate(maps, dataset, together, config, **more)
        # A folder of runs may have been made under another title, for which it stands as well.
        titled = result and replace(result, title=saved.title)
        results |= {p.name: titled and titled.with_protocol(p.name) for p in together.protocols}
    return [results[protocol.name] for protocol in measures.protocols]


def list_passes(
    saved: MapsSpec, folder: Path, dataset: DataSet, measures: MeasureSpec
) -> Iterator[tuple[MapFolder, MeasureSpec]]:
    """List the passes over saved maps, each of which makes a run: the maps, and the measures of the pass.

    There is one pass, or one for each way of resizing if some maps have another size than their ground truths.

    Args:
        saved: the maps as the user names them.
        folder: the folder of the maps, that of an opened archive for these.
        dataset: the samples.
        measures: the protocols and metrics of all passes.

    Raises:
        InputError: for missing, extra or unfit maps, and maps of another size under a protocol that does not resize.
    """
    for resize in dict.fromkeys(protocol.resize for protocol in measures.protocols):
        maps = MapFolder(saved.title, folder, dataset.samples, resize, saved.folder)
        if not maps.resized:
            yield maps, measures
            return
        same = tuple(protocol for protocol in measures.protocols if protocol.resize == resize)
        yield maps, replace(measures, protocols=same)


def execute(
    source: Source,
    dataset: DataSet,
    measures: MeasureSpec,
    config: RunConfig,
    progress: Progress | None = None,
    trained_on: TrainedOn | None = None,
) -> Result | None:
    """Compute the missing rows of an opened source, and finish the run when no row is missing any more.

    `trained_on` is recorded in the run.

    Returns:
        The result under the first protocol; None while images of other shards are missing.
    """
    description = source.description
    if description.whole_subsets and config.shard != WHOLE:
        raise InputError(f"{description.title} is an external command, which predicts whole subsets; omit --shard")
    dataset = hash_dataset(dataset, progress)
    manifest = plan_run(description, dataset, measures)
    folder = open_run(config.out, description.name, manifest)
    logged = RowLogs(folder)
    samples = config.shard.select(dataset.samples)
    save_map = MapWriter(folder) if config.save_maps else None
    intact = _find_intact_maps(folder, samples, logged) if config.save_maps else logged
    todo = [sample for sample in samples if sample.key not in intact]
    if isinstance(source, CommandSource):
        source.prepare(folder, progress)
        todo = [sample for sample in samples if sample.split in {missing.split for missing in todo}]
    if todo or not read_manifest(folder).complete:
        import_numba()  # whose faults are not those of an image
        done = len(samples) - len(todo)
        # Closed at once where a row cannot be written, so that no thread or process computes on.
        rows = source.rows(todo, measures, config.workers, save_map)
        try:
            with RowLog(folder) as log, closing(rows):
                for count, row in enumerate(rows, done + 1):
                    if logged.digests.get(row.key, row.digest) != row.digest:  # as by a model that computes at random
                        reopen_run(folder)
                    log.append(row)  # a row on disk is never computed again
                    if progress:
                        progress(count, len(samples), description.title)
        except ChangedFileError:  # also of a file whose change its size and dates do not show
            forget_digests(list_folders(dataset))
            raise
        logged = RowLogs(folder)
        if any(sample.key not in logged for sample in dataset.samples):
            return None
        ordered = logged.rows(sample.key for sample in dataset.samples)
        meta = dict(_meta(source.description, dataset, config))
        if trained_on is not None:
            meta["trained_on"] = trained_on
        if isinstance(source, CommandSource):
            meta |= source.finish(folder, list(dataset.splits))
        with wait_for_folder(folder):  # another process may finish the same run now
            finish_run(folder, ordered, meta, logged.with_half())
            result = load_run(folder)
    else:
        with wait_for_folder(folder):
            record_place(folder, replace(manifest, meta=dict(_meta(source.description, dataset, config))))
            if trained_on is not None:
                record_training(folder, trained_on)
            result = load_run(folder)
    return result.with_protocol(measures.protocols[0].name)


def _find_intact_maps(folder: Path, samples: Sequence[Sample], logged: RowLogs) -> set[Key]:
    """Find the samples that have a row, and a saved map that is the one in the row."""
    paths = {sample.key: mask_path(folder, sample) for sample in samples if sample.key in logged}
    paths = {key: path for key, path in paths.items() if path.is_file()}
    damaged = set(find_damaged_maps({path: logged.digests[key] for key, path in paths.items()}))
    return {key for key, path in paths.items() if path not in damaged}


def _select_engine(model: ModelSpec | MapFolder, engine: Engine | None) -> Engine:
    """Return the engine of a model. A command runs on this machine, and its maps are scored by the engine."""
    selected = engine or _default_engine(model)  # which refuses devices before the model is looked for
    if isinstance(model, ModelSpec) and get_card(model.name).command:
        return Commands(engine or Threads())
    return selected


def _default_engine(model: ModelSpec | MapFolder) -> Engine:
    if isinstance(model, ModelSpec) and model.device and "," in model.device:
        return Devices(model.device.split(","))
    return Threads()


def plan_run(description: Description, dataset: DataSet, measures: MeasureSpec) -> Manifest:
    """Make the manifest, whose identity is everything that a score depends on. The run key hashes it.

    The rows are those of this identity: engines check every file that they read against the digests in `dataset`.
    """
    size = f"{description.resize}:{description.resized}" if description.resized else "native"
    return Manifest(
        title=description.title,
        dataset=dataset.title,
        token=describe_token(dataset),
        protocol=measures.protocols[0].name,
        splits={split: len(samples) for split, samples in dataset.splits.items()},
        identity={
            **description.identity,
            "device": description.device.split(":")[0],  # each kind of device has its own rounding and times
            "data": identify_splits(dataset),
            "kernel": KERNEL_VERSION,
            # A command has not made its maps yet, so that the key can only have the rule.
            "resized": (measures.protocols[0].resize or "native") if description.whole_subsets else size,
            "columns": measures.columns,
            **({} if dataset.truth_kind == "binary" else {"truth_kind": dataset.truth_kind}),
            **({"sees_truth": True} if description.sees_truth or dataset.gives_truth else {}),
        },
        size=size,
    )


def check_inputs(dataset: DataSet, measures: MeasureSpec) -> None:
    """Raise InputError, before any work, for metrics that need trimaps or images without these."""
    unknown = [key for key in measures.metrics if needs_trimaps([key])]
    if unknown and not dataset.trimaps:
        raise InputError(
            f"{', '.join(unknown)}: of the unknown region of trimaps; give their folder with --truth-kind alpha "
            "--trimaps DIR"
        )
    if needs_images(measures.metrics) and any(sample.image is None for sample in dataset.samples):
        raise InputError(
            "camouflage_context: needs the images, not only ground truths; give their folder by --images, or the data "
            "set by --data"
        )


def _meta(description: Description, dataset: DataSet, config: RunConfig) -> Mapping[str, Any]:
    """Record what a run needs to be reported, but not to be identified."""
    locations = dataset.location if isinstance(dataset.location, tuple) else [dataset.location]
    workers = description.workers if config.workers is None else config.workers
    at_once = min(description.at_once, len(dataset.samples) - 1)  # the first is alone
    return {
        "data": [str(path if is_remote(path) else Path(path).resolve()) for path in locations if path],
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "workers": workers,
        **({"at_once": at_once} if at_once > 1 else {}),
        "environment": description.environment,
        **({"maps": str(description.maps.resolve())} if description.maps else {}),
        **({"trimaps": str(dataset.trimaps.resolve())} if dataset.trimaps else {}),
        **({"parameters": description.parameters} if description.parameters else {}),
        **({"weights_state": description.weights_state} if description.weights_state else {}),
        **({"inputs": sorted(str(place.resolve()) for place in dataset.input_places)} if dataset.inputs else {}),
    }
