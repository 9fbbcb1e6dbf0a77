"""Load published ImageNet backbones into networks that are to be trained.

    ResNet    torchvision's, and timm's under the same names; mmcv's resnet18_v1c for ISDNet
    Res2Net   its authors' res2net50_v1b_26w_4s
    Swin      Microsoft's, and timm's, which counts patch merging to the following stage

A network's backbones are its modules of these classes. Each class names the tensors of published files that it lacks,
and those that it adds: see ResNet.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from disbench.errors import InputError
from disbench.models._parts.res2net import Res2Net
from disbench.models._parts.resnet import ResNet
from disbench.models._parts.swin import Swin, drop_buffers
from disbench.models._parts.weights import (
    State,
    digest_tensors,
    find_weights,
    match_state,
    read_weights,
)

# By a tensor that files of this kind have, and files of the kinds before it lack.
KINDS: dict[str, type[nn.Module]] = {
    "layer1.0.convs.0.weight": Res2Net,
    "layer1.0.conv1.weight": ResNet,
    "layers.0.blocks.0.norm1.weight": Swin,
}


@dataclass(frozen=True)
class Backbone:
    """A backbone's file: its tensors under the names of `kind`, classifier included."""

    path: Path
    kind: type[nn.Module]
    state: State


def read_backbone(name: str) -> Backbone:
    """Read a path or Hugging Face's owner/name/file without running code; InputError if it is not a backbone."""
    path = find_weights(name, ())
    state = read_weights(path)
    kind = next((kind for sign, kind in KINDS.items() if sign in state), None)
    if kind is None:
        kinds = ", ".join(kind.__name__ for kind in KINDS.values())
        raise InputError(
            f"{path}: no backbone ({kinds}), its first tensor is {min(state, default='none')}; "
            "a whole network's weights go to --weights"
        )
    if kind is Swin:
        state = drop_buffers(state)
        if "layers.0.downsample.norm.weight" not in state:  # timm's numbering
            state = {re.sub(r"^layers\.(\d+)(?=\.downsample\.)", _previous_stage, key): x for key, x in state.items()}
    return Backbone(path, kind, state)


def find_backbones(net: nn.Module) -> dict[type[nn.Module], tuple[str, nn.Module]]:
    """Return the name and module of each backbone of a network, by its kind."""
    return {
        kind: (name, module)
        for kind in KINDS.values()
        for name, module in net.named_modules()
        if isinstance(module, kind)
    }


def load_backbones(net: nn.Module, backbones: Sequence[Backbone]) -> tuple[list[str], list[str]]:
    """Copy backbones into a network.

    Classifiers are skipped, and so is a plain stem if the network has another one. All other tensors must match.

    Returns:
        The sorted digests of the copied tensors, and a line to print for each backbone.

    Raises:
        InputError: The network has no (further) backbone of a file's kind, or tensors differ.
    """
    modules, title = find_backbones(net), type(net).__name__
    digests, lines = [], []
    for backbone in backbones:
        kind = backbone.kind.__name__
        if backbone.kind not in modules:
            fault = f"{title} has only one" if backbone.kind in find_backbones(net) else f"{title} has none"
            raise InputError(f"{backbone.path}: a {kind}, but {fault}; docs/train.md lists what each network takes")
        name, module = modules.pop(backbone.kind)
        replaced = module.replaced if "conv1.weight" in backbone.state else ()
        drawn, state = (*replaced, *module.added), module.state_dict()
        expected = {
            key: x
            for key, x in state.items()
            if not key.startswith(drawn)
            # Older files lack the counts of batches, which have no effect here.
            and (key in backbone.state or not key.endswith("num_batches_tracked"))
        }
        unused = tuple(start for start in module.surplus if not any(key.startswith(start) for key in expected))
        skipped = (*replaced, *unused)
        offered = {key: x for key, x in backbone.state.items() if not key.startswith(skipped)}
        matched = match_state(expected, offered, backbone.path, f"the {kind} of {title}")
        module.load_state_dict(matched, strict=False)
        digests.append(digest_tensors(sorted(matched.items())))
        notes = _list_prefixes("skipped", skipped, backbone.state) + _list_prefixes("drawn from the seed", drawn, state)
        lines.append(f"{backbone.path}: {len(matched)} tensors for {name}{notes}")
    for kind, (name, _) in modules.items():
        lines.append(f"{name}: drawn from the seed; no --backbone is a {kind.__name__}")
    return sorted(digests), lines


def _previous_stage(match: re.Match[str]) -> str:
    return f"layers.{int(match[1]) - 1}"


def _list_prefixes(title: str, prefixes: Sequence[str], state: State) -> str:
    present = [prefix.strip(".") for prefix in prefixes if any(key.startswith(prefix) for key in state)]
    return f"; {title}: {', '.join(present)}" if present else ""
