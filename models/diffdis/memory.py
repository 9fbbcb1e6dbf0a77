"""Estimate the memory of a training before it starts."""

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

from disbench.models._training.processes import Processes
from disbench.models._training.schedule import Schedule
from disbench.models.diffdis.pipeline import LAST
from disbench.models.diffdis.settings import Recipe
from disbench.models.diffdis.unet import LATENT_CHANNELS, SCALES, DiffDISUNet

BYTES = 4
MOMENTS = {"adamw": 8, "adamw8bit": 2}  # bytes of both moments per weight; for 8 bits without the scale per block
GATHERED = 3  # parts that are whole at once: two of weights, since the next is gathered ahead, and one of gradients
FULL_SIZE = 3  # tensors that the VAE holds at once: input, inside and output of a block


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Bytes of one process according to the sizes of tensors, without allocator and kernels. Not checked on a GPU."""

    parameters: int
    gradients: int
    moments: int
    average: int
    activations: int
    vae: int

    @property
    def weights(self) -> int:
        """Bytes of the weights, their gradients, moments and moving average."""
        return self.parameters + self.gradients + self.moments + self.average

    @property
    def total(self) -> int:
        """Bytes of everything."""
        return self.weights + self.activations + self.vae

    def __str__(self) -> str:
        """Describe the estimate in gigabytes."""
        return (
            f"about {self.total / 1e9:.1f} GB (an estimate, measured on no GPU): "
            f"{self.weights / 1e9:.1f} for weights, gradients, moments and average, {self.activations / 1e9:.1f} for "
            f"activations, {self.vae / 1e9:.1f} for the autoencoder"
        )


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one process computes in a step.

    Attributes:
        tokens: length of the prompt.
        latent: side of the latents.
        images: images per batch and process.
    """

    tokens: int
    latent: int
    images: int


def heaviest_load(recipe: Recipe, scale: int, tokens: int, processes: Processes) -> Load:
    """Return what a process computes in the most demanding stage. `scale`: pixels per latent pixel, along a side."""
    stage = max(recipe.stages, key=lambda stage: stage.batch * stage.size**2)
    part = processes.local_slice(stage.batch)
    return Load(tokens=tokens, latent=stage.size // scale, images=part.stop - part.start)


def estimate_memory(
    unet: DiffDISUNet, vae: AutoencoderKL, schedule: Schedule, tokens: int, latent: int, images: int
) -> Estimate:
    """Estimate the memory of training a U-Net, which one process has whole.

    Args:
        unet: the U-Net.
        vae: the autoencoder.
        schedule: names optimizer, precision and moving average.
        tokens: length of the prompt.
        latent: side of the latents.
        images: images per batch and process.
    """
    load = Load(tokens=tokens, latent=latent, images=images)
    activations = count_activations(unet, load, checkpointing=unet.is_gradient_checkpointing)
    return make_estimate(unet, vae, schedule, load, activations)


def make_estimate(
    unet: DiffDISUNet, vae: AutoencoderKL, schedule: Schedule, load: Load, activations: int, shards: int = 1
) -> Estimate:
    """Sum the memory of a training.

    Half precision is assumed to halve the activations, although a part stays in float32. The VAE only encodes and saves
    nothing: it takes its weights, and what its first block holds at the size of the images, in float32.

    Args:
        unet: the U-Net.
        vae: the autoencoder.
        schedule: names optimizer, precision and moving average.
        load: what a process computes.
        activations: bytes of the activations in float32, by `count_activations`.
        shards: number of processes that split weights, gradients and moments; each then gathers some parts.
    """
    count = sum(p.numel() for p in unet.parameters())
    trained = sum(p.numel() for p in unet.parameters() if p.requires_grad)
    gathered = 0
    if shards > 1:
        gathered = GATHERED * BYTES * max(sum(p.numel() for p in unit.parameters()) for unit in list_units(unet))
    widths = vae.config.block_out_channels
    pixels = load.images * (load.latent << (len(widths) - 1)) ** 2
    return Estimate(
        parameters=BYTES * count // shards + gathered,
        gradients=BYTES * trained // shards,
        moments=MOMENTS[schedule.optimizer] * trained // shards,
        average=BYTES * count // shards if schedule.ema else 0,
        activations=activations if schedule.precision == "fp32" else activations // 2,
        vae=BYTES * (sum(p.numel() for p in vae.parameters()) + FULL_SIZE * widths[0] * pixels),
    )


def list_units(unet: DiffDISUNet) -> list[nn.Module]:
    """List the parts of a U-Net whose weights processes that split them gather together."""
    return [*unet.down_blocks, unet.mid_block, *unet.up_blocks]


def count_activations(unet: DiffDISUNet, load: Load, *, checkpointing: bool) -> int:
    """Count the bytes, in float32, of the tensors that a forward pass keeps for the gradients.

    The pass runs on the meta device, which computes nothing. With checkpointing, the backward pass also has what it
    computes again at once, of which the largest layer counts.
    """
    kept, largest = _run_on_meta(unet, load, checkpointing=False)
    return kept if not checkpointing else _run_on_meta(unet, load, checkpointing=True)[0] + largest


def _run_on_meta(unet: DiffDISUNet, load: Load, *, checkpointing: bool) -> tuple[int, int]:
    """Return the bytes that a forward pass keeps, and those that its largest layer keeps."""
    with torch.device("meta"):
        model = DiffDISUNet.from_config(unet.config).train()
        if checkpointing:
            model.enable_gradient_checkpointing()
        side = load.latent
        noisy = torch.empty(model.domains * load.images, LATENT_CHANNELS, side, side)
        scales = tuple(torch.empty(load.images, LATENT_CHANNELS, side >> k, side >> k) for k in range(SCALES))
        text = torch.empty(1, load.tokens, unet.config.cross_attention_dim)
        parameters = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
        kept: dict[int, Tensor] = {}
        layers = [0]  # bytes that each layer has kept

        def save(x: Tensor) -> Tensor:
            # Fused kernels save no attention weights (L, L); the meta device lacks these kernels.
            attention = x.dim() >= 3 and x.shape[-1] == x.shape[-2] > side
            storage = x.untyped_storage()
            if storage._cdata not in parameters and not attention:
                layers[-1] += storage.nbytes() if storage._cdata not in kept else 0
                kept[storage._cdata] = x
            return x

        for layer in model.modules():
            if isinstance(layer, ResnetBlock2D | BasicTransformerBlock):  # what diffusers checkpoints
                layer.register_forward_pre_hook(lambda *_: layers.append(0))
                layer.register_forward_hook(lambda *_: layers.append(0))
        with torch.autograd.graph.saved_tensors_hooks(save, lambda x: x):
            output = model(noisy, LAST, scales, text)
        del output
    return sum(x.untyped_storage().nbytes() for x in kept.values()), max(layers[1::2], default=0)
