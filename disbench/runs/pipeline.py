"""The path of one image: load, compute, finish, measure, as a row of a run."""

import hashlib
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from disbench.data.dataset import Sample
from disbench.data.images import read_image, read_truth
from disbench.data.png_encoder import encode_grey
from disbench.data.soft_truths import read_trimap
from disbench.data.truth_cache import load_skeleton
from disbench.errors import InputError
from disbench.inference.model import Model
from disbench.metrics.map_pair import PairInputs
from disbench.metrics.measurement import measure, measure_soft
from disbench.metrics.pixel_metrics import needs_images
from disbench.runs.ahead import AheadLimit, map_ahead
from disbench.runs.row_log import Row
from disbench.runs.spec import MeasureSpec

Seconds = dict[str, float]  # stage -> seconds
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


@dataclass(frozen=True, kw_only=True)
class RowMaker:
    """The steps of one image, from its file to its row.

    Attributes:
        stages: the stages that make the prediction map.
        measures: the protocols and metrics to measure for.
        save_map: is given every map before its row is returned.
    """

    stages: Stages
    measures: MeasureSpec
    save_map: SaveMap | None

    def load(self, sample: Sample) -> tuple[Sample, Any, Seconds]:
        """Read and prepare an image."""
        return sample, *self.stages.load(sample)

    def compute(self, loaded: tuple[Sample, Any, Seconds]) -> tuple[Sample, Any, Seconds]:
        """Run the network on what `load` returns."""
        sample, prepared, seconds = loaded
        output, inference_seconds = self.stages.compute(prepared)
        return sample, output, seconds | inference_seconds

    def finish(self, computed: tuple[Sample, Any, Seconds]) -> Row:
        """Make the map of what `compute` returns, measure it and save it."""
        sample, output, seconds = computed
        metrics = self.measures.metrics
        truth, trimap = read_truth(sample.truth, sample.truth_digest, sample.truth_kind), read_trimap(sample)
        image = read_image(sample.require_image(), sample.image_digest) if needs_images(metrics) else None
        mask, restore_seconds = self.stages.finish(output, truth.shape)
        try:
            score_pair = measure_soft if sample.truth_kind == "alpha" else measure
            inputs: PairInputs = {"thin": load_skeleton, "trimap": trimap, "image": image}
            measurement = score_pair(mask, truth, self.measures.protocol_names, metrics, **inputs)
        except InputError as error:
            raise InputError(f"{sample.split}/{sample.name}: {error}") from None
        if self.save_map:
            self.save_map(sample, encode_grey(mask))
        return Row(sample.split, sample.name, measurement, _add_seconds(seconds, restore_seconds), hash_mask(mask))

    def make(self, sample: Sample) -> Row:
        """Make the row of an image in this thread."""
        return self.finish(self.compute(self.load(sample)))


def make_rows(
    maker: RowMaker, samples: Sequence[Sample], workers: int, *, processes: int = 1
) -> Generator[Row, None, None]:
    """Compute the rows of samples, in their order.

    Args:
        maker: the steps of each image.
        samples: the images to compute.
        workers: threads that load ahead and measure behind this thread, which computes. 0: this thread does it all.
        processes: processes of this machine that share its memory.

    Raises:
        InputError: for an image that cannot be read, computed or measured.
    """
    if not workers:
        yield from map(maker.make, samples)
        return
    # The device never waits for a decoder, nor a decoder for the device, until so many images are in flight.
    loaded_ahead, computed_ahead = (AheadLimit(2 * workers, processes) for _ in range(2))

    def load(sample):
        loaded = maker.load(sample)
        loaded_ahead.observe(loaded[1])
        return loaded

    def compute(loaded):
        computed = maker.compute(loaded)
        computed_ahead.observe(computed[1])
        return computed

    stages = maker.stages
    model = stages if isinstance(stages, Model) and stages.device.startswith("cuda") else None

    def upload(loaded):
        sample, prepared, seconds = loaded
        return sample, model.upload(prepared), seconds

    pool = ThreadPoolExecutor(workers)
    copier = ThreadPoolExecutor(1) if model else None
    try:
        loaded = map_ahead(pool, load, samples, lambda: loaded_ahead.count)
        if copier:  # the next image is copied to the device while this one is computed
            loaded = map_ahead(copier, upload, loaded, lambda: 1)
        yield from map_ahead(pool, maker.finish, map(compute, loaded), lambda: computed_ahead.count)
    finally:
        for threads in filter(None, (copier, pool)):
            threads.shutdown(cancel_futures=True)


def _add_seconds(seconds: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
    return {**seconds, **{stage: seconds.get(stage, 0) + value for stage, value in more.items()}}


def hash_mask(mask: np.ndarray) -> str:
    """Hash a uint8 (h, w) map by its size and pixels, whatever file holds them. Returns 16 hexadecimal digits."""
    digest = hashlib.sha256(repr(mask.shape).encode())
    digest.update(np.ascontiguousarray(mask).reshape(-1))
    return digest.hexdigest()[:16]
