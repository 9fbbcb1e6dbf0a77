"""Attention between MVANet's views of an image, under the names of its checkpoints."""

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 128
Activation = Callable[[Tensor], Tensor]


class Attention(nn.Module):
    """nn.MultiheadAttention with one head, batch first, which does not return its weights."""

    def __init__(self):
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * WIDTH, WIDTH))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * WIDTH))
        self.out_proj = nn.Linear(WIDTH, WIDTH)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Queries (b, n, c), keys and values (b, m, c) -> (b, n, c)."""
        layers = zip((query, key, value), self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3), strict=True)
        q, k, v = (functional.linear(*layer)[:, None] for layer in layers)
        return self.out_proj(functional.scaled_dot_product_attention(q, k, v)[:, 0])


class Views(nn.Module):
    """Attentions, and the layers that follow them."""

    def __init__(self, attentions: int, pairs: tuple[tuple[int, int], ...], activation: Activation):
        super().__init__()
        self.activation = activation
        self.attention = nn.ModuleList(Attention() for _ in range(attentions))
        for first, second in pairs:
            self.add_module(f"linear{first}", nn.Linear(WIDTH, 2 * WIDTH))
            self.add_module(f"linear{second}", nn.Linear(2 * WIDTH, WIDTH))
        self.norm1 = nn.LayerNorm(WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH)

    def feed_forward(self, x: Tensor, first: nn.Linear, second: nn.Linear) -> Tensor:
        """Normalise, and add a two-layer perceptron: (b, n, c) -> (b, n, c)."""
        x = self.norm1(x)
        return self.norm2(x + second(self.activation(first(x))))


class Localisation(Views):
    """MCLM: the whole and its quarters attend to one another.

    The whole attends to its quarters, pooled to three sizes. Then each quarter attends to its area of the whole.
    """

    def __init__(self, activation: Activation = torch.relu):
        super().__init__(5, ((3, 4), (5, 6)), activation)

    def forward(self, x: Tensor) -> Tensor:
        """(5b, c, h, w) -> (5b, c, h, w)."""
        h, w = x.shape[-2:]
        near, far = _split_views(x)
        pools = _pool(join_quarters(near), h, w, (1, 4, 8))
        positions = torch.cat([_positions(*pool.shape[-2:], x.device) for pool in pools])
        context, whole = _tokens(pools), _tokens([far])
        whole = whole + self.attention[0](whole + _positions(h, w, x.device), context + positions, context)
        far = self.feed_forward(whole, self.linear5, self.linear6).transpose(1, 2).unflatten(2, (h, w))

        tokens, context = _tokens([near]), _tokens([quarters(far)])
        views = zip(self.attention[1:], tokens.chunk(4), context.chunk(4), strict=True)
        tokens = tokens + torch.cat([attention(query, key, key) for attention, query, key in views])
        near = self.feed_forward(tokens, self.linear3, self.linear4).transpose(1, 2).unflatten(2, (h, w))
        return torch.cat((near, far))


class Refinement(Views):
    """MCRM: each quarter attends to its area of the whole.

    Quarters are weighted by the salience of the whole. The whole is pooled to three sizes.
    """

    def __init__(self, activation: Activation = torch.relu):
        super().__init__(4, ((3, 4),), activation)
        self.sal_conv = nn.Conv2d(WIDTH, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(5b, c, h, w) -> (5b, c, h, w)."""
        h, w = x.shape[-2:]
        near, far = _split_views(x)
        salient = self.sal_conv(far).sigmoid()
        near = near * quarters(functional.interpolate(salient, scale_factor=2))
        context = _tokens(_pool(quarters(far), h, w, (2, 4, 8)))
        tokens = _tokens([near])
        views = zip(self.attention, tokens.chunk(4), context.chunk(4), strict=True)
        tokens = tokens + torch.cat([attention(query, key, key) for attention, query, key in views])
        near = self.feed_forward(tokens, self.linear3, self.linear4).transpose(1, 2).unflatten(2, (h, w))
        return torch.cat((near, far + join_quarters(near)[..., ::2, ::2]))


def quarters(x: Tensor) -> Tensor:
    """Cut (b, c, 2h, 2w) into quarters, by rows: (4b, c, h, w)."""
    b, c, h, w = x.shape
    return x.view(b, c, 2, h // 2, 2, w // 2).permute(2, 4, 0, 1, 3, 5).flatten(0, 2)


def join_quarters(x: Tensor) -> Tensor:
    """Join quarters (4b, c, h, w): (b, c, 2h, 2w)."""
    _, c, h, w = x.shape
    return x.view(2, 2, -1, c, h, w).permute(2, 3, 0, 4, 1, 5).reshape(-1, c, 2 * h, 2 * w)


def _split_views(x: Tensor) -> tuple[Tensor, Tensor]:
    """(5b, c, h, w) -> the quarters (4b, c, h, w) and the whole (b, c, h, w)."""
    b = len(x) // 5
    return x[: 4 * b], x[4 * b :]


def _tokens(maps: list[Tensor]) -> Tensor:
    """Flatten maps (b, c, h, w) of any size: (b, all their pixels, c)."""
    return torch.cat([x.flatten(2) for x in maps], 2).transpose(1, 2)


def _pool(x: Tensor, h: int, w: int, ratios: tuple[int, ...]) -> list[Tensor]:
    """Pool x to these fractions of (h, w); sizes of 0 are skipped."""
    sizes = [(round(h / ratio), round(w / ratio)) for ratio in ratios]  # rounds half to even, as in the authors' code
    return [functional.adaptive_avg_pool2d(x, size) for size in sizes if all(size)]


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _positions(h: int, w: int, device: torch.device) -> Tensor:
    """Return sines and cosines of the centre of each pixel, by rows: (h * w, c)."""
    waves = 10000 ** (2 * (torch.arange(WIDTH // 2) // 2) / (WIDTH // 2))

    def encode(length: int) -> Tensor:
        centres = (torch.arange(length) + 0.5) / (length + 1e-6) * 2 * math.pi
        angles = centres[:, None] / waves
        return torch.stack((angles[:, 0::2].sin(), angles[:, 1::2].cos()), 2).flatten(1)

    rows, columns = encode(h)[:, None].expand(h, w, -1), encode(w).expand(h, w, -1)
    return torch.cat((rows, columns), 2).flatten(0, 1).to(device)
