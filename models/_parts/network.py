"""The common base of feed-forward networks' predictors: weights from a file, square working size, title, identity."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from disbench.errors import InputError
from disbench.models._parts.device import check_precision, choose_device
from disbench.models._parts.weights import (
    State,
    build_untrained,
    digest_tensors,
    find_file,
    load_module,
    parse_size,
    read_state,
    read_training_size,
)
from disbench.registry.card import Card

UNTRAINED = "untrained"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of every network; a method may add its own.

    Attributes:
        size: Working size in pixels per side; default: the file's, otherwise the card's.
        state: State dict of the file, for a file that has several, such as "ema"; default: the plain one.
        precision: "fp32"; or "bf16", with products and convolutions in bfloat16, for CPUs that compute in it.
    """

    size: str = ""
    state: str = ""
    precision: str = "fp32"


Given = TypeVar("Given")  # a frozen dataclass with the field `precision`


def parse_options(kind: type[Given], card: Card, device: str | None, options: dict[str, str]) -> Given:
    """Check the options of a network, before its weights are read.

    Args:
        kind: The options that the method has.
        card: Card of the method.
        device: Device; default: the best one.
        options: Values by name.

    Raises:
        InputError: An option is unknown, or its precision is unknown or not one of the device.
    """
    names = [field.name for field in fields(kind)]
    if unknown := options.keys() - set(names):
        raise InputError(f"{card.title} has no option {min(unknown)!r}; known: {', '.join(names)}")
    given = kind(**options)
    check_precision(given.precision, device)
    return given


@dataclass(frozen=True)
class Weights:
    """The file that --weights names.

    Attributes:
        path: The file, or "untrained".
        state: Tensors by their names in the network; None for weights drawn from seed 0.
        size: Training size in pixels per side, if the file has one.
        label: State dict of the file, if the file has several versions of its network.
        wanted: Value of --option state, "" if missing.
    """

    path: Path
    state: State | None
    size: str = ""
    label: str = ""
    wanted: str = ""

    def fill(self, build: Callable[[], nn.Module]) -> Any:
        """Build the network with these weights; InputError if they belong to another network."""
        return build_untrained(build) if self.state is None else load_module(build, self.state, self.path)

    def working_size(self, option: str, default: int, multiple: int = 32) -> tuple[str, int]:
        """Choose the working size: the option, otherwise the file's, otherwise the card's.

        Args:
            option: Value of --option size, "" if missing.
            default: Size of the card, pixels per side.
            multiple: The size must be a multiple of this.

        Returns:
            The size as text, "" for the card's, and in pixels per side.
        """
        origin = "--option size" if option else f"{self.path}: its size"
        size = option or self.size
        return size, parse_size(size, default, multiple, origin)

    def count_classes(self, name: str) -> int:
        """Return the number of rows of a tensor, 1 if it is missing; InputError for more than 2."""
        tensor = self.state.get(name) if self.state else None
        classes = len(tensor) if tensor is not None and tensor.ndim else 1
        if classes > 2:
            raise InputError(f"{self.path}: has {classes} classes; a map needs 1, or 2 (background and foreground)")
        return classes


def open_weights(weights: str, convert: Callable[[State], State] = dict, wanted: str = "") -> Weights:
    """Read a weights file without running code in it.

    Args:
        weights: A path, Hugging Face's owner/name/file or owner/name, or "untrained".
        convert: Renames tensors to the network's names, and drops those that the network lacks.
        wanted: Value of --option state: the state dict to use of a file that has several, "" if missing.
    """
    if weights == UNTRAINED:
        if wanted:
            raise InputError(f"--option state={wanted}: untrained weights are from no file; omit one of them")
        return Weights(Path(weights), None)
    path = find_file(weights)
    choice = read_state(path, wanted)
    label = choice.label if choice.others else ""
    return Weights(path, convert(choice.state), read_training_size(path), label, wanted)


class NetworkPredictor:
    """A network behind disbench's Predictor interface; subclasses add prepare, run_net and restore.

    Attributes:
        device: Device of the network.
        size: Working size (H, W) in pixels.
        title: Title of the method in reports.
        identity: Everything next to the card that decides the maps.
        net: The network, in eval mode on `device`.
        precision: "fp32" or "bf16", of products and convolutions.
        weights_state: State dict of the weights file that is used, for the manifest; "" if the file has only one.
        is_concurrent: Whether `infer` may run in several threads at once.
    """

    is_concurrent = True
    check_device = staticmethod(choose_device)
    memory_format: ClassVar[torch.memory_format] = torch.contiguous_format
    multiple: ClassVar[int] = 32  # the working size is a multiple of this

    def __init__(
        self,
        card: Card,
        weights: Weights,
        net: nn.Module,
        device: str | None,
        given: Options,
        *,
        variant: str = "",
        **recorded: str,
    ):
        """Move the network to its device and describe it.

        Args:
            card: Card of the method.
            weights: The file that `net` was filled from.
            net: The network, in eval mode.
            device: Device; default: the best one.
            given: Options, parsed.
            variant: Suffix of the title.
            recorded: Options of the method that change a map.
        """
        self.device = choose_device(device)
        size, side = weights.working_size(given.size, card.pipeline["size"], self.multiple)
        self.size = (side, side)
        self.precision = given.precision
        lowered = self.precision if self.precision != "fp32" else ""
        # No file says which of a method's checkpoints it is, so the title has the file's name.
        details = ", ".join(filter(None, [weights.path.name, weights.wanted, size and f"{size} px", lowered]))
        self.title = f"{card.title}{variant} ({details})"
        self.identity: dict[str, Any] = {"weights": digest_tensors(sorted(net.state_dict().items()))} | recorded
        self.identity |= {"size": size} if size else {}
        self.identity |= {"state": weights.wanted} if weights.wanted else {}
        self.identity |= {"precision": lowered} if lowered else {}
        self.weights_state = weights.label
        self.net = net.to(self.device, memory_format=self.memory_format)

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """(b, c, H, W) -> (b, H', W'), float32, as `restore` takes them."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            return self.run_net(batch).float()

    def run_net(self, batch: Tensor) -> Tensor:
        """(b, c, H, W) -> (b, H', W')."""
        raise NotImplementedError
