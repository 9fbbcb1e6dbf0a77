"""Training of feed-forward networks, `disbench train --model isnet`; a method's own part, its losses, is in its folder.

There `train.py` has a class `Training`, which the card names as `training = "train:Training"`. The loop, the pictures
and their augmentation are those of DiffDIS, too.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from disbench.data.dataset import DataLocation, Sample
from disbench.errors import InputError
from disbench.metrics.measurement import measure
from disbench.metrics.scoring import score
from disbench.models._parts import backbones
from disbench.models._parts import device as devices
from disbench.models._parts import weights as files
from disbench.models._training import data
from disbench.models._training.loop import Schedule, fit
from disbench.registry.discovery import list_cards
from disbench.registry.loading import get_card, import_attribute
from disbench.system.files import write_atomic

MEMORY = 2 << 30  # bytes: pictures that take more are read anew each time
VALIDATE_EVERY = 500


@dataclass(frozen=True)
class Recipe:
    """What a user decides. Optimizer: Adam, warmed up, with a cosine to 0; gradients are clipped to a norm of 1."""

    steps: int = 10_000  # of each stage
    size: int = 1024  # side of the square pictures, pixels
    batch: int = 8
    lr: float = 1e-3
    seed: int = 0
    weights: str = ""  # what the last stage starts from, else as drawn from the seed
    backbone: tuple[str, ...] = ()  # in place of them, files of its backbones alone
    validate_every: int | None = None  # steps, 0 for never; None: VALIDATE_EVERY, where there is DIS-VD
    validate_on: int = 0  # images of DIS-VD; 0: all


class Training(Protocol):
    """What a method's `train.py` has; a class of its own that inherits from this need not repeat the last four."""

    stages: tuple[str, ...]  # networks to train, one after the other; the last is the model
    multiple: int  # sides of pictures are multiples of this

    def network(self, stage: str, size: int) -> nn.Module:
        """As drawn from torch's generator; `size`: side of the pictures, to which some networks are bound."""

    def losses(self, net: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """(b, 3, h, w) in [0, 1] and what `labels` gave -> the parts of the loss of the stage that is trained."""

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        """(b, 3, h, w) in [0, 1] -> (b, h, w) in [0, 1], by the network of the last stage."""

    def finished(self, stage: str, net: nn.Module) -> None:
        """A stage's network, in eval mode, which the next may need."""

    def labels(self, masks: Tensor) -> Tensor:
        """Masks (b, 1, h, w) in [0, 1] -> what `losses` takes, made on the CPU while the step before is computed."""
        return masks

    def learned(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of a checkpoint to start from, what the last stage's network has, under its names."""
        return state

    def choose(self, state: dict[str, Tensor]) -> None:
        """Have `network` make the size that such tensors are of, a checkpoint's or a backbone's, under its names."""


def main(
    name: str,
    what: Recipe,
    where: DataLocation,
    out: Path,
    device: str | None = None,
    progress=None,
    say=lambda line: None,
    held_out: DataLocation = None,
) -> tuple[Path, dict[str, float] | None]:
    """Train a registered method on DIS-TR, or any folder; in `out` are its weights, by stage, and its log, JSON lines.

    Validates on DIS-VD, or the folder `held_out`, where there is one. A training in `out` that was cut off is gone on
    with. Returns the file of the last stage's weights, and the scores of the last validation. `say` is told what
    backbones gave.
    """
    chosen = get_card(name)
    if not chosen.training:
        known = ", ".join(c.name for c in list_cards().values() if c.training)
        raise InputError(f"{chosen.title} has no training here; those that have: {known}; DiffDIS takes a recipe")
    training: Training = import_attribute(chosen, chosen.training)()
    if what.size % training.multiple:
        raise InputError(f"--size {what.size}: {chosen.title} works at multiples of {training.multiple}")
    device = devices.pick(device)
    if data.is_own(where) and not held_out and (what.validate_every or what.validate_on):
        option = "--validate-every" if what.validate_every else "--validate-on"
        raise InputError(f"{option}: a folder of its own has no DIS-VD; leave it away, or give --validate DIR")
    samples, held_out = data.splits(where, held_out, progress)
    fits = len(samples) * what.size**2 * 4 <= MEMORY
    pictures = data.load(samples, what.size) if fits else data.Files(samples, what.size)
    scores = train(training, what, pictures, held_out[: what.validate_on or None], out, device, progress, say)
    return out / f"{training.stages[-1]}.safetensors", scores


def train(
    training: Training,
    what: Recipe,
    pictures: data.Pictures | data.Files,
    held_out: Sequence[Sample],
    out: Path,
    device: str = "cpu",
    progress=None,
    say=lambda line: None,
) -> dict[str, float] | None:
    """Every stage in turn; each one's moving average becomes `out/<stage>.safetensors`."""
    scores = None
    start, backbone = _start(training, what, say)  # a mistake in them is not to wait for earlier stages
    # Else a resume without --data would go on with other pictures; an early checkpoint says no more than their number.
    identity = _identity(what) | {"pictures": len(pictures)} | backbone
    about = {files.SIZE: str(what.size)}
    for number, stage in enumerate(training.stages):
        last = number == len(training.stages) - 1
        torch.manual_seed(what.seed)
        net = training.network(stage, what.size) if start is None or not last else start

        def make(step: int, number: int = number) -> tuple[int, Tensor, Tensor]:
            rng = np.random.default_rng([what.seed, number, step])
            which = data.rows(len(pictures), what.batch, step, what.seed + number)
            images, masks = data.batch(pictures, which, what.size, data.Augment(), rng)
            return step, images, training.labels(masks)

        def losses(model: nn.Module, batch: tuple[int, Tensor, Tensor]) -> dict[str, Tensor]:
            step, *tensors = batch
            torch.manual_seed(step)  # so that what is dropped out depends on the step alone, after a resume as well
            return training.losses(model, *(x.to(device) for x in tensors))

        def validate(model: nn.Module) -> dict[str, float]:
            return validated(training, model, held_out, what.size, device)

        every = VALIDATE_EVERY if what.validate_every is None else what.validate_every
        every = every if last and held_out else 0
        # What is saved is the moving average, over a twentieth of the steps at most.
        ema = max(0.0, min(0.998, 1 - 20 / what.steps))
        schedule = Schedule(what.steps, what.lr, weight_decay=0, ema=ema, validate_every=every, log_every=10)
        net = fit(
            net.to(device),
            schedule,
            make,
            losses,
            identity,
            out,
            (lambda net, step: validate(net)) if every else None,
            progress,
            stage,
            knob="--lr",
            pictures=pictures.digest,
            about=about,
        )
        training.finished(stage, net)
        write_atomic(out / f"{stage}.safetensors", files.saved(net, about))
        scores = validate(net) if every else None
    return scores


def _start(training: Training, what: Recipe, say: Callable[[str], None]) -> tuple[nn.Module | None, dict[str, Any]]:
    """The last stage's network with what it is to start from, None for nothing; what it adds to the identity."""
    make = partial(training.network, training.stages[-1], what.size)
    if what.weights and what.backbone:
        raise InputError("--backbone: --weights brings one; leave one of them away")
    if what.weights:
        path = files.find(what.weights, ())
        state = training.learned(files.unwrapped(files.read(path)))
        training.choose(state)
        return files.build(make, state, path), {}
    if not what.backbone:
        return None, {}
    found = [backbones.read(name) for name in what.backbone]
    with torch.device("meta"):
        net = make()
    names = [name for name, _ in backbones.find(net).values()]
    if not names:
        raise InputError(f"--backbone: {type(net).__name__} has none that is published apart; leave it away")
    training.choose({f"{name}.{key}": x for name in names for one in found for key, x in one.state.items()})
    torch.manual_seed(what.seed)
    net = make()
    digests, lines = backbones.take(net, found)
    for line in lines:
        say(line)
    return net, {"backbone": digests}


@torch.inference_mode()
def validated(
    training: Training, net: nn.Module, samples: Sequence[Sample], size: int, device: str
) -> dict[str, float]:
    """F-max and MAE of maps at the pictures' own size."""
    measurements = []
    for sample in samples:
        image, truth = data.read(sample)
        small = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        x = torch.from_numpy(small).permute(2, 0, 1)[None].to(device) / 255
        found = training.predict(net, x)[0].cpu().numpy()
        found = cv2.resize(found, truth.shape[::-1], interpolation=cv2.INTER_LINEAR)
        mask = np.rint(np.clip(found, 0, 1) * 255).astype(np.uint8)
        measurements.append(measure(mask, truth, metrics="f_max,mae"))
    scores = score(measurements, metrics="f_max,mae")
    return {"f_max": scores["f_max"], "mae": scores["mae"]}


def normalised(images: Tensor, mean: Any, deviation: Any) -> Tensor:
    """Images (b, 3, h, w) less a mean per channel, over a deviation per channel."""
    mean, deviation = (torch.as_tensor(x).to(images)[:, None, None] for x in (mean, deviation))
    return (images - mean) / deviation


@contextmanager
def watched(net: nn.Module, *names: str) -> Iterator[dict[str, Tensor]]:
    """What the modules of these names answer while `net` runs, for heads that training alone puts on them."""
    seen: dict[str, Tensor] = {}

    def watch(name: str):
        return net.get_submodule(name).register_forward_hook(lambda _, __, answer: seen.update({name: answer}))

    hooks = [watch(name) for name in names]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _identity(what: Recipe) -> dict[str, Any]:
    apart = ("validate_every", "validate_on", "backbone")  # change no weight; has its digest
    return {key: value for key, value in asdict(what).items() if key not in apart}
