"""The public functions on runs: `disbench.run` and `disbench.score_maps` do what the commands `run` and `score` do."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from disbench.data.dataset import DataLocation
from disbench.data.location import find_dataset
from disbench.metrics.catalogue import MetricKeys
from disbench.runs.engines.base import Engine
from disbench.runs.execute import evaluate, evaluate_maps
from disbench.runs.result import Result
from disbench.runs.shard import WHOLE, ShardSpec
from disbench.runs.spec import MapsSpec, MeasureSpec, ModelSpec, RunConfig
from disbench.system.progress import Progress


def run(
    model: str = "diffdis",
    *,
    split: str | None = None,
    data: DataLocation = None,
    weights: str | None = None,
    options: Mapping[str, str] | None = None,
    device: str | None = None,
    protocol: str = "pysod",
    metrics: MetricKeys = None,
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
        split: "DIS-TE1..4", "DIS-VD", "DIS-TE1,DIS-TE3" or "all". Default: DIS-TE1..4.
        data: a DIS5K folder, a folder with im/ and gt/, a pair (images, ground truths), or "mini". Default:
            $DISBENCH_DATA, then ./DIS5K, then DIS-Mini.
        weights: a file, a folder or a Hugging Face id. Default: the weights that disbench ships, if it does.
        options: options of the model itself.
        device: "cpu", "cuda", "cuda:1" or "mps"; "cuda:0,cuda:1" is a process on each. Default: the best one.
        protocol: evaluation protocols, as "pysod,diffdis".
        metrics: keys of the metrics to measure. Default: those that every run has.
        out: the folder that holds runs.
        save_maps: whether the prediction maps are kept in the run.
        workers: threads that decode and measure. Default: 0 for a network on the CPU, one per core otherwise.
        shard: the part of the images that this process computes.
        engine: the engine that computes, such as disbench.runs.engines.ray.Ray(). Default: this process.
        progress: is called with (done, total, label).

    Returns:
        The result under the first protocol; None while images of other shards are missing.

    Raises:
        InputError: for anything unfit. Rows that were measured stay.
    """
    spec = ModelSpec(name=model, weights=weights, device=device, options=options or {})
    measures = MeasureSpec.parse(protocol, metrics)
    config = RunConfig(out=Path(out), save_maps=save_maps, workers=workers, shard=shard)
    dataset = find_dataset(data, split, progress=progress)
    return evaluate(spec, dataset, measures, config, engine=engine, progress=progress)


def score_maps(
    folder: str | PathLike[str],
    *,
    title: str | None = None,
    split: str | None = None,
    data: DataLocation = None,
    protocol: str = "pysod",
    metrics: MetricKeys = None,
    out: str | PathLike[str] = "runs",
    save_maps: bool = False,
    workers: int | None = None,
    shard: ShardSpec = WHOLE,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> list[Result | None]:
    """Score a folder of saved prediction maps. Needs no torch.

    Args:
        folder: the maps: `folder/<split>/`, or the folder itself for a single split.
        title: the name of the method. Default: the name of the folder.
        split: as in `run`.
        data: as in `run`; only ground truths are needed.
        protocol: evaluation protocols, as "pysod,diffdis".
        metrics: keys of the metrics to measure. Default: those that every run has.
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
    path = Path(folder)
    measures = MeasureSpec.parse(protocol, metrics)
    config = RunConfig(out=Path(out), save_maps=save_maps, workers=workers, shard=shard)
    dataset = find_dataset(data, split, images=False, progress=progress)
    saved = MapsSpec(title=title or path.resolve().name, folder=path)
    return evaluate_maps(saved, dataset, measures, config, engine=engine, progress=progress)
