"""A Hugging Face repository with a semantic-segmentation head behind disbench's Predictor interface.

Code of the repository is never run. The steps before the network are read from its preprocessor_config.json, unless the
user sets them.
"""

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
from disbench.models._parts.device import choose_device
from disbench.models._parts.weights import digest_tensors, first_line, separate_from_file
from disbench.registry.card import Card
from disbench.system.documents import read_json
from disbench.system.hub import must_use_cache

RESAMPLE = {1: "pillow-lanczos", 2: "pillow-bilinear", 3: "pillow-bicubic"}  # by Pillow's numbers
CONFIG = "preprocessor_config.json"
MAX_LISTED = 12  # classes that an error names


class Predictor:
    """Predict with a segmentation model of transformers.

    Args:
        card: Card of the repository.
        weights: Always None.
        device: Device; default: the best one.
        foreground: Classes whose probabilities are summed, as names or numbers with commas. Default for a single
            class: its sigmoid; for two: the second.
        options: Options of steps.Steps.
    """

    check_device = staticmethod(choose_device)

    def __init__(self, card: Card, weights: None, device: str | None, foreground: str = "", **options: str):
        self.device = choose_device(device)
        from_cache = not Path(card.source).is_dir() and must_use_cache()
        options_of_hub = {"trust_remote_code": False, "local_files_only": from_cache}
        try:
            config = AutoConfig.from_pretrained(card.source, **options_of_hub)
            net = AutoModelForSemanticSegmentation.from_pretrained(card.source, **options_of_hub)
        except Exception as error:  # the hub, the file system and transformers raise errors of many types
            if from_cache and isinstance(error, OSError):
                raise InputError(
                    f"{card.title}: cannot be loaded, because it is not in the cache of Hugging Face and no connection "
                    "is possible or allowed; connect, or give a folder: --model hf:DIR"
                ) from None
            raise InputError(
                f"{card.title}: cannot be loaded as a semantic-segmentation model that transformers has; code from a "
                f"repository is never run, so convert it to ONNX or TorchScript ({first_line(error)})"
            ) from None
        self.labels = {int(key): label for key, label in config.id2label.items()}
        self.classes = _parse_classes(card.title, self.labels, foreground)
        defaults = _read_defaults(card.source, from_cache=from_cache)
        self.steps = steps.parse_steps(card.title, options, ("foreground",), **defaults)
        separate_from_file(net)
        self.net = net.float().eval().to(self.device)
        source = digest_tensors(sorted(net.state_dict().items()))
        self.identity = {"source": source, "steps": asdict(self.steps), "foreground": self.classes}

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W)."""
        return torch.from_numpy(self.steps.prepare(image))

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> probability of foreground (b, H', W')."""
        logits = self.net(pixel_values=batch).logits
        if logits.shape[1] == 1:
            return logits[:, 0].sigmoid()
        return functional.softmax(logits, 1)[:, self.classes].sum(1)

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H', W') in [0, 1] -> uint8 (h, w)."""
        return self.steps.restore(output.cpu().numpy(), size)


def _parse_classes(title: str, labels: dict[int, str], foreground: str) -> list[int]:
    if not foreground and len(labels) <= 2:
        return [len(labels) - 1]
    by_name = {label: number for number, label in labels.items()} | {str(number): number for number in labels}
    names = [name.strip() for name in foreground.split(",")]
    if unknown := [name for name in names if name not in by_name]:
        listed = ", ".join(list(labels.values())[:MAX_LISTED])
        fault = f"no class {unknown[0]!r}" if foreground else f"has {len(labels)} classes"
        raise InputError(f"{title}: {fault}; name the foreground's: --option foreground=NAME,NAME of {listed} ...")
    return sorted({by_name[name] for name in names})


def _read_defaults(source: str, *, from_cache: bool) -> dict[str, Any]:
    """Read the settings of steps.Steps that preprocessor_config.json has; {} if it is missing."""
    try:
        is_folder = Path(source).is_dir()
        download = None if is_folder else hf_hub_download(source, CONFIG, local_files_only=from_cache)
        file = Path(download) if download else Path(source) / CONFIG
    except (OSError, ValueError):
        return {}
    config = read_json(file, fault="not the configuration of an image processor") if file.is_file() else {}
    if not isinstance(config, dict):
        raise InputError(f"{file}: not the configuration of an image processor (it is a {type(config).__name__})")
    size = config.get("size")
    size = {"height": size, "width": size} if isinstance(size, int) else size or {}
    settings: dict[str, Any] = {}
    if config.get("do_resize", True) and size.keys() >= {"height", "width"}:
        settings["size"] = (size["height"], size["width"])
        settings["resize"] = RESAMPLE.get(config.get("resample", 2), "pillow-bilinear")
    if not config.get("do_normalize", True):
        return settings | {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    for key in ("mean", "std"):
        if config.get(f"image_{key}"):
            settings[key] = tuple(config[f"image_{key}"])
    return settings
