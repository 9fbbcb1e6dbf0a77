"""ISDNet against what its authors' code (commit 7341335) answers under the weights of tests/filled.py.

tests/goldens/isdnet was made with their configuration of ResNet-18, with one class; and the keys with two as well.
"""

import re

import numpy as np
import pytest
import torch
from filled import GOLDENS, checkpoint, probe_image, read_keys

from disbench.errors import InputError
from disbench.models import card, load
from disbench.models.isdnet.layers import details
from disbench.models.isdnet.network import ISDNet


def saved(path, state):
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}, "meta": {"iter": 1}}, path)
    return str(path)


def filled(keys):
    """A checkpoint of these keys; layers that have two names have the same values under both."""
    state = checkpoint(keys, gain=1.0)
    return {name: state[re.sub(r"stdc_net\.x\d+\.0\.", "stdc_net.features.", name)] for name in state}


def of_classes(classes):
    """Their keys with another number of classes."""
    keys = read_keys(GOLDENS / "isdnet" / "c1.json.gz")
    ends = ("conv_seg.weight", "conv_seg.bias", "conv_out.weight", "conv_out.bias")
    heads = [name for name in keys if name.endswith(ends) and "conv_sr" not in name]
    return keys | {name: [classes, *keys[name][1:]] for name in heads}


def test_network(tmp_path):
    keys = read_keys(GOLDENS / "isdnet" / "c1.json.gz")
    model = load("isdnet", saved(tmp_path / "one.pth", filled(keys)), "cpu")
    got = model.predictor.infer(probe_image("isdnet", 256, 320))[0, ::2, ::2].numpy()
    expected = np.load(GOLDENS / "isdnet" / "answers.npz")["logits"]
    assert np.abs(got - expected).max() <= 1e-4 * np.abs(expected).max()
    assert card("isdnet").parameters == sum(p.numel() for p in model.predictor.net.parameters())


def test_keys_of_any_number_of_classes():
    assert of_classes(2) == read_keys(GOLDENS / "isdnet" / "c2.json.gz")
    for classes in (2, 7):
        net = ISDNet(classes).eval()
        assert {name: list(tensor.shape) for name, tensor in net.state_dict().items()} == of_classes(classes)
        with torch.inference_mode():
            assert net(torch.zeros(1, 3, 64, 96)).shape == (1, classes, 64, 96)


def test_two_classes_give_the_softmax_of_the_second(tmp_path):
    model = load("isdnet", saved(tmp_path / "two.pth", filled(of_classes(2))), "cpu").predictor
    batch = probe_image("isdnet", 64, 96)
    with torch.inference_mode():
        expected = model.net(batch).softmax(1)[0, 1]
    levels = model.restore(model.infer(batch)[0], (64, 96))
    assert np.abs(levels - 255 * expected.numpy()).max() <= 0.501


def test_more_classes_have_no_map(tmp_path):
    path = saved(tmp_path / "seven.pth", filled(of_classes(7)))
    with pytest.raises(InputError, match=r"seven\.pth: tells 7 classes apart"):
        load("isdnet", path, "cpu")


def test_another_network_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"other\.pth: not the weights of this ISDNet"):
        load("isdnet", saved(tmp_path / "other.pth", {"weight": torch.zeros(1)}), "cpu")


def test_prepare():
    image = np.full((30, 40, 3), (124, 116, 104), np.uint8)
    prepared = load("isdnet", "untrained", "cpu").predictor.prepare(image)
    expected = [(124 - 123.675) / 58.395, (116 - 116.28) / 57.12, (104 - 103.53) / 57.375]
    assert prepared.shape == (3, 1024, 1024)
    np.testing.assert_allclose(prepared[:, 5, 7], expected, atol=1e-6)


def test_details_are_what_halving_loses():
    ramp = torch.arange(48, dtype=torch.float32).expand(1, 3, 32, 48)
    assert details(ramp)[..., 12:-12, 12:-12].abs().max() < 1e-4
    point = torch.zeros(1, 3, 32, 48)
    point[..., 16, 16] = 1
    # Along each axis (1 4 6 4 1)/16 blurs, every other is kept, and (1 6 1)/8 of them come back at the point.
    assert details(point)[0, :3, 16, 16].tolist() == pytest.approx([1 - ((6 * 6 + 1 + 1) / 16 / 8) ** 2] * 3)
    assert details(torch.ones(1, 3, 33, 47)).abs().max() < 1e-6
