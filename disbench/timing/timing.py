"""Time a model: warmed up, long enough, on images that are in memory; every value kept beside what may spoil it.

Rules after MLPerf's single stream: a measurement ends when it has both enough images and enough seconds. Preparation,
inference and restoration are three numbers, and `whole` is one image from array to map; papers call any of the four
"FPS". Test-time augmentation is part of inference, and the maps can be held to those of a scored run.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import count
from time import perf_counter

import msgspec
import numpy as np

from disbench.data.dataset import DataSet, Sample
from disbench.data.images import read_image
from disbench.errors import InputError
from disbench.inference.model import Model
from disbench.runs.manifest import RUN_ONLY_KEYS, read_manifest
from disbench.runs.pipeline import hash_mask
from disbench.runs.result import Result
from disbench.system.clocks import Clock, WallClock, make_clock
from disbench.system.environment import describe_environment, measure_load
from disbench.system.progress import Progress
from disbench.timing import cost
from disbench.timing.record import Timing
from disbench.timing.rule import FULL, TimingRule

SAMPLE = 16  # images in memory
GAIN = 1.05  # a larger batch that is not faster by this is the last that is tried
CACHED = 0.7  # inputs seen before, faster than new ones by this factor, were not computed
AUDITED, ROUNDS = 10, 3  # inputs of either kind that are compared for it, and how often until it is said


def time_model(
    model: Model,
    dataset: DataSet,
    rule: TimingRule = FULL,
    batch: int | None = None,
    run: Result | None = None,
    seed: int = 0,
    progress: Progress = lambda done, total, what: None,
) -> Timing:
    """Time a model on a seeded sample of the data set's images.

    batch: the size to measure throughput at, beside 1, which is left out where it does not fit; None: 1, 2, 4 ...
    until more is no faster or does not fit
    run: a scored run of the same model whose maps the timed ones must equal. InputError where it is of another, or
    has not all of the images.
    """
    chosen = random.Random(seed).sample(dataset.samples, min(SAMPLE, len(dataset.samples)))
    if run:
        _check_same(model, run)
        scored = _scored_digests(run, chosen)
    ticks = make_clock(model.device)
    before = measure_load(model.device)
    images = [read_image(sample.image) for sample in chosen]
    first_call = WallClock().time(model.predict, images[0])[1]
    digests = [hash_mask(model.predict(image)) for image in images]
    audit = {}
    if run:
        audit["maps equal the scored run's"] = digests == scored

    for _ in _iterate_until(rule.warm_images, rule.warm_seconds, progress, "warm-up"):
        model.predict(images[0])
    cost.reset_peak_memory(model.device)
    raw: dict[str, list[float]] = {}
    same = True
    for k in _iterate_until(rule.images, rule.seconds, progress, "timing"):
        mask, seconds = _time_one(model, ticks, images[k % len(images)])
        for stage, value in seconds.items():
            raw.setdefault(stage, []).append(value)
        if k < len(images):
            same &= hash_mask(mask) == digests[k]
    memory = cost.read_peak_memory(model.device)
    audit["maps equal those before timing"] = same
    audit["repeated inputs are computed"] = not _caches_inputs(model, ticks, images[0])
    throughput = _throughput(model, ticks, images[0], rule, batch, progress)
    after = measure_load(model.device)  # while the device is still warm
    flops, uncounted = cost.count_flops(lambda: model.compute(model.predictor.prepare(images[0])))
    return Timing(
        title=model.title,
        identity=model.identity,
        environment=describe_environment(model.device),
        load={"before": before, "after": after},
        dataset=dataset.title,
        images=[f"{sample.split}/{sample.name}" for sample in chosen],
        rule=rule,
        quick=rule != FULL,
        clock=ticks.name,
        first_call=first_call,
        raw=raw,
        throughput=throughput,
        memory=memory,
        parameters=cost.count_parameters(model.predictor),
        flops=flops,
        uncounted=uncounted,
        audit=audit,
        batch=batch,
    )


def _check_same(model: Model, run: Result) -> None:
    scored = {key: value for key, value in read_manifest(run.folder).identity.items() if key not in RUN_ONLY_KEYS}
    here = msgspec.to_builtins(model.identity)
    for key in here | scored:  # a size that one alone was given is a difference, too
        if key not in here or key not in scored or scored[key] != here[key]:
            was, now = (repr(one[key]) if key in one else "not there" for one in (scored, here))
            raise InputError(f"{run.folder}: of another model: its {key} is {was}, here {now}")


def _scored_digests(run: Result, samples: Sequence[Sample]) -> list[str]:
    """The digests of a run's maps of some images."""
    known = {(split, row.name): row.digest for split, rows in run.rows.items() for row in rows}
    for sample in samples:
        if (sample.split, sample.name) not in known:
            raise InputError(
                f"{run.folder}: no {sample.split}/{sample.name} in it, which is to be timed; "
                "give --data and --split as the run had them, or a run on these images"
            )
    return [known[sample.split, sample.name] for sample in samples]


def _iterate_until(count: int, seconds: float, progress: Progress, what: str) -> Iterator[int]:
    """0, 1, 2 ... until there are `count` and they have taken `seconds`."""
    start, done = perf_counter(), 0
    while done < count or perf_counter() - start < seconds:
        yield done
        done += 1
        share = min(1, done / count, (perf_counter() - start) / seconds)
        progress(round(share * count), count, what)


def _time_one(model: Model, ticks: Clock, image: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
    """The map of an image and the seconds of its stages; `whole` is from the image to the map, copies included."""
    start = perf_counter()
    prepared, prepare = WallClock().time(model.predictor.prepare, image)
    output, infer = ticks.time(model.predictor.infer, model.batch([prepared]))
    mask, restore = WallClock().time(model.predictor.restore, output[0], image.shape[:2])
    return mask, {"prepare": prepare, "infer": infer, "restore": restore, "whole": perf_counter() - start}


def _caches_inputs(model: Model, ticks: Clock, image: np.ndarray) -> bool:
    """Whether inference answers an input that it has seen before from memory, in less time than new ones take.

    New and known take turns and the least of either counts, so that what else runs slows both; and it must be so in
    every round, since what else runs may end within one.
    """
    new = (image ^ np.uint8(k) for k in count(1))

    def infer(one: np.ndarray) -> float:
        return _time_one(model, ticks, one)[1]["infer"]

    def quicker() -> bool:
        fresh, known = zip(*((infer(next(new)), infer(image)) for _ in range(AUDITED)), strict=True)
        return min(known) < CACHED * min(fresh)

    return all(quicker() for _ in range(ROUNDS))


def _throughput(
    model: Model, ticks: Clock, image: np.ndarray, rule: TimingRule, only: int | None, progress: Progress
) -> dict[int, float]:
    prepared = model.predictor.prepare(image)
    found: dict[int, float] = {}
    for size in sorted({1, only}) if only else (2**k for k in count()):
        try:
            batch = model.batch([prepared] * size)
            model.predictor.infer(batch)
            seconds = [
                ticks.time(model.predictor.infer, batch)[1]
                for _ in _iterate_until(-(-rule.images // size), rule.seconds, progress, f"batches of {size}")
            ]
        except RuntimeError as error:  # torch has one class for it on CUDA, and only the words elsewhere
            if "memory" not in str(error) or not found:
                raise
            break
        found[size] = size / float(np.median(seconds))
        if not only and size > 1 and found[size] < GAIN * found[size // 2]:
            break
    return found
