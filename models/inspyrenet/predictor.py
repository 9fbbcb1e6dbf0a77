"""InSPyReNet behind disbench's Predictor interface, with the authors' steps before and after the network."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from disbench.errors import InputError, suggest_names
from disbench.models._parts.network import NetworkPredictor, Options, open_weights, parse_options
from disbench.models._parts.swin import drop_buffers
from disbench.models.inspyrenet.network import InSPyReNet, detect_backbone
from disbench.models.inspyrenet.pyramid import blend
from disbench.registry.card import Card

MEAN = np.array([0.485, 0.456, 0.406])
DEVIATION = np.array([0.229, 0.224, 0.225])
SMALL = 512  # a larger copy is used only if both its sides exceed this
LARGE = 1280  # longest short side of the larger copy
STEP = 32


@dataclass(frozen=True)
class Preset:
    """A configuration of the authors. blend: take details from a larger copy of the image."""

    side: int
    blend: bool = False


PRESETS = {"DIS5K": Preset(1024), "DIS5K_LR": Preset(384, blend=True), "Res2Net50": Preset(384)}


@dataclass(frozen=True, kw_only=True)
class PresetOptions(Options):
    """Options of InSPyReNet.

    Attributes:
        size: Training size of a file of `disbench train`, in pixels per side; default: the file's. Excludes `preset`.
        preset: How the file was trained, which the authors' files do not say: one of PRESETS; default: DIS5K.
    """

    preset: str = ""


class Predictor(NetworkPredictor):
    """Predict with InSPyReNet, with either backbone.

    Args:
        card: Card of the method.
        weights: The authors' file, or "untrained" for Swin-B drawn from seed 0.
        device: Device; default: the best one.
        **options: Fields of `PresetOptions`.
    """

    memory_format = torch.channels_last  # also faster on the CPU

    def __init__(self, card: Card, weights: str, device: str | None, **options: str):
        given = parse_options(PresetOptions, card, device, options)
        preset, size = given.preset, given.size
        if preset and preset not in PRESETS:
            raise InputError(f"unknown preset {preset!r}; {suggest_names(preset, PRESETS)}")
        if size and preset:
            raise InputError(f"--option size={size}: replaces preset={preset}; give only one of them")
        file = open_weights(weights, drop_buffers, wanted=given.state)
        if preset:
            file = replace(file, size="")
        else:
            preset = "DIS5K"
        size, side = file.working_size(size, 0)
        self.preset = Preset(side) if size else PRESETS[preset]
        backbone = detect_backbone(file.state) if file.state else "SwinB"
        net = file.fill(lambda: InSPyReNet(backbone, self.preset.side))
        recorded = {} if size else {"preset": preset}
        super().__init__(card, file, net, device, replace(given, size=size), variant=f"-{backbone}", **recorded)
        self.title += "" if size else f", preset {preset}"

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W), resized with antialiasing in 8 bit, then normalised by channel.

        The output is the square copy. If the preset blends and the image is larger, the larger copy is stacked on the
        square one.
        """
        photo, side = Image.fromarray(image), self.preset.side
        square, larger = _input(photo, (side, side)), _size_of_details(*photo.size)
        if not self.preset.blend or min(larger) <= SMALL:
            return square
        return torch.cat((_input(photo, larger), functional.pad(square, (0, larger[0] - side))), 1)

    def run_net(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, H', W') in [0, 1], stretched from min to max."""
        side = self.preset.side
        square = batch[..., -side:, :side]
        pyramid = self.net(square)
        if square.shape == batch.shape:
            logits = pyramid.saliency[-1]
        else:
            logits = blend(pyramid, self.net(batch[..., :-side, :]))
        saliency = logits[:, 0].sigmoid()
        low, high = saliency.amin((1, 2), keepdim=True), saliency.amax((1, 2), keepdim=True)
        return (saliency - low) / (high - low + 1e-8)

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H', W') in [0, 1] -> uint8 (h, w): resized with aligned corners, truncated."""
        resized = functional.interpolate(output[None, None], size, mode="bilinear", align_corners=True)[0, 0]
        return (resized * 255).to(torch.uint8).cpu().numpy()


def _size_of_details(width: int, height: int) -> tuple[int, int]:
    """Return the size for details: width and height, multiples of 32."""
    shrink = max(1, min(width, height) / LARGE)
    return tuple(round(side / shrink / STEP) * STEP for side in (width, height))


def _input(photo: Image.Image, size: tuple[int, int]) -> Tensor:
    pixels = np.array(photo.resize(size, Image.Resampling.BILINEAR), np.float32) / 255
    pixels -= MEAN  # in float64 and back, as in the authors' code
    pixels /= DEVIATION
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
