"""LawDIS behind disbench's Predictor interface: the macro mode, and the micro mode on its own maps.

The windows of the micro mode follow from the map itself or, as in the authors' command for DIS5K, from the truth.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from disbench.errors import InputError, suggest_names
from disbench.models._parts.device import choose_device
from disbench.models._parts.digests import cache_weights_digest
from disbench.models._parts.network import parse_options
from disbench.models._parts.weights import digest_tensors, parse_size, read_training_size
from disbench.models.diffdis.layouts import compute_in_place
from disbench.models.lawdis import steps
from disbench.models.lawdis.network import Networks
from disbench.models.lawdis.weights import FILES, build_untrained, load_networks
from disbench.registry.card import Card

WINDOWS = ("none", "auto", "truth")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of LawDIS.

    Attributes:
        seed: Seed of the noise that the macro mode starts from, the same for every image.
        windows: "none" for the macro mode; "auto" to refine its map in windows around its own edges, and "truth", the
            authors' semi-auto, around those of the ground truth, which `prepare` then takes.
        size: Working size in pixels per side, a multiple of 64; default: the folder's, otherwise the card's.
        precision: "fp32"; or "bf16", with products and convolutions in bfloat16, for CPUs that compute in it.
    """

    seed: str = "0"
    windows: str = "none"
    size: str = ""
    precision: str = "fp32"


class Predictor:
    """Predict with LawDIS.

    Args:
        card: Card of the method.
        weights: The authors' folder, or "untrained" for networks drawn from seed 0, which ignore the prompt.
        device: Device; default: the best one.
        **options: Fields of `Options`.
    """

    is_concurrent = True
    check_device = staticmethod(choose_device)

    def __init__(self, card: Card, weights: str, device: str | None, **options: str):
        given = parse_options(Options, card, device, options)
        seed, windows, size, precision = given.seed, given.windows, given.size, given.precision
        if windows not in WINDOWS:
            raise InputError(f"unknown windows {windows!r}; {suggest_names(windows, WINDOWS)}")
        if not seed.isdecimal() or int(seed) >= 2**63:
            raise InputError(f"--option seed={seed}: must be a whole number from 0 to 2^63 - 1")
        self.seed, self.windows, self.precision = int(seed), windows, precision
        self.takes_truth = windows == "truth"
        trained = Path(weights) / "unet" / FILES[0]
        origin = "--option size" if size else f"{trained}: its size"
        size = size or (read_training_size(trained) if trained.is_file() else "")
        side = parse_size(size, card.pipeline["size"], 64, origin)
        self.size = (side, side)
        self.device = choose_device(device)
        opened = time.time_ns()
        networks = build_untrained() if weights == "untrained" else load_networks(Path(weights))
        changed = {"windows": windows if windows != "none" else "", "size": size}
        changed |= {"precision": precision if precision != "fp32" else ""}
        changed = {key: value for key, value in changed.items() if value}
        details = [Path(weights).name, f"seed {self.seed}" if self.seed else ""]
        details += [f"{key} {value}" for key, value in changed.items()]
        self.title = f"{card.title} ({', '.join(filter(None, details))})"
        files = [] if weights == "untrained" else sorted(filter(Path.is_file, Path(weights).rglob("*")))
        sha = cache_weights_digest(files, opened, [_describe_settings(networks)], lambda: _digest(networks))
        self.identity = {"weights": sha, "seed": self.seed, **changed}
        for network in (networks.unet, networks.vae):
            compute_in_place(network)
        self.networks = replace(
            networks,
            unet=networks.unet.to(self.device),
            vae=networks.vae.to(self.device),
            text=networks.text and networks.text.to(self.device),
        )

    def prepare(self, image: np.ndarray, *, prompt: str, truth: np.ndarray | None = None) -> tuple[Tensor, ...]:
        """Prepare an image and its prompt.

        Args:
            image: uint8 (h, w, 3).
            prompt: Description of the object, or "".
            truth: Ground truth, uint8 (h, w), if windows are cut out around its edges.

        Returns:
            The image, float32 (3, H, W) in [-1, 1]; the prompt's tokens, int64 (77,); and if windows are to be cut out
            of it, the image at its own size, uint8 (3, h, w), followed by the ground truth, uint8 (h, w), if they are
            cut out around its edges.
        """
        prepared = steps.prepare(image, self.size), self.networks.split_prompt(prompt)
        if self.windows == "none":
            return prepared
        prepared = *prepared, torch.from_numpy(image).permute(2, 0, 1)
        return (*prepared, torch.from_numpy(truth)) if self.takes_truth else prepared

    @torch.inference_mode()
    def infer(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Predict the maps of what `prepare` returns, each stacked.

        Returns:
            (b, H, W) in [0, 1]; with windows, (b, h, w), whole levels over 255 at the size of the images.
        """
        images, tokens, *own_size = batch
        if not own_size:
            return self._segment(images, tokens)
        # One by one, since rounding, which differs in a batch, would decide a window.
        outputs = (self._segment(*row)[0] for row in zip(images.split(1), tokens.split(1), strict=True))
        return torch.stack([self._refine(*row) for row in zip(outputs, *own_size, strict=True)])

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """An output of `infer` -> uint8 (h, w)."""
        if self.windows == "none":
            return steps.restore(output, size)
        return (output * 255).round().cpu().numpy().astype(np.uint8)

    def _lower(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16")

    def _segment(self, images: Tensor, tokens: Tensor) -> Tensor:
        """Predict maps (b, H, W) in [0, 1] in the macro mode. Every image and every device gets the same noise."""
        noise = self.networks.draw_noise(self.seed, self.size[0])
        noise = noise.to(images.device).expand(len(images), -1, -1, -1)
        with self._lower():
            logits = self.networks.segment(images, noise, self.networks.embed(tokens))
        return logits.float().sigmoid()

    def _refine(self, output: Tensor, image: Tensor, truth: Tensor | None = None) -> Tensor:
        """Refine a map (H, W) of an image, uint8 (3, h, w), in windows around edges: (h, w) in [0, 1].

        The edges are those of the map or, if it is given, of the ground truth, uint8 (h, w).
        """
        levels = steps.restore(output, tuple(image.shape[1:]))
        windows = steps.find_windows(levels if truth is None else truth.cpu().numpy())
        normalised = steps.normalise(image.float())
        earlier = steps.normalise(torch.from_numpy(levels).to(image.device).float()[None])
        empty = self.networks.embed(self.networks.split_prompt("")[None].to(image.device))
        answers = []
        for window in windows:  # one by one, since there may be 50
            parts = (steps.cut_window(x, window, self.size) for x in (normalised, earlier))
            with self._lower():
                logits = self.networks.refine(*parts, empty)[0]
            answers.append((logits.float().sigmoid() * 255).cpu().numpy())
        return torch.from_numpy(steps.merge_windows(levels, answers, windows)) / 255


def _digest(networks: Networks) -> str:
    """Compute the SHA-256 of everything that decides the maps. It does not depend on the form of the files."""
    return digest_tensors(_name_tensors(networks), _describe_settings(networks))


def _describe_settings(networks: Networks) -> str:
    config = networks.scheduler.config
    defaults = config.get("_use_default_values", ())  # of the installed diffusers, not of the file
    settings = {key: value for key, value in config.items() if not key.startswith("_") and key not in defaults}
    vocabulary = networks.tokenizer.get_vocab() if networks.tokenizer else {}
    return json.dumps([settings, vocabulary], sort_keys=True)


def _name_tensors(networks: Networks) -> Iterator[tuple[str, Tensor]]:
    for name in ("unet", "vae", "text"):
        if network := getattr(networks, name):
            for key, tensor in sorted(network.state_dict().items()):
                yield f"{name}.{key}", tensor
