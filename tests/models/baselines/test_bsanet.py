"""BSA-Net against outputs of its authors' network (commit f2367ea), with weights of tests/helpers/filled_weights.py.

No script makes tests/goldens/bsanet, since it would depend on code without a licence.
"""

import hashlib
import math

import numpy as np
import pytest
import torch
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo, read_keys

from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.models.bsanet.network import BSANet, drop_unused
from disbench.registry.loading import get_card

ANSWERS = np.load(GOLDENS / "bsanet" / "answers.npz")
KEYS = read_keys(GOLDENS / "bsanet" / "keys.json.gz")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A file as the authors save theirs."""
    path = tmp_path_factory.mktemp("bsanet") / "final_35.pth"
    torch.save(checkpoint(KEYS, gain=1.0), path)
    return path


@pytest.fixture(scope="module")
def model(theirs):
    return load_model("bsanet", str(theirs), "cpu")


def test_network(model):
    with torch.inference_mode():
        maps = model.predictor.net(probe_image("bsanet", 256, 320))
    got = {
        "r1": maps.refined[0][0, 0, ::2, ::2],
        "r4": maps.refined[3][0, 0, ::4, ::4],
        "c1": maps.coarse[0][0, 0, ::4, ::4],
        "c4": maps.coarse[3][0, 0, ::4, ::4],
        "edge": maps.edge[0, 0, ::4, ::4],
    }
    for name, answer in got.items():
        expected = ANSWERS[name]
        assert np.abs(answer.numpy() - expected).max() <= 1e-4 * np.abs(expected).max(), name


def test_names_and_parameters_are_the_authors():
    with torch.device("meta"):
        net = BSANet()
    assert {name: list(tensor.shape) for name, tensor in net.state_dict().items()} == drop_unused(KEYS)
    assert sum(p.numel() for p in net.parameters()) == get_card("bsanet").parameters
    learned = (shape for name, shape in KEYS.items() if not name.endswith(("_mean", "_var", "_tracked")))
    assert sum(map(math.prod, learned)) == 32_584_518


def test_the_steps_before_and_after_the_network_are_the_authors(model):
    photo = probe_photo("protocol", 1500, 2100)
    prepared = model.predictor.prepare(photo)
    assert prepared.shape == (3, 384, 384) and prepared.dtype == torch.float32
    np.testing.assert_allclose(prepared[:, ::16, ::16], ANSWERS["input"], rtol=0, atol=1e-6)
    saved = model.predictor.restore(probe_logits("bsanet", 384, 384)[0, 0], photo.shape[:2])
    assert saved.dtype == np.uint8 and saved.shape == photo.shape[:2]
    assert np.array_equal(saved[::12, ::12], ANSWERS["saved"])
    assert hashlib.sha256(saved.tobytes()).hexdigest() == str(ANSWERS["saved_sha256"])


def test_a_photo_becomes_a_map_of_its_size(model, monkeypatch):
    monkeypatch.setattr(model.predictor, "size", (64, 64))
    mask = model.predict(probe_photo("small", 90, 70))
    assert (mask.shape, mask.dtype, mask.min(), mask.max()) == ((90, 70), np.uint8, 0, 255)
    assert model.title == "BSA-Net (final_35.pth)"


def test_another_network_is_refused(tmp_path):
    state = checkpoint({"linearr1.weight": [1, 64, 3, 3], "agg.conv5.bias": [1], "head.bias": [1]}, gain=1.0)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth: not the weights of this BSANet; .* tensors differ: RME1"):
        load_model("bsanet", str(tmp_path / "other.pth"), "cpu")
