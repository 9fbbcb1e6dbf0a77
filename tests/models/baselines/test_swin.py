"""The Swin that baselines share, against attention among all tokens of a grid at once; goldens of models hold more."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from disbench.models._parts.swin import HEAD, SIZES, Attention, Swin, drop_buffers

# Of the authors' networks for ImageNet, with windows of 7 and a classifier.
PARAMETERS = {"tiny": 28_288_354, "base": 87_768_224, "large": 196_532_476}


def plainly(attention: Attention, x: torch.Tensor) -> torch.Tensor:
    """One image (h, w, c): every token looks at those of its window on the shifted grid that lie in its own part."""
    h, w, c = x.shape
    window, shift = attention.window, attention.shift
    rows, columns = -(-h // window) * window, -(-w // window) * window
    padded = torch.zeros(rows, columns, c)
    padded[:h, :w] = x
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")

    def place(at, length):
        """Which window, where in it, and whether it was carried round the edge."""
        at = (at.flatten() - shift) % length
        return at // window, at % window, (at >= length - shift) & (shift > 0)

    (wy, iy, cy), (wx, ix, cx) = place(y, rows), place(x, columns)
    part = ((wy * columns + wx) * 2 + cy) * 2 + cx
    ways = (iy[:, None] - iy + window - 1) * (2 * window - 1) + ix[:, None] - ix + window - 1
    q, k, v = attention.qkv(padded.flatten(0, 1)).view(-1, 3, c // HEAD, HEAD).permute(1, 2, 0, 3)
    logits = q @ k.transpose(1, 2) * HEAD**-0.5
    ways = ways.where(part[:, None] == part, 0)  # those of other windows have no row in the table
    logits = logits + attention.relative_position_bias_table[ways].permute(2, 0, 1)
    answer = logits.masked_fill(part[:, None] != part, -torch.inf).softmax(2) @ v
    return attention.proj(answer.transpose(0, 1).flatten(1)).view(rows, columns, c)[:h, :w]


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 2),
    size=st.tuples(st.integers(1, 11), st.integers(1, 11)),
    window=st.integers(2, 5),
    shifted=st.booleans(),
)
@torch.no_grad()
def test_attention(batch, size, window, shifted):
    torch.manual_seed(0)
    attention = Attention(2 * HEAD, window, window // 2 * shifted)
    attention.relative_position_bias_table.normal_()
    x = torch.randn(batch, *size, 2 * HEAD)
    expected = torch.stack([plainly(attention, image) for image in x])
    torch.testing.assert_close(attention(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", PARAMETERS)
def test_parameters_are_those_of_the_authors(size):
    width, depths, _ = SIZES[size]
    with torch.device("meta"):
        net = Swin(width, depths, window=7, norms=False)
    classifier = 2 * net.channels[-1] + 1000 * (net.channels[-1] + 1)
    assert sum(p.numel() for p in net.parameters()) + classifier == PARAMETERS[size]


@pytest.mark.parametrize("norms", [True, False])
def test_features_of_any_size(norms):
    net = Swin(HEAD, (2, 1, 1), 3, norms=norms).eval()
    with torch.inference_mode():
        features = net(torch.rand(2, 3, 45, 29))
    after = [(HEAD, 12, 8), (2 * HEAD, 6, 4), (4 * HEAD, 3, 2)]
    expected = [after[0], *after] if norms else [*after, after[-1]]
    assert [tuple(x.shape[1:]) for x in features] == expected
    assert all(x.is_contiguous() for x in features)


def test_names_are_the_authors_less_what_is_computed():
    names = Swin(HEAD, (2, 1), 3).state_dict().keys()
    assert {
        "patch_embed.proj.weight",
        "patch_embed.norm.bias",
        "layers.0.blocks.1.attn.relative_position_bias_table",
        "layers.0.downsample.reduction.weight",
        "layers.1.blocks.0.mlp.fc2.bias",
        "norm1.weight",
    } <= names
    tables = dict.fromkeys(("layers.0.blocks.1.attn_mask", "layers.0.blocks.0.attn.relative_position_index"))
    assert drop_buffers(dict.fromkeys(names) | tables).keys() == names


def test_what_inference_leaves_behind_serves_training():
    net = Swin(HEAD, (2,), 3)
    with torch.inference_mode():
        net(torch.rand(1, 3, 20, 20))
    net(torch.rand(1, 3, 20, 20))[-1].sum().backward()
    assert net.layers[0].blocks[1].attn.relative_position_bias_table.grad.any()
