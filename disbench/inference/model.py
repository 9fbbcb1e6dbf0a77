"""A model: from an image to a prediction map in three timed stages, prepare, infer and restore."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property, partial
from os import PathLike
from time import perf_counter
from typing import Any

import msgspec
import numpy as np

from disbench.data.dataset import TRUTH, Sample, check_input_names
from disbench.data.images import read_image, read_truth
from disbench.data.input_values import check_values, read_inputs
from disbench.errors import InputError, wrong_type
from disbench.inference.parameters import count_parameters
from disbench.inference.predictor import Predictor
from disbench.inference.transfer import Uploaded, Uploader, stack_tensors, to_host
from disbench.metrics.validate import check_image
from disbench.registry.card import Card, name_runs_folder
from disbench.registry.discovery import cli_arguments
from disbench.registry.external import load_identified
from disbench.registry.loading import check_device, check_weights, get_card, load_predictor
from disbench.registry.weights import add_options, resolve_weights
from disbench.system.clocks import WallClock, make_clock
from disbench.system.console import divert_prints
from disbench.system.device_memory import is_out_of_memory, make_out_of_memory
from disbench.system.environment import describe_environment
from disbench.system.files import require_path
from disbench.system.forks import survive_fork

Seconds = dict[str, float]  # stage -> seconds


class Model:
    """A card with its predictor.

    The runner overlaps the stages: `load` and `finish` run on the host, `compute` on the device.

    Args:
        card: the card of the model.
        predictor: the predictor that the adapter makes.
        extra_identity: joins the predictor's identity; a predictor from outside disbench may have none.

    Attributes:
        title: the method, as reports call it.
        name: names the folder under runs/.
        device: the device of the predictor.
        inputs: names of the additional inputs that data sets or users supply.
        arguments: names of what `predict` takes next to an image: `inputs`, and "truth" for a predictor that takes it.
        sees_truth: whether the method receives ground truth.
        is_trivial: whether it is a baseline without a network.
        is_concurrent: whether its network, on the CPU, computes in several threads at once.
        guarded: whether faults of the predictor are reported as InputError: for code from outside disbench.
    """

    def __init__(self, card: Card, predictor: Predictor, extra_identity: dict[str, Any] | None = None):
        self.card = card
        self.extra_identity = extra_identity or {}
        self.name = name_runs_folder(card.name)
        self.predictor = predictor
        self.title: str = getattr(predictor, "title", card.title)
        self.device = predictor.device
        # A user's file has no card of its own.
        self.inputs = tuple(getattr(predictor, "inputs", ())) if card.status == "file" else card.inputs
        check_input_names(f"{card.external_path}", self.inputs)
        takes_truth: bool = getattr(predictor, "takes_truth", False)
        self.arguments = (*self.inputs, TRUTH) if takes_truth else self.inputs
        self.sees_truth: bool = card.sees_truth or takes_truth or getattr(predictor, "sees_truth", False)
        self.clock = make_clock(predictor.device)
        self.is_trivial = card.status == "trivial"
        self.guarded = not card.is_shipped
        computes_at_once: bool = getattr(predictor, "is_concurrent", False)
        self.is_concurrent = computes_at_once and self.device == "cpu" and not self.guarded
        self._process = os.getpid()

    def _check_process(self) -> None:
        """Raise InputError in a forked process, if the model is on a GPU that CUDA opened before the fork."""
        if self.device.partition(":")[0] == "cuda" and self._process != os.getpid():
            raise InputError(
                f"{self.title}: it was loaded on {self.device} before this process was forked, and CUDA does not work "
                "then; load the model in this process, and start it with multiprocessing's method spawn"
            )

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that decides the maps. The run key hashes it."""
        return self.guard(self._identify)

    def _identify(self) -> dict[str, Any]:
        optional = bool(self.extra_identity)
        from_predictor = getattr(self.predictor, "identity", {}) if optional else self.predictor.identity
        identity = {"model": self.card.name, "card": self.card.pipeline, **from_predictor, **self.extra_identity}
        msgspec.json.encode(identity)  # the run key encodes it: here an error still names the model
        return identity

    @property
    def weights_state(self) -> str | None:
        """The state dict that is used of a weights file with several; None for any other model."""
        return getattr(self.predictor, "weights_state", None) or None

    @property
    def parameters(self) -> int:
        """The number of parameters of all networks of the predictor; 0 without networks of torch."""
        return getattr(self.predictor, "parameter_count", 0) or count_parameters(self.predictor)

    @property
    def environment(self) -> dict[str, Any]:
        """The environment that the maps are computed in."""
        return describe_environment(self.device) | getattr(self.predictor, "environment", {})

    @survive_fork
    def predict(self, image: np.ndarray, **inputs: Any) -> np.ndarray:
        """Predict the map of an image.

        Args:
            image: a NumPy array uint8 (h, w, 3), RGB, in any memory layout; it is not changed.
            **inputs: what the model takes next to an image, and nothing else: `depth`, uint8 (h, w); `prompt`, a text;
                `box`, x0, y0, x1, y1 in pixels; `truth`, uint8 (h, w).

        Returns:
            uint8 (h, w), 255 for foreground.

        Raises:
            InputError: for anything other than such values; the message says how to convert an array.
        """
        return self.predict_batch([image], [inputs])[0]

    @survive_fork
    def predict_batch(self, images: Sequence[np.ndarray], inputs: Sequence[Mapping[str, Any]]) -> list[np.ndarray]:
        """Predict the maps of several images. Those that are prepared to one size go through the network together.

        Args:
            images: as `predict` takes them.
            inputs: the additional inputs of each image.

        Returns:
            The map of each image. It may differ in its last digits from that of `predict`.

        Raises:
            InputError: as for `predict`.
        """
        prepared = [self._check_and_prepare(image, values) for image, values in zip(images, inputs, strict=True)]
        groups: dict[Any, list[int]] = {}
        for k, arrays in enumerate(prepared):
            groups.setdefault(_list_shapes(arrays), []).append(k)
        masks: dict[int, np.ndarray] = {}
        for members in groups.values():
            outputs, _ = self._compute_batch([prepared[k] for k in members])
            for k, output in zip(members, outputs, strict=True):
                masks[k] = self.finish(output, images[k].shape[:2])[0]
        return [masks[k] for k in range(len(images))]

    def _check_and_prepare(self, image: np.ndarray, inputs: Mapping[str, Any]) -> Any:
        check_image("image", image)
        values = check_values(self.title, self.arguments, inputs, image.shape[:2])
        return self._prepare(np.require(image, requirements=["C", "W", "E"]), values)[0]  # torch takes no other layout

    @survive_fork
    def load(self, sample: Sample) -> tuple[Any, Seconds]:
        """Read and prepare the image of a sample. Decoding belongs to the data set, so it is not timed."""
        return self._prepare(read_image(sample.require_image(), sample.image_digest), self.read_arguments(sample))

    def read_arguments(self, sample: Sample) -> dict[str, Any]:
        """Read what the model takes next to the image of a sample. InputError for a file that cannot be read."""
        values = read_inputs(sample)
        if TRUTH in self.arguments:
            values[TRUTH] = read_truth(sample.truth, sample.truth_digest, sample.truth_kind)
        return values

    @survive_fork
    def compute(self, prepared: Any) -> tuple[Any, Seconds]:
        """Run the network on one prepared image, as `prepare` or `upload` returns it.

        Returns:
            Its output (H', W') on the host, so that no other thread ever uses the device, whose events time inference;
            and the seconds of inference, and those of the copy to the host, which belong to restoring.
        """
        outputs, seconds = self._compute_batch([prepared])
        return outputs[0], seconds

    def _compute_batch(self, prepared: list[Any]) -> tuple[list[Any], Seconds]:
        """Run the network on prepared images of one size. Returns their outputs on the host, and the seconds."""
        self._check_process()
        is_uploaded = isinstance(prepared[0], Uploaded)
        batch = self._uploader.receive(prepared[0]) if is_uploaded else self.batch(prepared)
        outputs, seconds = self.guard(self.clock.time, self.predictor.infer, batch)
        if self.guarded:
            if getattr(outputs, "ndim", None) != 3 or len(outputs) != len(prepared):
                raise self._unfit("infer", outputs, f"({len(prepared)}, H', W')")
            if not self.guard(_is_finite, outputs):
                raise self._fault("infer returns NaN or infinity")
        on_host, copy_seconds = WallClock().time(lambda: [to_host(output) for output in outputs])
        return on_host, {"infer": seconds, "restore": copy_seconds}

    def upload(self, prepared: Any) -> Any:
        """Begin to copy one prepared image to the CUDA device, in another thread than the one that computes.

        Returns:
            The upload; or the arrays themselves if they are NumPy's, since a model that takes these copies them on its
            own.
        """
        self._check_process()
        if any(isinstance(array, np.ndarray) for array in (prepared if isinstance(prepared, tuple) else (prepared,))):
            return prepared
        return self.guard(self._uploader.upload, partial(self.batch, [prepared]))

    @cached_property
    def _uploader(self) -> Uploader:
        import torch

        return Uploader(torch.cuda, self.device)

    def batch(self, prepared: list[Any]) -> Any:
        """Stack prepared images of one size, (c, H, W) each, to (b, c, H, W) on the device; tuples, array by array."""
        if isinstance(prepared[0], tuple):
            return tuple(self.batch(list(arrays)) for arrays in zip(*prepared, strict=True))
        if isinstance(prepared[0], np.ndarray):
            return np.stack(prepared)
        return stack_tensors(prepared, self.device)

    @survive_fork
    def finish(self, output: Any, size: tuple[int, int]) -> tuple[np.ndarray, Seconds]:
        """Bring an output of `compute` to a uint8 (h, w) map of this size."""
        start = perf_counter()
        mask = self.guard(self.predictor.restore, output, size)
        seconds = perf_counter() - start
        if self.guarded and (not isinstance(mask, np.ndarray) or (mask.dtype, mask.shape) != (np.uint8, tuple(size))):
            raise self._unfit("restore", mask, f"uint8 {tuple(size)}")
        return mask, {"restore": seconds}

    def _prepare(self, image: np.ndarray, inputs: Mapping[str, Any]) -> tuple[Any, Seconds]:
        start = perf_counter()
        prepared = self.guard(partial(self.predictor.prepare, image, **inputs))
        seconds = perf_counter() - start
        if self.guarded and not is_prepared(prepared):
            raise self._unfit("prepare", prepared, "(c, H, W) or a tuple of arrays")
        return prepared, {"prepare": seconds}

    def guard(self, stage: Callable[..., Any], *args: Any) -> Any:
        """Call a stage. Where the model is not disbench's own, any fault becomes an InputError that names it."""
        try:
            with divert_prints() if self.guarded else nullcontext():
                return stage(*args)
        except (InputError, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            if is_out_of_memory(error):
                raise make_out_of_memory(self.title, self.device, error, self._memory_advice) from error
            if not self.guarded:
                raise
            first_line = str(error).partition("\n")[0]
            raise self._fault(f"it fails ({type(error).__name__}: {first_line})") from error

    @property
    def _memory_advice(self) -> str:
        smaller = getattr(self.predictor, "memory_advice", "a smaller working size, if the model has --option size=N,")
        return f"{smaller} needs less, or give another --device"

    def _unfit(self, stage: str, value: Any, expected: str) -> InputError:
        received = f"{value.dtype} {tuple(value.shape)}" if hasattr(value, "shape") else type(value).__name__
        return self._fault(f"{stage} returns {received}, not {expected}")

    def _fault(self, text: str) -> InputError:
        command = f"disbench doctor {cli_arguments(self.card, '--model')}"
        return InputError(f"{self.card.external_path}: {text}; `{command}` reports more")


@survive_fork
def load_model(
    name: str | PathLike[str],
    weights: str | PathLike[str] | None = None,
    device: str | None = None,
    **options: str | float,
) -> Model:
    """Load a model, ready to predict.

    Args:
        name: a name of the registry, such as "isnet" or "rembg:u2net", a file, or hf:OWNER/NAME.
        weights: a file, a folder, a name on the model's card or a Hugging Face id. Default: the weights that
            disbench ships, if it does; for rembg:NAME, rembg's file, which is downloaded.
            "untrained" is a random initialisation.
        device: "cpu", "cuda", "cuda:1" or "mps". Default: the best one available.
        **options: options of the model itself. Those that the weights need, by the card, are set unless given.

    Returns:
        The model: `predict(image)` takes uint8 (h, w, 3) RGB and returns a uint8 (h, w) prediction.

    Raises:
        InputError: for an unknown model, unfit weights, or an unknown option.
    """
    name = str(require_path("name", name)) if isinstance(name, PathLike) else name
    if not isinstance(name, str):
        raise wrong_type("name", name, "a name of the registry, a path, or 'hf:OWNER/NAME'")
    if weights is not None and not isinstance(weights, str):
        weights = str(require_path("weights", weights))
    texts = parse_options(device, options)
    card = get_card(name)
    check_weights(card, weights)
    check_device(card, device)
    texts = add_options(card, weights, texts)
    weights = resolve_weights(card, weights)
    load = partial(load_predictor, card, weights, device, texts)
    return Model(card, *load_identified(card, weights, texts, load))


def parse_options(device: Any, options: Mapping[str, Any]) -> dict[str, str]:
    """Return the options of a model as the command line has them, by name: texts, or numbers, which become texts.

    Raises InputError for anything else, and unless the device is text or None.
    """
    if device is not None and not isinstance(device, str):
        raise wrong_type("device", device, "text, such as 'cpu' or 'cuda:0'")
    if not isinstance(options, Mapping):
        raise wrong_type("options", options, "a dict of texts, such as {'size': '512'}")
    for key, value in options.items():
        if not isinstance(key, str):
            raise wrong_type("options", key, "names as text")
        if key == "options" and isinstance(value, Mapping):
            raise InputError("options: give each one as an argument, such as disbench.load(name, size=512)")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise wrong_type(f"option {key}", value, f"text or a number, such as {key}={str(value)[:40]!r}")
    return {key: str(value) for key, value in options.items()}


def is_prepared(prepared: Any) -> bool:
    """Return whether `prepare` may return this: an array (c, H, W), or a tuple of arrays of any number of axes."""
    if isinstance(prepared, tuple):
        return bool(prepared) and all(hasattr(array, "ndim") for array in prepared)
    return getattr(prepared, "ndim", None) == 3


def _list_shapes(prepared: Any) -> tuple[tuple[int, ...], ...]:
    arrays = prepared if isinstance(prepared, tuple) else (prepared,)
    return tuple(tuple(array.shape) for array in arrays)


def _is_finite(output: Any) -> bool:
    return bool((np.isfinite(output) if isinstance(output, np.ndarray) else output.isfinite()).all())
