"""The ResNet that baselines share; UDUN's and ISDNet's goldens hold its numbers."""

import pytest
import torch
from torch import nn

from disbench.models._parts.resnet import ResNet

# torchvision's counts less its classifier of 1000 classes.
PARAMETERS = {18: 11_689_512 - 513_000, 34: 21_797_672 - 513_000, 50: 25_557_032 - 2_049_000}


@pytest.mark.parametrize("depth", PARAMETERS)
def test_parameters_names_and_strides_are_torchvisions(depth):
    net = ResNet(depth).eval()
    assert sum(p.numel() for p in net.parameters()) == PARAMETERS[depth]
    assert {"conv1.weight", "bn1.running_var", "layer2.0.downsample.1.bias", "layer4.1.conv2.weight"} <= set(
        net.state_dict()
    )
    with torch.inference_mode():
        features = net(torch.zeros(1, 3, 96, 64))
    wide = (64, 256, 512, 1024, 2048) if depth == 50 else (64, 64, 128, 256, 512)
    assert net.channels == wide
    sizes = [(48, 32), (24, 16), (12, 8), (6, 4), (3, 2)]
    assert [tuple(f.shape[1:]) for f in features] == [(c, *size) for c, size in zip(wide, sizes, strict=True)]


@pytest.mark.parametrize("depth", [18, 50])
def test_dilation_keeps_resolution_and_widens_the_first_3x3_of_each_block(depth):
    dilations = [(1,) * 2, (1,) * 2, (1, 2), (2, 4)] if depth == 18 else [(1,) * 3, (1,) * 4, (2,) * 6, (2, 4, 8)]
    net = ResNet(depth, strides=(1, 2, 1, 1), dilations=dilations).eval()
    with torch.inference_mode():
        assert net(torch.zeros(1, 3, 64, 64))[-1].shape[2:] == (8, 8)
    dilated = "conv1" if depth == 18 else "conv2"
    for stage, expected in enumerate(dilations, 1):
        blocks = net.get_submodule(f"layer{stage}")
        convolutions = [{n: m.dilation[0] for n, m in b.named_children() if isinstance(m, nn.Conv2d)} for b in blocks]
        assert [c.pop(dilated) for c in convolutions] == list(expected)
        assert {d for c in convolutions for d in c.values()} == {1}


def test_pooling_rounds_as_asked():
    x = torch.zeros(1, 3, 46, 46)  # 23 after the stem
    sides = [ResNet(18, ceil_mode=ceil).eval()(x)[1].shape[-1] for ceil in (False, True)]
    assert sides == [12, 12]
