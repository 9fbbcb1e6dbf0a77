"""Time a model: warmed up, long enough, on images that are in memory; every value kept beside what may spoil it.

Rules after MLPerf's single stream: a measurement ends when it has both enough images and enough seconds. Preparation,
inference and restoration are three numbers, and `whole` is one image from array to map; papers call any of the four
"FPS". Test-time augmentation is part of inference, and the maps can be held to those of a scored run.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, count, zip_longest
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
import numpy as np

from disbench import work
from disbench.clocks import Clock, WallClock, clock
from disbench.data import DataSet, Sample
from disbench.data.digests import Progress
from disbench.data.images import read_image
from disbench.environment import differing, environment, flat, load
from disbench.errors import InputError
from disbench.evaluate import mask_digest
from disbench.files import write_whole
from disbench.nvidia import SLOWED
from disbench.predict import Model
from disbench.runs import OF_RUNS, Result, read_manifest

SCHEMA = 1
SAMPLE = 16  # images in memory
GAIN = 1.05  # a larger batch that is not faster by this is the last that is tried
CACHED = 0.7  # inputs seen before, faster than new ones by this factor, were not computed
DRIFT, OUTLIERS, LOAD = 1.1, 0.05, 1.1  # either way; of all images; processes to a core: above, times are in doubt
AUDITED, ROUNDS = 10, 3  # inputs of either kind that are compared for it, and how often until it is said


@dataclass(frozen=True)
class Rule:
    """Both counts and both times, in seconds, must be reached."""

    warm_images: int = 10
    warm_seconds: float = 3.0
    images: int = 100
    seconds: float = 10.0


FULL, QUICK = Rule(), Rule(warm_images=2, warm_seconds=0.5, images=10, seconds=1.0)


@dataclass(frozen=True)
class Spread:
    """Of seconds per image.

    outliers: how many lie further from the median than ten times the median distance from it
    drift: the median of the last third over that of the first; far from 1, the machine changed meanwhile
    """

    n: int
    p50: float
    p90: float
    p99: float
    outliers: int
    drift: float


@dataclass(frozen=True)
class Timing:
    """One model on one machine; seconds, bytes, images per second.

    identity: what decides the maps, as in a run
    environment: two timings compare where it agrees; load: before and after
    raw: stage -> seconds of every image, in order; first_call: of the very first image, compiling included
    throughput: batch size -> images per second of inference, of the first image; batch: the size that was asked for
    memory: peak allocated and reserved on the device, or peak resident of the process on the CPU
    flops: of one image, a multiplication and addition being two
    uncounted: operators whose work is not among them, products and attention first
    audit: what was checked, and whether it held
    """

    title: str
    identity: dict[str, Any]
    environment: dict[str, Any]
    load: dict[str, dict[str, Any]]
    dataset: str
    images: list[str]
    rule: Rule
    quick: bool
    clock: str
    first_call: float
    raw: dict[str, list[float]]
    throughput: dict[int, float]
    memory: dict[str, int]
    parameters: int
    flops: int | None
    uncounted: list[str]
    audit: dict[str, bool]
    batch: int | None = None
    schema: int = SCHEMA

    @property
    def spreads(self) -> dict[str, Spread]:
        return {stage: spread(values) for stage, values in self.raw.items()}

    @property
    def doubts(self) -> list[str]:
        """What says that the machine was not still or not alone; the times are then not to be relied on."""
        both = [self.spreads[stage] for stage in ("infer", "whole")]
        drift = max((one.drift for one in both), key=lambda drift: abs(drift - 1))
        outliers, n = max((one.outliers, one.n) for one in both)
        busiest = max(self.load.values(), key=lambda one: one.get("processes", 0), default={})
        slow = {reason for one in self.load.values() for reason in one.get("gpu_slow_by", ())}
        found = [] if 1 / DRIFT <= drift <= DRIFT else [f"drift {drift:.2f}"]
        found += [f"{outliers} outliers of {n}"] if outliers > OUTLIERS * n else []
        if busiest.get("processes", 0) > LOAD * busiest.get("cores", np.inf):
            found.append(f"load {busiest['processes']} on {busiest['cores']} cores")
        return found + [f"the GPU's {reason}" for reason in SLOWED.values() if reason in slow]

    @property
    def conditions(self) -> dict[str, Any]:
        """Flat; two timings compare where it agrees."""
        here = {"data": self.dataset, "images": self.images, "rule": asdict(self.rule), "clock": self.clock}
        return flat(self.environment | here)


def time_model(
    model: Model,
    dataset: DataSet,
    rule: Rule = FULL,
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
        scored = _scored(run, chosen)
    ticks = clock(model.device)
    before = load(model.device)
    images = [read_image(sample.image) for sample in chosen]
    first_call = WallClock().time(model.predict, images[0])[1]
    digests = [mask_digest(model.predict(image)) for image in images]
    audit = {}
    if run:
        audit["maps equal the scored run's"] = digests == scored

    for _ in _until(rule.warm_images, rule.warm_seconds, progress, "warm-up"):
        model.predict(images[0])
    work.reset_peak(model.device)
    raw: dict[str, list[float]] = {}
    same = True
    for k in _until(rule.images, rule.seconds, progress, "timing"):
        mask, seconds = _one(model, ticks, images[k % len(images)])
        for stage, value in seconds.items():
            raw.setdefault(stage, []).append(value)
        if k < len(images):
            same &= mask_digest(mask) == digests[k]
    memory = work.peak(model.device)
    audit["maps equal those before timing"] = same
    audit["repeated inputs are computed"] = not _remembers(model, ticks, images[0])
    throughput = _throughput(model, ticks, images[0], rule, batch, progress)
    after = load(model.device)  # while the device is still warm
    flops, uncounted = work.flops(lambda: model.compute(model.predictor.prepare(images[0])))
    return Timing(
        title=model.title,
        identity=model.identity,
        environment=environment(model.device),
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
        parameters=work.parameters(model.predictor),
        flops=flops,
        uncounted=uncounted,
        audit=audit,
        batch=batch,
    )


def spread(seconds: list[float]) -> Spread:
    """Percentiles by linear interpolation, as NumPy's."""
    values = np.array(seconds)
    median = np.median(values)
    away = np.abs(values - median)
    third = max(1, len(values) // 3)
    return Spread(
        len(values),
        *(float(np.percentile(values, p)) for p in (50, 90, 99)),
        outliers=int(np.sum(away > 10 * np.median(away))),
        drift=float(np.median(values[-third:]) / np.median(values[:third])),
    )


def digest(timing: Timing) -> str:
    """Of the model, the conditions and the batch: the same command on the same machine gives the same."""
    what = msgspec.json.encode([timing.identity, timing.conditions, timing.batch], order="deterministic")
    return hashlib.sha256(what).hexdigest()[:12]


def summary(timing: Timing) -> dict[str, Any]:
    """Plain data for a program: everything but the raw values, and the spreads and doubts made of them."""
    plain = msgspec.to_builtins(timing)
    del plain["raw"]
    spreads = {stage: asdict(found) for stage, found in timing.spreads.items()}
    return plain | {"spreads": spreads, "doubts": timing.doubts}


def unused(path: Path) -> Path:
    """The path, or where it is taken with the first free number behind it: a repeat is a timing of its own."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return path if not path.exists() else next(other for other in numbered if not other.exists())


def write(path: Path, timing: Timing) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, msgspec.json.format(msgspec.json.encode(timing), indent=1))


def read(path: Path) -> Timing:
    """InputError for a file that is no timing, or one of another version."""
    try:
        timing = msgspec.json.decode(path.read_bytes(), type=Timing)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file or folder; `disbench time` writes timings") from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a timing ({error}); `disbench time` writes them") from None
    if timing.schema != SCHEMA:
        raise InputError(f"{path}: schema {timing.schema}, this disbench reads {SCHEMA}; time the model again")
    if not (timing.raw.keys() >= {"whole", "infer"} and all(timing.raw.values()) and timing.throughput):
        raise InputError(f"{path}: not a timing (values are missing); `disbench time` writes them")
    return timing


def read_all(paths: Sequence[Path]) -> dict[Path, Timing]:
    """Those in files, and in all .json files of folders. InputError as of `read`, and where there is none."""
    files = [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    if not files:
        raise InputError(f"{paths[0]}: no timings in it; `disbench time` writes them")
    return {file: read(file) for file in files}


def check_comparable(timings: dict[Path, Timing]) -> None:
    """InputError with the first thing in which two timings differ that makes their times incomparable."""
    for (first, one), (path, other) in combinations(timings.items(), 2):
        a, b = one.conditions, other.conditions
        if (key := differing(a, b)) is None:
            continue
        what = f"{key} is {b[key]!r}, not {a[key]!r}"
        if key == "images":
            pairs = enumerate(zip_longest(b[key], a[key], fillvalue="none"), 1)
            k, (mine, its) = next((k, pair) for k, pair in pairs if pair[0] != pair[1])
            what = f"of its {len(b[key])} images, number {k} is {mine}, not {its} of {len(a[key])}"
        raise InputError(
            f"{path}: timed under other conditions than {first}: {what}; "
            "time both on one machine, on the same images and by the same rule"
        )


def _check_same(model: Model, run: Result) -> None:
    scored = {key: value for key, value in read_manifest(run.folder).identity.items() if key not in OF_RUNS}
    here = msgspec.to_builtins(model.identity)
    for key in here | scored:  # a size that one alone was given is a difference, too
        if key not in here or key not in scored or scored[key] != here[key]:
            was, now = (repr(one[key]) if key in one else "not there" for one in (scored, here))
            raise InputError(f"{run.folder}: of another model: its {key} is {was}, here {now}")


def _scored(run: Result, samples: Sequence[Sample]) -> list[str]:
    """The digests of a run's maps of some images."""
    known = {(split, row.name): row.digest for split, rows in run.rows.items() for row in rows}
    for sample in samples:
        if (sample.split, sample.name) not in known:
            raise InputError(
                f"{run.folder}: no {sample.split}/{sample.name} in it, which is to be timed; "
                "give --data and --split as the run had them, or a run on these images"
            )
    return [known[sample.split, sample.name] for sample in samples]


def _until(count: int, seconds: float, progress: Progress, what: str) -> Iterator[int]:
    """0, 1, 2 ... until there are `count` and they have taken `seconds`."""
    start, done = perf_counter(), 0
    while done < count or perf_counter() - start < seconds:
        yield done
        done += 1
        share = min(1, done / count, (perf_counter() - start) / seconds)
        progress(round(share * count), count, what)


def _one(model: Model, ticks: Clock, image: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
    """The map of an image and the seconds of its stages; `whole` is from the image to the map, copies included."""
    start = perf_counter()
    prepared, prepare = WallClock().time(model.predictor.prepare, image)
    output, infer = ticks.time(model.predictor.infer, model.batch([prepared]))
    mask, restore = WallClock().time(model.predictor.restore, output[0], image.shape[:2])
    return mask, {"prepare": prepare, "infer": infer, "restore": restore, "whole": perf_counter() - start}


def _remembers(model: Model, ticks: Clock, image: np.ndarray) -> bool:
    """Whether inference answers an input that it has seen before from memory, in less time than new ones take.

    New and known take turns and the least of either counts, so that what else runs slows both; and it must be so in
    every round, since what else runs may end within one.
    """
    new = (image ^ np.uint8(k) for k in count(1))

    def infer(one: np.ndarray) -> float:
        return _one(model, ticks, one)[1]["infer"]

    def quicker() -> bool:
        fresh, known = zip(*((infer(next(new)), infer(image)) for _ in range(AUDITED)), strict=True)
        return min(known) < CACHED * min(fresh)

    return all(quicker() for _ in range(ROUNDS))


def _throughput(
    model: Model, ticks: Clock, image: np.ndarray, rule: Rule, only: int | None, progress: Progress
) -> dict[int, float]:
    prepared = model.predictor.prepare(image)
    found: dict[int, float] = {}
    for size in sorted({1, only}) if only else (2**k for k in count()):
        try:
            batch = model.batch([prepared] * size)
            model.predictor.infer(batch)
            seconds = [
                ticks.time(model.predictor.infer, batch)[1]
                for _ in _until(-(-rule.images // size), rule.seconds, progress, f"batches of {size}")
            ]
        except RuntimeError as error:  # torch has one class for it on CUDA, and only the words elsewhere
            if "memory" not in str(error) or not found:
                raise
            break
        found[size] = size / float(np.median(seconds))
        if not only and size > 1 and found[size] < GAIN * found[size // 2]:
            break
    return found
