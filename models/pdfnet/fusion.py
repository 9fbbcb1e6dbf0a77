"""Fusion of an image, its depth and its tiles in PDFNet's decoder, under the names of its checkpoints."""

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 128
TILES = 8  # along each side of an image, and of each map of its tiles
MIN_EDGE = 0.1  # of the difference between a map and its local mean
EPSILON = 1e-6


class Fusion(nn.Module):
    """FSE: image, depth and tiles attend to one another, weighted by the last map.

    Tiles at edges of this map count twice. Depth counts more within the object that the map shows.

    Args:
        pool: factor by which maps are reduced before attention, except the queries of the image.
    """

    def __init__(self, pool: int):
        super().__init__()
        self.pool = pool
        for view in ("I", "D", "P"):
            self.add_module(f"{view}_channelswich", make_layer(2 * WIDTH))
        for pair in ("IP", "PI", "ID", "DI"):
            self.add_module(pair, CrossAttention())

    def forward(self, image: Tensor, depth: Tensor, tiles: Tensor, last: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Fuse three maps.

        Args:
            image: (b, 2c, h, h).
            depth: (b, 2c, h, h).
            tiles: (b, 2c, 2h, 2h).
            last: the last map, logits (b, 1, n, n), n a multiple of 8.

        Returns:
            The three maps in the same order and sizes, with c channels.
        """
        salient = last.sigmoid()
        edges = find_edges(salient)
        image, depth, tiles = (x * resize_like(salient, x) for x in (image, depth, tiles))
        interior = (salient - edges).relu()
        depth = depth * (resize_like(last, depth).sigmoid() + resize_like(interior, depth))
        at_edges = (functional.max_pool2d(edges, edges.shape[-1] // TILES) > 0).to(tiles.dtype)
        tiles = tiles * (1 + functional.interpolate(at_edges, tiles.shape[-2:], mode="nearest"))

        image, depth, tiles = self.I_channelswich(image), self.D_channelswich(depth), self.P_channelswich(tiles)
        pooled = [_tokens(functional.avg_pool2d(x, self.pool)) for x in (image, depth, tiles)]
        tile_tokens = self.PI(pooled[2], torch.cat(pooled[:2], 1))
        depth_tokens = self.DI(pooled[1], torch.cat(pooled[::2], 1))
        image_tokens = self.ID(self.IP(_tokens(image), tile_tokens), depth_tokens)
        return image + _grid(image_tokens, image), depth + _grid(depth_tokens, depth), tiles + _grid(tile_tokens, tiles)


class CrossAttention(nn.Module):
    """CoA: tokens attend to others and pass a gated perceptron; the norms are inside the residual branches."""

    def __init__(self):
        super().__init__()
        self.Att = Attention()
        self.Norm1 = nn.RMSNorm(WIDTH, eps=EPSILON)
        self.FFN = Gated()
        self.Norm2 = nn.RMSNorm(WIDTH, eps=EPSILON)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Tokens (b, n, c) and others (b, m, c) -> (b, n, c)."""
        x = x + self.Norm1(self.Att(x, context))
        return x + self.Norm2(self.FFN(x))


class Attention(nn.Module):
    """nn.MultiheadAttention with one head, batch first and without biases, which does not return its weights."""

    def __init__(self):
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * WIDTH, WIDTH))
        self.out_proj = nn.Linear(WIDTH, WIDTH, bias=False)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Queries (b, n, c), keys and values (b, m, c) -> (b, n, c)."""
        layers = zip((x, context, context), self.in_proj_weight.chunk(3), strict=True)
        q, k, v = (functional.linear(*layer)[:, None] for layer in layers)
        return self.out_proj(functional.scaled_dot_product_attention(q, k, v)[:, 0])


class Gated(nn.Module):
    """SwiGLU: a two-layer perceptron whose inner values are multiplied by gates."""

    def __init__(self):
        super().__init__()
        for name in ("w1", "w2", "w3"):
            self.add_module(name, nn.Linear(WIDTH, WIDTH, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(..., c) -> (..., c)."""
        return self.w2(functional.silu(self.w1(x)) * self.w3(x))


class ChannelNorm(nn.RMSNorm):
    """Root mean square norm over the channels of each pixel."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, h, w)."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def make_layer(into: int, widths: int = 1) -> nn.Sequential:
    """Build a convolution to WIDTH channels, or a multiple of them, with its norm and activation."""
    out = widths * WIDTH
    return nn.Sequential(nn.Conv2d(into, out, 3, padding=1), ChannelNorm(out, eps=EPSILON), nn.SiLU())


def find_edges(salient: Tensor) -> Tensor:
    """Find where a map in [0, 1], (b, 1, n, n), differs from its local mean: (b, 1, n, n).

    The map gets a second sigmoid first, as in the authors' code. Outside it is 0. The edges are 0 or 1 if n // 8 is
    even, otherwise the differences themselves.
    """
    tile = salient.shape[-1] // TILES
    window = tile | 1
    salient = salient.sigmoid()
    edges = (salient - functional.avg_pool2d(salient, window, 1, window // 2)).abs()
    return edges if tile % 2 else (edges > MIN_EDGE).to(edges.dtype)


def resize(x: Tensor, side: int) -> Tensor:
    """(b, c, h, h) -> (b, c, side, side), bilinear with aligned corners."""
    return x if x.shape[-1] == side else functional.interpolate(x, (side, side), mode="bilinear", align_corners=True)


def resize_like(x: Tensor, like: Tensor) -> Tensor:
    """(b, c, h, h) -> (b, c, n, n), the size of `like`."""
    return resize(x, like.shape[-1])


def _tokens(x: Tensor) -> Tensor:
    """(b, c, h, w) -> (b, h * w, c), by rows."""
    return x.flatten(2).transpose(1, 2)


def _grid(tokens: Tensor, like: Tensor) -> Tensor:
    """Tokens of a square, (b, n * n, c), by rows -> (b, c, h, h), the size of `like`."""
    side = round(tokens.shape[1] ** 0.5)
    return resize_like(tokens.transpose(1, 2).unflatten(2, (side, side)), like)
