"""Group norms on the CPU equal those in float64, whatever the layout, the size and the number of threads."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from disbench.models._parts import group_norm
from disbench.models._parts.group_norm import GroupNorm


def make_norm(groups, channels):
    norm, generator = GroupNorm(groups, channels), torch.Generator().manual_seed(1)
    with torch.no_grad():
        norm.weight.normal_(generator=generator)
        norm.bias.normal_(generator=generator)
    return norm


def draw(*size, seed=0, offset=0.0):
    x = torch.randn(size, generator=torch.Generator().manual_seed(seed)) + offset
    return x.contiguous(memory_format=torch.channels_last)


def normalise_exactly(norm, x, activate):
    weight, bias = norm.weight.double(), norm.bias.double()
    normed = functional.group_norm(x.double().contiguous(), norm.num_groups, weight, bias, norm.eps)
    return functional.silu(normed) if activate else normed


@torch.no_grad()
def check(norm, x, activate, tolerance=2e-6):
    computed, before = norm.activate(x) if activate else norm(x), x.clone()
    expected = normalise_exactly(norm, x, activate)
    torch.testing.assert_close(computed.double(), expected, rtol=tolerance, atol=tolerance)
    assert computed.is_contiguous(memory_format=torch.channels_last) and torch.equal(x, before)


@given(
    st.integers(1, 2),
    st.sampled_from([(1, 1), (1, 3), (4, 16), (3, 30), (32, 320), (5, 1280)]),
    st.integers(1, 20),
    st.integers(1, 70),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_any_size(batch, groups, height, width, activate, seed):
    if height * width * groups[1] // groups[0] > 1:  # torch's functional refuses groups of one value
        check(make_norm(*groups), draw(batch, groups[1], height, width, seed=seed), activate, 1e-5)


@pytest.mark.parametrize("activate", [False, True])
def test_large_sizes_are_accurate_where_torch_is_not(activate):
    norm, x = make_norm(4, 16), draw(1, 16, 600, 640, offset=1.0)
    check(norm, x, activate, 4e-6)
    with torch.no_grad():
        by_torch = functional.group_norm(x, 4, norm.weight, norm.bias, norm.eps)
        assert (by_torch - normalise_exactly(norm, x, activate=False)).abs().max() > 1e-4


@pytest.mark.parametrize(("offset", "tolerance"), [(0.0, 2e-6), (100.0, 1e-2)])  # 100 / sqrt(eps) has an ulp of 0.004
@pytest.mark.parametrize("spread", [0, 2**-10])
def test_values_that_hardly_vary(offset, spread, tolerance):
    check(make_norm(2, 4), draw(1, 4, 40, 50) * spread + offset, False, tolerance)


def test_the_activation_is_accurate_for_values_of_all_sizes():
    x = torch.linspace(-40, 40, 40_000).reshape(1, 1, 200, 200)
    norm = GroupNorm(1, 1).requires_grad_(False)
    norm.weight[:] = 25  # times 1.7
    with torch.no_grad():
        computed, normed = norm.activate(x), norm(x)
    torch.testing.assert_close(computed, functional.silu(normed.double()).float(), rtol=1e-6, atol=1e-30)
    assert normed.min() < -40


def test_threads_change_no_bit(monkeypatch):
    monkeypatch.setattr(group_norm, "SHARED", 1)
    norm, x, before = make_norm(4, 16), draw(2, 16, 50, 33), torch.get_num_threads()
    computed = []
    try:
        for threads in (1, 3, 64):
            torch.set_num_threads(threads)
            with torch.no_grad():
                computed.append(norm.activate(x))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(computed[0], computed[1]) and torch.equal(computed[0], computed[2])


def test_values_that_are_no_numbers_stay_visible():
    norm, x = make_norm(2, 4), draw(1, 4, 8, 8)
    x[0, 0, 3, 3] = torch.nan
    with torch.no_grad():
        assert norm.activate(x)[0, :2].isnan().all() and norm.activate(x)[0, 2:].isfinite().all()


def test_what_is_not_supported_is_computed_by_torch(monkeypatch):
    monkeypatch.setattr(group_norm, "normalise_groups", lambda *_: pytest.fail("not by torch"))
    norm, x = make_norm(4, 16), draw(2, 16, 9, 11)
    plain = nn.GroupNorm(4, 16)
    plain.load_state_dict(norm.state_dict())
    expected = plain(x)
    assert torch.equal(norm(x), expected)  # with gradients
    with torch.no_grad():
        torch.testing.assert_close(norm(x.contiguous()), expected)
        torch.testing.assert_close(norm.activate(x.contiguous()), functional.silu(expected))
        torch.testing.assert_close(norm(x.flatten(2)), expected.flatten(2))
        assert GroupNorm(4, 16, affine=False)(x).shape == x.shape
        assert norm.bfloat16()(x.bfloat16()).dtype == torch.bfloat16


def test_torch_knows_the_size_of_the_result():
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        out = make_norm(4, 16)(torch.empty(2, 16, 8, 8).contiguous(memory_format=torch.channels_last))
        assert out.shape == (2, 16, 8, 8)
