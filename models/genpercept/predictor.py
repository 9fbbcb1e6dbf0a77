"""GenPercept behind disbench's Protocol: one pass, as both of its authors' scripts for DIS make it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from disbench.errors import InputError
from disbench.models._parts import device as devices
from disbench.models._parts.weights import digest
from disbench.models.genpercept.network import Networks
from disbench.models.genpercept.steps import V1, V2
from disbench.models.genpercept.weights import BASE, load, untrained
from disbench.registry.card import Card


class Predictor:
    """`weights`: what `weights.load` takes, or "untrained" for version 2 as drawn from seed 0.

    `processing_res`: pixels of the longer side, 0 for the image's own size; `base` and `prompt`: see `weights.load`.
    """

    def __init__(
        self,
        card: Card,
        weights: str,
        device: str | None,
        processing_res: str | int | None = None,
        base: str = BASE,
        prompt: str | None = None,
    ):
        self.device = devices.pick(device)
        self.longest = card.pipeline["size"] if processing_res is None else _pixels(processing_res)
        version, networks = ("v2", untrained()) if weights == "untrained" else load(weights, base, prompt)
        self.steps = {"v1": V1, "v2": V2}[version]
        self.title = f"{card.title} {version} ({Path(weights).name})"
        self.identity = {"weights": digest(_tensors(networks)), "version": version}
        if self.longest != card.pipeline["size"]:
            self.identity["processing_res"] = self.longest
            self.title += f", processing_res {self.longest}"
        parts = networks.unet, networks.vae, networks.text
        self.networks = Networks(*(part.to(self.device) for part in parts))

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W) in [-1, 1]."""
        return self.steps.prepare(image, self.longest)

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, H', W') in [0, 1], or of version 1 (b, 3, H', W') in [-1, 1]; sides rounded down to 8."""
        return self.steps.answer(self.networks(batch))

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """One output -> uint8 (h, w)."""
        return self.steps.restore(output, size)


def _pixels(text: str | int) -> int:
    if not str(text).isdecimal():
        raise InputError(f"processing_res {text!r}: a number of pixels is needed, or 0 for the image's own size")
    return int(text)


def _tensors(networks: Networks) -> Iterator[tuple[str, Tensor]]:
    for name in ("unet", "vae"):
        for key, tensor in sorted(getattr(networks, name).state_dict().items()):
            yield f"{name}.{key}", tensor
    yield "text", networks.text
