"""DiffDIS behind disbench's Protocol: one plain pass, without test-time augmentation."""

import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from disbench.errors import InputError
from disbench.models import Card
from disbench.models.diffdis.pipeline import seeded_noise, segment
from disbench.models.diffdis.weights import BASE, digest, load, untrained

MINI = Path(__file__).parent / "mini"


class DiffDIS:
    """A Predictor.

    `weights`: None for the small checkpoint shipped here, "untrained" for its network as drawn from seed 0, or what
    `weights.load` takes; `base` gives the authors' U-Net its VAE and text encoder.
    """

    def __init__(self, card: Card, weights: str | None, device: str | None, base: str = BASE):
        checkpoint = load(MINI if weights in (None, "untrained") else weights, base)
        if weights == "untrained":
            checkpoint = untrained(checkpoint)
        names = {None: f"{card.title}-mini", "untrained": f"{card.title} (untrained)"}
        self.title = names.get(weights) or f"{card.title} ({Path(weights).name})"  # whose they are, no file can prove
        self.size = checkpoint.size or card.protocol["size"]
        self.identity = {"weights": digest(checkpoint), "size": self.size}
        self.device = _device(device)
        self.prediction_type = checkpoint.prediction_type
        self.unet, self.vae, self.text = (
            part.to(self.device) for part in (checkpoint.unet, checkpoint.vae, checkpoint.text)
        )

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, size, size) in [-1, 1]; the aspect ratio is not kept."""
        return normalise(resize(image, (self.size, self.size)))

    def infer(self, batch: Tensor) -> Tensor:
        """(b, 3, size, size) -> masks (b, size, size) in [0, 1], whatever else is in the batch."""
        side = self.size // 2 ** (len(self.vae.config.block_out_channels) - 1)
        # An image's noise follows from its pixels, so that its mask does not depend on the order of images.
        seeds = [zlib.crc32(image.tobytes()) for image in batch.cpu().numpy()]
        noise = torch.stack([seeded_noise((4, side, side), seed) for seed in seeds]).to(batch.device)
        mask, _ = segment(self.unet, self.vae, self.text, batch, noise, self.prediction_type)
        return mask

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(size, size) -> uint8 (h, w): stretched to the full range, then 8 bit, and only then resized."""
        return resize(quantise(stretch(output.cpu().numpy())), size)


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 (h, w) or (h, w, 3) to another (h, w): Pillow's bilinear, which antialiases."""
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))


def normalise(image: np.ndarray) -> Tensor:
    """uint8 (h, w, 3) -> float32 (3, h, w) in [-1, 1]."""
    return torch.from_numpy((image / 255 * 2 - 1).astype(np.float32)).permute(2, 0, 1).contiguous()


def stretch(mask: np.ndarray) -> np.ndarray:
    """Min-max to [0, 1]; a constant mask is nothing found: 0."""
    low, high = mask.min(), mask.max()
    return (mask - low) / (high - low) if high > low else np.zeros_like(mask)


def quantise(mask: np.ndarray) -> np.ndarray:
    """[0, 1] -> 8 bit, truncated."""
    return (mask * 255).astype(np.uint8)


def _device(name: str | None) -> str:
    if name is None:
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # AssertionError: a torch built without CUDA
        raise InputError(f"--device {name}: not on this machine ({error})") from None
    return name
