"""Train DiffDIS by Algorithm 1 of the paper: `disbench train RECIPE.toml --data DIR --out DIR`.

Trains on DIS-TR and validates on DIS-VD, or on folders. Pictures may grow from stage to stage: small ones teach what
an object is at a fraction of the time.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from disbench.data.dataset import DataLocation, Sample
from disbench.errors import InputError, suggest_names
from disbench.models._training import data, recipe, tracking
from disbench.models._training.loop import fit
from disbench.models._training.processes import ALONE, Processes, join
from disbench.models.diffdis import batches, check, conditioning, lora, losses, memory, weights
from disbench.models.diffdis.settings import Recipe, Stage
from disbench.models.diffdis.train_vae import VAERecipe, train_vae
from disbench.models.diffdis.unet import LATENT_CHANNELS, DiffDISUNet
from disbench.models.diffdis.validate import scores

__all__ = ["Recipe", "Stage", "begin", "main", "train"]

RECIPES = Path(__file__).parent / "recipes"


def main(
    path: Path,
    where: DataLocation,
    out: Path,
    device: str | None = None,
    progress=None,
    say=lambda line: None,
    track: str | None = None,
    held_out: DataLocation = None,
    changes: Iterable[tuple[str, str]] = (),
) -> None:
    """Train the recipe in `path`, its VAE first; weights in half precision, checkpoints and logs go to `out`.

    `path` may be the name of one in RECIPES. `changes` are to it, as `recipe.changed` takes them. `where` is what
    `disbench.data.find` takes; a training in `out` that was cut off is gone on with. `say` is told how much memory it
    may take. `track`: one of `tracking.KINDS` that is to log as well. `held_out`: a folder to validate on in place of
    DIS-VD.
    """
    if path == Path(path.name) and not path.is_file():  # a folder may be called so, as an --out
        shipped = {file.stem: file for file in RECIPES.glob("*.toml")}
        if path.name not in shipped and not path.exists():
            raise InputError(f"{path}: no such file, nor a recipe of disbench's; {suggest_names(path.name, shipped)}")
        path = shipped.get(path.name, path)
    what = recipe.convert(path, recipe.changed(recipe.table(path), changes), Recipe)
    if what.vae and not (path.parent / what.vae).is_dir():
        recipe.read(path.parent / what.vae, VAERecipe)  # what is wrong with it is told before any work
    device, processes = join(device)
    samples, held_out = data.splits(where, held_out, progress)
    start = begin(what, path, samples, out, progress, processes, device)
    if processes.first:
        say(f"memory: {_memory(what, start, processes)}")
    tracked = tracking.tracker(track, out) if track and processes.first else None
    unet = train(what, start, samples, held_out, out, device, progress, processes, track=tracked)
    if processes.first:
        weights.save(replace(start, unet=unet), out)


def begin(
    what: Recipe,
    path: Path,
    samples: Sequence[Sample],
    out: Path,
    progress=None,
    processes: Processes = ALONE,
    device: str = "cpu",
) -> weights.Checkpoint:
    """What the training of the recipe in `path` starts from; its VAE is trained in `out` if it is to be."""
    torch.manual_seed(what.seed)
    if what.base:
        start = weights.start(what.base, what.parts, what.scratch)
    else:
        check.unet(path, what)
        at = path.parent / what.vae
        if at.is_dir():
            vae = weights.load(at).vae
        else:
            smaller = recipe.read(at, VAERecipe)
            check.sizes(path, what, check.vae(at, smaller))
            vae = train_vae(smaller, samples, out, progress, processes, device)
        start = weights.Checkpoint(new_unet(what), vae, torch.zeros(1, *what.text), what.prediction_type)
    check.sizes(path, what, start.vae)
    start.unet.batch_statistics = what.batch_norm
    if what.lora:
        lora.add(start.unet, what.lora)
    if what.checkpointing:
        start.unet.enable_gradient_checkpointing()
    return replace(start, size=what.size)


def new_unet(what: Recipe) -> DiffDISUNet:
    torch.manual_seed(what.seed)
    unet = DiffDISUNet(**what.unet, **asdict(what.parts))
    # At t = 999 the noisy latents are all but noise: begin without them, the image is fainter than the noise.
    torch.nn.init.zeros_(unet.conv_in.weight[:, LATENT_CHANNELS:])
    return unet


def train(
    what: Recipe,
    start: weights.Checkpoint,
    samples: Sequence[Sample] | data.Pictures | data.Files,
    held_out: Sequence[Sample],
    out: Path,
    device: str = "cpu",
    progress=None,
    processes: Processes = ALONE,
    latents: Callable = batches.latents,
    track: tracking.Track | None = None,
) -> DiffDISUNet:
    """The U-Net of `start` trained on `samples`, in place, and its moving average; checkpoint and log go to `out`.

    `latents` is for a caller that keeps what `batches.latents` makes.
    """
    start = replace(start, vae=start.vae.to(device).eval().requires_grad_(False), text=start.text.to(device))
    unet = start.unet.to(device)
    ends = list(accumulate(stage.steps for stage in what.stages))
    whole = what.augment == "authors" or isinstance(samples, data.Pictures | data.Files)
    source = samples if whole else pictures(what, samples)
    known = source.digest if isinstance(source, data.Pictures | data.Files) else data.digest(source)
    parts = {stage: processes.part(stage.batch) for stage in what.stages}

    def make(step: int) -> dict[str, Any]:  # counted in batches, of which a step of the stages has `accumulate`
        stage = what.stages[bisect_right(ends, step // what.schedule.accumulate)]
        part = parts[stage]
        return batches.fitted(latents(what, stage, start.vae, source, step, part), what, stage, step, part)

    def loss(model: DiffDISUNet, batch: dict[str, Any]) -> dict[str, Tensor]:
        of = losses.one_step if what.rollout == 1 else losses.several_steps
        return of(model, **batch, text=start.text, prediction_type=start.prediction_type)

    def validate(model: DiffDISUNet, step: int) -> dict[str, float]:
        some, picture = held_out[: what.validate_on or None], out / "samples" / f"{step}.png"
        return scores(replace(start, unet=model), some, what.infer_steps, what.show, picture)

    trained = fit(
        unet,
        what.schedule,
        make,
        loss,
        what,
        out,
        validate if held_out else None,
        progress,
        name="unet",
        rate=lambda parameter: what.embedding_lr if parameter.startswith("class_embedding.") else 1.0,
        processes=processes,
        track=track,
        pictures=known,
        plain=lora.merged,
    )
    if what.lora:
        lora.merge(trained)
    return trained


def _memory(what: Recipe, start: weights.Checkpoint, processes: Processes) -> memory.Estimate:
    """Of the stage that takes most, in each process."""
    stage = max(what.stages, key=lambda stage: stage.batch * stage.size**2)
    images = stage.batch // processes.count
    latent = stage.size // conditioning.factor(start.vae)
    return memory.estimate(start.unet, start.vae, what.schedule, start.text.shape[-2], latent, images)


def pictures(what: Recipe, samples: Sequence[Sample]) -> data.Pictures | data.Files:
    return data.load(samples, what.pictures) if what.keep else data.Files(samples, what.pictures)
