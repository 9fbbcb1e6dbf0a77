"""BEN2 against the answers of its authors' own code, in tests/goldens/ben2."""

import hashlib

import numpy as np
import pytest
import torch
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo, read_keys

from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.models._parts.network import open_weights
from disbench.models._parts.swin import SIZES, drop_buffers
from disbench.models.ben2 import predictor
from disbench.models.ben2.network import BEN2
from disbench.models.mvanet.network import rename_layers
from disbench.registry.loading import get_card

torch.set_num_threads(1)  # as the goldens: resizing rounds otherwise where threads meet
ANSWERS = np.load(GOLDENS / "ben2" / "answers.npz")
KEYS = read_keys(GOLDENS / "ben2" / "keys.json.gz")
PHOTO = probe_photo("protocol", 1500, 2100)


def load_net(folder, size):
    """Load the network from a file of the form of BEN2_Base.pth."""
    torch.save({"model_state_dict": checkpoint(KEYS[size], gain=1.0)}, folder / "BEN2_Base.pth")
    return load_model("ben2", str(folder / "BEN2_Base.pth"), "cpu").predictor.net


@pytest.fixture
def light(monkeypatch):
    """BEN2's steps around a small network."""
    monkeypatch.setattr(predictor, "BEN2", lambda: torch.nn.Conv2d(3, 1, 1))
    return load_model("ben2", "untrained", "cpu")


def assert_answers(net, name, probe, step):
    """Within 1e-4 of the largest: summing in another order moves it by 2e-6, other weights by 0.16."""
    expected = ANSWERS[name]
    logits = net(probe_image(*probe))[0, 0, ::step, ::step].numpy()
    assert np.abs(logits - expected).max() <= 1e-4 * np.abs(expected).max()


@torch.inference_mode()
def test_the_network_answers_as_the_authors_on_a_swin_of_four_blocks(tmp_path, monkeypatch):
    monkeypatch.setitem(SIZES, "base", (128, (1, 1, 1, 1), 4))
    net = load_net(tmp_path, "narrow")
    assert_answers(net, "narrow", ("ben2", 128, 128), 2)
    assert_answers(net, "narrow_oblong", ("ben2_rect", 128, 256), 2)


@pytest.mark.slow
@torch.inference_mode()
def test_the_network_answers_as_the_authors(tmp_path):
    net = load_net(tmp_path, "full")
    assert_answers(net, "square", ("ben2", 256, 256), 4)
    assert_answers(net, "oblong", ("ben2_rect", 384, 640), 4)


def test_keys_and_shapes_are_the_authors():
    with torch.device("meta"):
        net = BEN2()
    keys = rename_layers(drop_buffers(KEYS["full"]))
    assert {name: list(tensor.shape) for name, tensor in net.state_dict().items()} == keys
    assert sum(p.numel() for p in net.parameters()) == get_card("ben2").parameters


def test_the_network_is_fed_as_by_the_authors(light):
    prepared = light.predictor.prepare(PHOTO)
    assert prepared.shape == (3, 1024, 1024) and prepared.dtype == torch.float32
    assert np.abs(prepared[:, ::16, ::16].numpy() - ANSWERS["input"]).max() <= 1e-6


def test_the_saved_map_is_that_of_the_authors(light, monkeypatch):
    monkeypatch.setattr(light.predictor, "net", lambda batch: probe_logits("ben2", 1024, 1024))
    saved = light.predictor.restore(light.predictor.infer(torch.zeros(1))[0], PHOTO.shape[:2])
    assert saved.dtype == np.uint8 and saved.shape == PHOTO.shape[:2]
    assert np.array_equal(saved[::12, ::12], ANSWERS["saved"])
    assert hashlib.sha256(saved.tobytes()).hexdigest() == str(ANSWERS["saved_sha256"])


def test_a_constant_map_becomes_zero(light):
    """The authors' code divides 0 by 0 there."""
    assert not light.predictor.restore(torch.zeros(128, 128), (30, 20)).any()
    assert not light.predictor.restore(torch.full((128, 128), 0.3), (128, 128)).any()


def test_weights_of_mvanet_and_wrong_sizes_are_refused(light, tmp_path):
    keys = read_keys(GOLDENS / "mvanet" / "keys.json.gz")["trained"]
    torch.save({name: torch.zeros(shape) for name, shape in keys.items() if "conv1." in name}, tmp_path / "mvanet.pth")
    file = open_weights(str(tmp_path / "mvanet.pth"))
    with pytest.raises(InputError, match=r"mvanet\.pth: not the weights of this BEN2; "):
        file.fill(BEN2)
    with pytest.raises(InputError, match="--option size=192: must be pixels per side, a multiple of 128"):
        load_model("ben2", "untrained", "cpu", size="192")
