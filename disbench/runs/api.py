"""The public functions on runs: `disbench.run` and `disbench.score_maps` do what the commands `run` and `score` do."""

from collections.abc import Mapping
from os import PathLike
from typing import Any

from disbench.data.dataset import DataLocation
from disbench.data.inputs import declare_inputs
from disbench.data.location import find_dataset
from disbench.data.soft_truths import declare_truths
from disbench.errors import InputError, wrong_type
from disbench.inference.map_archive import name_maps
from disbench.inference.model import parse_options
from disbench.metrics.catalogue import MetricKeys
from disbench.metrics.pixel_metrics import needs_images
from disbench.runs.engines.base import Engine
from disbench.runs.execute import evaluate, evaluate_maps
from disbench.runs.result import Result
from disbench.runs.shard import WHOLE, ShardSpec
from disbench.runs.spec import MapsSpec, MeasureSpec, ModelSpec, RunConfig
from disbench.system.files import require_path
from disbench.system.progress import Progress


def run(
    model: str | PathLike[str] = "diffdis",
    *,
    split: str | None = None,
    data: DataLocation = None,
    weights: str | PathLike[str] | None = None,
    options: Mapping[str, str] | None = None,
    inputs: Mapping[str, str | PathLike[str]] | None = None,
    device: str | None = None,
    protocol: str = "pysod",
    metrics: MetricKeys = None,
    truth_kind: str | None = None,
    trimaps: str | PathLike[str] | None = None,
    out: str | PathLike[str] = "runs",
    save_maps: bool = True,
    workers: int | None = None,
    shard: ShardSpec = WHOLE,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Result | None:
    """Evaluate a model on the splits of a data set. Resumes where an earlier call was stopped.

    Args:
        model: a name of the registry, a file, or hf:OWNER/NAME.
        split: "DIS-TE1..4", "DIS-VD", "DIS-TE1,DIS-TE3" or "all". Default: DIS-TE1..4; of other data sets, all.
        data: a folder in a layout of docs/data.md, a TOML file that describes one, hf:OWNER/NAME, a pair (images,
            ground truths), or "mini". Default: $DISBENCH_DATA, then ./DIS5K, then DIS-Mini.
        weights: a file, a folder or a Hugging Face id. Default: the weights that disbench ships, if it does.
        options: options of the model itself.
        inputs: additional inputs of a model that takes them: {"depth": a folder, "prompt": a file, "box": a file or
            "truth"}; see docs/data.md.
        device: "cpu", "cuda", "cuda:1" or "mps"; "cuda:0,cuda:1" is a process on each. Default: the best one.
        protocol: evaluation protocols, as "pysod,diffdis".
        metrics: keys of the metrics to measure. Default: those that every run has.
        truth_kind: "alpha" for soft ground truths. Default: that of the data set, which is "binary".
        trimaps: the folder of trimaps, for metrics of the unknown region. Needs truth_kind "alpha".
        out: the folder that holds runs.
        save_maps: whether the prediction maps are kept in the run.
        workers: threads. A network on the CPU computes as many images at once; otherwise they decode and measure.
            Default: one per core; for a network of your own on the CPU, 0.
        shard: the part of the images that this process computes.
        engine: the engine that computes, such as disbench.runs.engines.ray.Ray(). Default: this process.
        progress: is called with (done, total, label).

    Returns:
        The result under the first protocol; None while images of other shards are missing.

    Raises:
        InputError: for anything unfit. Rows that were measured stay.
    """
    if not isinstance(model, str):
        model = str(require_path("model", model))
    if weights is not None and not isinstance(weights, str):
        weights = str(require_path("weights", weights))
    texts = parse_options(device, {} if options is None else options)
    spec = ModelSpec(name=model, weights=weights, device=device, options=texts)
    measures = MeasureSpec.parse(protocol, metrics)
    config = _make_config(out, workers, shard, save_maps=save_maps)
    _check_callables(engine, progress)
    dataset = find_dataset(_check_location(data), _check_split(split), progress=progress)
    dataset = declare_truths(dataset, truth_kind, None if trimaps is None else require_path("trimaps", trimaps))
    dataset = declare_inputs(dataset, _check_inputs(inputs))
    return evaluate(spec, dataset, measures, config, engine=engine, progress=progress)


def score_maps(
    folder: str | PathLike[str],
    *,
    title: str | None = None,
    split: str | None = None,
    data: DataLocation = None,
    protocol: str = "pysod",
    metrics: MetricKeys = None,
    truth_kind: str | None = None,
    trimaps: str | PathLike[str] | None = None,
    out: str | PathLike[str] = "runs",
    save_maps: bool = False,
    workers: int | None = None,
    shard: ShardSpec = WHOLE,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> list[Result | None]:
    """Score a folder of saved prediction maps. Needs no torch.

    Args:
        folder: the maps: `folder/<split>/`, or the folder itself, or a zip file of such a folder.
        title: the name of the method. Default: the name of the folder.
        split: as in `run`.
        data: as in `run`; only ground truths are needed, except for camouflage_context.
        protocol: evaluation protocols, as "pysod,diffdis".
        metrics: keys of the metrics to measure. Default: those that every run has.
        truth_kind: as in `run`.
        trimaps: as in `run`.
        out: the folder that holds runs.
        save_maps: whether a copy of the maps is kept in the run.
        workers: threads that decode and measure. Default: one per core.
        shard: the part of the images that this process computes.
        engine: the engine that computes. Default: this process.
        progress: is called with (done, total, label).

    Returns:
        A result for each protocol, in their order; None while images of other shards are missing.

    Raises:
        InputError: for missing, extra or unfit maps.
    """
    path = require_path("folder", folder)
    if title is not None and not isinstance(title, str):
        raise wrong_type("title", title, "text")
    measures = MeasureSpec.parse(protocol, metrics)
    config = _make_config(out, workers, shard, save_maps=save_maps)
    _check_callables(engine, progress)
    has_images = needs_images(measures.metrics)
    dataset = find_dataset(_check_location(data), _check_split(split), images=has_images, progress=progress)
    dataset = declare_truths(dataset, truth_kind, None if trimaps is None else require_path("trimaps", trimaps))
    saved = MapsSpec(title=title or name_maps(path), folder=path)
    return evaluate_maps(saved, dataset, measures, config, engine=engine, progress=progress)


def _check_location(data: Any) -> DataLocation:
    """Return the place of a data set with paths in place of what a user passed. InputError for another type."""
    if data is None or isinstance(data, str):
        return data if data in (None, "mini") else str(require_path("data", data))
    if isinstance(data, tuple | list):
        if len(data) != 2:
            raise wrong_type("data", data, "a folder, or a pair (images, ground truths)")
        images, truths = data
        return (None if images is None else require_path("data", images)), require_path("data", truths)
    return require_path("data", data)


def _check_inputs(inputs: Any) -> Mapping[str, str | PathLike[str]]:
    if inputs is not None and not isinstance(inputs, Mapping):
        raise wrong_type("inputs", inputs, "a dict of places, such as {'depth': 'depth'}")
    return inputs or {}


def _check_split(split: Any) -> str | None:
    if split is not None and not isinstance(split, str):
        raise wrong_type("split", split, "splits as text, such as 'DIS-TE1..4' or 'DIS-TE1,DIS-VD'")
    return split


def _make_config(out: Any, workers: Any, shard: Any, *, save_maps: Any) -> RunConfig:
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 0):
        raise wrong_type("workers", workers, "a whole number from 0")
    if not isinstance(shard, ShardSpec):
        raise wrong_type("shard", shard, "a disbench.runs.shard.ShardSpec; parse_shard('1/4') there makes one")
    if not 0 <= shard.index < shard.count:
        raise InputError(f"shard: {shard} does not exist; indices count from 0 to {shard.count - 1}")
    if not isinstance(save_maps, bool):
        raise wrong_type("save_maps", save_maps, "True or False")
    return RunConfig(out=require_path("out", out), save_maps=save_maps, workers=workers, shard=shard)


def _check_callables(engine: Any, progress: Any) -> None:
    if engine is not None and not callable(getattr(engine, "open", None)):
        raise wrong_type("engine", engine, "an engine, such as disbench.runs.engines.ray.Ray()")
    if progress is not None and not callable(progress):
        raise wrong_type("progress", progress, "a function of (done, total, label)")
