"""InSPyReNet (Kim et al., ACCV 2022), the inverse saliency pyramid, key-compatible with the authors' checkpoints."""

import torch
from torch import Tensor, nn

from disbench.models._parts.res2net import Res2Net
from disbench.models._parts.swin import SIZES, Swin
from disbench.models.inspyrenet.layers import Context, ContextAttention, Decoder, resize
from disbench.models.inspyrenet.pyramid import Pyramid, expand

WIDTH = 64
DILATIONS = ((1,) * 3, (1,) * 4, (2,) * 6, (4, 8, 16))  # of the authors' Res2Net


class InSPyReNet(nn.Module):
    """(b, 3, h, w), normalised, sides multiples of 32 -> Pyramid; its last saliency map is the prediction.

    backbone: "SwinB" or "Res2Net50". side: of the square training images; also fixed for images of other sizes.
    """

    def __init__(self, backbone: str, side: int):
        super().__init__()
        self.backbone = Swin(*SIZES["base"]) if backbone == "SwinB" else Res2Net(DILATIONS)
        channels = self.backbone.channels
        if backbone == "SwinB":  # Swin's stem counts as a level
            channels = (channels[0], *channels)
        for level, into in enumerate(channels, 1):
            self.add_module(f"context{level}", Context(into, WIDTH))
        self.decoder = Decoder(WIDTH)
        self.attention2 = ContextAttention(2 * WIDTH, WIDTH, side // 4, has_laplacian=False)
        self.attention1 = ContextAttention(2 * WIDTH, WIDTH, side // 2, has_laplacian=True)
        self.attention0 = ContextAttention(WIDTH, WIDTH, side, has_laplacian=True)

    def forward(self, x: Tensor) -> Pyramid:
        """(b, 3, h, w) -> Pyramid of logits (b, 1, h', w')."""
        height, width = x.shape[-2:]
        levels = [self.get_submodule(f"context{level}")(y) for level, y in enumerate(self.backbone(x), 1)]
        features, first = self.decoder(levels[2:])
        saliency, laplacian = [first], []
        for stage, skips in ((2, [levels[1]]), (1, [levels[0]]), (0, [])):
            joined = [resize(y, (height >> stage, width >> stage)) for y in (*skips, features)]
            # Each level learns its details separately: no gradient reaches the coarser maps.
            coarser, detail = saliency[-1].detach(), laplacian[-1].detach() if laplacian else None
            attention = self.get_submodule(f"attention{stage}")
            features, detail = attention(torch.cat(joined, 1), coarser, detail)
            laplacian.append(detail)
            saliency.append(expand(coarser, detail))
        return Pyramid(saliency, laplacian)


def detect_backbone(state: dict[str, Tensor]) -> str:
    """Return the name of a checkpoint's backbone."""
    return "SwinB" if "backbone.patch_embed.proj.weight" in state else "Res2Net50"
