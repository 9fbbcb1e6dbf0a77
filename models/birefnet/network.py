"""BiRefNet (Zheng et al., CAAI AIR 2024), key-compatible with the authors' checkpoints since 2024-05-02."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts.swin import SIZES, Swin
from disbench.models.birefnet.layers import Block, Lateral, make_patch_reader, resize_like

ORDERS = ("legacy", "current")
GRADIENT = 16  # channels of the features from which edges are predicted


class BiRefNet(nn.Module):
    """(b, 3, h, w), normalised, sides multiples of 32 -> logits (b, 1, h, w).

    Args:
        size: size of the Swin backbone.
        patches: order of the image's patches in the decoder's channels, which no checkpoint shows: "legacy" by column,
            row and colour, as before 2024-11-05, or "current" by colour, row and column.
    """

    def __init__(self, size: str = "large", patches: str = "legacy"):
        super().__init__()
        self.bb = Swin(*SIZES[size])
        widths = [2 * width for width in self.bb.channels]  # the image at two sizes
        self.squeeze_module = nn.Sequential(Block(sum(widths), widths[-1]))
        self.decoder = Decoder(widths, patches)

    def forward(self, x: Tensor) -> Tensor:
        """(b, 3, h, w) -> logits (b, 1, h, w)."""
        half = functional.interpolate(x, [side // 2 for side in x.shape[-2:]], mode="bilinear", align_corners=True)
        whole, small = self.bb(x)[1:], self.bb(half)[1:]
        features = [torch.cat((y, resize_like(z, y)), 1) for y, z in zip(whole, small, strict=True)]
        features[-1] = self.squeeze_module(torch.cat([resize_like(y, features[-1]) for y in features], 1))
        return self.decoder(x, features)


class Decoder(nn.Module):
    """Decode an image and its features, finest first. Levels count from 4, the coarsest, to 1."""

    def __init__(self, widths: list[int], patches: str):
        super().__init__()
        self.patches = patches
        for level in (4, 3, 2, 1):
            # The image's patches get an eighth of the channels of the level above.
            width, patch_width = widths[level - 1], widths[min(level, 3)] // 8
            out = widths[max(level - 2, 0)] // (1 if level > 1 else 2)
            self.add_module(f"ipt_blk{level + 1}", make_patch_reader(3 * 4 ** (level + 1), patch_width))
            self.add_module(f"decoder_block{level}", Block(width + patch_width, out))
            if level > 1:
                self.add_module(f"lateral_block{level}", Lateral(out))
                self.add_module(f"gdt_convs_{level}", _gradient(out))
                self.add_module(f"gdt_convs_attn_{level}", nn.Sequential(nn.Conv2d(GRADIENT, 1, 1)))
                # For training only.
                self.add_module(f"gdt_convs_pred_{level}", nn.Sequential(nn.Conv2d(GRADIENT, 1, 1)))
                self.add_module(f"conv_ms_spvn_{level}", nn.Conv2d(out, 1, 1))
        self.ipt_blk1 = make_patch_reader(3, widths[0] // 8)
        self.conv_out1 = nn.Sequential(nn.Conv2d(out + widths[0] // 8, 1, 1))

    def forward(self, image: Tensor, features: list[Tensor]) -> Tensor:
        """(b, 3, h, w) and four features (b, c, h', w') -> logits (b, 1, h, w)."""
        x = features[3]
        for level in (4, 3, 2, 1):
            x = self._run("decoder_block", level, self._with_image("ipt_blk", level + 1, x, image))
            if level > 1:
                x = x * self._run("gdt_convs_attn_", level, self._run("gdt_convs_", level, x)).sigmoid()
                finer = features[level - 2]
                x = resize_like(x, finer) + self._run("lateral_block", level, finer)
        return self.conv_out1(self._with_image("ipt_blk", 1, resize_like(x, image), image))

    def _run(self, name: str, level: int, x: Tensor) -> Tensor:
        return self.get_submodule(f"{name}{level}")(x)

    def _with_image(self, name: str, level: int, x: Tensor, image: Tensor) -> Tensor:
        return torch.cat((x, self._run(name, level, cut_patches(image, x, self.patches))), 1)


def cut_patches(image: Tensor, like: Tensor, order: str) -> Tensor:
    """Cut (b, c, H, W) into patches of the size of `like`, stacked in channels: (b, c * patches, h, w)."""
    h, w = like.shape[-2:]
    grid = image.unflatten(3, (-1, w)).unflatten(2, (-1, h))  # colour, row, y, column, x
    axes = (0, 4, 2, 1, 3, 5) if order == "legacy" else (0, 1, 2, 4, 3, 5)
    return grid.permute(axes).reshape(len(image), -1, h, w)


def detect_swin(state: dict[str, Tensor]) -> str:
    """Return the size of a checkpoint's Swin, "large" if it is unknown."""
    width = state["bb.patch_embed.proj.weight"].shape[0] if "bb.patch_embed.proj.weight" in state else 0
    return next((size for size, (channels, *_) in SIZES.items() if channels == width), "large")


def _gradient(into: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, GRADIENT, 3, padding=1), nn.BatchNorm2d(GRADIENT), nn.ReLU())
