"""What authors' scripts import of torchvision and timm, for runs without these: the same sums, and nothing learned."""

from unittest.mock import MagicMock

import numpy as np
import torch
from PIL import Image
from torch import nn


class ToTensor:
    def __call__(self, image):
        return torch.from_numpy(np.array(image).reshape(*image.size[::-1], -1)).permute(2, 0, 1).contiguous() / 255


class Normalize:
    def __init__(self, mean, std):
        self.mean, self.std = (torch.tensor(values).view(-1, 1, 1) for values in (mean, std))

    def __call__(self, x):
        return (x - self.mean) / self.std


class Compose:
    def __init__(self, steps):
        self.steps = steps

    def __call__(self, x):
        for step in self.steps:
            x = step(x)
        return x


class ToPILImage:
    def __call__(self, x):
        return Image.fromarray((x * 255).byte()[0].numpy())


transforms = MagicMock(ToTensor=ToTensor, Normalize=Normalize, Compose=Compose, ToPILImage=ToPILImage)
timm_layers = MagicMock(DropPath=nn.Identity, to_2tuple=lambda x: (x, x), trunc_normal_=nn.init.trunc_normal_)


def evaluating(net: nn.Module) -> nn.Module:
    """net.eval(), for networks around their Swin too, whose train() answers nothing."""
    for module in net.modules():
        module.training = False
    return net
