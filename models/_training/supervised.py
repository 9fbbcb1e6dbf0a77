"""Training of feed-forward networks: `disbench train --model isnet`.

A method's folder has its losses: `train.py` there has a class `Training`, which the card names as
`training = "train:Training"`. Loop, pictures and augmentation are those of DiffDIS.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from disbench.data.dataset import DataLocation, Sample
from disbench.data.input_values import check_names
from disbench.errors import InputError
from disbench.metrics.measurement import measure
from disbench.metrics.scoring import score
from disbench.models._parts import backbones
from disbench.models._parts import device as devices
from disbench.models._parts import weights as files
from disbench.models._training import data
from disbench.models._training import inputs as additional
from disbench.models._training.changes import change_inputs, draw_change
from disbench.models._training.checkpoints import RunState
from disbench.models._training.context import TrainingContext
from disbench.models._training.loading import choose_workers
from disbench.models._training.loop import Hooks, fit
from disbench.models._training.method import Training
from disbench.models._training.schedule import Schedule
from disbench.models._training.task import Task
from disbench.registry.discovery import list_cards
from disbench.registry.loading import get_card, import_attribute
from disbench.registry.weights import find_options, resolve_weights
from disbench.runs.outputs import check_output
from disbench.system.files import write_atomic
from disbench.system.variables import read_count

MAX_MEMORY = 2 << 30  # bytes; pictures that take more are read from their files each time
VALIDATE_EVERY = 500
SCORES = ("f_max", "mae")  # of a validation
EMA_SPANS = 20  # the moving average covers at most 1 / EMA_SPANS of the steps


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of a training that a user chooses.

    The optimizer is Adam with a warm-up and a cosine to 0. Gradients are clipped to a norm of 1.
    """

    steps: int = 10_000  # per stage
    size: int = 1024  # side of the square pictures, pixels
    batch: int = 8
    lr: float = 1e-3
    seed: int = 0
    weights: str = ""  # weights that the last stage starts from; "": drawn from the seed
    backbone: tuple[str, ...] = ()  # instead of `weights`: files of the backbones only
    validate_every: int | None = None  # steps, 0 for never; None: VALIDATE_EVERY, if there are pictures to validate on
    validate_on: int = 0  # number of images to validate on; 0: all


def train_model(
    name: str,
    recipe: Recipe,
    location: DataLocation,
    context: TrainingContext,
    *,
    validation: DataLocation = None,
    inputs: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Path, dict[str, float] | None]:
    """Train a registered method on DIS-TR or on a folder with im/ and gt/.

    Args:
        name: name of a model whose card has a `training`.
        recipe: the user's settings.
        location: a data set in any layout; see data.find_training_samples.
        context: where to train. Weights and logs of every stage are written to `context.out`, and a training that was
            cut off there is resumed.
        validation: another data set to validate on.
        inputs: name of an additional input -> its place, as `--input` has it, for both data sets.

    Returns:
        The weights for `run`, and the scores of the last validation, None without a validation.

    Raises:
        InputError: if the model has no training, or an option or the data set does not fit.
    """
    card = get_card(name)
    if read_count("WORLD_SIZE", 1) > 1:
        raise InputError("--model trains in one process; start it without torchrun or accelerate launch")
    if not card.training:
        trainable = ", ".join(other.name for other in list_cards().values() if other.training)
        raise InputError(f"{card.title} has no training here; those that have: {trainable}; DiffDIS takes a recipe")
    # Before the data set is read; DIS-Mini, which takes minutes to render, has no inputs of its own.
    check_names(card.title, card.inputs, inputs if location == "mini" else [*card.inputs, *inputs])
    training: Training = import_attribute(card, card.training)()
    if not math.isfinite(recipe.lr):
        raise InputError(f"--lr {recipe.lr}: give a number, such as 0.001")
    if recipe.size % training.multiple:
        raise InputError(f"--size {recipe.size}: {card.title} works at multiples of {training.multiple}")
    training.options = find_options(card, recipe.weights) if recipe.weights else {}
    recipe = replace(recipe, weights=resolve_weights(card, recipe.weights) or "")
    for stage in training.stages:
        check_output(context.out / training.name_weights(stage), [recipe.weights, *recipe.backbone])
    context = replace(context, device=devices.choose_device(context.device))
    pair = partial(additional.pair_training_inputs, card=card, places=inputs, out=context.out)
    samples, held_out = data.find_training_samples(location, validation, context.progress, pair)
    if not held_out and (recipe.validate_every or recipe.validate_on):
        option = "--validate-every" if recipe.validate_every else "--validate-on"
        raise InputError(f"{option}: the data set has no DIS-VD or validation; omit it, or give --validate DIR")
    channels = 5 if "depth" in card.inputs else 4  # with the mask
    fits = len(samples) * recipe.size**2 * channels <= MAX_MEMORY
    pictures = data.load_pictures(samples, recipe.size) if fits else data.Files(samples, recipe.size)
    scores = train_stages(training, recipe, pictures, held_out[: recipe.validate_on or None], context)
    return training.finish(context.out), scores


def train_stages(
    training: Training,
    recipe: Recipe,
    pictures: data.Pictures | data.Files,
    held_out: Sequence[Sample],
    context: TrainingContext,
) -> dict[str, float] | None:
    """Train the stages in turn; write each one's moving average to its file.

    Args:
        training: the method.
        recipe: the user's settings.
        pictures: pictures to train on.
        held_out: samples to validate the last stage on.
        context: device, output and log of the training. The device must not be None.

    Returns:
        The scores of the last validation, None without a validation.
    """
    # Built first, so that a mistake in the weights is reported before earlier stages are trained.
    start, backbone = build_start(training, recipe, context)
    # A resume without --data must not continue with other pictures; early checkpoints only know their number.
    identity = _identity(recipe) | {"pictures": len(pictures)} | backbone
    metadata = {files.SIZE: str(recipe.size)}
    every = VALIDATE_EVERY if recipe.validate_every is None else recipe.validate_every
    ema = max(0.0, min(0.998, 1 - EMA_SPANS / recipe.steps))
    inputs = pictures.inputs
    workers = choose_workers(context.workers, context.device, context.processes)
    hooks = Hooks(progress=context.progress, tracker=context.tracker, lr_flag="--lr")
    scores = None
    for number, stage in enumerate(training.stages):
        last = number == len(training.stages) - 1
        torch.manual_seed(recipe.seed)
        net = start if last and start is not None else training.network(stage, recipe.size)
        task = _StageTask(
            training=training,
            recipe=recipe,
            pictures=pictures,
            inputs=inputs,
            held_out=held_out if last else (),
            number=number,
            device=context.device,
            workers=workers,
        )
        validate_every = every if last and held_out else 0
        schedule = Schedule(
            recipe.steps, recipe.lr, weight_decay=0, ema=ema, validate_every=validate_every, log_every=10
        )
        state = RunState(
            out=context.out,
            identity=identity,
            name=stage,
            pictures_digest=pictures.digest,
            inputs=inputs.digests if inputs else {},
            validation_digest=data.digest_samples(task.held_out) if validate_every else "",
            metadata=metadata,
        )
        net = fit(net.to(context.device), schedule, task, state, hooks=hooks)
        training.finished(stage, net)
        path = context.out / training.name_weights(stage)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, files.to_safetensors(net, metadata))
        # What is resumed after its last step may have been validated on other images.
        scores = (task.latest or task.score(net)) if validate_every else None
    return scores


class _Batch(NamedTuple):
    """A batch of a step."""

    step: int
    images: Tensor
    labels: Tensor
    inputs: additional.Batch


@dataclass(frozen=True, kw_only=True)
class _StageTask(Task):
    """One stage of a training."""

    training: Training
    recipe: Recipe
    pictures: data.Pictures | data.Files
    inputs: additional.Inputs | None
    held_out: Sequence[Sample]
    number: int  # of the stage, from 0
    device: str
    workers: int
    latest: dict[str, float] = field(default_factory=dict)  # the scores of the last validation

    def batch(self, step: int) -> _Batch:
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, self.number, step])
        indices = data.rows_of_step(len(self.pictures), recipe.batch, step, recipe.seed + self.number)
        changes = [draw_change(data.Augment(), rng) for _ in indices]
        images, masks = data.change_pictures(self.pictures, indices, recipe.size, changes)
        inputs: additional.Batch = {}
        if self.inputs:
            rows = zip(self.inputs.read(indices), changes, strict=True)
            inputs = additional.stack_values([change_inputs(values, recipe.size, change) for values, change in rows])
        return _Batch(step=step, images=images, labels=self.training.labels(masks), inputs=inputs)

    def losses(self, net: nn.Module, batch: _Batch) -> dict[str, Tensor]:
        # So that dropout and noise depend on the seed, the stage and the step alone, after a resume too.
        rng = np.random.default_rng([self.recipe.seed, self.number, batch.step, 1])
        torch.manual_seed(int(rng.integers(2**63)))
        images, labels = (x.to(self.device, non_blocking=True) for x in (batch.images, batch.labels))
        try:
            return self.training.losses(net, images, labels, **additional.to_device(batch.inputs, self.device))
        except RuntimeError as error:  # as binary cross entropy raises it for NaN
            if "between 0 and 1" not in str(error):
                raise
            fault = "the network's values are no probabilities any more"
            raise InputError(f"step {batch.step}: {fault}; lower --lr, and choose another --out") from None

    def validate(self, net: nn.Module, step: int) -> dict[str, float]:
        self.latest.update(self.score(net))
        return self.latest

    def score(self, net: nn.Module) -> dict[str, float]:
        return validate_network(self.training, net, self.held_out, self.recipe.size, self.device)


def build_start(
    training: Training, recipe: Recipe, context: TrainingContext
) -> tuple[nn.Module | None, dict[str, Any]]:
    """Build the network that the last stage starts from.

    Args:
        training: the method.
        recipe: names weights or backbones to start from.
        context: receives lines about the backbones.

    Returns:
        The network, None if the recipe names no weights, and what it adds to the identity of the training.
    """
    build = partial(training.network, training.stages[-1], recipe.size)
    if training.opens_folder:
        if recipe.backbone:
            raise InputError("--backbone: this network has no backbone that is published separately; omit it")
        training.open_folder(recipe.weights)
        return None, {}
    if recipe.weights and recipe.backbone:
        raise InputError("--backbone: --weights has a backbone already; omit one of them")
    if recipe.weights:
        path = files.find_file(recipe.weights)
        state = training.learned(files.read_weights(path))
        training.choose(state)
        return files.load_module(build, state, path), {}
    if not recipe.backbone:
        return None, {}
    candidates = [backbones.read_backbone(name) for name in recipe.backbone]
    with torch.device("meta"):
        net = build()
    prefixes = [prefix for prefix, _ in backbones.find_backbones(net).values()]
    if not prefixes:
        raise InputError(f"--backbone: {type(net).__name__} has no backbone that is published separately; omit it")
    tensors: dict[str, Tensor] = {}
    for prefix in prefixes:
        for candidate in candidates:
            tensors |= {f"{prefix}.{key}": x for key, x in candidate.state.items()}
    training.choose(tensors)
    torch.manual_seed(recipe.seed)
    net = build()
    digests, lines = backbones.load_backbones(net, candidates)
    for line in lines:
        context.log(line)
    return net, {"backbone": digests}


@torch.inference_mode()
def validate_network(
    training: Training, net: nn.Module, samples: Sequence[Sample], size: int, device: str
) -> dict[str, float]:
    """Compute maximal F and MAE of a network's maps at the original size of the images.

    Args:
        training: the method.
        net: network of the last stage, in eval mode.
        samples: images and ground truths.
        size: side in pixels that images are reduced to.
        device: device of the network.
    """
    measurements = []
    for sample in samples:
        image, truth = data.read_pair(sample)
        small = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        x = torch.from_numpy(small).permute(2, 0, 1)[None].to(device) / 255
        inputs = additional.stack_values([additional.read_values(sample, size)])
        prediction = training.predict(net, x, **additional.to_device(inputs, device))[0].cpu().numpy()
        prediction = cv2.resize(prediction, truth.shape[::-1], interpolation=cv2.INTER_LINEAR)
        levels = np.rint(np.clip(prediction, 0, 1) * 255).astype(np.uint8)
        measurements.append(measure(levels, truth, metrics=SCORES))
    scores = score(measurements, metrics=SCORES)
    return {key: scores[key] for key in SCORES}


def normalised(images: Tensor, mean: Any, deviation: Any) -> Tensor:
    """Subtract a mean per channel from images (b, 3, h, w) and divide by a deviation per channel."""
    mean, deviation = (torch.as_tensor(x).to(images)[:, None, None] for x in (mean, deviation))
    return (images - mean) / deviation


@contextmanager
def watched(net: nn.Module, *names: str) -> Iterator[dict[str, Tensor]]:
    """Collect the outputs of the modules of these names while `net` runs, for heads that exist in training only."""
    outputs: dict[str, Tensor] = {}

    def watch(name: str) -> torch.utils.hooks.RemovableHandle:
        return net.get_submodule(name).register_forward_hook(lambda _, __, output: outputs.update({name: output}))

    hooks = [watch(name) for name in names]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def _identity(recipe: Recipe) -> dict[str, Any]:
    """Return the values of a recipe that change weights. A backbone is identified by its digest."""
    omitted = ("validate_every", "validate_on", "backbone")
    return {key: value for key, value in asdict(recipe).items() if key not in omitted}
