"""PDFNet (Liu et al., CVPR 2026), key-compatible with the authors' checkpoints; unlike their code it takes batches.

One encoder sees the image and its depth at half their size, and 8 x 8 tiles of the image at its full size. The decoder
keeps these three views apart, each at four levels, and fuses them level by level under a map of the object.
"""

import torch
from torch import Tensor, nn

from disbench.models._parts.swin import SIZES, Swin, drop_buffers
from disbench.models.pdfnet.fusion import TILES, WIDTH, Fusion, make_layer, resize, resize_like

MULTIPLE = 256  # of which a side must be one, so that all levels of a tile have whole sizes
POSITIONS = 56  # tokens along a side of the encoder's learned positions
TRAINING = ("depth_decoder.", "IntegrityPriorLoss.")  # parts of checkpoints that only training uses
View = list[Tensor]  # features (b, c, n, n), at 1/4 to 1/32 of the size of an image or a tile, and those of the whole
Views = tuple[View, View, View]  # of the image, its depth and its tiles


class PDFNet(nn.Module):
    """(b, 4, h, h), normalised colours and depth of any scale, h a multiple of 256 -> logits (b, 1, h, h)."""

    def __init__(self):
        super().__init__()
        self.encoder = Swin(*SIZES["base"], positions=POSITIONS)
        for level, channels in enumerate(self.encoder.channels, 1):
            self.add_module(f"channel_mix{level}", make_layer(channels))
        self.channel_mix = make_layer(4 * WIDTH)
        self.Glob = nn.Sequential(make_layer(WIDTH))
        self.decoder = Decoder()

    def forward(self, x: Tensor) -> Tensor:
        """(b, 4, h, h) -> logits (b, 1, h, h)."""
        return self.decoder(*self.view(x))

    def view(self, x: Tensor) -> tuple[Tensor, Views]:
        """(b, 4, h, h) -> image and depth, (b, 6, h, h), and the features of image, depth and tiles."""
        image, depth = x.split((3, 1), 1)
        depth = stretch(depth).expand_as(image)
        halves = self.encode(resize(torch.cat((image, depth)), x.shape[-1] // 2))
        images, depths = zip(*(features.chunk(2) for features in halves), strict=True)
        tiles = [join_tiles(features) for features in self.encode(cut_tiles(image))]
        return torch.cat((image, depth), 1), (list(images), list(depths), tiles)

    def encode(self, x: Tensor) -> View:
        """(b, 3, h, h) -> features of four levels, finest first, and of the whole."""
        features = self.encoder(x)[1:]
        levels = [self.get_submodule(f"channel_mix{level}")(x) for level, x in enumerate(features, 1)]
        return [*levels, self.Glob(self.channel_mix(torch.cat([resize_like(x, levels[-1]) for x in levels], 1)))]


class Decoder(nn.Module):
    """Four fusions, coarsest first, then the inputs themselves at their full size."""

    def __init__(self):
        super().__init__()
        self.FSE_mix = nn.ModuleList(Fusion(pool) for pool in (1, 1, 2, 2))
        self.channel_mix = nn.ModuleList(make_layer(3 * WIDTH) for _ in range(4))
        # Maps by level: 0 is the prediction, 5 that of the whole. Only training uses 1.
        self.Bside = nn.ModuleList(nn.Conv2d(WIDTH, 1, 3, padding=1) for _ in range(6))
        self.shallow = nn.Sequential(nn.Conv2d(6, WIDTH, 4, 4), make_layer(WIDTH))
        self.upsample1 = nn.Sequential(make_layer(WIDTH))
        self.upsample2 = nn.Sequential(make_layer(WIDTH))

    def forward(self, inputs: Tensor, views: Views) -> Tensor:
        """Image and depth, (b, 6, h, h), and the features of image, depth and tiles -> logits (b, 1, h, h)."""
        fused = [view[-1] for view in views]
        x = sum(resize_like(whole, fused[-1]) for whole in fused)
        for level, fusion in zip((4, 3, 2, 1), self.FSE_mix, strict=True):
            skips = [view[level - 1] for view in views]
            pairs = [torch.cat((resize_like(x, skip), skip), 1) for x, skip in zip(fused, skips, strict=True)]
            fused = fusion(*pairs, self.Bside[level + 1](x))
            x = self.channel_mix[level - 1](torch.cat([resize_like(view, fused[-1]) for view in fused], 1))
        side = inputs.shape[-1]
        shallow = self.shallow(resize(inputs, 4 * side))
        x = self.upsample1(resize(x, side // 2) + resize(shallow, side // 2))
        x = self.upsample2(resize(x, side) + shallow)
        return self.Bside[0](x)


def drop_training(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop the decoder of depth and the constants of a loss, which the authors' files also hold."""
    return {name: tensor for name, tensor in drop_buffers(state).items() if not name.startswith(TRAINING)}


def stretch(depth: Tensor) -> Tensor:
    """Stretch each depth map, (b, 1, h, w), to [0, 1]; a constant map becomes 0, where the authors' code has NaN."""
    low, high = depth.amin((1, 2, 3), keepdim=True), depth.amax((1, 2, 3), keepdim=True)
    return (depth - low) / (high - low).clamp_min(torch.finfo(depth.dtype).tiny)


def cut_tiles(x: Tensor) -> Tensor:
    """Cut (b, c, 8h, 8w) into tiles, by rows: (64b, c, h, w)."""
    b, c, h, w = x.shape
    return x.view(b, c, TILES, h // TILES, TILES, w // TILES).permute(2, 4, 0, 1, 3, 5).flatten(0, 2)


def join_tiles(x: Tensor) -> Tensor:
    """Join tiles (64b, c, h, w): (b, c, 8h, 8w)."""
    _, c, h, w = x.shape
    return x.view(TILES, TILES, -1, c, h, w).permute(2, 3, 0, 4, 1, 5).reshape(-1, c, TILES * h, TILES * w)
