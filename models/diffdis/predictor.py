"""DiffDIS behind disbench's Protocol: one plain pass, which is what the paper timed, and what is asked beyond it."""

import zlib
from dataclasses import asdict, dataclass, fields
from itertools import product
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin

import msgspec
import numpy as np
import torch
from msgspec import Meta
from PIL import Image
from torch import Tensor
from torch.nn import functional

from disbench.errors import InputError, suggest_names
from disbench.models._parts import device as devices
from disbench.models.diffdis.conditioning import factor, fold_mean
from disbench.models.diffdis.pipeline import seeded_noise, segment
from disbench.models.diffdis.weights import BASE, digest, load, untrained
from disbench.registry.card import Card

MINI = Path(__file__).parent / "mini"
# Mirrored or not, at a share of the size. The authors' script averages six such passes, each with noise of its own.
PASSES = {"plain": [(False, 1.0)], "official": list(product((False, True), (0.75, 1.0, 1.25)))}
Count = Annotated[int, Meta(ge=1, le=1000)]


@dataclass(frozen=True)
class Options:
    """What changes the maps of given weights, or their time.

    preset: one pass, or the six of the authors' script
    steps: of denoising
    ensemble: each pass is made from so many noises, and the maps are averaged
    fit: "square", as in the paper, or "keep", which keeps the aspect ratio and pads
    output: "binary" is cut at 1/2; "edge" is the edge map in place of the mask
    precision: "tf32" in matrix products on CUDA; "fp16", but x0 in float32 and the decoder in bfloat16
    compile: torch.compile's mode for U-Net and decoder; "reduce-overhead" makes CUDA graphs
    size: side in pixels that the network works at; 0: that of the weights
    """

    preset: Literal["plain", "official"] = "plain"
    steps: Count = 1
    ensemble: Count = 1
    fit: Literal["square", "keep"] = "square"
    output: Literal["soft", "binary", "edge"] = "soft"
    precision: Literal["fp32", "tf32", "fp16"] = "fp32"
    compile: Literal["no", "default", "reduce-overhead", "max-autotune"] = "no"
    size: Annotated[int, Meta(ge=0, le=8192)] = 0


class DiffDIS:
    """A Predictor.

    `weights`: None for the small checkpoint shipped here, "untrained" for its network as drawn from seed 0, or what
    `weights.load` takes; `base` gives the authors' U-Net its VAE and text encoder; `options` are those of `Options`.
    """

    def __init__(self, card: Card, weights: str | None, device: str | None, base: str = BASE, **options: str | int):
        self.options = _read(options)
        checkpoint = load(MINI if weights in (None, "untrained") else weights, base)
        if weights == "untrained":
            checkpoint = untrained(checkpoint)
        names = {None: f"{card.title}-mini", "untrained": f"{card.title} (untrained)"}
        self.title = names.get(weights) or f"{card.title} ({Path(weights).name})"  # whose they are, no file can prove
        chosen = {key: value for key, value in asdict(self.options).items() if value != getattr(Options, key)}
        self.title += "".join(f", {key} {value}" for key, value in chosen.items())
        self.size = self.options.size or checkpoint.size or card.pipeline["size"]
        self.identity = {"weights": digest(checkpoint), "size": self.size, **chosen}
        self.device = devices.pick(device)
        self.prediction_type = checkpoint.prediction_type
        fold_mean(checkpoint.vae)
        self.unet, self.vae = (
            part.to(self.device, memory_format=torch.channels_last) for part in (checkpoint.unet, checkpoint.vae)
        )
        self.text = checkpoint.text.to(self.device)
        self.factor = factor(self.vae)
        if self.options.output == "edge" and self.unet.domains == 1:
            raise InputError("option output=edge: these weights were trained without the edge")
        if self.size % self._multiple:
            raise InputError(f"option size={self.size}: must be a multiple of {self._multiple}")
        if self.options.compile != "no":
            for part in (self.unet, self.vae.decoder):
                part.compile(mode=self.options.compile)

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W) in [-1, 1]: a square of `size`, or with fit=keep no side above it."""
        inner, outer = self._frame(image.shape[:2])
        resized = resize(image, inner)
        margin = [(0, large - small) for small, large in zip(inner, outer, strict=True)]
        return normalise(np.pad(resized, (*margin, (0, 0)), "edge"))

    def infer(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> masks (b, H, W) in [0, 1], stretched to it, whatever else is in the batch."""
        masks, edges = self.maps(batch, edge=self.options.output == "edge")
        return masks if edges is None else edges

    def maps(self, batch: Tensor, edge: bool = False) -> tuple[Tensor, Tensor | None]:
        """Masks, and edge maps where asked for, both as `infer` gives masks."""
        variants = list(product(PASSES[self.options.preset], range(self.options.ensemble)))
        seeds = noise_seeds(batch, len(variants))
        with devices.matmul_precision("high" if self.options.precision == "tf32" else "highest"):
            passes = [self.one_pass(batch, of, edge, *one) for of, (one, _) in zip(seeds, variants, strict=True)]
        masks, edges = zip(*passes, strict=True)
        return torch.stack(masks).mean(0), torch.stack(edges).mean(0) if edge else None

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H, W) -> uint8 (h, w): 8 bit first, only then resized. A margin is cut off, and the rest stretched again."""
        inner, outer = self._frame(size)
        if inner != outer:  # what was found in the margin is not to decide how the image's part is stretched
            output = stretch(output[None, : inner[0], : inner[1]])[0]
        levels = resize(quantise(output.cpu().numpy()), size)
        return (levels > 127).astype(np.uint8) * 255 if self.options.output == "binary" else levels

    def one_pass(
        self, batch: Tensor, seeds: list[int], edge: bool = False, mirrored: bool = False, scale: float = 1.0
    ) -> tuple[Tensor, Tensor | None]:
        """One pass over mirrored and scaled images; its maps, stretched, mirrored and scaled back."""
        image = batch.flip(-1) if mirrored else batch
        full = batch.shape[-2:]
        size = full if scale == 1 else tuple(self._whole(side * scale) for side in full)
        image = _scale(image, size)
        noise, generators = seeded_noise((4, *(side // self.factor for side in size)), seeds)
        maps = segment(
            self.unet,
            self.vae,
            self.text,
            image,
            noise.to(batch.device),
            self.prediction_type,
            edge,
            self.options.steps,
            generators,
            half=self.options.precision == "fp16",
        )
        maps = [None if x is None else _scale(stretch(x)[:, None], full)[:, 0] for x in maps]
        return tuple(x.flip(-1) if mirrored and x is not None else x for x in maps)

    def _frame(self, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """What an image of `size` (h, w) is resized to, and that with its margin below and to the right."""
        if self.options.fit == "square":
            return (self.size, self.size), (self.size, self.size)
        inner = tuple(max(1, round(side * self.size / max(size))) for side in size)
        return inner, tuple(-(-side // self._multiple) * self._multiple for side in inner)

    @property
    def _multiple(self) -> int:
        return 8 * self.factor  # the U-Net halves its latents three times

    def _whole(self, side: float) -> int:
        return max(1, round(side / self._multiple)) * self._multiple


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 (h, w) or (h, w, 3) to another (h, w): Pillow's bilinear, which antialiases."""
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))


def normalise(image: np.ndarray) -> Tensor:
    """uint8 (h, w, 3) -> float32 (3, h, w) in [-1, 1]."""
    return torch.from_numpy((image / 255 * 2 - 1).astype(np.float32)).permute(2, 0, 1).contiguous()


def noise_seeds(batch: Tensor, passes: int) -> list[list[int]]:
    """For each pass, of the noise of each image: each pass has noise of its own.

    It follows from the image's pixels, so that the order of images changes no mask; from those of before scaling, whose
    last bits are not the same on every device. They leave the device once for all passes.
    """
    pixels = batch.cpu().contiguous().numpy()
    return [[zlib.crc32(image, number) for image in pixels] for number in range(passes)]


def stretch(masks: Tensor) -> Tensor:
    """Each of (B, H, W) min-max to [0, 1]; a constant mask is nothing found: 0."""
    low, high = masks.amin((1, 2), keepdim=True), masks.amax((1, 2), keepdim=True)
    return torch.where(high > low, (masks - low) / (high - low), 0)


def quantise(mask: np.ndarray) -> np.ndarray:
    """[0, 1] -> 8 bit, truncated."""
    return (mask * 255).astype(np.uint8)


def _scale(x: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, c, h, w) to another (h, w), without antialiasing, as the authors' passes are scaled."""
    return x if x.shape[-2:] == size else functional.interpolate(x, size, mode="bilinear", align_corners=False)


def _read(options: dict[str, str | int]) -> Options:
    if unknown := options.keys() - asdict(Options()).keys():
        raise InputError(f"unknown option {min(unknown)!r}; {suggest_names(min(unknown), ['base', *asdict(Options())])}")
    for key, value in options.items():
        one = next(field for field in fields(Options) if field.name == key)
        try:
            msgspec.convert(value, one.type, strict=False)
        except msgspec.ValidationError as error:
            known = ", ".join(get_args(one.type)) if get_origin(one.type) is Literal else ""
            raise InputError(f"option {key}={value}: {f'not one of {known}' if known else error}") from None
    return msgspec.convert(options, Options, strict=False)
