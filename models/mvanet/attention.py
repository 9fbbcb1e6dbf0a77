"""How MVANet's views of an image look at one another, under the names of its checkpoints."""

import math
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 128


class Attention(nn.Module):
    """nn.MultiheadAttention of one head, batch first, without the weights that it would also answer."""

    def __init__(self):
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * WIDTH, WIDTH))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * WIDTH))
        self.out_proj = nn.Linear(WIDTH, WIDTH)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        layers = zip((query, key, value), self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3), strict=True)
        q, k, v = (functional.linear(*layer)[:, None] for layer in layers)
        return self.out_proj(functional.scaled_dot_product_attention(q, k, v)[:, 0])


class Views(nn.Module):
    """Attentions, and the layers that follow them."""

    def __init__(self, attentions: int, pairs: tuple[tuple[int, int], ...]):
        super().__init__()
        self.attention = nn.ModuleList(Attention() for _ in range(attentions))
        for first, second in pairs:
            self.add_module(f"linear{first}", nn.Linear(WIDTH, 2 * WIDTH))
            self.add_module(f"linear{second}", nn.Linear(2 * WIDTH, WIDTH))
        self.norm1 = nn.LayerNorm(WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH)

    def after(self, x: Tensor, first: nn.Linear, second: nn.Linear) -> Tensor:
        x = self.norm1(x)
        return self.norm2(x + second(first(x).relu()))


class Localisation(Views):
    """MCLM: the whole looks at its quarters, pooled to three sizes; then each quarter at its part of the whole.

    (5b, c, h, w) -> the same.
    """

    def __init__(self):
        super().__init__(5, ((3, 4), (5, 6)))

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[-2:]
        near, far = _near_and_far(x)
        pools = _pooled(joined(near), h, w, (1, 4, 8))
        places = torch.cat([_places(*pool.shape[-2:], x.device) for pool in pools])
        seen, whole = _tokens(pools), _tokens([far])
        whole = whole + self.attention[0](whole + _places(h, w, x.device), seen + places, seen)
        far = self.after(whole, self.linear5, self.linear6).transpose(1, 2).unflatten(2, (h, w))

        own, parts = _tokens([near]), _tokens([quarters(far)])
        looks = zip(self.attention[1:], own.chunk(4), parts.chunk(4), strict=True)
        own = own + torch.cat([attention(query, part, part) for attention, query, part in looks])
        near = self.after(own, self.linear3, self.linear4).transpose(1, 2).unflatten(2, (h, w))
        return torch.cat((near, far))


class Refinement(Views):
    """MCRM: each quarter, weighed by what the whole finds salient, looks at its part of the whole, pooled to three.

    (5b, c, h, w) -> the same.
    """

    def __init__(self):
        super().__init__(4, ((3, 4),))
        self.sal_conv = nn.Conv2d(WIDTH, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[-2:]
        near, far = _near_and_far(x)
        salient = self.sal_conv(far).sigmoid()
        near = near * quarters(functional.interpolate(salient, scale_factor=2))
        parts = quarters(far)
        seen = _tokens(_pooled(parts, h, w, (2, 4, 8)))
        own = _tokens([near])
        looks = zip(self.attention, own.chunk(4), seen.chunk(4), strict=True)
        own = own + torch.cat([attention(query, part, part) for attention, query, part in looks])
        near = self.after(own, self.linear3, self.linear4).transpose(1, 2).unflatten(2, (h, w))
        return torch.cat((near, far + joined(near)[..., ::2, ::2]))


def quarters(x: Tensor) -> Tensor:
    """(b, c, 2h, 2w) -> (4b, c, h, w), by rows."""
    b, c, h, w = x.shape
    return x.view(b, c, 2, h // 2, 2, w // 2).permute(2, 4, 0, 1, 3, 5).flatten(0, 2)


def joined(x: Tensor) -> Tensor:
    """(4b, c, h, w) -> (b, c, 2h, 2w)."""
    _, c, h, w = x.shape
    return x.view(2, 2, -1, c, h, w).permute(2, 3, 0, 4, 1, 5).reshape(-1, c, 2 * h, 2 * w)


def _near_and_far(x: Tensor) -> tuple[Tensor, Tensor]:
    b = len(x) // 5
    return x[: 4 * b], x[4 * b :]


def _tokens(maps: list[Tensor]) -> Tensor:
    """Maps (b, c, h, w) of any size -> (b, all their pixels, c)."""
    return torch.cat([x.flatten(2) for x in maps], 2).transpose(1, 2)


def _pooled(x: Tensor, h: int, w: int, ratios: tuple[int, ...]) -> list[Tensor]:
    """x pooled to these parts of (h, w), but for those of which nothing is left."""
    sizes = [(round(h / ratio), round(w / ratio)) for ratio in ratios]  # half to even, as the authors'
    return [functional.adaptive_avg_pool2d(x, size) for size in sizes if all(size)]


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _places(h: int, w: int, device: torch.device) -> Tensor:
    """Sines and cosines of the middle of each pixel, by rows: (h * w, c)."""
    waves = 10000 ** (2 * (torch.arange(WIDTH // 2) // 2) / (WIDTH // 2))

    def along(length: int) -> Tensor:
        at = (torch.arange(length) + 0.5) / (length + 1e-6) * 2 * math.pi
        angles = at[:, None] / waves
        return torch.stack((angles[:, 0::2].sin(), angles[:, 1::2].cos()), 2).flatten(1)

    rows, columns = along(h)[:, None].expand(h, w, -1), along(w).expand(h, w, -1)
    return torch.cat((rows, columns), 2).flatten(0, 1).to(device)
