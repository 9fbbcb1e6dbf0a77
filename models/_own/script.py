"""A TorchScript file behind disbench's Predictor interface.

Its tensors are read without Python's unpickler. But the file is a program that torch runs and that can read and write
files, so only use files from people whose programs you would run.
"""

import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from disbench.errors import InputError
from disbench.models._own import steps
from disbench.models._parts.device import choose_device
from disbench.models._parts.weights import first_line
from disbench.registry.card import Card


class Predictor:
    """Predict with a TorchScript file.

    Args:
        card: Card of the file.
        weights: Always None.
        device: Device; default: the best one.
        output: Path of the map in the module's output, such as 0, mask or 0.2, and :CHANNEL; default: the first.
        options: Options of steps.Steps.
    """

    check_device = staticmethod(choose_device)

    def __init__(self, card: Card, weights: None, device: str | None, output: str = "", **options: str):
        self.path, self.device = Path(card.source), choose_device(device)
        (self.module, fixed_size), source = steps.load_hashed_files(self.path, (), self.load)
        defaults = {"size": fixed_size} if fixed_size else {}
        self.steps = steps.parse_steps(card.title, options, ("output",), **defaults)
        if fixed_size and self.steps.size != fixed_size:
            height, width = fixed_size
            raise InputError(f"{self.path}: works only at {height}x{width}; omit --option size")
        self.name, self.channel = steps.parse_output(output)
        self.identity = {"source": source, "steps": asdict(self.steps), "output": output}

    def load(self) -> tuple[Any, tuple[int, int] | None]:
        """Load the module to its device; return it and the only working size (H, W), None if any works."""
        if not _is_torchscript(self.path):
            raise InputError(
                f"{self.path}: no TorchScript; if it holds only weights, name their network: "
                f"--model NAME --weights {self.path}"
            )
        try:
            return torch.jit.load(self.path, map_location=self.device).eval(), None
        except Exception as error:
            raise InputError(f"{self.path}: cannot be loaded ({first_line(error)})") from None

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W)."""
        return torch.from_numpy(self.steps.prepare(image))

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> the module's map (b, H', W')."""
        return steps.select_channel(select_tensor(self.module(batch), self.name), self.channel)

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H', W') -> uint8 (h, w)."""
        return self.steps.restore(output.float().cpu().numpy(), size)


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def select_tensor(output: Any, name: str) -> Tensor:
    """Return the tensor at a path such as "0.mask" in nested lists and dicts; by default always the first."""
    path = [key for key in name.split(".") if key]
    while not isinstance(output, Tensor):
        keys = list(output) if isinstance(output, dict) else [str(i) for i in range(len(output))]
        key = path.pop(0) if path else keys[0]
        if key not in keys:
            raise InputError(
                f"--option output={name}: no {key!r} in the network's output; available: {', '.join(keys)}"
            )
        output = output[key] if isinstance(output, dict) else output[int(key)]
    if path:
        raise InputError(f"--option output={name}: ends at a tensor before {path[0]!r}; shorten it")
    return output
