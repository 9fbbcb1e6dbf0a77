"""The Predictor of DiffDIS: one plain pass, which is what the paper timed, and the options beyond it."""

import time
from dataclasses import asdict, replace
from functools import partial
from itertools import product
from pathlib import Path

import deflate
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from disbench.errors import InputError
from disbench.inference.parameters import count_parameters
from disbench.inference.transfer import to_host
from disbench.models._parts import device as devices
from disbench.models._parts.digests import cache_weights_digest
from disbench.models._parts.weights import digest_tensors
from disbench.models.diffdis.checkpoint import Checkpoint
from disbench.models.diffdis.conditioning import factor, fold_mean, fold_upsampling
from disbench.models.diffdis.graphs import Recorder
from disbench.models.diffdis.inference_memory import read_size, warn_if_short
from disbench.models.diffdis.layouts import compute_in_place, keep_layouts
from disbench.models.diffdis.options import NEEDS_CUDA, Options, parse_options
from disbench.models.diffdis.pipeline import Sampling, lower_weights, seeded_noise, segment
from disbench.models.diffdis.tiles import enable_tiles
from disbench.models.diffdis.weights import digest, load, untrained
from disbench.registry.card import Card
from disbench.system.files import require_path
from disbench.system.progress import announce_once

MINI = Path(__file__).parent / "mini"
LEVELS = (np.arange(256) / 255 * 2 - 1).astype(np.float32)  # of 8 bits, in [-1, 1]
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}  # of products and convolutions before the decoder
# Whether the image is mirrored, and its scale. The authors' script averages six such passes, each with its own noise.
PASSES = {"plain": [(False, 1.0)], "official": list(product((False, True), (0.75, 1.0, 1.25)))}


class DiffDIS:
    """A Predictor of masks or edge maps.

    Attributes:
        checkpoint: the networks, on the device.
        options: the options.
        size: side in pixels that the network works at.
        weights_state: state dict of the U-Net's file that is used, for the manifest; "" if the file has only one.
        parameter_count: parameters of the networks before layers are folded.
        is_concurrent: whether `infer` may run in several threads at once.
        environment: on CUDA, whether TF32 is used, for records of the environment.
    """

    check_device = staticmethod(devices.choose_device)
    memory_advice = "--option precision=fp16, --option vae=tiled, a smaller --option size=N or --batch 1"

    def __init__(
        self,
        card: Card,
        weights: str | None,
        device: str | None,
        base: str | None = None,
        state: str | None = "",
        **options: str | int,
    ):
        """Load the weights.

        Args:
            card: card of the model.
            weights: None for the small checkpoint that disbench ships, "untrained" for its network drawn from seed 0,
                or what `weights.load` takes.
            device: None for the best device.
            base: Stable Diffusion folder or id, for the VAE and text encoder; default: as in `weights.load`.
            state: U-Net of a file that has several, as in `weights.load`.
            **options: fields of `Options`.

        Raises:
            InputError: if the weights cannot be loaded or an option is wrong.
        """
        self.options = parse_options(options)
        if base is not None:
            require_path("option base", base)  # an empty one would be the current folder
        if weights == "untrained" and state:
            raise InputError(f"--option state={state}: untrained weights are from no file; omit one of them")
        self.device = devices.choose_device(device)
        on_cuda = self.device.startswith("cuda")
        if self.options.precision == "bf16":
            devices.require_cpu_bf16(self.device)
        if self.options.compile in NEEDS_CUDA and not on_cuda:
            raise InputError(
                f"option compile={self.options.compile}: makes CUDA graphs, and the device is {self.device}; omit it, "
                "or give --device cuda"
            )
        if weights not in (None, "untrained"):
            half, tiled = self.options.precision in DTYPES, self.options.vae == "tiled"
            needed = read_size(card, Path(weights), side=self.options.size, half=half, tiled=tiled)
            warn_if_short(needed, self.device, card.title, self.memory_advice)
        opened = time.time_ns()
        checkpoint = self.load_checkpoint(weights, base, state)
        if base and not checkpoint.base and state is not None:  # commands have one base for several weights
            raise InputError(f"--option base={base}: these weights have a VAE and prompt of their own; omit it")
        self.weights_state = checkpoint.state
        names = {None: f"{card.title}-mini", "untrained": f"{card.title} (untrained)"}
        details = ", ".join(filter(None, [Path(weights or "").name, state]))
        self.title = names.get(weights) or f"{card.title} ({details})"  # no file proves who trained it
        changed = {key: value for key, value in asdict(self.options).items() if value != getattr(Options, key)}
        self.title += "".join(f", {key} {value}" for key, value in changed.items())
        self.size = self.options.size or checkpoint.size or card.pipeline["size"]
        computed = [digest_tensors([("", checkpoint.text)]), checkpoint.prediction_type, checkpoint.state]
        sha = cache_weights_digest(checkpoint.files, opened, computed, lambda: digest(checkpoint))
        self.identity = {"weights": sha, "size": self.size, **changed}
        self.identity |= {"state": state} if state else {}
        uses_tf32 = self.options.precision == "tf32"
        self.environment = {"tf32": {"matmul": uses_tf32, "cudnn": uses_tf32}} if on_cuda else {}
        self.parameter_count = count_parameters(checkpoint)
        fold_mean(checkpoint.vae)
        if self.device == "cpu":  # where it was measured
            fold_upsampling(checkpoint.unet)
            if self.options.vae != "tiled":
                fold_upsampling(checkpoint.vae)
        self.sampling = Sampling(steps=self.options.steps)
        if dtype := DTYPES.get(self.options.precision):
            decoder = torch.bfloat16 if devices.has_bf16(self.device) else torch.float32
            self.sampling = replace(self.sampling, dtype=dtype, decoder=decoder)
            lower_weights(checkpoint, self.sampling)
            if decoder == torch.float32:
                self.identity["decoder"] = "float32"
                announce_once(f"{self.device} has no bfloat16, so the decoder computes in float32")
        self.checkpoint = replace(
            checkpoint,
            unet=checkpoint.unet.to(self.device, memory_format=torch.channels_last),
            vae=checkpoint.vae.to(self.device, memory_format=torch.channels_last),
            text=checkpoint.text.to(self.device),
        )
        for network in (self.checkpoint.unet, self.checkpoint.vae):
            compute_in_place(network)
            if on_cuda:
                keep_layouts(network, half=self.sampling.dtype == torch.float16)
        self.factor = factor(self.checkpoint.vae)
        if self.options.output == "edge" and self.checkpoint.unet.domains == 1:
            raise InputError("option output=edge: these weights were trained without the edge; use other weights")
        if self.size % self._multiple:
            raise InputError(f"option size={self.size}: must be a multiple of {self._multiple}")
        if self.options.vae != "whole":
            self.checkpoint.vae.enable_slicing()
        if self.options.vae == "tiled":
            enable_tiles(self.checkpoint.vae)
        self.recorder = Recorder() if self.options.compile == "graph" else None
        self.is_concurrent = self.options.compile == "no"
        if self.options.compile not in ("no", "graph"):
            for network in (self.checkpoint.unet, self.checkpoint.vae.decoder):
                network.compile(mode=self.options.compile)

    def load_checkpoint(self, weights: str | None, base: str | None, state: str | None) -> Checkpoint:
        """Load the networks in float32, on the CPU. See `__init__`."""
        checkpoint = load(MINI if weights in (None, "untrained") else weights, base, state)
        return untrained(checkpoint) if weights == "untrained" else checkpoint

    def prepare(self, image: np.ndarray) -> Tensor:
        """Resize uint8 (h, w, 3) to float32 (3, H, W) in [-1, 1]: a square of `size`; with fit=keep, at most `size`."""
        inner, outer = self._frame(image.shape[:2])
        resized = resize(image, inner)
        margin = [(0, large - small) for small, large in zip(inner, outer, strict=True)]
        return normalise(np.pad(resized, (*margin, (0, 0)), "edge"))

    def infer(self, batch: Tensor) -> Tensor:
        """Predict masks (b, H, W), each stretched to [0, 1], for images (b, 3, H, W) in [-1, 1]."""
        masks, edges = self.maps(batch, edge=self.options.output == "edge")
        return masks if edges is None else edges

    def maps(self, batch: Tensor, *, edge: bool = False) -> tuple[Tensor, Tensor | None]:
        """Predict masks and, if asked for, edge maps, both like the masks of `infer`."""
        variants = list(product(PASSES[self.options.preset], range(self.options.ensemble)))
        seeds = noise_seeds(batch, len(variants))
        with devices.fp32_precision(tf32=self.options.precision == "tf32"):
            passes = [
                self.one_pass(batch, pass_seeds, edge=edge, mirrored=mirrored, scale=scale)
                for pass_seeds, ((mirrored, scale), _) in zip(seeds, variants, strict=True)
            ]
        masks, edges = zip(*passes, strict=True)
        return torch.stack(masks).mean(0), torch.stack(edges).mean(0) if edge else None

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """Quantise (H, W) to 8 bits, then resize to uint8 (h, w).

        A margin is removed first, and the map stretched again.
        """
        inner, outer = self._frame(size)
        if inner != outer:
            # Predictions in the margin must not decide how the image's part is stretched.
            output = stretch(output[None, : inner[0], : inner[1]])[0]
        levels = resize(quantise(output.cpu().numpy()), size)
        return (levels > 127).astype(np.uint8) * 255 if self.options.output == "binary" else levels

    def one_pass(
        self, batch: Tensor, seeds: list[int], *, edge: bool = False, mirrored: bool = False, scale: float = 1.0
    ) -> tuple[Tensor, Tensor | None]:
        """Predict masks and, if asked for, edge maps in one pass over mirrored and scaled images.

        Args:
            batch: images (b, 3, H, W) in [-1, 1].
            seeds: seed of each image's noise.
            edge: whether to return edge maps too.
            mirrored: whether images are mirrored before the network, and maps back.
            scale: factor of the size that the network works at.

        Returns:
            Masks (b, H, W), each stretched to [0, 1], and edge maps or None.
        """
        image = batch.flip(-1) if mirrored else batch
        full = batch.shape[-2:]
        size = full if scale == 1 else tuple(self._whole(side * scale) for side in full)
        image = _scale(image, size)
        noise, generators = seeded_noise((4, *(side // self.factor for side in size)), seeds)
        sampling = replace(self.sampling, edge=edge)
        noise = noise.to(batch.device)
        if self.recorder is None:
            maps = segment(self.checkpoint, image, noise, sampling, generators)
        else:
            maps = self.recorder.call(partial(segment, self.checkpoint, sampling=sampling), image, noise, key=sampling)
        masks, edges = (None if x is None else self._undo(x, full, mirrored=mirrored) for x in maps)
        return masks, edges

    def _undo(self, maps: Tensor, size: tuple[int, int], *, mirrored: bool) -> Tensor:
        """Stretch the maps of a pass, and undo its scaling and mirroring."""
        maps = _scale(stretch(maps)[:, None], size)[:, 0]
        return maps.flip(-1) if mirrored else maps

    def _frame(self, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the size (h, w) that an image is resized to, and that size with the margin below and to the right."""
        if self.options.fit == "square":
            return (self.size, self.size), (self.size, self.size)
        inner = tuple(max(1, round(side * self.size / max(size))) for side in size)
        return inner, tuple(-(-side // self._multiple) * self._multiple for side in inner)

    @property
    def _multiple(self) -> int:
        """Sides of the input are multiples of this, since the U-Net halves its latents three times."""
        return 8 * self.factor

    def _whole(self, side: float) -> int:
        return max(1, round(side / self._multiple)) * self._multiple


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize uint8 (h, w) or (h, w, 3) to another (h, w) with Pillow's bilinear filter, which antialiases."""
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))


def normalise(image: np.ndarray) -> Tensor:
    """Convert uint8 (h, w, 3) to float32 (3, h, w) in [-1, 1]."""
    return torch.from_numpy(np.take(LEVELS, image.transpose(2, 0, 1)))


def noise_seeds(batch: Tensor, passes: int) -> list[list[int]]:
    """Compute a seed for the noise of each image in each pass.

    Seeds depend on the image's pixels, so that the order of images changes no mask. Pixels are taken before scaling,
    since its last bits differ between devices. They leave the device once for all passes.

    Args:
        batch: images (b, 3, H, W).
        passes: number of passes.

    Returns:
        For each pass, a list of b seeds.
    """
    pixels = to_host(batch).contiguous().numpy()
    return [[deflate.crc32(image, number) for image in pixels] for number in range(passes)]


def stretch(masks: Tensor) -> Tensor:
    """Stretch each mask of (b, H, W) from its range to [0, 1]. A constant mask becomes 0."""
    low, high = masks.amin((1, 2), keepdim=True), masks.amax((1, 2), keepdim=True)
    return torch.where(high > low, (masks - low) / (high - low), 0)


def quantise(mask: np.ndarray) -> np.ndarray:
    """Convert [0, 1] to 8 bits, truncated."""
    return (mask * 255).astype(np.uint8)


def _scale(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (b, c, h, w) to another (h, w) without antialiasing, as the authors scale their passes."""
    return x if x.shape[-2:] == size else functional.interpolate(x, size, mode="bilinear", align_corners=False)
