"""The losses of the small VAE, with a VAE whose errors are known."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import AutoencoderKL
from tiny_training import VAE

from disbench.models._training.schedule import Schedule
from disbench.models.diffdis import train_vae

torch.set_num_threads(1)
ONE = Schedule(1, 1e-3)


def recipe(**values):
    return train_vae.VAERecipe(VAE, ONE, ONE, **values)


class Off:
    """Latents are the pixels; what is decoded is off by `error` in each channel."""

    device, config = torch.device("cpu"), SimpleNamespace(scaling_factor=1.0)

    def __init__(self, error=(0.0, 0.0, 0.0), kl=(1.0, 3.0)):
        self.error, self.kl = torch.tensor(error).view(1, 3, 1, 1), torch.tensor(kl)

    def encode(self, x):
        return SimpleNamespace(latent_dist=SimpleNamespace(sample=lambda _: x, mean=x, kl=lambda: self.kl))

    def decode(self, latent):
        return SimpleNamespace(sample=latent + self.error)


def batch(seed=0):
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return x, torch.Generator().manual_seed(seed)


def test_an_error_of_colour_counts_without_its_brightness():
    """(.3, 0, 0) less its mean is (.2, -.1, -.1), whose mean square is .02."""
    losses = train_vae._all_losses(recipe(), Off((0.3, 0.0, 0.0)), batch())
    values = {name: loss.item() for name, loss in losses.items()}
    expected = {"l1": 0.1, "mse": 0.03, "colour": 20 * 0.02, "kl": 2e-6}
    assert values == pytest.approx(expected, rel=1e-4)
    other = train_vae._all_losses(recipe(colour=5.0, kl=0.5), Off((0.3, 0.0, 0.0)), batch())
    assert [other[name].item() for name in ("colour", "kl")] == pytest.approx([5 * 0.02, 1.0], rel=1e-4)


def test_an_error_of_brightness_is_none_of_colour():
    losses = train_vae._all_losses(recipe(), Off((0.3, 0.3, 0.3)), batch())
    assert losses["colour"].item() == pytest.approx(0, abs=1e-9)
    assert losses["mse"].item() == pytest.approx(0.09, rel=1e-4)


def test_the_decoder_learns_from_latents_that_are_off_by_the_recipes_noise():
    """Each picture's by a share of its own, from the batch's generator."""
    generator = torch.Generator().manual_seed(0)
    off = torch.randn(2, 3, 8, 8, generator=generator) * torch.rand(2, 1, 1, 1, generator=generator)
    for noise in (0.0, 0.5, 1.0):
        losses = train_vae._decoder_losses(recipe(latent_noise=noise), Off(), batch())
        assert losses["l1"].item() == pytest.approx(noise * off.abs().mean().item(), rel=1e-4, abs=1e-7)
        assert losses["mse"].item() == pytest.approx(noise**2 * off.square().mean().item(), rel=1e-4, abs=1e-7)


def test_noise_in_latents_changes_the_losses_of_a_vae():
    torch.manual_seed(0)
    vae = AutoencoderKL(**VAE)
    x = torch.rand(2, 3, 16, 16)
    exact, off = (
        train_vae._decoder_losses(recipe(latent_noise=noise), vae, (x, torch.Generator().manual_seed(0)))
        for noise in (0.0, 0.5)
    )
    assert exact["mse"].item() != pytest.approx(off["mse"].item(), rel=1e-3)
