"""A TorchScript file behind disbench's Protocol.

Its tensors are read without Python's unpickler, but it is a program, which torch runs: it can read and write files, so
take one only from people whom you would let run a program here.
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
from disbench.models._parts import device as devices
from disbench.models._parts.weights import first_line
from disbench.registry.card import Card


class Predictor:
    """`output`: the way to the map in what the module answers, as 0, mask or 0.2, and :CHANNEL; the first else."""

    def __init__(self, card: Card, weights: None, device: str | None, output: str = "", **options: str):
        self.path, self.device = Path(card.source), devices.pick(device)
        self.module, said = self.load()
        self.steps = steps.read(card.title, options, ("output",), **said)
        if said and self.steps.size != said["size"]:
            raise InputError(f"{self.path}: works at {'x'.join(map(str, said['size']))} alone; leave size away")
        self.name, self.channel = steps.output_named(output)
        self.identity = {"source": steps.digest(self.path), "steps": asdict(self.steps), "output": output}

    def load(self) -> tuple[Any, dict[str, Any]]:
        """The module on its device, and what its file says of the steps."""
        if not _is_torchscript(self.path):
            raise InputError(
                f"{self.path}: no TorchScript; if it holds weights alone, they need the network that they belong to: "
                f"--model NAME --weights {self.path}"
            )
        try:
            return torch.jit.load(self.path, map_location=self.device).eval(), {}
        except Exception as error:
            raise InputError(f"{self.path}: cannot be loaded ({first_line(error)})") from None

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W)."""
        return torch.from_numpy(self.steps.prepare(image))

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, H', W'), as the module answers it."""
        return steps.single_channel(picked(self.module(batch), self.name), self.channel)

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        return self.steps.restore(output.float().cpu().numpy(), size)


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def picked(answer: Any, name: str) -> Tensor:
    """The tensor at "0.mask" of nested lists and dicts; the first where the name ends before a tensor."""
    rest = [key for key in name.split(".") if key]
    while not isinstance(answer, Tensor):
        keys = list(answer) if isinstance(answer, dict) else [str(i) for i in range(len(answer))]
        key = rest.pop(0) if rest else keys[0]
        if key not in keys:
            raise InputError(f"--option output={name}: no {key!r} in the network's answer; known: {', '.join(keys)}")
        answer = answer[key] if isinstance(answer, dict) else answer[int(key)]
    if rest:
        raise InputError(f"--option output={name}: there is a tensor before {rest[0]!r}")
    return answer
