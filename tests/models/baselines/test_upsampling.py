"""Doubling with the convolution after it, against the two steps."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from disbench.models._parts.upsampling import double_and_convolve


@pytest.mark.parametrize("size", [(1, 1), (5, 4), (8, 11)])
def test_it_equals_both_steps_at_any_size_and_multiplies_less(size, monkeypatch):
    torch.manual_seed(0)
    conv, x = nn.Conv2d(3, 5, 3, padding=1), torch.randn(2, 3, *size)
    expected = conv(functional.interpolate(x, scale_factor=2))
    assert torch.equal(double_and_convolve(x, conv), expected)  # gradients are enabled
    monkeypatch.setattr(conv, "forward", None)  # predictions do not call it
    with torch.inference_mode():
        torch.testing.assert_close(double_and_convolve(x, conv), expected.detach(), rtol=1e-5, atol=1e-5)
