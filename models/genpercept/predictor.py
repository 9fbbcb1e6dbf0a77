"""GenPercept behind disbench's Predictor interface: one pass, as in both of its authors' scripts for DIS."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from disbench.errors import InputError
from disbench.inference.parameters import count_parameters
from disbench.models._parts.device import choose_device
from disbench.models._parts.digests import cache_weights_digest
from disbench.models._parts.network import parse_options
from disbench.models._parts.weights import digest_tensors
from disbench.models.diffdis.conditioning import fold_upsampling
from disbench.models.diffdis.layouts import compute_in_place
from disbench.models.genpercept.network import Networks
from disbench.models.genpercept.steps import V1, V2
from disbench.models.genpercept.weights import build_untrained, load_networks
from disbench.registry.card import Card
from disbench.system.files import require_path


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of GenPercept.

    Attributes:
        processing_res: Pixels of the longer side, 0 for the image's size; default: the card's.
        base: Folder or Hugging Face name of Stable Diffusion 2.1, for version 2; default: weights.BASE.
        prompt: File of the empty prompt's embedding, for version 1; default: empty_text_embed.npy in the folder.
        state: State dict of the U-Net's file, for a file that has several, such as "ema"; default: the plain one.
        precision: "fp32"; or "bf16", with products and convolutions in bfloat16, for CPUs that compute in it.
    """

    processing_res: str | int | None = None
    base: str | None = None
    prompt: str | None = None
    state: str = ""
    precision: str = "fp32"


class Predictor:
    """Predict with GenPercept, version 1 or 2.

    Args:
        card: Card of the method.
        weights: A folder or name that `weights.load_networks` takes, or "untrained" for version 2 drawn from seed 0.
        device: Device; default: the best one.
        **options: Fields of `Options`.
    """

    is_concurrent = True
    check_device = staticmethod(choose_device)

    def __init__(self, card: Card, weights: str, device: str | None, **options: Any):
        given = parse_options(Options, card, device, options)
        self.precision = given.precision
        state, size = given.state, given.processing_res
        if given.base is not None:
            require_path("option base", given.base)  # an empty one would be the current folder
        self.device = choose_device(device)
        opened = time.time_ns()
        self.longest = card.pipeline["size"] if size is None else _parse_pixels(size)
        if weights == "untrained":
            for key in ("state", "base", "prompt"):
                if text := getattr(given, key):
                    raise InputError(f"--option {key}={text}: untrained weights are from no file; omit one of them")
            version, networks = "v2", build_untrained()
        else:
            version, networks = load_networks(weights, given.base, given.prompt, state)
        self.steps = {"v1": V1, "v2": V2}[version]
        details = ", ".join(filter(None, [Path(weights).name, state]))
        self.title = f"{card.title} {version} ({details})"
        computed = [digest_tensors([("", networks.text)]), networks.state]
        sha = cache_weights_digest(
            networks.files, opened, computed, lambda: digest_tensors(_named_tensors(networks))
        )
        self.identity = {"weights": sha, "version": version}
        self.identity |= {"state": state} if state else {}
        self.weights_state = networks.state
        if self.longest != card.pipeline["size"]:
            self.identity["processing_res"] = self.longest
            self.title += f", processing_res {self.longest}"
        if self.precision != "fp32":
            self.identity["precision"] = self.precision
            self.title += f", {self.precision}"
        self.parameter_count = count_parameters(networks)
        if self.device == "cpu":  # where it was measured; the U-Net's upsamplings end at the sizes of its other half
            fold_upsampling(networks.vae)
        for network in (networks.unet, networks.vae):
            compute_in_place(network)
        self.networks = Networks(
            networks.unet.to(self.device, memory_format=torch.channels_last),
            networks.vae.to(self.device, memory_format=torch.channels_last),
            networks.text.to(self.device),
        )

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W) in [-1, 1]."""
        return self.steps.prepare(image, self.longest)

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, H', W') in [0, 1], or (b, 3, H', W') in [-1, 1] for version 1.

        Sides are rounded down to multiples of 8.
        """
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            pixels = self.networks(batch)
        return self.steps.postprocess(pixels.float())

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """An output of `infer` -> uint8 (h, w)."""
        return self.steps.restore(output, size)


def _parse_pixels(text: str | int) -> int:
    if not str(text).isdecimal():
        raise InputError(f"processing_res {text!r}: must be a number of pixels, or 0 for the image's own size")
    return int(text)


def _named_tensors(networks: Networks) -> Iterator[tuple[str, Tensor]]:
    for name in ("unet", "vae"):
        for key, tensor in sorted(getattr(networks, name).state_dict().items()):
            yield f"{name}.{key}", tensor
    yield "text", networks.text
