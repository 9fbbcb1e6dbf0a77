"""The path of one image: load, compute, finish, measure, as a row of a run."""

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from disbench.data.dataset import Sample
from disbench.data.images import encode_map, read_image, read_truth
from disbench.data.soft_truths import read_trimap
from disbench.data.truth_cache import load_skeleton
from disbench.errors import InputError
from disbench.inference.model import Model
from disbench.metrics.map_pair import PairInputs
from disbench.metrics.measurement import measure, measure_soft
from disbench.metrics.pixel_metrics import needs_images
from disbench.runs.ahead import AheadLimit
from disbench.runs.row_log import Row
from disbench.runs.spec import MeasureSpec

SaveMap = Callable[[Sample, bytes], None]  # keeps a prediction map, given as a PNG


class Stages(Protocol):
    """A maker of prediction maps: a model, a folder of saved maps, or an autoencoder's round trip."""

    title: str
    name: str
    device: str

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that decides the maps. The run key hashes it."""

    @property
    def environment(self) -> dict[str, Any]:
        """The environment that the maps are computed in."""

    def load(self, sample: Sample) -> tuple[Any, dict[str, float]]:
        """Read and prepare one image on the host. Returns it with the seconds of the stage."""

    def compute(self, prepared: Any) -> tuple[Any, dict[str, float]]:
        """Run the network on the device. Returns the output, on the host, with the seconds of the stage."""

    def finish(self, output: Any, size: tuple[int, int]) -> tuple[np.ndarray, dict[str, float]]:
        """Bring an output to a uint8 (h, w) map of this size, on the host. Returns it with the seconds of the stage."""


def make_rows(
    stages: Stages,
    samples: Sequence[Sample],
    measures: MeasureSpec,
    workers: int,
    save_map: SaveMap | None,
    *,
    processes: int = 1,
) -> Generator[Row, None, None]:
    """Compute the rows of samples, in their order.

    Args:
        stages: the stages that make the prediction maps.
        samples: the images to compute.
        measures: the protocols and metrics to measure for.
        workers: threads that load ahead and measure behind this thread, which computes. 0: this thread does it all.
        save_map: is given every map before its row is yielded.
        processes: processes of this machine that share its memory.

    Raises:
        InputError: for an image that cannot be read, computed or measured.
    """
    has_images = needs_images(measures.metrics)

    # The device never waits for a decoder, nor a decoder for the device, until so many images are in flight.
    loaded_ahead, computed_ahead = (AheadLimit(2 * workers, processes) for _ in range(2))

    def load(sample: Sample):
        prepared, seconds = stages.load(sample)
        loaded_ahead.observe(prepared)
        return sample, prepared, seconds

    def compute(loaded):
        sample, prepared, seconds = loaded
        output, inference_seconds = stages.compute(prepared)
        computed_ahead.observe(output)
        return sample, output, seconds | inference_seconds

    def finish(computed) -> Row:
        sample, output, seconds = computed
        truth, trimap = read_truth(sample.truth, sample.truth_digest, sample.truth_kind), read_trimap(sample)
        image = read_image(sample.require_image(), sample.image_digest) if has_images else None
        mask, restore_seconds = stages.finish(output, truth.shape)
        try:
            score_pair = measure_soft if sample.truth_kind == "alpha" else measure
            inputs: PairInputs = {"thin": load_skeleton, "trimap": trimap, "image": image}
            measurement = score_pair(mask, truth, measures.protocol_names, measures.metrics, **inputs)
        except InputError as error:
            raise InputError(f"{sample.split}/{sample.name}: {error}") from None
        if save_map:
            save_map(sample, encode_map(mask))
        return Row(sample.split, sample.name, measurement, _add_seconds(seconds, restore_seconds), hash_mask(mask))

    model = stages if isinstance(stages, Model) and stages.device.startswith("cuda") else None

    def upload(loaded):
        sample, prepared, seconds = loaded
        return sample, model.upload(prepared), seconds

    pool = ThreadPoolExecutor(workers) if workers else None
    copier = ThreadPoolExecutor(1) if workers and model else None
    try:
        loaded = map_ahead(pool, load, samples, loaded_ahead)
        if copier:  # the next image is copied to the device while this one is computed
            loaded = map_ahead(copier, upload, loaded, AheadLimit(1))
        yield from map_ahead(pool, finish, map(compute, loaded), computed_ahead)
    finally:
        for threads in filter(None, (copier, pool)):
            threads.shutdown(cancel_futures=True)


def _add_seconds(seconds: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
    return {**seconds, **{stage: seconds.get(stage, 0) + value for stage, value in more.items()}}


def map_ahead(
    pool: ThreadPoolExecutor | None, function: Callable, items: Iterable, ahead: AheadLimit
) -> Iterator[Any]:
    """Map in order, `ahead.count` items ahead in the pool's threads; without a pool, one item after the other.

    An InputError is raised after the items that are in flight, whose results it does not concern.
    """
    if pool is None:
        yield from map(function, items)
        return
    pending: deque[Future] = deque()
    fault: InputError | None = None
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            while len(pending) > ahead.count:
                yield pending.popleft().result()
    except InputError as error:
        fault = error
    while pending:
        try:
            result = pending.popleft().result()
        except InputError as error:
            fault = fault or error
        else:
            yield result
    if fault:
        raise fault


def hash_mask(mask: np.ndarray) -> str:
    """Hash a uint8 (h, w) map by its size and pixels, whatever file holds them. Returns 16 hexadecimal digits."""
    digest = hashlib.sha256(repr(mask.shape).encode())
    digest.update(np.ascontiguousarray(mask).reshape(-1))
    return digest.hexdigest()[:16]
