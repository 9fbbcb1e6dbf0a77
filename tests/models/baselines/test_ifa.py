"""IFA against the answers of its authors' own code, in tests/goldens/ifa."""

import math

import numpy as np
import pytest
import torch
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo, read_keys

from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.models.ifa.network import IFA, Position, nearest_features
from disbench.registry.loading import get_card

ANSWERS = np.load(GOLDENS / "ifa" / "answers.npz")


def keys(classes):
    return read_keys(GOLDENS / "ifa" / f"c{classes}.json.gz")


@pytest.fixture(scope="module")
def one_class():
    """What a trainer would save with one class."""
    return checkpoint(keys(1), gain=1.0)


def of_classes(one_class, classes):
    """The same with another number of classes, which changes only the shapes of the last layers."""
    last_layers = {name: shape for name, shape in keys(classes).items() if shape != keys(1)[name]}
    return one_class | checkpoint(last_layers, gain=1.0)


def saved(path, state):
    torch.save({"epoch": 1, "model_state": {f"module.{name}": tensor for name, tensor in state.items()}}, path)
    return str(path)


def test_coordinates_are_not_rounded_to_half_precision():
    features = torch.arange(300.0).expand(1, 1, 4, 300).bfloat16()
    half, whole = (nearest_features(x, (8, 600)) for x in (features, features.float()))
    for mine, expected in zip(half, whole, strict=True):
        torch.testing.assert_close(mine.float(), expected, rtol=0, atol=0)


@pytest.mark.parametrize(("classes", "stride"), [(1, 2), (2, 8), (19, 16)])
def test_the_network_answers_as_the_authors(one_class, classes, stride):
    with torch.device("meta"):
        net = IFA(classes).eval()
    net.load_state_dict(of_classes(one_class, classes), assign=True)
    with torch.inference_mode():
        outputs = net(probe_image("ifa", 193, 257))
    for name, answer in zip(("logits", "aux"), outputs, strict=True):
        expected = ANSWERS[f"{name}{classes}"]
        assert np.abs(answer[0, :, ::stride, ::stride].numpy() - expected).max() <= 1e-4 * np.abs(expected).max(), name


def test_the_card_counts_its_parameters():
    with torch.device("meta"):
        net = IFA(1)
    assert get_card("ifa").parameters == sum(p.numel() for p in net.parameters())
    assert {name: list(tensor.shape) for name, tensor in net.state_dict().items()} == keys(1)


def test_the_steps_before_and_after_the_network_are_the_authors(one_class, tmp_path):
    model = load_model("ifa", saved(tmp_path / "two.pth", of_classes(one_class, 2)), "cpu").predictor
    photo = probe_photo("protocol", 640, 640)
    assert np.abs(model.prepare(photo)[:, ::16, ::16].numpy() - ANSWERS["input"]).max() <= 1e-6
    answer = torch.cat([probe_logits(name, 1024, 1024) for name in ("ifa_0", "ifa_1")], 1)
    model.net = lambda batch: (answer, None)
    levels = model.restore(model.infer(None)[0], photo.shape[:2])
    # Their script keeps which class is the likelier alone.
    assert np.array_equal(np.packbits(levels > 127), ANSWERS["foreground"])
    assert len(np.unique(levels)) > 200


def test_one_class_is_a_sigmoid(one_class, tmp_path):
    model = load_model("ifa", saved(tmp_path / "one.pth", one_class), "cpu")
    logits = torch.tensor([0.0, math.log(3), -math.log(3)]).view(1, 1, 1, 3)
    model.predictor.net = lambda batch: (logits, None)
    torch.testing.assert_close(model.predictor.infer(None), torch.tensor([[[0.5, 0.75, 0.25]]]))
    assert model.title == "IFA (one.pth)"


def test_what_is_no_map_of_a_foreground_is_refused(one_class, tmp_path):
    with pytest.raises(InputError, match=r"city\.pth: has 19 classes"):
        load_model("ifa", saved(tmp_path / "city.pth", of_classes(one_class, 19)), "cpu")
    with pytest.raises(InputError, match=r"other\.pth: not the weights of this IFA"):
        load_model("ifa", saved(tmp_path / "other.pth", {"weight": torch.zeros(1)}), "cpu")


def test_nearest_features_say_how_far_away_they_are():
    x = torch.arange(6.0).view(1, 1, 2, 3)
    offset, nearest = nearest_features(x, (4, 6))
    assert torch.equal(nearest.view(4, 6), x[0, 0].repeat_interleave(2, 0).repeat_interleave(2, 1))
    # A point is a quarter of a coarse pixel from its centre, in each direction: half of half a pixel.
    assert torch.allclose(offset.view(2, 4, 6)[0, :, 0], torch.tensor([-0.5, 0.5, -0.5, 0.5]))
    assert torch.allclose(offset.view(2, 4, 6)[1, 0], torch.tensor([-0.5, 0.5] * 3), atol=1e-6)


def test_positions_begin_at_frequencies_of_1_to_64():
    emb = Position().emb.detach()
    assert emb.shape == (12, 2)
    assert emb[[0, 5, 6, 11]].tolist() == [[1, 0], [64, 0], [0, 1], [0, 64]]
