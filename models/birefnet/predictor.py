"""BiRefNet behind disbench's Predictor interface, with the authors' steps before and after the network."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from disbench.errors import InputError
from disbench.models._parts.network import NetworkPredictor, Options, open_weights, parse_options
from disbench.models._parts.swin import drop_buffers
from disbench.models._parts.weights import parse_size
from disbench.models.birefnet.network import ORDERS, BiRefNet, detect_swin
from disbench.registry.card import Card

MEAN = torch.tensor([0.485, 0.456, 0.406])
DEVIATION = torch.tensor([0.229, 0.224, 0.225])
PROCESSINGS = ("inference", "demo")
NATIVE = "native"
STEP = 32


@dataclass(frozen=True, kw_only=True)
class BiRefNetOptions(Options):
    """Options of BiRefNet.

    Attributes:
        size: Working size in pixels per side, a multiple of 32; WIDTHxHEIGHT, such as "2560x1440"; or "native", the
            image's own size, with each side reduced to a multiple of 32. Default: the file's, otherwise the card's.
        patches: Order of the image's patches in channels; see network.BiRefNet.
        processing: Steps around the network: "inference", those of inference.py, which made the published maps; or
            "demo", those of the authors' notebook, and of the model cards of RMBG-2.0 and ToonOut.
    """

    patches: str = "legacy"
    processing: str = "inference"


class Predictor(NetworkPredictor):
    """Predict with BiRefNet, with either of its Swin backbones.

    Args:
        card: Card of the method.
        weights: The authors' file, or "untrained" for Swin-L drawn from seed 0.
        device: Device; default: the best one.
        **options: Fields of `BiRefNetOptions`.
    """

    def __init__(self, card: Card, weights: str, device: str | None, **options: str):
        given = parse_options(BiRefNetOptions, card, device, options)
        patches, processing = given.patches, given.processing
        if processing not in PROCESSINGS:
            raise InputError(f"processing={processing}: must be one of {', '.join(PROCESSINGS)}")
        if patches not in ORDERS:
            raise InputError(f"patches={patches}: must be one of {', '.join(ORDERS)}")
        shape = parse_shape(given.size)
        file = open_weights(weights, drop_buffers, wanted=given.state)
        swin = detect_swin(file.state) if file.state else "large"
        net = file.fill(lambda: BiRefNet(swin, patches))
        variant = "-lite" if swin == "tiny" else ""
        recorded = {"patches": patches} | ({"processing": processing} if processing != PROCESSINGS[0] else {})
        if shape:
            file, given = replace(file, size=""), replace(given, size="")
        super().__init__(card, file, net, device, given, variant=variant, **recorded)
        self.title += f", {patches} patches"
        self.processing, self.is_native = processing, shape == NATIVE
        if shape:
            self.identity["size"] = shape
            self.title += f", {shape}" + (" size" if self.is_native else " px")
        if shape and not self.is_native:
            width, height = map(int, shape.split("x"))
            self.size = (height, width)
        self.title += ", demo processing" if processing == "demo" else ""

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W), resized in 8 bit, then normalised by channel."""
        if self.is_native:
            resized = _resize_pillow(image, _native_size(image.shape[:2]), Image.Resampling.BICUBIC)
        elif self.processing == "demo":
            resized = _resize_pillow(image, self.size, Image.Resampling.BILINEAR)
        else:
            resized = cv2.resize(image, self.size[::-1], interpolation=cv2.INTER_LINEAR)
        return ((torch.from_numpy(resized) / 255 - MEAN) / DEVIATION).permute(2, 0, 1).contiguous()

    def run_net(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, H, W) in [0, 1]."""
        return self.net(batch)[:, 0].sigmoid()

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H, W) -> uint8 (h, w): resized with aligned corners, truncated; the demo truncates first, then resizes."""
        if self.processing == "demo":
            return _resize_pillow((output * 255).to(torch.uint8).cpu().numpy(), size, Image.Resampling.BICUBIC)
        resized = functional.interpolate(output[None, None], size, mode="bilinear", align_corners=True)[0, 0]
        return (resized * 255).to(torch.uint8).cpu().numpy()


def parse_shape(size: str) -> str:
    """Return a value of --option size that is not one side: "native" or WIDTHxHEIGHT; "" for all others.

    InputError for sides that are not multiples of 32.
    """
    width, cross, height = size.partition("x")
    if size == NATIVE:
        return NATIVE
    if not (cross and width.isdecimal() and height.isdecimal()):
        return ""
    return "x".join(str(parse_size(side, 0, STEP, "--option size")) for side in (width, height))


def _native_size(size: tuple[int, ...]) -> tuple[int, ...]:
    """Reduce each side to a multiple of 32, at least 32."""
    return tuple(max(side // STEP, 1) * STEP for side in size)


def _resize_pillow(pixels: np.ndarray, size: tuple[int, ...], resampling: Image.Resampling) -> np.ndarray:
    """Resize uint8 (h, w) or (h, w, 3) with antialiasing, in 8 bit, to (H, W); an equal size changes nothing."""
    return np.array(Image.fromarray(pixels).resize(size[::-1], resampling))
