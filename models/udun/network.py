"""UDUN, the Unite-Divide-Unite network (Pei et al., ACM MM 2023), key-compatible with the authors' checkpoints.

Their code has no licence: this is built anew from the names in their checkpoints and from their layers' outputs.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts.resnet import ResNet


class UDUN(nn.Module):
    """(b, 3, h, w), normalised, sides multiples of 128 -> logits of trunk (1/8 of the size), structure, and mask.

    The mask is the prediction; the other two are there for training. The authors' network is bound to 1024 x 1024,
    with a copy of 256 x 256 beside it; here the copy is a quarter of any size.
    """

    def __init__(self, depth: int = 50):
        super().__init__()
        self.bkbone = ResNet(depth)
        self.convHR0 = _head(3, 16)
        for level, into in enumerate(self.bkbone.channels, 1):
            self.add_module(f"convHR{level}", _head(into, 32 if level < 3 else 64))
            self.add_module(f"convLR{level}", _head(into, 32 if level < 4 else 64))
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
        quarter = tuple(side // 4 for side in x.shape[-2:])
        small = functional.interpolate(x, quarter, mode="bilinear", align_corners=True)
        # `high` and `low` of one stage lie on grids that differ by 4: low[0] has the size of high[2].
        high = [self.get_submodule(f"convHR{level}")(y) for level, y in enumerate(self.bkbone(x), 1)]
        low = [self.get_submodule(f"convLR{level}")(y) for level, y in enumerate(self.bkbone(small), 1)]
        trunk = self.trunk([low[4], low[3], high[4], high[3], high[2]])
        details = self.dcm([low[2], low[1], low[0]], trunk)
        structure = self.struct([*details, high[1], high[0], self.convHR0(x)])
        mask = self.linear(self.union_de(trunk, structure))
        return self.linear_t(trunk[-1]), self.linear_s(structure[-1]), mask


class Trunk(nn.Module):
    """Five features of 64 channels, each twice as fine as the one before -> the three trunks, of the finest three.

    Neighbours are summed, level by level, until one is left: each round loses the coarsest level, and gives a trunk
    but for the first. In layers' names `43` is level 4 after three rounds, and `43_5` its way up to level 5.
    """

    def __init__(self):
        super().__init__()
        for rounds in range(4):
            for level in range(rounds + 2, 6):
                _add(self, f"_{_name(level - 1, rounds)}_{level}", 64, 64, 1)
                _add(self, f"_{_name(level, rounds)}_{level}", 64, 64, 1)
                _add(self, f"_{_name(level, rounds + 1)}", 64, 64, 3)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        at = dict(enumerate(features, 1))
        trunks = []
        for rounds in range(4):
            merged = {}
            for level in range(rounds + 2, 6):
                coarse = _run(self, f"_{_name(level - 1, rounds)}_{level}", _resized(at[level - 1], at[level]))
                fine = _run(self, f"_{_name(level, rounds)}_{level}", at[level])
                merged[level] = _run(self, f"_{_name(level, rounds + 1)}", coarse + fine)
            at = merged
            trunks.append(at[rounds + 2])
        return trunks[1:]


class Divide(nn.Module):
    """The divide-and-conquer module: what is trunk is taken out of the features that structure is made from."""

    def __init__(self):
        super().__init__()
        for index, into in enumerate((64, 64, 64, 32)):  # the last is in the checkpoints, but does nothing
            _add(self, f"LR{index}", into, 32, 1)

    def forward(self, features: list[Tensor], trunks: list[Tensor]) -> list[Tensor]:
        pairs = enumerate(zip(features, trunks, strict=True))
        return [feature - _run(self, f"LR{index}", trunk) for index, (feature, trunk) in pairs]


class Structure(nn.Module):
    """Six features from coarse to fine -> as many structures: each is the one before, twice as large, and its own."""

    def __init__(self):
        super().__init__()
        for index in range(5):
            _add(self, str(index), 32, 32, 3)
        _add(self, "4_reduce", 32, 16, 1)
        _add(self, "5", 16, 16, 3)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        structures = [_run(self, "0", features[0])]
        for index, feature in enumerate(features[1:], 1):
            before = _resized(structures[-1], feature)
            if index == 5:
                before = _run(self, "4_reduce", before)
            structures.append(_run(self, str(index), before + feature))
        return structures


class Union(nn.Module):
    """Three trunks and six structures, coarse to fine -> features of the mask (b, 16, h, w)."""

    def __init__(self):
        super().__init__()
        for index in range(3):
            self.add_module(f"TSA_{index}", Aggregation(64, 32))
        for index in range(3, 6):
            self.add_module(f"MSA_{index}", Aggregation(32, 32 if index < 5 else 16))
        for index in range(1, 6):
            width = 32 if index < 5 else 16
            self.add_module(f"conv_{index}", _layer(width, width))
        self.conv_4_reduce = _layer(32, 16)

    def forward(self, trunks: list[Tensor], structures: list[Tensor]) -> Tensor:
        y = self.TSA_0(trunks[0], structures[0])
        for index, structure in enumerate(structures[1:], 1):
            y = _resized(y, structure)
            if index < 3:
                own = self.get_submodule(f"TSA_{index}")(trunks[index], structure)
            else:  # where no trunk is as fine, the mask so far stands for it
                own = self.get_submodule(f"MSA_{index}")(y, structure)
            if index == 5:
                y = self.conv_4_reduce(y)
            y = self.get_submodule(f"conv_{index}")(y + own)
        return y


class Aggregation(nn.Module):
    """Trunk-structure aggregation: the trunk says where its structure counts, then both are summed."""

    def __init__(self, into: int, width: int):
        super().__init__()
        self.conv1 = nn.Conv2d(into, 1, 1)
        _add(self, "2", width, width, 3)
        _add(self, "3", width, width, 3)
        _add(self, "4", into, width, 1)
        _add(self, "5", width, width, 3)

    def forward(self, trunk: Tensor, structure: Tensor) -> Tensor:
        attended = structure * self.conv1(trunk).sigmoid()
        structure = _run(self, "3", _run(self, "2", attended) + structure)
        return _run(self, "5", structure + _run(self, "4", trunk))


def depth_of(state: dict[str, Tensor]) -> int:
    """Which ResNet a checkpoint has under `bkbone`."""
    if "bkbone.layer1.0.conv3.weight" in state:
        return 50
    return 34 if "bkbone.layer1.2.conv1.weight" in state else 18


def _name(level: int, rounds: int) -> str:
    return f"{level}{rounds}" if rounds else str(level)


def _head(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, 1), *_layer(out, out))


def _layer(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def _add(module: nn.Module, name: str, into: int, out: int, size: int) -> None:
    """A convolution and its norm, apart, as the checkpoints name them."""
    module.add_module(f"conv{name}", nn.Conv2d(into, out, size, padding=size // 2))
    module.add_module(f"bn{name}", nn.BatchNorm2d(out))


def _run(module: nn.Module, name: str, x: Tensor) -> Tensor:
    return torch.relu(module.get_submodule(f"bn{name}")(module.get_submodule(f"conv{name}")(x)))


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)
