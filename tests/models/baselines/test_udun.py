"""UDUN against outputs of its authors' network (commit c1f83d7), with weights of tests/helpers/filled_weights.py.

No script makes tests/goldens/udun, since it would depend on code without a licence.
"""

import hashlib

import numpy as np
import pytest
import torch
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo, read_keys

from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.models.udun.network import UDUN
from disbench.registry.loading import get_card

ANSWERS = np.load(GOLDENS / "udun" / "answers.npz")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A file as the authors save theirs."""
    path = tmp_path_factory.mktemp("udun") / "udun-R50.pth"
    torch.save(checkpoint(read_keys(GOLDENS / "udun" / "r50.json.gz"), gain=1.0), path)
    return path


@pytest.fixture(scope="module")
def model(theirs):
    return load_model("udun", str(theirs), "cpu")


def test_network(model):
    with torch.inference_mode():
        trunk, structure, mask = model.predictor.net(probe_image("udun", 1024, 1024))
    got = {
        "trunk": trunk[0, 0, ::2, ::2],
        "structure": structure[0, 0, ::16, ::16],
        "mask": mask[0, 0, ::8, ::8],
        "crop": mask[0, 0, 448:576, 448:576],
    }
    for name, answer in got.items():
        expected = ANSWERS[name]
        assert np.abs(answer.numpy() - expected).max() <= 1e-4 * np.abs(expected).max(), name


def test_the_steps_before_and_after_the_network_are_the_authors(model):
    photo = probe_photo("protocol", 1500, 2100)
    prepared = model.predictor.prepare(photo)
    assert prepared.shape == (3, 1024, 1024) and prepared.dtype == torch.float32
    np.testing.assert_allclose(prepared[:, ::16, ::16], ANSWERS["input"], rtol=0, atol=1e-6)
    saved = model.predictor.restore(probe_logits("udun", 1024, 1024)[0, 0], photo.shape[:2])
    assert saved.dtype == np.uint8 and saved.shape == photo.shape[:2]
    assert np.array_equal(saved[::12, ::12], ANSWERS["saved"])
    assert hashlib.sha256(saved.tobytes()).hexdigest() == str(ANSWERS["saved_sha256"])


def test_card_names_the_parameters_of_the_network():
    with torch.device("meta"):
        counts = {depth: sum(p.numel() for p in UDUN(depth).parameters()) for depth in (18, 34, 50)}
    assert counts[50] == get_card("udun").parameters
    assert counts[18] < counts[34] < counts[50]


@pytest.mark.parametrize("depth", [18, 34])
def test_a_smaller_backbone_is_detected_from_its_file(depth, tmp_path):
    net = UDUN(depth).eval()
    path = tmp_path / "smaller.pth"
    torch.save({f"module.{name}": tensor for name, tensor in net.state_dict().items()}, path)
    predictor = load_model("udun", str(path), "cpu").predictor
    assert f"R{depth}" in predictor.title
    batch = probe_image("udun", 128, 256)
    with torch.inference_mode():
        assert torch.equal(predictor.infer(batch), net.to(memory_format=torch.channels_last)(batch)[2][:, 0])


def test_another_network_is_refused(theirs, tmp_path):
    state = torch.load(theirs)
    del state["dcm.convLR3.weight"]
    state["linear_t.weight"] = state["linear_t.weight"][:, :3]
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth: .*2 tensors differ: dcm\.convLR3\.weight is missing, linear_t"):
        load_model("udun", str(tmp_path / "other.pth"), "cpu")
