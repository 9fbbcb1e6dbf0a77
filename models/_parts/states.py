"""The state dicts in a checkpoint: list them, choose one, and remove what trainers put before its names.

Trainers save a network next to their own state, often with an average of its weights over time (EMA), and under the
name of the attribute that holds it. A label such as `state_dict.model` says where a state dict is in the file.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from disbench.errors import InputError

# Keys under which trainers keep the weights. Where a file has several, the first counts.
NESTS = (
    "state_dict",
    "model_state",
    "model",
    "model_state_dict",
    "network_state_dict",
    "net_state_dict",
    "network",
    "net",
    "params",
    "weights",
    "generator",
)
WRAPPERS = ("module.", "_orig_mod.")  # prefixes that distributed training and torch.compile put before every name
PARTS = {"model", "net", "network", "generator", "unet"}  # attributes of a trainer that hold the network
AVERAGED = re.compile(r"(^|_)(ema|swa|averaged?|shadow)($|_)")
OTHER_PARTS = re.compile(r"loss|criterion|metric|discriminator|teacher|lpips|vgg")  # of a trainer, not of the network
COUNTER = "n_averaged"  # of torch's AveragedModel
MAX_NESTING = 3
MAX_LISTED = 8  # keys that an error names
State = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A state dict of a checkpoint.

    Attributes:
        state: Tensors by name, without the prefixes of trainers.
        label: Place of the state dict in the file; "" for the whole file.
        others: Labels of other versions of the same network in the file.
    """

    state: State
    label: str = ""
    others: tuple[str, ...] = ()


def choose_state(path: Path, content: Any, wanted: str = "") -> Choice:
    """Choose a state dict of a checkpoint: the wanted one, otherwise the network itself before its average.

    Args:
        path: File to name in errors.
        content: Content of the file.
        wanted: Label, or a part of one, such as "ema"; "" for the default.

    Raises:
        InputError: The file has no state dict, not the wanted one, or several that may be meant.
    """
    states = list_states(content)
    if not states:
        keys = ", ".join(str(key) for key in list(content)[:MAX_LISTED]) if isinstance(content, dict) else ""
        received = f"its keys are {keys or 'none'}" if isinstance(content, dict) else f"a {type(content).__name__}"
        raise InputError(
            f"{path}: holds more than weights, or none ({received}); expected a state dict of tensors, as the whole "
            f"file or under one of {', '.join(NESTS)}"
        )
    label = _find_label(path, states, wanted) if wanted else _default_label(path, states)
    names = states[label].keys()
    others = tuple(other for other, state in states.items() if other != label and state.keys() & names)
    return Choice(state=states[label], label=label, others=others)


def list_states(content: Any, place: tuple[str, ...] = ()) -> dict[str, State]:
    """List the state dicts of a checkpoint by label, without the prefixes of trainers."""
    if _is_state(content) and (content or not place):
        state = strip_prefixes(content)
        if COUNTER in state:
            del state[COUNTER]
        parts: dict[str, State] = {}
        for name, tensor in state.items():
            first, _, inner = name.partition(".")
            parts.setdefault(first if inner else name, {})[inner or name] = tensor
        networks = [part for part in parts if part in PARTS or AVERAGED.search(part)]
        if not networks or not all(part in networks or OTHER_PARTS.search(part) for part in parts):
            return {".".join(place): state}
        content = {part: parts[part] for part in networks}
    elif len(place) > MAX_NESTING:
        return {}
    states: dict[str, State] = {}
    for key, value in content.items() if isinstance(content, Mapping) else ():
        if isinstance(key, str) and isinstance(value, Mapping):
            states |= list_states(value, (*place, key))
    return states


def strip_prefixes(state: State, prefixes: tuple[str, ...] = WRAPPERS) -> State:
    """Remove the prefixes from all tensor names, in any order and number."""
    wrapping = re.compile(f"^(?:{'|'.join(map(re.escape, prefixes))})+")
    return {wrapping.sub("", name): tensor for name, tensor in state.items()}


def _is_state(content: Any) -> bool:
    return isinstance(content, Mapping) and all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    )


def _find_label(path: Path, states: dict[str, State], wanted: str) -> str:
    if wanted in states:
        return wanted
    labels = [label for label in states if wanted in label.split(".")]
    if len(labels) != 1:
        listed = ", ".join(filter(None, states)) or "only one state dict, without a name; omit the option"
        raise InputError(f"--option state={wanted}: {path} has {listed}")
    return labels[0]


def _default_label(path: Path, states: dict[str, State]) -> str:
    plain = [label for label in states if not any(map(AVERAGED.search, label.split(".")))]
    ranks = {label: [_rank(part) for part in label.split(".")] for label in plain or states}
    best = min(ranks, key=lambda label: ranks[label])
    if len(ranks) > 1 and ranks[best][0] == len(NESTS):
        raise InputError(f"{path}: has several state dicts, {', '.join(ranks)}; choose one with --option state=NAME")
    return best


def _rank(part: str) -> int:
    return NESTS.index(part) if part in NESTS else len(NESTS)
