"""UDUN, the Unite-Divide-Unite network (Pei et al., ACM MM 2023), key-compatible with the authors' checkpoints.

The authors' code has no licence. This is rebuilt from the names in their checkpoints and from their layers' outputs.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts.resnet import ResNet


class UDUN(nn.Module):
    """(b, 3, h, w), normalised, sides multiples of 128 -> logits of trunk (1/8 of the size), structure, and mask.

    The mask is the prediction; the others are for training. The authors' network is bound to 1024 x 1024 with a
    second copy of 256 x 256. Here the copy is a quarter of any size.
    """

    def __init__(self, depth: int = 50):
        super().__init__()
        self.bkbone = ResNet(depth)
        self.convHR0 = _make_head(3, 16)
        for level, into in enumerate(self.bkbone.channels, 1):
            self.add_module(f"convHR{level}", _make_head(into, 32 if level < 3 else 64))
            self.add_module(f"convLR{level}", _make_head(into, 32 if level < 4 else 64))
        self.trunk = Trunk()
        self.dcm = Divide()
        self.struct = Structure()
        self.union_de = Union()
        self.linear_t = nn.Conv2d(64, 1, 3, padding=1)
        self.linear_s = nn.Conv2d(16, 1, 3, padding=1)
        self.linear = nn.Sequential(
            nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.Conv2d(16, 1, 3, padding=1)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(b, 3, h, w) -> logits (b, 1, h/8, w/8) of the trunk, and (b, 1, h, w) of structure and mask."""
        quarter = tuple(side // 4 for side in x.shape[-2:])
        small = functional.interpolate(x, quarter, mode="bilinear", align_corners=True)
        # Grids of `high` and `low` of one stage differ by a factor of 4: low[0] has the size of high[2].
        high = [self.get_submodule(f"convHR{level}")(y) for level, y in enumerate(self.bkbone(x), 1)]
        low = [self.get_submodule(f"convLR{level}")(y) for level, y in enumerate(self.bkbone(small), 1)]
        trunk = self.trunk([low[4], low[3], high[4], high[3], high[2]])
        details = self.dcm([low[2], low[1], low[0]], trunk)
        structure = self.struct([*details, high[1], high[0], self.convHR0(x)])
        mask = self.linear(self.union_de(trunk, structure))
        return self.linear_t(trunk[-1]), self.linear_s(structure[-1]), mask


class Trunk(nn.Module):
    """Merge five features of 64 channels, each twice as fine as the one before, to three trunks.

    Neighbours are summed, level by level, until one is left. Each round drops the coarsest level, and all rounds
    but the first give a trunk. In layers' names `43` is level 4 after three rounds, and `43_5` is its way up to
    level 5.
    """

    def __init__(self):
        super().__init__()
        for rounds in range(4):
            for level in range(rounds + 2, 6):
                _add_layer(self, f"_{_layer_name(level - 1, rounds)}_{level}", 64, 64, 1)
                _add_layer(self, f"_{_layer_name(level, rounds)}_{level}", 64, 64, 1)
                _add_layer(self, f"_{_layer_name(level, rounds + 1)}", 64, 64, 3)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Five features (b, 64, h', w'), coarsest first -> three trunks (b, 64, h', w') of the finest three."""
        levels = dict(enumerate(features, 1))
        trunks = []
        for rounds in range(4):
            merged = {}
            for level in range(rounds + 2, 6):
                coarse = _resize_like(levels[level - 1], levels[level])
                coarse = _run_layer(self, f"_{_layer_name(level - 1, rounds)}_{level}", coarse)
                fine = _run_layer(self, f"_{_layer_name(level, rounds)}_{level}", levels[level])
                merged[level] = _run_layer(self, f"_{_layer_name(level, rounds + 1)}", coarse + fine)
            levels = merged
            trunks.append(levels[rounds + 2])
        return trunks[1:]


class Divide(nn.Module):
    """Divide-and-conquer module: subtract the trunk from the features that structure is made of."""

    def __init__(self):
        super().__init__()
        for index, into in enumerate((64, 64, 64, 32)):  # the last is in checkpoints, without effect
            _add_layer(self, f"LR{index}", into, 32, 1)

    def forward(self, features: list[Tensor], trunks: list[Tensor]) -> list[Tensor]:
        """Three features (b, 32, h', w') and three trunks (b, 64, h', w') -> three features (b, 32, h', w')."""
        pairs = enumerate(zip(features, trunks, strict=True))
        return [feature - _run_layer(self, f"LR{index}", trunk) for index, (feature, trunk) in pairs]


class Structure(nn.Module):
    """Merge six features, coarse to fine, to structures: each adds its feature to the enlarged structure before."""

    def __init__(self):
        super().__init__()
        for index in range(5):
            _add_layer(self, str(index), 32, 32, 3)
        _add_layer(self, "4_reduce", 32, 16, 1)
        _add_layer(self, "5", 16, 16, 3)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Six features, coarsest first -> six structures of the same sizes, (b, 32 or 16, h', w')."""
        structures = [_run_layer(self, "0", features[0])]
        for index, feature in enumerate(features[1:], 1):
            coarser = _resize_like(structures[-1], feature)
            if index == 5:
                coarser = _run_layer(self, "4_reduce", coarser)
            structures.append(_run_layer(self, str(index), coarser + feature))
        return structures


class Union(nn.Module):
    """Unite three trunks and six structures, coarse to fine, to features of the mask."""

    def __init__(self):
        super().__init__()
        for index in range(3):
            self.add_module(f"TSA_{index}", Aggregation(64, 32))
        for index in range(3, 6):
            self.add_module(f"MSA_{index}", Aggregation(32, 32 if index < 5 else 16))
        for index in range(1, 6):
            width = 32 if index < 5 else 16
            self.add_module(f"conv_{index}", _make_layer(width, width))
        self.conv_4_reduce = _make_layer(32, 16)

    def forward(self, trunks: list[Tensor], structures: list[Tensor]) -> Tensor:
        """Three trunks and six structures -> (b, 16, h, w)."""
        y = self.TSA_0(trunks[0], structures[0])
        for index, structure in enumerate(structures[1:], 1):
            y = _resize_like(y, structure)
            if index < 3:
                united = self.get_submodule(f"TSA_{index}")(trunks[index], structure)
            else:  # no trunk is as fine, so the mask's features replace it
                united = self.get_submodule(f"MSA_{index}")(y, structure)
            if index == 5:
                y = self.conv_4_reduce(y)
            y = self.get_submodule(f"conv_{index}")(y + united)
        return y


class Aggregation(nn.Module):
    """Trunk-structure aggregation: the trunk weights the structure, then both are summed."""

    def __init__(self, into: int, width: int):
        super().__init__()
        self.conv1 = nn.Conv2d(into, 1, 1)
        _add_layer(self, "2", width, width, 3)
        _add_layer(self, "3", width, width, 3)
        _add_layer(self, "4", into, width, 1)
        _add_layer(self, "5", width, width, 3)

    def forward(self, trunk: Tensor, structure: Tensor) -> Tensor:
        """(b, into, h, w) and (b, width, h, w) -> (b, width, h, w)."""
        attended = structure * self.conv1(trunk).sigmoid()
        structure = _run_layer(self, "3", _run_layer(self, "2", attended) + structure)
        return _run_layer(self, "5", structure + _run_layer(self, "4", trunk))


def detect_depth(state: dict[str, Tensor]) -> int:
    """Return the depth of a checkpoint's ResNet, under `bkbone`."""
    if "bkbone.layer1.0.conv3.weight" in state:
        return 50
    return 34 if "bkbone.layer1.2.conv1.weight" in state else 18


def _layer_name(level: int, rounds: int) -> str:
    return f"{level}{rounds}" if rounds else str(level)


def _make_head(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, 1), *_make_layer(out, out))


def _make_layer(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def _add_layer(module: nn.Module, name: str, into: int, out: int, size: int) -> None:
    """Add a convolution and its norm under separate names, as in the checkpoints."""
    module.add_module(f"conv{name}", nn.Conv2d(into, out, size, padding=size // 2))
    module.add_module(f"bn{name}", nn.BatchNorm2d(out))


def _run_layer(module: nn.Module, name: str, x: Tensor) -> Tensor:
    return torch.relu(module.get_submodule(f"bn{name}")(module.get_submodule(f"conv{name}")(x)))


def _resize_like(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)
