"""IS-Net against the answers of its authors' own code, in tests/goldens/isnet."""

import hashlib

import numpy as np
import pytest
import torch
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo, read_keys
from safetensors.torch import save_file

import disbench
from disbench.errors import InputError
from disbench.models._parts.weights import load_module
from disbench.models.isnet.network import ISNet, TruthEncoder
from disbench.registry import loading

torch.set_num_threads(1)
ANSWERS = np.load(GOLDENS / "isnet" / "answers.npz")
PHOTO = probe_photo("protocol", 1500, 2100)


@pytest.fixture(scope="module")
def released():
    """What isnet.pth would hold."""
    return checkpoint(read_keys(GOLDENS / "isnet" / "isnet.json.gz"), gain=1.2)


@pytest.fixture(scope="module")
def file(released, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "isnet.pth"
    torch.save(released, path)
    return path


@pytest.fixture(scope="module")
def net(released, file):
    return load_module(ISNet, released, file)


@pytest.fixture(scope="module")
def model(file):
    return disbench.load("isnet", str(file), "cpu")


def assert_answers(name, maps, features):
    """Within 1e-4 of the largest: summing in another order moves it by a tenth of it, other weights by seven times."""
    for i, x in enumerate(maps):
        expected = ANSWERS[f"{name}_map{i}"]
        assert np.abs(x[0, 0, ::8, ::8].numpy() - expected).max() <= 1e-4 * expected.max()
    for i, x in enumerate(features):
        expected = ANSWERS[f"{name}_feature{i}"]
        answer = x.flatten()[:: x.numel() // 512].numpy()
        assert np.abs(answer - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize(("name", "probe"), [("isnet", ("isnet", 256, 320)), ("odd", ("isnet_odd", 175, 233))])
@torch.inference_mode()
def test_the_network_answers_as_the_authors(net, name, probe):
    assert_answers(name, *net(probe_image(*probe)))


@torch.inference_mode()
def test_the_encoder_of_truths_answers_as_the_authors(tmp_path):
    state = checkpoint(read_keys(GOLDENS / "isnet" / "truth.json.gz"), gain=1.0)
    assert_answers("truth", *load_module(TruthEncoder, state, tmp_path)(probe_image("isnet_gt", 256, 256, 1)))


@pytest.mark.parametrize(("make", "file"), [(ISNet, "isnet"), (TruthEncoder, "truth")])
def test_keys_and_shapes_are_the_authors(make, file):
    with torch.device("meta"):
        state = make().state_dict()
    assert {name: list(tensor.shape) for name, tensor in state.items()} == read_keys(
        GOLDENS / "isnet" / f"{file}.json.gz"
    )


def test_the_card_counts_its_parameters():
    with torch.device("meta"):
        assert loading.get_card("IS-Net").parameters == sum(x.numel() for x in ISNet().parameters())


def test_the_network_is_fed_what_the_authors_feed(model):
    prepared = model.predictor.prepare(PHOTO)
    assert prepared.shape == (3, 1024, 1024)
    assert np.abs(prepared[:, ::16, ::16].numpy() - ANSWERS["input"]).max() <= 1e-6


def test_the_saved_map_is_that_of_the_authors(model):
    answer = probe_logits("isnet", 1024, 1024).sigmoid()[0, 0]
    saved = model.predictor.restore(answer, PHOTO.shape[:2])
    assert np.array_equal(saved[::12, ::12], ANSWERS["saved"])
    assert hashlib.sha256(saved.tobytes()).hexdigest() == str(ANSWERS["saved_sha256"])


def test_a_constant_answer_is_nothing_found(model):
    assert not model.predictor.restore(torch.full((4, 4), 0.7), (6, 5)).any()


def test_a_photo_becomes_a_map_of_its_size(model, monkeypatch):
    monkeypatch.setattr(model.predictor, "size", (128, 128))
    mask = model.predict(PHOTO[:90, :70])
    assert (mask.shape, mask.dtype, mask.min(), mask.max()) == ((90, 70), np.uint8, 0, 255)
    assert model.title == "IS-Net (isnet.pth)"


# -- Files


def distributed(state, folder):
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, folder / "a.pth")
    return folder / "a.pth"


def compiled(state, folder):
    save_file({f"_orig_mod.module.{name}": tensor for name, tensor in state.items()}, folder / "a.safetensors")
    return folder / "a.safetensors"


def nested(state, folder):
    torch.save({"state_dict": state, "epoch": 3}, folder / "a.pth")
    return folder / "a.pth"


@pytest.mark.parametrize("form", [distributed, compiled, nested])
def test_one_network_in_every_form_of_file(form, released, tmp_path, model):
    assert disbench.load("isnet", str(form(released, tmp_path)), "cpu").identity == model.identity


def test_another_networks_file_is_refused(tmp_path):
    save_file({"encoder.weight": torch.zeros(1), "side1.bias": torch.zeros(2)}, tmp_path / "other.safetensors")
    why = r"not the weights of this ISNet; 799 tensors differ: conv_in.bias is missing, .*encoder.weight is unknown"
    with pytest.raises(InputError, match=rf"other\.safetensors: {why}"):
        disbench.load("isnet", str(tmp_path / "other.safetensors"))


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"is a folder; give a single weights file"):
        disbench.load("isnet", str(tmp_path))


def test_without_weights_it_says_where_they_are():
    with pytest.raises(InputError, match=r"IS-Net needs --weights: get isnet\.pth by hand from https://drive\.google"):
        disbench.load("isnet")


def test_untrained_is_the_same_every_time():
    torch.manual_seed(5)
    first = disbench.load("isnet", "untrained", "cpu")
    assert first.identity == disbench.load("isnet", "untrained", "cpu").identity
    assert first.title == "IS-Net (untrained)"
