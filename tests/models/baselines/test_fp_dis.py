"""The network after FP-DIS' abstract: that it is what its docstrings say; nothing of the authors' can hold it."""

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from disbench.cli.main import main
from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.models.fp_dis.network import CUT, FILTERS, FINEST, FPDIS, GROUPS, KNOTS, Generator, Harmonisation
from disbench.models.fp_dis.train import Training
from disbench.registry.loading import get_card

torch.set_num_threads(1)
SIDES = st.integers(1, 40)


@settings(deadline=None, max_examples=20)
@given(SIDES, SIDES, st.floats(-2, 2))
def test_a_constant_image_has_no_fixed_prior(h, w, value):
    priors = Generator()(torch.full((1, 3, h, w), value))
    assert priors.shape == (1, 3 * (1 + FILTERS), h, w)
    assert priors[:, :3].abs().max() <= 1e-5


@settings(deadline=None, max_examples=25)
@given(SIDES, SIDES, st.data())
def test_a_wave_passes_the_fixed_filter_whole_or_not_at_all_and_is_weighed_by_the_others(h, w, data):
    u, v = data.draw(st.integers(0, h - 1)), data.draw(st.integers(0, w - 1))
    frequency = np.hypot(u / h, v / w) / 2
    assume(abs(frequency - CUT) > 1e-6)
    y, x = np.arange(h)[:, None], np.arange(w)
    wave = np.cos(np.pi * u * (y + 0.5) / h) * np.cos(np.pi * v * (x + 0.5) / w)
    wave = torch.from_numpy(wave.astype(np.float32)).expand(1, 3, h, w)
    generator = Generator()
    nn.init.normal_(generator.knots)
    priors = generator(wave)[0].unflatten(0, (-1, 3))
    values = generator.knots.detach().tanh().numpy()
    weights = [float(frequency >= CUT)]
    weights += [np.interp(frequency, np.linspace(0, FINEST, KNOTS), row) for row in values]
    for prior, weight in zip(priors, weights, strict=True):
        torch.testing.assert_close(prior, wave[0] * float(weight), rtol=0, atol=1e-4)


def test_gates_mix_groups_of_channels():
    mix, (side, neighbour) = Harmonisation(), torch.rand(2, 1, 64, 5, 7)
    mix.after = nn.Identity()
    nn.init.zeros_(mix.gate.weight)
    mix.gate.bias.data = torch.tensor([99.0, -99.0, 0.0, 99.0])
    groups = [x.chunk(GROUPS, 1) for x in (side, neighbour)]
    expected = [groups[0][0], groups[1][1], (groups[0][2] + groups[1][2]) / 2, groups[0][3]]
    torch.testing.assert_close(mix(side, neighbour), torch.cat(expected, 1))


@pytest.mark.parametrize("size", [(64, 96), (45, 70)])
@torch.inference_mode()
def test_any_size(size):
    torch.manual_seed(0)
    answers = FPDIS().eval()(torch.rand(2, 3, *size))
    assert [x.shape for x in answers] == [(2, 1, *size)] * 4


def test_gradients_reach_every_parameter_and_it_learns():
    torch.manual_seed(0)
    training = Training()
    net = training.network("fp_dis", 64).train()
    masks = torch.zeros(2, 1, 64, 64)
    masks[:, :, 10:40, 20:50] = 1
    images = 0.5 * torch.rand(2, 3, 64, 64) + 0.5 * masks
    optimizer, losses = torch.optim.Adam(net.parameters(), 1e-3), []
    for _ in range(3):
        optimizer.zero_grad()
        loss = training.losses(net, images, masks)["maps"]
        loss.backward()
        assert all(p.grad.any() for p in net.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)


@pytest.fixture(scope="module")
def small():
    return load_model("fp_dis", "untrained", "cpu", size="64").predictor


def test_a_picture_is_resized_and_normalised_by_the_means_of_imagenet(small):
    prepared = small.prepare(np.full((30, 40, 3), (124, 116, 104), np.uint8))
    expected = [(124 / 255 - 0.485) / 0.229, (116 / 255 - 0.456) / 0.224, (104 / 255 - 0.406) / 0.225]
    assert (prepared.shape, prepared.dtype) == ((3, 64, 64), torch.float32)
    np.testing.assert_allclose(prepared, np.broadcast_to(np.reshape(expected, (3, 1, 1)), (3, 64, 64)), atol=1e-6)
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    levels = cv2.resize(noise, (64, 64), interpolation=cv2.INTER_LINEAR) / 255
    expected = (levels - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    np.testing.assert_allclose(small.prepare(noise), expected.transpose(2, 0, 1), atol=1e-5)


def test_a_map_is_resized_before_its_sigmoid_and_rounded(small):
    assert (small.restore(torch.zeros(8, 8), (4, 6)) == 128).all()  # 127.5, to the even neighbour
    logits = np.array([[-2.0, 1.0], [4.0, 0.5]], np.float32)
    levels = small.restore(torch.from_numpy(logits), (4, 6))
    resized = cv2.resize(logits, (6, 4), interpolation=cv2.INTER_LINEAR).astype(np.float64)
    assert levels.dtype == np.uint8
    assert np.array_equal(levels, np.rint(255 / (1 + np.exp(-resized))))


def test_nothing_passes_for_the_papers_method(tmp_path, make_pairs):
    shown = CliRunner().invoke(main, ["models", "fp_dis"]).output
    assert "FP-DIS, unofficial: written only from the paper" in shown and "\nLoss, ours: " in shown
    why = r"comes without weights; --weights takes .* \(`disbench train --model fp_dis`\); --maps takes its authors'"
    with pytest.raises(InputError, match=why):
        load_model("fp_dis")
    ran = CliRunner().invoke(main, ["run", "--model", "fp_dis", "--data", str(make_pairs(tmp_path / "d", ["a"]))])
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)
    model = load_model("fp_dis", "untrained", "cpu", size="64")
    assert model.title == "FP-DIS, unofficial (untrained, 64 px)"
    assert model.predict(np.zeros((20, 30, 3), np.uint8)).shape == (20, 30)
    assert get_card("fp_dis").parameters == sum(p.numel() for p in model.predictor.net.parameters())
