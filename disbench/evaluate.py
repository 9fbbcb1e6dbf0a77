"""The runner: plan what is missing, predict, measure, append, finish."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from disbench import data as datasets
from disbench import spread
from disbench.data import DataSet, Sample, truths
from disbench.data.digests import Progress, split_digests
from disbench.data.images import encode_map, read_truth
from disbench.engine_ray import Cluster, Remote
from disbench.environment import cores
from disbench.errors import InputError
from disbench.files import write_whole
from disbench.metrics import KERNEL_VERSION, Keys, chosen, measure, pixels
from disbench.metrics import protocols as rules
from disbench.models import card
from disbench.models import load as load_model
from disbench.predict import Folder, Model
from disbench.runs import Manifest, Result, finish, load, mask_path, open_run, read_manifest
from disbench.shards import Row, Shard, Shards
from disbench.shares import WHOLE, Share

Source = Model | Folder

# What a score on DIS-Mini is read against, beside the same network before any training.
TRIVIAL = ("all_foreground", "otsu")


def run(
    model: str = "diffdis",
    split: str | None = None,
    data: datasets.Where = None,
    weights: str | None = None,
    device: str | None = None,
    out: str | Path = "runs",
    save: bool = True,
    workers: int | None = None,
    progress: Progress | None = None,
    protocol: str = "pysod",
    metrics: Keys = None,
    share: Share = WHOLE,
) -> Result | None:
    """Evaluate a registered model on the splits of a data set; goes on where an earlier call was stopped.

    `split`, `data`: as in `disbench.data.find`; `weights`: as in `disbench.models.load`, and `device` too, but
    "cuda:0,cuda:1" means a process on each; `save` keeps the maps; `workers` threads decode and measure beside the
    device (None: none on the CPU, where they would take the network's cores and spoil its times, else one per core);
    `protocol`, `metrics`: what to measure for, as in `disbench.measure`; the result is under the first protocol. With a
    `share`, this process does that part alone, and there is no result while others' are missing. InputError on anything
    unfit; what was measured stays.
    """
    dataset = datasets.find(data, split, progress=progress)
    return run_model(model, dataset, weights, device, {}, out, save, workers, progress, protocol, metrics, share)


def run_references(model: str, dataset: DataSet, weights: str | None, device: str | None, *rest) -> list[Result | None]:
    """What a model stands beside on DIS-Mini: the trivial ones and itself untrained; `rest` as `run_model` takes it."""
    chosen = card(model)
    beside = [(name, None) for name in TRIVIAL if name != chosen.name]
    if chosen.learns and weights != "untrained" and not chosen.source:
        beside.append((model, "untrained"))
    return [run_model(name, dataset, w, device, {}, *rest) for name, w in beside]


def run_model(
    model: str,
    dataset: DataSet,
    weights: str | None,
    device: str | None,
    options: dict[str, str],
    out: str | Path,
    save: bool,
    workers: int | None,
    progress: Progress | None,
    protocol: str = "pysod",
    metrics: Keys = None,
    share: Share = WHOLE,
    cluster: Cluster | None = None,
) -> Result | None:
    """`run` on a data set that was found already; `options` are the model's own, `cluster` computes if it is given."""
    if cluster:
        source = cluster.model(model, weights, device, options)
        return run_source(source, dataset, Path(out), save, workers, progress, protocol, metrics, share)
    if device and "," in device:
        devices = device.split(",")
        if len({one.split(":")[0] for one in devices}) > 1 or not all(devices):  # a run is of one kind
            raise InputError(f"--device {device}: give several of one kind, as cuda:0,cuda:1")
        common = (options, out, save, workers, protocol, metrics)
        return spread.run(model, dataset, weights, devices, share, progress, *common)
    source = load_model(model, weights, device, **options)
    if workers is None:
        workers = 0 if source.device == "cpu" else cores()
    return run_source(source, dataset, Path(out), save, workers, progress, protocol, metrics, share)


def score_folder(
    title: str,
    folder: str | Path,
    split: str | None = None,
    data: datasets.Where = None,
    out: str | Path = "runs",
    workers: int | None = None,
    progress: Progress | None = None,
    protocol: str = "pysod",
    metrics: Keys = None,
    share: Share = WHOLE,
    save: bool = False,
    cluster: Cluster | None = None,
) -> list[Result | None]:
    """Score saved maps: the same flow with a folder in the model's place. Needs no torch. `save` keeps a copy of them.

    One result for each protocol in "a,b,c", of one pass over the maps; where some are of another size than their
    truths, of one for each way of resizing. InputError where a protocol does not resize.
    """
    dataset = datasets.find(data, split, images=False, progress=progress)
    protocols = rules.names(protocol)
    if workers is None and not cluster:
        workers = cores()
    results: dict[str, Result | None] = {}
    for resize in dict.fromkeys(rules.find(name).resize for name in protocols):
        source = Folder(title, Path(folder), dataset.samples, resize)
        if cluster:
            source = cluster.folder(source)
        together = [name for name in protocols if rules.find(name).resize == resize] if source.resized else protocols
        result = run_source(source, dataset, Path(out), save, workers, progress, ",".join(together), metrics, share)
        results |= {name: result and result.under(name) for name in together}
        if not source.resized:
            break
    return [results[name] for name in protocols]


def run_source(
    source: Source | Remote,
    dataset: DataSet,
    out: Path,
    save: bool,
    workers: int | None,
    progress: Progress | None,
    protocol: str,
    metrics: Keys,
    share: Share = WHOLE,
) -> Result | None:
    """The run of any source: what has a title, a name, an identity, a device, an environment, and makes rows.

    None where this process has done its share and images of others are still missing.
    """
    protocols, asked = rules.names(protocol), chosen(metrics)
    size = f"{source.resize}:{source.resized}" if source.resized else "native"
    manifest = Manifest(
        title=source.title,
        dataset=dataset.title,
        token=dataset.token,
        protocol=protocols[0],
        splits={split: len(samples) for split, samples in dataset.splits.items()},
        identity={
            **source.identity,
            "device": source.device.split(":")[0],  # its rounding and its times are its own
            "data": split_digests(dataset, progress),
            "kernel": KERNEL_VERSION,
            "resized": size,
            "columns": pixels.needed(map(rules.find, protocols), asked),
        },
        size=size,
    )
    folder = open_run(out, source.name, manifest)
    rows = Shards(folder)
    samples = share.of(dataset.samples)
    todo = [s for s in samples if (s.split, s.name) not in rows or (save and not mask_path(folder, s).exists())]

    def keep(of: Row | Sample, png: bytes) -> None:
        path = mask_path(folder, of)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, png)

    if todo or not read_manifest(folder).complete:
        done = len(samples) - len(todo)
        produce = source.rows if isinstance(source, Remote) else partial(make_rows, source)
        with Shard(folder) as shard:
            for count, row in enumerate(produce(todo, keep if save else None, workers, protocol, asked), done + 1):
                shard.append(row)
                if progress:
                    progress(count, len(samples), source.title)
        rows = Shards(folder)
        if any((s.split, s.name) not in rows for s in dataset.samples):
            return None
        where = dataset.where if isinstance(dataset.where, tuple) else [dataset.where]
        meta: dict[str, Any] = {"data": [str(Path(w).resolve()) if w != "mini" else w for w in where if w]}
        meta |= {"finished": datetime.now(UTC).isoformat(timespec="seconds"), "workers": workers}
        meta["environment"] = source.environment
        finish(folder, rows.rows((s.split, s.name) for s in dataset.samples), meta, rows.with_half())
    return load(folder).under(protocols[0])


def make_rows(
    source: Source,
    samples: list[Sample],
    keep: Callable[[Sample, bytes], None] | None,
    workers: int,
    protocol: str,
    metrics: Keys,
) -> Iterator[Row]:
    """Rows in the order of the samples: threads load ahead and measure behind, this one computes.

    `keep` is given every map as a PNG before its row is.
    """

    def load(sample: Sample):
        return sample, *source.load(sample)

    def compute(loaded):
        sample, prepared, seconds = loaded
        output, more = source.compute(prepared)
        return sample, output, seconds | more

    def measured(computed) -> Row:
        sample, output, seconds = computed
        truth = read_truth(sample.truth)
        mask, more = source.finish(output, truth.shape)
        try:
            measurement = measure(mask, truth, protocol, metrics, truths.skeleton)
        except InputError as error:
            raise InputError(f"{sample.split}/{sample.name}: {error}") from None
        if keep:
            keep(sample, encode_map(mask))
        return Row(sample.split, sample.name, measurement, seconds | more, mask_digest(mask))

    pool = ThreadPoolExecutor(workers) if workers else None
    try:
        yield from _map(pool, measured, map(compute, _map(pool, load, samples, 2 * workers)), 2 * workers)
    finally:
        if pool:
            pool.shutdown(cancel_futures=True)


def _map(pool: ThreadPoolExecutor | None, function: Callable, items: Iterable, ahead: int) -> Iterator[Any]:
    """`map`, in order, `ahead` items ahead in the pool's threads; one after the other without a pool."""
    if pool is None:
        yield from map(function, items)
        return
    pending = deque()
    for item in items:
        pending.append(pool.submit(function, item))
        if len(pending) > ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def mask_digest(mask: np.ndarray) -> str:
    """Of a uint8 (h, w) map: its size and its pixels, whatever file holds them."""
    return hashlib.sha256(repr(mask.shape).encode() + np.ascontiguousarray(mask).tobytes()).hexdigest()[:16]
