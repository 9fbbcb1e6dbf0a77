"""Modulated deformable convolution in plain torch against its formula, and against convolutions that it contains."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_deform import deform_conv2d as naive
from torch.nn import functional

from disbench.models._parts import deform
from disbench.models._parts.deform import deform_conv2d


@settings(max_examples=30, deadline=None)
@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    kernel=st.sampled_from([1, 3, 7]),
    reach=st.sampled_from([0.3, 3, 30]),
    seed=st.integers(0, 99),
)
def test_formula(size, kernel, reach, seed):
    torch.manual_seed(seed)
    x, weight = torch.randn(2, 3, *size), torch.randn(4, 3, kernel, kernel)
    offset = reach * torch.randn(2, 2 * kernel**2, *size)
    mask = 2 * torch.rand(2, kernel**2, *size)
    expected = naive(x, offset, mask, weight)
    torch.testing.assert_close(deform_conv2d(x, offset, mask, weight), expected, rtol=1e-4, atol=1e-4 * kernel)


@pytest.mark.parametrize("samples", [1, 400, 1 << 20])
def test_without_offsets_it_is_a_convolution_however_it_is_split(samples, monkeypatch):
    monkeypatch.setitem(deform.SAMPLES, "cpu", samples)
    torch.manual_seed(0)
    x, weight = torch.randn(2, 3, 9, 8), torch.randn(4, 3, 3, 3)
    answer = deform_conv2d(x, torch.zeros(2, 18, 9, 8), torch.ones(2, 9, 9, 8), weight)
    torch.testing.assert_close(answer, functional.conv2d(x, weight, padding=1))


def test_coordinates_are_not_rounded_to_half_precision():
    """From pixel 256 on, bfloat16 has only even numbers."""
    torch.manual_seed(0)
    x, weight, offset = torch.randn(1, 2, 4, 300), torch.randn(2, 2, 3, 3), torch.rand(1, 18, 4, 300)
    half = [tensor.bfloat16() for tensor in (x, offset, torch.ones(1, 9, 4, 300), weight)]
    expected = naive(*(tensor.float() for tensor in half))
    torch.testing.assert_close(deform_conv2d(*half).float(), expected, rtol=0.05, atol=0.05)


def test_it_is_split_for_a_cpus_cache_alone(monkeypatch):
    parts, sample = [], functional.grid_sample
    monkeypatch.setattr(functional, "grid_sample", lambda *args, **kwargs: parts.append(1) or sample(*args, **kwargs))
    for device in ("cpu", "meta"):
        shapes = (1, 64, 8, 99), (1, 98, 8, 99), (1, 49, 8, 99), (1, 64, 7, 7)
        deform_conv2d(*(torch.zeros(shape, device=device) for shape in shapes))
    assert len(parts) == 3 + 1  # three rows a time


def test_whole_offsets_move_the_image():
    x, weight = torch.rand(1, 1, 5, 6), torch.ones(1, 1, 1, 1)
    offset = torch.tensor([1.0, -2.0]).view(1, 2, 1, 1).expand(1, 2, 5, 6)
    moved = deform_conv2d(x, offset, torch.full((1, 1, 5, 6), 0.5), weight)
    torch.testing.assert_close(moved[..., :4, 2:], x[..., 1:, :4] / 2)
    assert max(moved[..., 4, :].max(), moved[..., :2].max()) < 1e-6


@pytest.mark.skipif(deform.compiled is None, reason="no torchvision here that works beside this torch")
@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_torchvision_answers_the_same(kernel):
    torch.manual_seed(0)
    x, weight = torch.randn(2, 6, 13, 17), torch.randn(5, 6, kernel, kernel)
    offset, mask = 3 * torch.randn(2, 2 * kernel**2, 13, 17), torch.rand(2, kernel**2, 13, 17)
    expected = deform.compiled(x, offset, weight, padding=kernel // 2, mask=mask)
    torch.testing.assert_close(deform_conv2d(x, offset, mask, weight), expected, rtol=1e-4, atol=1e-4)
