"""LawDIS' training (Yan et al., ICCV 2025), as the paper describes it: the repository has none at 4c64500.

First the U-Net learns to undo the noise on the latent of the mask at a random time, in both modes in each step: of the
whole image with its prompt, and of the window around the object, enlarged, with the empty prompt. The loss is the sum
of both mean squared errors. Then it is frozen, and the VAE's decoder learns, by F3Net's loss, from what one step from
noise leaves, in one of the modes for each image.

The paper has a noise that is stronger at low frequencies the later the time, and does not say how strong; here it is
as strong as in Marigold, which LawDIS' code is based on. What is learned follows the scheduler's `prediction_type`, as
there: the paper writes of the noise, and Stable Diffusion 2 predicts the velocity. The paper cuts the window's noise
out of the image's; here it is drawn anew. Its single step is of TCD's scheduler; here it is that of `run`.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional

from disbench.errors import InputError
from disbench.models._training import supervised
from disbench.models._training.data import to_input
from disbench.models._training.losses import structure
from disbench.models.diffdis.conditioning import factor
from disbench.models.diffdis.noise import pyramid
from disbench.models.lawdis.network import MACRO, MICRO, Networks, embed_modes
from disbench.models.lawdis.start import load_start, write_parts
from disbench.models.lawdis.weights import FILES

FOLDER = "lawdis"  # in the output folder: what `run` takes
STRENGTH = 0.9  # of the noise's levels at the last time


class Training(supervised.Training):
    """LawDIS' networks and losses."""

    stages = ("unet", "vae")
    multiple = 64
    opens_folder = True
    networks: Networks
    start: Path

    def open_folder(self, folder: str) -> None:
        """Load the networks of Stable Diffusion 2 or of LawDIS."""
        if not folder:
            raise InputError("LawDIS is trained from Stable Diffusion 2; give its folder, or LawDIS', by --weights DIR")
        self.start = Path(folder)
        self.networks = load_start(self.start)

    def name_weights(self, stage: str) -> str:
        """Return the place of a network in the folder for `run`."""
        return f"{FOLDER}/{stage}/{FILES[0]}"

    def finish(self, out: Path) -> Path:
        """Complete the folder for `run`."""
        write_parts(out / FOLDER, self.networks, self.start)
        return out / FOLDER

    def network(self, stage: str, size: int) -> nn.Module:
        """Return the U-Net, or the VAE with only its decoder to learn."""
        if stage == "unet":
            return self.networks.unet
        vae = self.networks.vae
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
        return vae

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor, *, prompt: list[str]) -> dict[str, Tensor]:
        """(b, 3, h, w) and (b, 1, h, w), both in [0, 1], and b prompts -> the terms of the loss."""
        images, masks = to_input(images), masks.to(images)
        networks = self._place(net, images.device)
        if isinstance(net, UNet2DConditionModel):
            return noise_losses(networks, images, masks, prompt)
        return {"map": decoder_loss(networks, images, masks, prompt)}

    def finished(self, stage: str, net: nn.Module) -> None:
        """Freeze a network."""
        self.networks = replace(self.networks, **{stage: net.requires_grad_(False)})

    def predict(self, net: nn.Module, images: Tensor, *, prompt: list[str]) -> Tensor:
        """(b, 3, h, w) in [0, 1] and b prompts -> (b, h, w) in [0, 1]: the macro mode, from the noise of seed 0."""
        networks = self._place(net, images.device)
        noise = networks.draw_noise(0, images.shape[-1]).to(images).expand(len(images), -1, -1, -1)
        return networks.segment(to_input(images), noise, _embed(networks, prompt, images.device)).sigmoid()

    def _place(self, net: nn.Module, device: torch.device) -> Networks:
        """Put the network that is being trained among the others, on its device."""
        name = "unet" if isinstance(net, UNet2DConditionModel) else "vae"
        networks = replace(self.networks, **{name: net})
        for network in (networks.unet, networks.vae, networks.text):
            network.to(device)
        return networks


def noise_losses(networks: Networks, images: Tensor, masks: Tensor, prompts: list[str]) -> dict[str, Tensor]:
    """Compute the errors of the U-Net in both modes, of images in [-1, 1], masks in [0, 1] and prompts."""
    count, scheduler = len(images), networks.scheduler
    windows = find_objects(masks)
    with torch.no_grad():
        images = torch.cat((images, cut_windows(images, windows)))
        masks = torch.cat((masks, cut_windows(masks, windows)))
        condition, target = (networks.vae.encode_image(x)[0] for x in (images, to_input(masks)))
        text = _embed(networks, [*prompts, *[""] * count], images.device)
    times = torch.randint(scheduler.config.num_train_timesteps, (count,)).repeat(2)
    noise = draw_noise(target.shape, times / scheduler.config.num_train_timesteps).to(target)
    times = times.to(images.device)
    noisy = scheduler.add_noise(target, noise, times)
    modes = torch.tensor([MACRO] * count + [MICRO] * count, device=images.device)
    both = torch.cat((condition, noisy), dim=1)
    output = networks.unet(both, times, encoder_hidden_states=text, class_labels=embed_modes(modes)).sample
    kind = scheduler.config.prediction_type
    if kind == "v_prediction":
        target = scheduler.get_velocity(target, noise, times)
    elif kind == "epsilon":
        target = noise
    errors = (output - target) ** 2
    return {"macro": errors[:count].mean(), "micro": errors[count:].mean()}


def decoder_loss(networks: Networks, images: Tensor, masks: Tensor, prompts: list[str]) -> Tensor:
    """Compute the error of decoded maps, each in a mode that is drawn, of images in [-1, 1], masks and prompts."""
    count, micro = len(images), torch.rand(len(images)) < 0.5
    prompts = ["" if is_micro else prompt for prompt, is_micro in zip(prompts, micro.tolist(), strict=True)]
    modes = torch.where(micro[:, None], torch.tensor(MICRO), torch.tensor(MACRO)).to(images)
    windows, is_cut = find_objects(masks), micro.to(images.device)[:, None, None, None]
    with torch.no_grad():
        images, masks = (torch.where(is_cut, cut_windows(x, windows), x) for x in (images, masks))
        side = images.shape[-1] // factor(networks.vae)
        noise = torch.randn(count, 4, side, side).to(images)
        latent, features = networks.take_step(images, noise, _embed(networks, prompts, images.device), modes)
    return structure(networks.vae.decode_map(latent, features)[:, None], masks)


def find_objects(masks: Tensor) -> Tensor:
    """Find the smallest boxes that hold the foreground of masks (b, 1, h, w), or all where there is none.

    Returns:
        (b, 4): x0, y0, x1, y1, as shares of the sides. No value is asked of the device.
    """
    foreground = masks[:, 0] > 0.5
    bounds = []
    for axis in (1, 2):  # columns, rows
        hit = foreground.any(axis).float()
        bounds.append((hit.argmax(1) / hit.shape[1], 1 - hit.flip(1).argmax(1) / hit.shape[1]))
    (x0, x1), (y0, y1) = bounds
    return torch.stack((x0, y0, x1, y1), dim=1)


def cut_windows(x: Tensor, windows: Tensor) -> Tensor:
    """Cut boxes, as shares of the sides (b, 4), out of (b, c, h, w), and enlarge them to the same size, bilinearly."""
    x0, y0, x1, y1 = windows.unbind(1)
    zero = torch.zeros_like(x0)
    # Each maps a place in the window to one in the picture, both from -1 to 1.
    matrices = torch.stack((x1 - x0, zero, x0 + x1 - 1, zero, y1 - y0, y0 + y1 - 1), dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(matrices, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def draw_noise(shape: torch.Size, times: Tensor) -> Tensor:
    """Draw noise of a deviation of 1 on the CPU, for times (b) in [0, 1]. Later, low frequencies are stronger."""
    seed = int(torch.randint(2**31, ()))
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    return pyramid(tuple(shape), generator, rng, STRENGTH * times.view(-1, 1, 1, 1))


def _embed(networks: Networks, prompts: list[str], device: torch.device) -> Tensor:
    with torch.no_grad():
        return networks.embed(torch.stack([networks.split_prompt(prompt) for prompt in prompts]).to(device))
