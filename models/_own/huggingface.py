"""A Hugging Face repository with a semantic-segmentation head behind disbench's Protocol. Its own code is never run.

The steps before the network are read from its preprocessor_config.json, where the user does not say otherwise.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import hf_hub_download
from torch import Tensor
from torch.nn import functional
from transformers import AutoConfig, AutoModelForSemanticSegmentation

from disbench.errors import InputError
from disbench.models._own import steps
from disbench.models._parts import device as devices
from disbench.models._parts import weights as files
from disbench.registry.card import Card

RESAMPLE = {1: "pillow-lanczos", 2: "pillow-bilinear", 3: "pillow-bicubic"}  # Pillow's numbers


class Predictor:
    """`foreground`: the classes, by name or number with commas, whose probabilities are summed.

    One class needs none: its sigmoid; of two, it is the second.
    """

    def __init__(self, card: Card, weights: None, device: str | None, foreground: str = "", **options: str):
        self.device = devices.pick(device)
        where = card.source
        try:
            config = AutoConfig.from_pretrained(where, trust_remote_code=False)
            net = AutoModelForSemanticSegmentation.from_pretrained(where, trust_remote_code=False)
        except Exception as error:  # the hub's, the file system's and transformers' own, all for one cause: no model
            raise InputError(
                f"{card.title}: cannot be loaded as a semantic-segmentation model of transformers' own; code from a "
                f"repository is never run, an ONNX or TorchScript file of it does ({files.first_line(error)})"
            ) from None
        self.labels = {int(key): label for key, label in config.id2label.items()}
        self.classes = _classes(card.title, self.labels, foreground)
        self.steps = steps.read(card.title, options, ("foreground",), **_said(where))
        self.net = net.float().eval().to(self.device)
        state = files.digest(sorted(net.state_dict().items()))
        self.identity = {"source": state, "steps": asdict(self.steps), "foreground": self.classes}

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W)."""
        return torch.from_numpy(self.steps.prepare(image))

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, H', W'), foreground's probability."""
        logits = self.net(pixel_values=batch).logits
        if logits.shape[1] == 1:
            return logits[:, 0].sigmoid()
        return functional.softmax(logits, 1)[:, self.classes].sum(1)

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        return self.steps.restore(output.cpu().numpy(), size)


def _classes(title: str, labels: dict[int, str], foreground: str) -> list[int]:
    if not foreground and len(labels) <= 2:
        return [len(labels) - 1]
    by_name = {label: number for number, label in labels.items()} | {str(number): number for number in labels}
    names = [name.strip() for name in foreground.split(",")]
    if unknown := [name for name in names if name not in by_name]:
        some = ", ".join(list(labels.values())[:12])
        why = f"no class {unknown[0]!r}" if foreground else f"{len(labels)} classes"
        raise InputError(f"{title}: {why}; say which are foreground: --option foreground=NAME,NAME of {some} ...")
    return sorted({by_name[name] for name in names})


def _said(where: str) -> dict[str, Any]:
    """What preprocessor_config.json says of the steps, as far as they are steps of ours."""
    try:
        file = Path(where) / "preprocessor_config.json" if Path(where).is_dir() else None
        config = json.loads(Path(file or hf_hub_download(where, "preprocessor_config.json")).read_text())
    except (OSError, ValueError):  # there need not be one
        return {}
    size = config.get("size")
    size = {"height": size, "width": size} if isinstance(size, int) else size or {}
    said: dict[str, Any] = {}
    if config.get("do_resize", True) and size.keys() >= {"height", "width"}:
        said["size"] = (size["height"], size["width"])
        said["resize"] = RESAMPLE.get(config.get("resample", 2), "pillow-bilinear")
    normalised = config.get("do_normalize", True)
    for key, plain in (("mean", 0.0), ("std", 1.0)):
        if not normalised or config.get(f"image_{key}"):
            said[key] = tuple(config[f"image_{key}"]) if normalised else (plain,) * 3
    return said
