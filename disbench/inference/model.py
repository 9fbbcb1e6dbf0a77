"""From an image to a map, in three timed stages; and maps from a folder in the model's place.

A source has `load(sample)`, `compute(loaded)`, `finish(computed, size)`: host, device, host. The runner overlaps them.
Its `environment` is the record of what they ran on.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import msgspec
import numpy as np

from disbench.data.dataset import Sample
from disbench.data.images import read_image
from disbench.errors import InputError
from disbench.inference.predictor import Predictor
from disbench.registry.card import Card
from disbench.registry.discovery import cli_arguments
from disbench.registry.external import hash_code
from disbench.registry.loading import get_card, load_predictor
from disbench.system.clocks import make_clock
from disbench.system.environment import describe_environment


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
        self.clock = make_clock(predictor.device)
        self.resized = 0
        self.guarded = card.external_path is not None  # what fails in it is then InputError

    @property
    def identity(self) -> dict[str, Any]:
        return self._called(self._identity)

    def _identity(self) -> dict[str, Any]:
        own = getattr(self.predictor, "identity", {}) if self.known else self.predictor.identity
        found = {"model": self.card.name, "card": self.card.pipeline, **own, **self.known}
        msgspec.json.encode(found)  # as the run's key does
        return found

    @property
    def environment(self) -> dict[str, Any]:
        return describe_environment(self.device)

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
            f"{self.card.external_path}: {what}; `disbench doctor {cli_arguments(self.card, '--model')}` tells more"
        )


def _finite(output: Any) -> bool:
    return bool((np.isfinite(output) if isinstance(output, np.ndarray) else output.isfinite()).all())


def load_model(name: str, weights: str | None = None, device: str | None = None, **options: str) -> Model:
    """Load a model, ready to predict.

    Args:
        name: a name of the registry, a file, or hf:OWNER/NAME.
        weights: a file, a folder or a Hugging Face id. Default: the weights that disbench ships, if it does.
            "untrained" is a random initialisation.
        device: "cpu", "cuda", "cuda:1" or "mps". Default: the best one available.
        **options: options of the model itself.

    Returns:
        The model: `predict(image)` takes uint8 (h, w, 3) RGB and returns a uint8 (h, w) prediction.

    Raises:
        InputError: for an unknown model, unfit weights, and an unknown option.
    """
    card = get_card(name)
    return Model(card, load_predictor(card, weights, device, options), hash_code(card, weights, options))
