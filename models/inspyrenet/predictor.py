"""InSPyReNet behind disbench's Protocol, with the authors' own steps before and after the network."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from disbench.errors import InputError, suggest_names
from disbench.models._parts.network import Network, opened
from disbench.models._parts.swin import learned
from disbench.models.inspyrenet.network import InSPyReNet, backbone_of
from disbench.models.inspyrenet.pyramid import blended
from disbench.registry.card import Card

MEAN = np.array([0.485, 0.456, 0.406])
DEVIATION = np.array([0.229, 0.224, 0.225])
SMALL = 512  # a copy that is not larger than this, on either side, adds nothing to the square one
LARGE = 1280  # its shorter side at most
STEP = 32


@dataclass(frozen=True)
class Preset:
    """The authors' configuration of that name. blend: a larger copy of the image gives the details."""

    side: int
    blend: bool = False


PRESETS = {"DIS5K": Preset(1024), "DIS5K_LR": Preset(384, blend=True), "Res2Net50": Preset(384)}


class Predictor(Network):
    """`weights`: the authors' file, with either backbone, or "untrained" for Swin-B as drawn from seed 0.

    `preset`: how the file was trained, which theirs do not say; one of PRESETS, else DIS5K. `size`: in its place, the
    side in pixels at which `disbench train` trained it, which its own files say.
    """

    def __init__(self, card: Card, weights: str, device: str | None, preset: str = "", size: str = ""):
        if preset and preset not in PRESETS:
            raise InputError(f"unknown preset {preset!r}; {suggest_names(preset, PRESETS)}")
        if size and preset:
            raise InputError(f"--option size={size}: in place of preset={preset}, not beside it")
        file = opened(weights, learned)
        if preset:
            file = replace(file, size="")
        else:
            preset = "DIS5K"
        size, side = file.at(size, 0)
        self.preset = Preset(side) if size else PRESETS[preset]
        backbone = backbone_of(file.state) if file.state else "SwinB"
        net = file.into(lambda: InSPyReNet(backbone, self.preset.side))
        super().__init__(card, file, net, device, size, kind=f"-{backbone}", **({} if size else {"preset": preset}))
        self.title += "" if size else f", preset {preset}"

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W), resized with antialiasing in 8 bit and then normalised by channel.

        The square copy; where the preset blends and the image is larger, the larger copy with the square one below it.
        """
        photo, side = Image.fromarray(image), self.preset.side
        square, larger = _input(photo, (side, side)), _larger(*photo.size)
        if not self.preset.blend or min(larger) <= SMALL:
            return square
        return torch.cat((_input(photo, larger), functional.pad(square, (0, larger[0] - side))), 1)

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, H', W') in [0, 1], stretched from min to max."""
        side = self.preset.side
        square = batch[..., -side:, :side]
        pyramid = self.net(square)
        if square.shape == batch.shape:
            logits = pyramid.saliency[-1]
        else:
            logits = blended(pyramid, self.net(batch[..., :-side, :]))
        found = logits[:, 0].sigmoid()
        low, high = found.amin((1, 2), keepdim=True), found.amax((1, 2), keepdim=True)
        return (found - low) / (high - low + 1e-8)

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H', W') in [0, 1] -> uint8 (h, w): resized corner to corner, truncated."""
        resized = functional.interpolate(output[None, None], size, mode="bilinear", align_corners=True)[0, 0]
        return (resized * 255).to(torch.uint8).cpu().numpy()


def _larger(width: int, height: int) -> tuple[int, int]:
    """The size at which details are looked for: width and height, multiples of 32."""
    shrink = max(1, min(width, height) / LARGE)
    return tuple(round(side / shrink / STEP) * STEP for side in (width, height))


def _input(photo: Image.Image, size: tuple[int, int]) -> Tensor:
    pixels = np.array(photo.resize(size, Image.Resampling.BILINEAR), np.float32) / 255
    pixels -= MEAN  # in float64 and back, as theirs
    pixels /= DEVIATION
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
