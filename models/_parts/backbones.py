"""Backbones trained on ImageNet, from the files in which they are published, for networks that are to be trained.

    ResNet    torchvision's, and timm's under the same names; mmcv's resnet18_v1c for ISDNet
    Res2Net   its authors' res2net50_v1b_26w_4s
    Swin      Microsoft's, and timm's, where what merges tokens is counted to the stage after it

A network's backbone is whichever of its modules is one of these classes. The class says what files have and it lacks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from disbench.errors import InputError
from disbench.models._parts import weights as files
from disbench.models._parts.res2net import Res2Net
from disbench.models._parts.resnet import ResNet
from disbench.models._parts.swin import Swin, learned

# By a tensor that files of one kind have, and none of the kinds before it.
KINDS: dict[str, type[nn.Module]] = {
    "layer1.0.convs.0.weight": Res2Net,
    "layer1.0.conv1.weight": ResNet,
    "layers.0.blocks.0.norm1.weight": Swin,
}


@dataclass(frozen=True)
class Backbone:
    """What a file holds, under the names of `kind`, its classifier included."""

    path: Path
    kind: type[nn.Module]
    state: dict[str, Tensor]


def read(name: str) -> Backbone:
    """A path or Hugging Face's owner/name/file, read without running code; InputError where it is no backbone."""
    path = files.find(name, ())
    state = files.unwrapped(files.read(path))
    kind = next((kind for sign, kind in KINDS.items() if sign in state), None)
    if kind is None:
        known = ", ".join(kind.__name__ for kind in KINDS.values())
        raise InputError(
            f"{path}: no backbone ({known}), its first tensor is {min(state, default='none')}; "
            "a whole network's weights go to --weights"
        )
    if kind is Swin:
        state = learned(state)
        if "layers.0.downsample.norm.weight" not in state:
            state = {re.sub(r"^layers\.(\d+)(?=\.downsample\.)", _before, key): x for key, x in state.items()}
    return Backbone(path, kind, state)


def find(net: nn.Module) -> dict[type[nn.Module], tuple[str, nn.Module]]:
    """kind -> name and module of the network's backbones, one of a kind."""
    return {
        kind: (name, module)
        for kind in KINDS.values()
        for name, module in net.named_modules()
        if isinstance(module, kind)
    }


def take(net: nn.Module, backbones: Sequence[Backbone]) -> tuple[list[str], list[str]]:
    """Put them into the network -> a digest of what was taken of each, and what to say of it.

    Classifiers are left, and a plain stem where the network's is its own; all else must fit, or it is InputError.
    """
    modules, title = find(net), type(net).__name__
    digests, lines = [], []
    for one in backbones:
        kind = one.kind.__name__
        if one.kind not in modules:
            raise InputError(f"{one.path}: a {kind}, which {title} has not (twice); docs/train.md says what it takes")
        name, module = modules.pop(one.kind)
        own = module.own if "conv1.weight" in one.state else ()
        drawn, state = (*own, *module.drawn), module.state_dict()
        expected = {
            key: x
            for key, x in state.items()
            if not key.startswith(drawn)
            # Counts of batches, which older files lack, have no effect here.
            and (key in one.state or not key.endswith("num_batches_tracked"))
        }
        left = (*own, *(start for start in module.surplus if not any(key.startswith(start) for key in expected)))
        offered = {key: x for key, x in one.state.items() if not key.startswith(left)}
        taken = files.matched(expected, offered, one.path, f"the {kind} of {title}")
        module.load_state_dict(taken, strict=False)
        digests.append(files.digest(sorted(taken.items())))
        parts = _named("not taken", left, one.state), _named("as drawn", drawn, state)
        lines.append(f"{one.path}: {len(taken)} tensors for {name}{''.join(parts)}")
    lines += [f"{name}: as drawn; no --backbone is a {kind.__name__}" for kind, (name, _) in modules.items()]
    return sorted(digests), lines


def _before(match: re.Match) -> str:
    return f"layers.{int(match[1]) - 1}"


def _named(what: str, starts: Sequence[str], state: dict[str, Tensor]) -> str:
    found = [start.strip(".") for start in starts if any(key.startswith(start) for key in state)]
    return f"; {what}: {', '.join(found)}" if found else ""
