"""From an image to a map, in three timed stages; and maps from a folder in the model's place.

A source has `load(sample)`, `compute(loaded)`, `finish(computed, size)`: host, device, host. The runner overlaps them.
Its `environment` is the record of what they ran on.
"""

import re
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import cv2
import msgspec
import numpy as np

from disbench.clocks import clock
from disbench.data.digests import combine, file_digest
from disbench.data.dis5k import Sample, match_maps
from disbench.data.images import read_image, read_map
from disbench.environment import environment
from disbench.errors import InputError, utf8
from disbench.models import Card, arguments

LONGEST = 200  # bytes of a title that name a folder; file systems take 255


class Predictor(Protocol):
    """All that an adapter writes. `Array` is a torch tensor, or NumPy for models without torch."""

    device: str
    identity: dict[str, Any]  # what decides the scores beside the card: digest of the weights, working size, ...

    def prepare(self, image: np.ndarray) -> Any:
        """uint8 (h, w, 3) RGB -> host array (c, H, W); outside what papers call inference."""

    def infer(self, batch: Any) -> Any:
        """(b, c, H, W) on the device -> (b, H', W'), float in [0, 1] or logits; what papers call inference."""

    def restore(self, output: Any, size: tuple[int, int]) -> np.ndarray:
        """One (H', W') output -> uint8 (h, w) map at the image's own size."""


class Model:
    """A card with its predictor: `predict(image)`, and the stages for the runner.

    `known` joins the predictor's identity, which code from outside need not have.
    """

    def __init__(self, card: Card, predictor: Predictor, known: dict[str, Any] | None = None):
        self.card = card
        self.known = known or {}
        self.name = card.name
        self.predictor = predictor
        self.title = getattr(predictor, "title", card.title)
        self.device = predictor.device
        self.clock = clock(predictor.device)
        self.resized = 0
        self.guarded = card.outside is not None  # what fails in it is then InputError

    @property
    def identity(self) -> dict[str, Any]:
        return self._called(self._identity)

    def _identity(self) -> dict[str, Any]:
        own = getattr(self.predictor, "identity", {}) if self.known else self.predictor.identity
        found = {"model": self.card.name, "card": self.card.protocol, **own, **self.known}
        msgspec.json.encode(found)  # as the run's key does
        return found

    @property
    def environment(self) -> dict[str, Any]:
        return environment(self.device)

    def predict(self, image: np.ndarray) -> np.ndarray:
        """uint8 (h, w, 3) RGB -> uint8 (h, w) map, 255 for foreground."""
        prepared, _ = self._prepare(image)
        output, _ = self.compute(prepared)
        return self.finish(output, image.shape[:2])[0]

    def load(self, sample: Sample) -> tuple[Any, dict[str, float]]:
        return self._prepare(read_image(sample.image))  # decoding belongs to the data set, not to the model's time

    def compute(self, prepared: Any) -> tuple[Any, dict[str, float]]:
        output, seconds = self._called(self.clock.time, self.predictor.infer, self.batch([prepared]))
        if self.guarded:
            if getattr(output, "ndim", None) != 3 or len(output) != 1:
                raise self._unfit("infer", output, "(1, H', W')")
            if not self._called(_finite, output):
                raise self._wrong("infer returns NaN or infinity")
        return output[0], {"infer": seconds}

    def batch(self, prepared: list[Any]) -> Any:
        """Prepared images of one size, (c, H, W) each -> (b, c, H, W) on the device."""
        if isinstance(prepared[0], np.ndarray):
            return np.stack(prepared)
        import torch

        return torch.stack(prepared).to(self.device)

    def finish(self, output: Any, size: tuple[int, int]) -> tuple[np.ndarray, dict[str, float]]:
        start = perf_counter()
        mask = self._called(self.predictor.restore, output, size)
        seconds = perf_counter() - start
        if self.guarded and (not isinstance(mask, np.ndarray) or (mask.dtype, mask.shape) != (np.uint8, tuple(size))):
            raise self._unfit("restore", mask, f"uint8 {tuple(size)}")
        return mask, {"restore": seconds}

    def _prepare(self, image: np.ndarray) -> tuple[Any, dict[str, float]]:
        start = perf_counter()
        prepared = self._called(self.predictor.prepare, image)
        seconds = perf_counter() - start
        if self.guarded and getattr(prepared, "ndim", None) != 3:
            raise self._unfit("prepare", prepared, "(c, H, W)")
        return prepared, {"prepare": seconds}

    def _called(self, stage: Callable, *given: Any) -> Any:
        """What a stage answers."""
        try:
            return stage(*given)
        except (InputError, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            if not self.guarded:
                raise
            raise self._wrong(f"it fails ({type(error).__name__}: {str(error).partition(chr(10))[0]})") from error

    def _unfit(self, stage: str, found: Any, due: str) -> InputError:
        kind = f"{found.dtype} {tuple(found.shape)}" if hasattr(found, "shape") else type(found).__name__
        return self._wrong(f"{stage} returns {kind}, not {due}")

    def _wrong(self, what: str) -> InputError:
        return InputError(
            f"{self.card.outside}: {what}; `disbench doctor {arguments(self.card, '--model')}` tells more"
        )


def _finite(output: Any) -> bool:
    return bool((np.isfinite(output) if isinstance(output, np.ndarray) else output.isfinite()).all())


class Folder:
    """Saved maps in a model's place: `root/<split>/`, or `root` itself for one split; InputError where one is unfit.

    resize: see Protocol; resized: how many maps are of another size than their truths, 0 where `resize` is None.
    """

    device = "cpu"

    def __init__(self, title: str, root: Path, samples: list[Sample], resize: str | None = None):
        self.title = utf8(title)
        name = re.sub(r"[^\w.+-]+", "_", title).strip(".") or "maps"  # names a folder under runs/
        self.name = name.encode()[:LONGEST].decode(errors="ignore")
        self.maps: dict[tuple[str, str], Path] = {}
        self.resize, self.resized = resize, 0
        splits: dict[str, list[Sample]] = {}
        for sample in samples:
            splits.setdefault(sample.split, []).append(sample)
        for split, wanted in splits.items():
            folder = root / split if (root / split).is_dir() or len(splits) > 1 else root
            found, resized = match_maps(wanted, folder, resize is not None)
            self.resized += resized
            self.maps |= {(split, name): path for name, path in found.items()}

    @property
    def identity(self) -> dict[str, Any]:
        return {"maps": combine((f"{split}/{name}", file_digest(path)) for (split, name), path in self.maps.items())}

    @property
    def environment(self) -> dict[str, Any]:
        return environment(self.device)

    def load(self, sample: Sample) -> tuple[np.ndarray, dict[str, float]]:
        return read_map(self.maps[sample.split, sample.name]), {}

    def compute(self, mask: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
        return mask, {}

    def finish(self, mask: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, dict[str, float]]:
        return mask if mask.shape == size else resized(mask, size, self.resize), {}


def resized(mask: np.ndarray, size: tuple[int, int], how: str) -> np.ndarray:
    """A uint8 map at another (h, w), as a protocol's `resize` says."""
    height, width = size
    if how == "opencv-bilinear":
        return cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
    from PIL import Image

    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.BICUBIC))
