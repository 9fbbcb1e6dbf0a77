"""What the predictors of feed-forward networks share: weights from a file, a square working size, title, identity."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from disbench.errors import InputError
from disbench.models._parts import device as devices
from disbench.models._parts import weights as files
from disbench.registry.card import Card

State = dict[str, Tensor]


@dataclass(frozen=True)
class Weights:
    """What --weights names: the tensors of a file by their names in the network, or None: as drawn from seed 0.

    `size`: pixels a side that it was trained at, where the file says so.
    """

    path: Path
    state: State | None
    size: str = ""

    def into(self, make: Callable[[], nn.Module]) -> Any:
        """The network that `make` makes, with these weights; InputError where they are another's."""
        return files.untrained(make) if self.state is None else files.build(make, self.state, self.path)

    def at(self, size: str, default: int, multiple: int = 32) -> tuple[str, int]:
        """The size to work at, as the option says, else the file, else the card: "" for the last, and in pixels."""
        said_by = "--option size" if size else f"{self.path}: its size"
        return size or self.size, files.working_size(size or self.size, default, multiple, said_by)

    def classes(self, name: str) -> int:
        """As many as the tensor of that name has rows: 1, or 2, background and foreground; InputError for more."""
        classes = len(self.state[name]) if self.state and name in self.state else 1
        if classes > 2:
            raise InputError(f"{self.path}: tells {classes} classes apart; a map needs 1, or background and foreground")
        return classes


def opened(weights: str, named: Callable[[State], State] = dict) -> Weights:
    """A path or Hugging Face's owner/name/file, read without running code, or "untrained".

    `named` gives tensors the names that they have in the network, and leaves out those that are not in it.
    """
    if weights == "untrained":
        return Weights(Path(weights), None)
    path = files.find(weights, ())
    return Weights(path, named(files.unwrapped(files.read(path))), files.trained_at(path))


class Network:
    """A network behind disbench's Protocol, which a predictor completes by prepare, infer and restore.

    `net` is in eval mode on `device`, `size` is (H, W). `kind` stands in the title; `chosen` are further options that
    change a map.
    """

    memory_format = torch.contiguous_format

    def __init__(
        self,
        card: Card,
        weights: Weights,
        net: nn.Module,
        device: str | None,
        size: str,
        multiple: int = 32,
        kind: str = "",
        **chosen: str,
    ):
        self.device = devices.pick(device)
        size, side = weights.at(size, card.pipeline["size"], multiple)
        self.size = (side, side)
        # Which of the checkpoints of a method it is, no file says: its name has to.
        self.title = f"{card.title}{kind} ({weights.path.name}{f', {size} px' if size else ''})"
        self.identity = {"weights": files.digest(sorted(net.state_dict().items()))} | chosen
        self.identity |= {"size": size} if size else {}
        self.net = net.to(self.device, memory_format=self.memory_format)
