"""Train DiffDIS by Algorithm 1 of the paper: `disbench train RECIPE.toml --data DIR --out DIR`.

Trains on DIS-TR and validates on DIS-VD, or on folders. Pictures may grow from stage to stage, since small ones teach
what an object is at a fraction of the time.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor, nn

from disbench.data.dataset import DataLocation, Sample
from disbench.errors import InputError, suggest_names
from disbench.models._training import data, recipes, tracking
from disbench.models._training.checkpoints import RunState
from disbench.models._training.context import TrainingContext
from disbench.models._training.loading import choose_workers
from disbench.models._training.loop import Hooks, fit
from disbench.models._training.optimization import check_schedule
from disbench.models._training.processes import Processes, join_processes
from disbench.models._training.task import Task
from disbench.models.diffdis import batches, check, conditioning, latent_cache, lora, memory, weights
from disbench.models.diffdis.batches import BatchPlan, Drawn, Encoder, Source
from disbench.models.diffdis.checkpoint import Checkpoint
from disbench.models.diffdis.losses import Latents, one_step, several_steps
from disbench.models.diffdis.settings import Recipe, Stage
from disbench.models.diffdis.train_vae import VAERecipe, train_vae
from disbench.models.diffdis.unet import LATENT_CHANNELS, DiffDISUNet
from disbench.models.diffdis.validate import score_checkpoint
from disbench.runs.outputs import check_output

__all__ = ["Recipe", "Stage", "build_unet", "prepare_checkpoint", "train_recipe", "train_unet"]

RECIPES = Path(__file__).parent / "recipes"


def train_recipe(
    path: Path,
    location: DataLocation,
    context: TrainingContext,
    *,
    validation: DataLocation = None,
    changes: Iterable[tuple[str, str]] = (),
    track: str | None = None,
) -> None:
    """Train DiffDIS by a recipe, its VAE first; write weights in half precision, checkpoints and logs.

    Args:
        path: TOML file, or the name of a recipe in RECIPES.
        location: DIS5K, or a folder with im/ and gt/.
        context: where to train. A training in `context.out` that was cut off is resumed. Its log receives how much
            memory the training may take.
        validation: folder with im/ and gt/ to validate on instead of DIS-VD.
        changes: other values for some keys of the recipe, as `recipes.apply_changes` takes them.
        track: one of `tracking.KINDS` to report to as well.

    Raises:
        InputError: if the recipe, the data set or a checkpoint in `context.out` is at fault.
    """
    path = find_recipe(path)
    recipe = recipes.convert_table(path, recipes.apply_changes(recipes.read_table(path), changes), Recipe)
    if recipe.vae and not (path.parent / recipe.vae).is_dir():
        recipes.read_recipe(path.parent / recipe.vae, VAERecipe)  # reports its faults before any work
    if context.cache_latents:
        latent_cache.check_unchanged(recipe)
    check_output(context.out, [recipe.base, recipe.vae and path.parent / recipe.vae])
    device, processes = join_processes(context.device, sharded=context.sharded)
    check_processes(recipe, device, processes)
    context = replace(context, device=device, processes=processes)
    samples, held_out = data.find_training_samples(location, validation, context.progress)
    start = prepare_checkpoint(recipe, path, samples, context)
    if processes.first:
        context.log(f"memory: {_estimate_memory(recipe, start, processes)}")
        if track:
            context = replace(context, tracker=tracking.open_tracker(track, context.out))
    unet = train_unet(recipe, start, samples, held_out, context)
    if processes.first:
        weights.save(replace(start, unet=unet), context.out)


def find_recipe(path: Path) -> Path:
    """Return the file of a recipe that is given as a path or by the name of a shipped one."""
    if path != Path(path.name) or path.is_file():
        return path
    shipped = {file.stem: file for file in RECIPES.glob("*.toml")}
    if path.name not in shipped and not path.exists():
        raise InputError(f"{path}: no such file, nor a recipe of disbench's; {suggest_names(path.name, shipped)}")
    return shipped.get(path.name, path)  # a folder, such as an --out, may have the name of a recipe


def check_processes(recipe: Recipe, device: str, processes: Processes) -> None:
    """Raise InputError if a device cannot compute as a recipe says, or processes cannot split its weights."""
    check_schedule(recipe.schedule, device, processes)
    unfit = [key for key, is_used in {"lora": recipe.lora > 0, "rollout": recipe.rollout > 1}.items() if is_used]
    if processes.sharded and unfit:
        raise InputError(f"--fsdp: not with {unfit[0]}; change the recipe, or omit --fsdp")


def prepare_checkpoint(
    recipe: Recipe, path: Path, samples: Sequence[Sample], context: TrainingContext
) -> Checkpoint:
    """Build the networks that a training starts from, and train the VAE if the recipe has one to train.

    Args:
        recipe: the recipe.
        path: its file, which names it in errors and next to which its VAE is.
        samples: pictures to train the VAE on.
        context: where the VAE is trained.
    """
    torch.manual_seed(recipe.seed)
    if recipe.base:
        start = weights.start(recipe.base, recipe.parts, scratch=recipe.scratch)
    else:
        check.check_unet(path, recipe)
        vae_path = path.parent / recipe.vae
        if vae_path.is_dir():
            vae = weights.load(vae_path).vae
        else:
            vae_recipe = recipes.read_recipe(vae_path, VAERecipe)
            check.check_sizes(path, recipe, check.check_vae(vae_path, vae_recipe))
            vae = train_vae(vae_recipe, samples, context)
        start = Checkpoint(build_unet(recipe), vae, torch.zeros(1, *recipe.text), recipe.prediction_type)
    check.check_sizes(path, recipe, start.vae)
    start.unet.batch_statistics = recipe.batch_norm
    if recipe.lora:
        lora.add_adapters(start.unet, recipe.lora)
    if recipe.checkpointing:
        start.unet.enable_gradient_checkpointing()
    return replace(start, size=recipe.size)


def build_unet(recipe: Recipe) -> DiffDISUNet:
    """Build the U-Net of a recipe, drawn from its seed."""
    torch.manual_seed(recipe.seed)
    unet = DiffDISUNet(**recipe.unet, **asdict(recipe.parts))
    # At t = 999 the noisy latents are almost only noise, and the image is fainter: start without the noise.
    torch.nn.init.zeros_(unet.conv_in.weight[:, LATENT_CHANNELS:])
    return unet


def train_unet(
    recipe: Recipe,
    start: Checkpoint,
    samples: Source,
    held_out: Sequence[Sample],
    context: TrainingContext,
    encode: Encoder | None = None,
) -> DiffDISUNet:
    """Train the U-Net of a checkpoint in place.

    Args:
        recipe: the recipe.
        start: networks to start from.
        samples: pictures to train on, or samples from which they are read.
        held_out: samples to validate on.
        context: device, output and log of the training. The device must not be None.
        encode: makes the latents of a batch instead of `batches.encode_batch`, whose latents a caller may cache.

    Returns:
        The moving average of the U-Net.
    """
    start = replace(
        start,
        unet=start.unet.to(context.device),
        vae=start.vae.to(context.device).eval().requires_grad_(False),
        text=start.text.to(context.device),
    )
    needs_files = recipe.augment == "authors"
    source = samples
    if context.cache_latents:
        source = data.Files(latent_cache.hash_samples(samples), recipe.pictures)
        encode = latent_cache.LatentCache(recipe, start.vae)
    if not needs_files and not isinstance(source, data.Pictures | data.Files):
        source = load_pictures(recipe, samples)
    digest = source.digest if isinstance(source, data.Pictures | data.Files) else data.digest_samples(source)
    task = _UNetTask(
        recipe=recipe,
        start=start,
        source=source,
        held_out=held_out[: recipe.validate_on or None],
        samples_folder=context.out / "samples",
        parts=[context.processes.local_slice(stage.batch) for stage in recipe.stages],
        encode=encode,
        workers=0 if encode else choose_workers(context.workers, context.device, context.processes),
    )
    trained = fit(
        start.unet,
        recipe.schedule,
        task,
        RunState(
            out=context.out,
            identity=recipe,
            name="unet",
            pictures_digest=digest,
            validation_digest=data.digest_samples(task.held_out) if task.held_out else "",
        ),
        processes=context.processes,
        hooks=Hooks(progress=context.progress, tracker=context.tracker),
    )
    if recipe.lora:
        lora.merge_adapters(trained)
    return trained


@dataclass(frozen=True, kw_only=True)
class _UNetTask(Task):
    """The training of the U-Net."""

    recipe: Recipe
    start: Checkpoint
    source: Source
    held_out: Sequence[Sample]
    samples_folder: Path
    parts: Sequence[slice]  # of a batch of each stage, for this process
    encode: Encoder | None
    workers: int

    def batch(self, step: int) -> tuple[int, Drawn | None]:
        if self.encode:
            return step, None
        return step, batches.draw_batch(self.recipe, self._plan(step), self.source)

    def prepare(self, batch: tuple[int, Drawn | None]) -> Latents:
        step, drawn = batch
        plan, vae = self._plan(step), self.start.vae
        if self.encode:
            latents = self.encode(self.recipe, plan, vae, self.source)
        else:
            latents = batches.encode_drawn(self.recipe, plan, vae, drawn)
        return batches.adapt_latents(latents, self.recipe, plan)

    def _plan(self, step: int) -> BatchPlan:
        # Steps are counted in batches here, of which a step of the stages has `accumulate`.
        ends = list(accumulate(stage.steps for stage in self.recipe.stages))
        number = bisect_right(ends, step // self.recipe.schedule.accumulate)
        return BatchPlan(step=step, stage=self.recipe.stages[number], part=self.parts[number])

    def losses(self, net: DiffDISUNet, batch: Latents) -> dict[str, Tensor]:
        network = replace(self.start, unet=net)
        if self.recipe.rollout == 1:
            return one_step(network, batch)
        return several_steps(network, batch, self.recipe.rollout)

    def validate(self, net: DiffDISUNet, step: int) -> dict[str, float]:
        if not self.held_out:
            return {}
        network, picture = replace(self.start, unet=net), self.samples_folder / f"{step}.png"
        return score_checkpoint(network, self.held_out, self.recipe.infer_steps, self.recipe.show, picture)

    def units(self, net: DiffDISUNet) -> list[nn.Module]:
        return memory.list_units(net)

    def lr_multiplier(self, parameter: str) -> float:
        return self.recipe.embedding_lr if parameter.startswith("class_embedding.") else 1.0

    def export(self, net: DiffDISUNet) -> DiffDISUNet:
        return lora.merged_copy(net)


def load_pictures(recipe: Recipe, samples: Sequence[Sample]) -> data.Pictures | data.Files:
    """Load the pictures of a recipe into memory, or prepare to read them each time."""
    if recipe.keep:
        return data.load_pictures(samples, recipe.pictures)
    return data.Files(samples, recipe.pictures)


def _estimate_memory(recipe: Recipe, start: Checkpoint, processes: Processes) -> memory.Estimate:
    """Estimate the memory of the most demanding stage, per process."""
    load = memory.heaviest_load(recipe, conditioning.factor(start.vae), start.text.shape[-2], processes)
    activations = memory.count_activations(start.unet, load, checkpointing=recipe.checkpointing)
    shards = processes.count if processes.sharded else 1
    return memory.make_estimate(start.unet, start.vae, recipe.schedule, load, activations, shards)
