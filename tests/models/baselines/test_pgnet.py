"""PGNet against the answers of its authors' own code, in tests/goldens/pgnet."""

import hashlib

import numpy as np
import pytest
import torch
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo, read_keys
from torch.nn import functional

from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.models._parts.swin import drop_buffers
from disbench.models.pgnet.network import PGNet
from disbench.registry.loading import get_card

ANSWERS = np.load(GOLDENS / "pgnet" / "answers.npz")
KEYS = read_keys(GOLDENS / "pgnet" / "pgnet.json.gz")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A file as the authors' trainer saves it, with the tables that follow from the size."""
    path = tmp_path_factory.mktemp("pgnet") / "model-32"
    tables = {name: torch.zeros(shape) for name, shape in KEYS.items() if name not in drop_buffers(KEYS)}
    state = checkpoint(drop_buffers(KEYS), gain=1.0) | tables
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, path)
    return path


@pytest.fixture(scope="module")
def model(theirs):
    return load_model("pgnet", str(theirs), "cpu")


def test_network(model):
    batch = probe_image("pgnet", 256, 320)
    with torch.inference_mode():
        logits, local, overall, attention = model.predictor.net(batch)
    assert logits.shape == (1, 1, 64, 80)
    got = {
        "mask": functional.interpolate(logits, batch.shape[-2:], mode="bilinear")[0, 0, ::2, ::2],
        "own": local[0, 0],
        "other": overall[0, 0],
        "attention": attention[0, 0, ::8, ::8],
    }
    for name, answer in got.items():
        expected = ANSWERS[name]
        assert np.abs(answer.numpy() - expected).max() <= 5e-5 * np.abs(expected).max(), name


def test_the_steps_before_and_after_the_network_are_the_authors(model):
    photo = probe_photo("protocol", 1500, 2100)
    prepared = model.predictor.prepare(photo)
    assert prepared.shape == (3, 1024, 1024) and prepared.dtype == torch.float32
    np.testing.assert_allclose(prepared[:, ::16, ::16], ANSWERS["input"], rtol=0, atol=1e-6)
    saved = model.predictor.restore(probe_logits("pgnet", 256, 256)[0, 0], photo.shape[:2])
    assert saved.dtype == np.uint8 and saved.shape == photo.shape[:2]
    assert np.array_equal(saved[::12, ::12], ANSWERS["saved"])
    assert hashlib.sha256(saved.tobytes()).hexdigest() == str(ANSWERS["saved_sha256"])


def test_keys_shapes_and_their_count_are_the_authors():
    with torch.device("meta"):
        net = PGNet()
    assert {name: list(tensor.shape) for name, tensor in net.state_dict().items()} == drop_buffers(KEYS)
    assert get_card("pgnet").parameters == sum(p.numel() for p in net.parameters())


def test_another_network_is_refused(theirs, tmp_path):
    state = torch.load(theirs)
    del state["module.decoder.GF.k.weight"]
    state["module.linear1.weight"] = state["module.linear1.weight"][:, :3]
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth: .*2 tensors differ: decoder\.GF\.k\.weight is missing, linear1"):
        load_model("pgnet", str(tmp_path / "other.pth"), "cpu")
