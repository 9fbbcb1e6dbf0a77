"""ISDNet with 1, 2 and 7 classes against the answers of its authors' own code, in tests/goldens/isdnet."""

import math

import cv2
import numpy as np
import pytest
import torch
from filled_weights import GOLDENS, checkpoint, probe_image, read_keys
from isdnet_weights import filled

from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.models._parts.weights import load_module
from disbench.models.isdnet.layers import laplacian_details
from disbench.models.isdnet.network import ISDNet
from disbench.registry.loading import get_card


def saved(path, state):
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}, "meta": {"iter": 1}}, path)
    return str(path)


def of_classes(classes):
    """Their keys with that number of classes."""
    return read_keys(GOLDENS / "isdnet" / f"c{classes}.json.gz")


@pytest.fixture(scope="module")
def states():
    """Number of classes -> what a trainer would save; but for the last layers they are the same."""
    one_class = filled(of_classes(1))
    shapes = {key: [*x.shape] for key, x in one_class.items()}
    differ = {n: {key: shape for key, shape in of_classes(n).items() if shapes[key] != shape} for n in (1, 2, 7)}
    return {n: one_class | checkpoint(keys, gain=1.0) for n, keys in differ.items()}


@pytest.mark.parametrize(
    ("classes", "probe", "stride"),
    [(1, ("isdnet", 256, 320), 2), (2, ("isdnet", 256, 320), 8), (7, ("isdnet_odd", 201, 330), 8)],
)
def test_the_network_answers_as_the_authors(classes, probe, stride, states, tmp_path):
    net = load_module(lambda: ISDNet(classes), states[classes], tmp_path)
    with torch.inference_mode():
        answer = net(probe_image(*probe))[0, :, ::stride, ::stride].numpy()
    expected = np.load(GOLDENS / "isdnet" / "answers.npz")[f"c{classes}"]
    assert np.abs(answer - expected).max() <= 1e-4 * np.abs(expected).max()


def test_the_card_counts_its_parameters():
    with torch.device("meta"):
        assert get_card("isdnet").parameters == sum(p.numel() for p in ISDNet(1).parameters())


def test_two_classes_give_the_softmax_of_the_second(states, tmp_path):
    model = load_model("isdnet", saved(tmp_path / "two.pth", states[2]), "cpu").predictor
    batch = probe_image("isdnet", 64, 96)
    with torch.inference_mode():
        expected = model.net(batch).softmax(1)[0, 1]
    levels = model.restore(model.infer(batch)[0], (64, 96))
    assert np.abs(levels - 255 * expected.numpy()).max() <= 0.501


def test_more_classes_have_no_map(states, tmp_path):
    path = saved(tmp_path / "seven.pth", states[7])
    with pytest.raises(InputError, match=r"seven\.pth: has 7 classes"):
        load_model("isdnet", path, "cpu")


def test_another_network_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"other\.pth: not the weights of this ISDNet"):
        load_model("isdnet", saved(tmp_path / "other.pth", {"weight": torch.zeros(1)}), "cpu")


@pytest.fixture(scope="module")
def small():
    return load_model("isdnet", "untrained", "cpu", size="64").predictor


def test_a_picture_is_resized_in_8_bit_and_normalised(small):
    prepared = small.prepare(np.full((30, 40, 3), (124, 116, 104), np.uint8))
    expected = [(124 - 123.675) / 58.395, (116 - 116.28) / 57.12, (104 - 103.53) / 57.375]
    assert (prepared.shape, prepared.dtype) == ((3, 64, 64), torch.float32)
    np.testing.assert_allclose(prepared[:, 5, 7], expected, atol=1e-6)
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    levels = cv2.resize(noise, (64, 64), interpolation=cv2.INTER_LINEAR)
    expected = (levels - (123.675, 116.28, 103.53)) / (58.395, 57.12, 57.375)
    np.testing.assert_allclose(small.prepare(noise), expected.transpose(2, 0, 1), atol=1e-5)


def test_the_working_size_is_the_cards():
    assert load_model("isdnet", "untrained", "cpu").predictor.size == (1024, 1024)


def test_a_map_is_resized_before_its_sigmoid_and_rounded(small):
    assert (small.restore(torch.zeros(8, 8), (4, 6)) == 128).all()  # 127.5, to the even neighbour
    logits = np.array([[-2.0, 1.0], [4.0, 0.5]], np.float32)
    levels = small.restore(torch.from_numpy(logits), (4, 6))
    resized = cv2.resize(logits, (6, 4), interpolation=cv2.INTER_LINEAR).astype(np.float64)
    assert np.array_equal(levels, np.rint(255 / (1 + np.exp(-resized))))


@pytest.mark.parametrize(("answers", "levels"), [([math.log(3)], 191), ([-1.0, -1.0 - math.log(3)], 64)])
def test_one_class_is_a_sigmoid_and_two_are_a_softmax(small, monkeypatch, answers, levels):
    """3/4 of 255 is 191.25; of two classes the second is foreground, here by 1/4: 63.75."""
    answer = torch.tensor(answers).view(1, -1, 1, 1).expand(1, -1, 4, 6)
    monkeypatch.setattr(small, "net", lambda batch: answer)
    assert (small.restore(small.infer(torch.zeros(1, 3, 4, 6))[0], (4, 6)) == levels).all()


def test_details_are_what_halving_loses():
    ramp = torch.arange(48, dtype=torch.float32).expand(1, 3, 32, 48)
    assert laplacian_details(ramp)[..., 12:-12, 12:-12].abs().max() < 1e-4
    point = torch.zeros(1, 3, 32, 48)
    point[..., 16, 16] = 1
    # Along each axis (1 4 6 4 1)/16 blurs, every other is kept, and (1 6 1)/8 of them come back at the point.
    assert laplacian_details(point)[0, :3, 16, 16].tolist() == pytest.approx([1 - ((6 * 6 + 1 + 1) / 16 / 8) ** 2] * 3)
    assert laplacian_details(torch.ones(1, 3, 33, 47)).abs().max() < 1e-6
