"""MVANet against the answers of its authors' own code, in tests/goldens/mvanet."""

import hashlib

import numpy as np
import pytest
import torch
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo, read_keys

from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.models._parts.swin import drop_buffers
from disbench.models.mvanet.network import MVANet, rename_layers
from disbench.models.mvanet.predictor import PASSES
from disbench.registry.loading import get_card

torch.set_num_threads(1)  # as the goldens: resizing rounds otherwise where threads meet
ANSWERS = np.load(GOLDENS / "mvanet" / "answers.npz")
KEYS = read_keys(GOLDENS / "mvanet" / "keys.json.gz")  # of what they train; and of it what predicts
PHOTO = probe_photo("protocol", 1500, 2100)


@pytest.fixture(scope="module")
def released():
    """What Model_80.pth would hold."""
    return checkpoint(KEYS["trained"], gain=1.0)


@pytest.fixture(scope="module")
def theirs(released, tmp_path_factory):
    path = tmp_path_factory.mktemp("mvanet") / "Model_80.pth"
    torch.save(released, path)
    return str(path)


@pytest.fixture(scope="module")
def model(theirs):
    return load_model("mvanet", theirs, "cpu")


@pytest.mark.parametrize(
    ("name", "probe"),
    [
        ("square", ("mvanet", 256, 256)),
        pytest.param("oblong", ("mvanet_rect", 384, 640), marks=[pytest.mark.ci, pytest.mark.slow]),
    ],
)
@torch.inference_mode()
def test_the_network_answers_as_the_authors(model, name, probe):
    """Within 1e-4 of the largest: summing in another order moves it by 4e-6, other weights by 0.3."""
    expected = ANSWERS[name]
    logits = model.predictor.net(probe_image(*probe))[0, 0, ::4, ::4].numpy()
    assert np.abs(logits - expected).max() <= 1e-4 * np.abs(expected).max()


@torch.inference_mode()
def test_a_batch_is_answered_as_each_of_it(model):
    batch = torch.cat([probe_image(name, 128, 128) for name in ("a", "b")])
    alone = torch.cat([model.predictor.net(image[None]) for image in batch])
    torch.testing.assert_close(model.predictor.net(batch), alone, rtol=1e-4, atol=1e-5)


def test_keys_and_shapes_are_the_authors():
    with torch.device("meta"):
        net = MVANet()
    keys = drop_buffers({name: KEYS["trained"][name] for name in KEYS["kept"]})
    assert {name: list(tensor.shape) for name, tensor in net.state_dict().items()} == keys
    assert sum(p.numel() for p in net.parameters()) == get_card("mvanet").parameters


EARLIER = {"multifieldcrossatt.linear5": "linear1", "multifieldcrossatt.linear6": "linear2"}
EARLIER_REFINEMENT = {f"dec_blk{level}.linear{i}": f"linear{i - 2}" for level in range(1, 5) for i in (3, 4)}


@pytest.mark.parametrize("earlier", [EARLIER, EARLIER | EARLIER_REFINEMENT])
def test_earlier_generations_of_names_are_the_same_network(released, earlier):
    state = {}
    for name, tensor in released.items():
        layer, _, last = name.rpartition(".")
        state[f"{layer.rpartition('.')[0]}.{earlier[layer]}.{last}" if layer in earlier else name] = tensor
    assert state.keys() != released.keys()
    renamed = rename_layers(state)
    assert renamed.keys() == set(KEYS["kept"])
    assert all(tensor is released[name] for name, tensor in renamed.items())


# -- Before and after the network


def test_the_network_is_fed_what_the_authors_feed(model):
    prepared = model.predictor.prepare(PHOTO)
    assert prepared.shape == (3, 1024, 1024) and prepared.dtype == torch.float32
    assert np.abs(prepared[:, ::16, ::16].numpy() - ANSWERS["input"]).max() <= 1e-6


def test_the_saved_map_is_that_of_the_authors(model, monkeypatch):
    net = lambda x: probe_logits("mvanet", *x.shape[-2:]) + x.mean(1, keepdim=True)  # noqa: E731
    monkeypatch.setattr(model.predictor, "net", net)
    answer = model.predictor.infer(model.predictor.prepare(PHOTO)[None])[0]
    saved = model.predictor.restore(answer, PHOTO.shape[:2])
    assert saved.dtype == np.uint8 and saved.shape == PHOTO.shape[:2]
    assert np.array_equal(saved[::12, ::12], ANSWERS["saved"])
    assert hashlib.sha256(saved.tobytes()).hexdigest() == str(ANSWERS["saved_sha256"])


@pytest.mark.parametrize(
    ("passes", "sizes"), [("2025", [96, 128, 144] * 2), ("2024", [96, 128, 160] * 2), ("one", [128])]
)
def test_passes(model, monkeypatch, passes, sizes):
    called = []
    monkeypatch.setattr(model.predictor, "net", lambda x: called.append(x.shape[-1]) or x[:, :1] * 0)
    monkeypatch.setattr(model.predictor, "passes", PASSES[passes])
    assert model.predictor.infer(torch.zeros(2, 3, 128, 128)).shape == (2, 128, 128)
    assert called == sizes


def test_other_passes_are_another_model(theirs, model):
    other = load_model("mvanet", theirs, "cpu", passes="2024")
    assert (model.title, other.title) == ("MVANet (Model_80.pth)", "MVANet (Model_80.pth), passes 2024")
    assert other.predictor.passes == PASSES["2024"]
    assert other.identity != model.identity


def test_what_is_not_there_is_refused(released, theirs, tmp_path):
    with pytest.raises(InputError, match="passes=two: must be one of 2025, 2024, one"):
        load_model("mvanet", theirs, "cpu", passes="two")
    state = released | {"shallow.0.weight": released["shallow.0.weight"][:, :1]}
    torch.save({name: tensor for name, tensor in state.items() if name != "conv4.1.bias"}, tmp_path / "other.pth")
    why = r"2 tensors differ: conv4\.1\.bias is missing, shallow\.0\.weight is \(128, 1, 3, 3\) instead"
    with pytest.raises(InputError, match=rf"other\.pth: not the weights of this MVANet; {why}"):
        load_model("mvanet", str(tmp_path / "other.pth"), "cpu")
