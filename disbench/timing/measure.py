"""Measure the times of a model: warmed up, long enough, on images in memory, with an audit of what was timed.

The rules follow MLPerf's single stream: a measurement ends when it has both enough images and enough seconds.
Preparation, inference and restoration are three numbers, and "whole" is one image from array to map; papers call any
of the four "FPS". Test-time augmentation is part of inference. Every value is kept, together with the load of the
machine before and after.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from disbench.data.dataset import DataSet, Sample
from disbench.data.images import read_image
from disbench.data.inputs import pair_inputs
from disbench.inference.model import Model
from disbench.runs.pipeline import hash_mask
from disbench.runs.result import Result
from disbench.system.clocks import Clock, WallClock, make_clock
from disbench.system.environment import measure_load
from disbench.system.progress import Progress
from disbench.timing import cost
from disbench.timing.caching import caches_inputs, count_pairs
from disbench.timing.record import Timing
from disbench.timing.rule import FULL, TimingRule, iterate_until
from disbench.timing.scored_run import check_same_model, read_map_digests
from disbench.timing.stages import time_image
from disbench.timing.throughput import measure_throughput

MAX_IMAGES = 16  # in memory
MIN_TIMED = 2  # images that are timed however long they take
NO_TIME = 1e-9  # seconds, for a phase that ends with its images


@dataclass(frozen=True, kw_only=True)
class TimingRequest:
    """The settings of a timing: the model, the images and the duration.

    Attributes:
        rule: the least number of images and seconds.
        batch: the batch size to measure throughput at, next to 1. None: 1, 2, 4 ... until a larger one is no faster.
        run: a scored run of the same model, whose maps the timed maps must equal.
        seed: decides which images are drawn.
    """

    rule: TimingRule = FULL
    batch: int | None = None
    run: Result | None = None
    seed: int = 0


def time_model(
    model: Model,
    dataset: DataSet,
    request: TimingRequest | None = None,
    progress: Progress = lambda done, total, label: None,
) -> Timing:
    """Time a model on a seeded sample of a data set's images.

    Args:
        model: the model to time.
        dataset: the images to draw from.
        request: rule, batch size, scored run and seed. Default: the full rule, no run, seed 0.
        progress: is called with (images done, images in total, label).

    Returns:
        All times, with the memory, the operations and the audit.

    Raises:
        InputError: if the scored run is of another model, or lacks one of the images.
    """
    request = request or TimingRequest()
    rule = request.rule
    dataset = pair_inputs(dataset, model.title, model.inputs)
    samples = random.Random(request.seed).sample(dataset.samples, min(MAX_IMAGES, len(dataset.samples)))
    if request.run:
        check_same_model(model, request.run)
    scored_digests = read_map_digests(request.run, samples) if request.run else None

    clock = make_clock(model.device)
    load_before = measure_load(model.device)
    images = [(read_image(sample.require_image()), model.read_arguments(sample)) for sample in samples]
    image, inputs = images[0]
    progress(0, 1, "first call")
    first_call = WallClock().time(partial(model.predict, image, **inputs))[1]
    progress(1, 1, "first call")
    map_numbers = iterate_until(len(images), NO_TIME, progress, "maps before timing", rule.longest)
    digests = [hash_mask(model.predict(images[k][0], **images[k][1])) for k in map_numbers]
    audit, audited = {}, {}
    if scored_digests is not None:
        audit["maps equal the scored run's"] = digests == scored_digests[: len(digests)]
        audited["maps equal the scored run's"] = f"{len(digests)} of {len(images)} images"

    for _ in iterate_until(rule.warm_images, rule.warm_seconds, progress, "warm-up", rule.longest):
        model.predict(image, **inputs)
    cost.reset_peak_memory(model.device)
    latencies = _time_images(model, clock, images, digests, rule, progress)
    memory = cost.read_peak_memory(model.device)
    audit["maps equal those before timing"] = latencies.same_maps
    audited["maps equal those before timing"] = f"{latencies.compared} of {len(images)} images"
    pairs = count_pairs(float(np.median(latencies.seconds["whole"])), rule.longest or rule.seconds)
    audit["repeated inputs are computed"] = not caches_inputs(model, clock, image, inputs, pairs, progress)
    audited["repeated inputs are computed"] = f"new inputs against one that was seen, in each round: {pairs}"
    prepared = model.guard(partial(model.predictor.prepare, image, **inputs))
    throughput = measure_throughput(model, clock, prepared, rule, request.batch, progress)
    load_after = measure_load(model.device)  # while the device is still warm
    progress(0, 1, "operations")
    flops, uncounted = cost.count_flops(lambda: model.compute(prepared))
    progress(1, 1, "operations")
    return Timing(
        title=model.title,
        identity=model.identity,
        environment=model.environment,
        load={"before": load_before, "after": load_after},
        dataset=dataset.title,
        images=_name_samples(samples),
        rule=rule,
        quick=rule != FULL,
        clock=clock.name,
        first_call=first_call,
        raw=latencies.seconds,
        throughput=throughput,
        memory=memory,
        parameters=model.parameters,
        flops=flops,
        uncounted=uncounted,
        audit=audit,
        audited=audited,
        batch=request.batch,
    )


@dataclass
class _Latencies:
    """Seconds by stage, in the order of the images, the number of maps that were compared, and whether all agreed."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    compared: int = 0
    same_maps: bool = True


def _time_images(
    model: Model,
    clock: Clock,
    images: Sequence[tuple[np.ndarray, dict[str, Any]]],
    digests: Sequence[str],
    rule: TimingRule,
    progress: Progress,
) -> _Latencies:
    """Time images with their additional inputs in turn, from the first after the last, until the rule is met.

    `digests` are those of the first images, with which their maps are compared.
    """
    latencies = _Latencies()
    for k in iterate_until(rule.images, rule.seconds, progress, "timing", rule.longest, MIN_TIMED):
        mask, seconds = time_image(model, clock, *images[k % len(images)])
        for stage, value in seconds.items():
            latencies.seconds.setdefault(stage, []).append(value)
        if k < len(digests):  # one pass over the images is compared, later passes are only timed
            latencies.compared += 1
            latencies.same_maps &= hash_mask(mask) == digests[k]
    return latencies


def _name_samples(samples: Sequence[Sample]) -> list[str]:
    return [f"{sample.split}/{sample.name}" for sample in samples]
