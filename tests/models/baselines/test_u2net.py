"""U2-Net and U2-NetP against the answers of their authors' own code and of rembg's, in tests/goldens/u2net."""

import hashlib

import numpy as np
import pytest
import torch
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo, read_keys
from safetensors.torch import save_file

import disbench
from disbench.errors import InputError
from disbench.models._parts.weights import load_module
from disbench.models.u2net.network import U2Net
from disbench.models.u2net.train import Training
from disbench.registry import loading

torch.set_num_threads(1)
ANSWERS = np.load(GOLDENS / "u2net" / "answers.npz")
KEYS = {variant: read_keys(GOLDENS / "u2net" / f"u2net{variant.lower()}.json.gz") for variant in ("", "P")}
PHOTOS = {"": probe_photo("protocol", 1500, 2100), "_small": probe_photo("protocol_small", 300, 233)}
DECIDING = "stage1.rebnconv1.conv_s1.weight"  # its shape says which network a file is of
STEPS = ("authors", "smoothed", "rembg")


@pytest.fixture(scope="module")
def released():
    """What u2netp.pth holds: saved by PyTorch 0.4, whose norms have no counters."""
    state = checkpoint(KEYS["P"], gain=1.1)
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


@pytest.fixture(scope="module")
def file(released, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "u2netp.pth"
    torch.save(released, path)
    return path


@pytest.fixture(scope="module")
def models(file):
    return {steps: disbench.load("u2net", str(file), "cpu", steps=steps) for steps in STEPS}


@pytest.mark.parametrize(
    ("name", "variant", "probe"),
    [
        ("u2net", "", ("u2net", 64, 96)),
        ("u2netp", "P", ("u2netp", 128, 160)),
        ("odd", "P", ("u2netp_odd", 87, 117)),
    ],
)
@torch.inference_mode()
def test_the_network_answers_as_the_authors(name, variant, probe, tmp_path):
    """Within 2e-5: summing in another order moves it by a fifth of it, other weights of a deep block by eight times."""
    state = checkpoint(KEYS[variant], gain=1.1)
    maps = load_module(lambda: U2Net(variant), state, tmp_path)(probe_image(*probe))
    assert len(maps) == 7
    for i, x in enumerate(maps):
        expected = ANSWERS[f"{name}_map{i}"]
        assert np.abs(x[0, 0, ::4, ::4].numpy() - expected).max() <= 2e-5 * expected.max()


@pytest.mark.parametrize("variant", KEYS)
def test_keys_and_shapes_are_the_authors(variant):
    with torch.device("meta"):
        state = U2Net(variant).state_dict()
    assert {name: list(tensor.shape) for name, tensor in state.items()} == KEYS[variant]


def test_the_card_counts_its_parameters():
    with torch.device("meta"):
        assert loading.get_card("U2-Net").parameters == sum(x.numel() for x in U2Net().parameters())


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("photo", PHOTOS)
def test_the_network_is_fed_what_each_program_feeds(models, steps, photo):
    prepared = models[steps].predictor.prepare(PHOTOS[photo])
    assert prepared.shape == (3, 320, 320)
    assert np.abs(prepared[:, ::16, ::16].numpy() - ANSWERS[f"{steps}{photo}_input"]).max() <= 1e-6


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("photo", PHOTOS)
def test_the_saved_map_is_that_of_each_program(models, steps, photo):
    answer = probe_logits("u2net", 320, 320).sigmoid()[0, 0]
    saved = models[steps].predictor.restore(answer, PHOTOS[photo].shape[:2])
    assert np.array_equal(saved[::12, ::12], ANSWERS[f"{steps}{photo}_saved"])
    assert hashlib.sha256(saved.tobytes()).hexdigest() == str(ANSWERS[f"{steps}{photo}_sha256"])


@pytest.mark.parametrize("steps", STEPS)
def test_a_black_image_and_a_constant_answer_have_values(models, steps):
    predictor = models[steps].predictor
    black = predictor.prepare(np.zeros((5, 7, 3), np.uint8))
    assert torch.allclose(black[:, 0, 0], torch.tensor([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225]))
    assert not predictor.restore(torch.full((4, 4), 0.7), (6, 5)).any()


def test_a_photo_becomes_a_map_of_its_size(models, monkeypatch):
    model = models["authors"]
    monkeypatch.setattr(model.predictor, "size", (64, 64))
    mask = model.predict(PHOTOS[""][:90, :70])
    assert (mask.shape, mask.dtype) == ((90, 70), np.uint8)
    assert model.title == "U2-NetP (u2netp.pth)"
    assert models["rembg"].title == "U2-NetP (u2netp.pth), steps rembg"


def test_steps_are_in_the_identity(models):
    identities = [model.identity for model in models.values()]
    assert len({identity["weights"] for identity in identities}) == 1
    assert [identity["steps"] for identity in identities] == list(STEPS)


def test_unknown_steps_are_named():
    with pytest.raises(InputError, match=r"unknown steps 'rembgg'; did you mean rembg\?"):
        disbench.load("u2net", "untrained", "cpu", steps="rembgg")


def test_a_file_with_counters_is_the_same_network(released, tmp_path, models):
    save_file(checkpoint(KEYS["P"], gain=1.1), tmp_path / "a.safetensors")
    assert disbench.load("u2net", str(tmp_path / "a.safetensors"), "cpu").identity == models["authors"].identity


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda state: state.pop("outconv.bias"), "1 tensors differ: outconv.bias is missing"),
        (lambda state: state.update({"conv_in.bias": torch.zeros(1)}), "1 tensors differ: conv_in.bias is unknown"),
        (lambda state: state.update({DECIDING: torch.zeros(())}), r"tensors differ: .*instead of"),
    ],
)
def test_another_networks_file_is_refused(released, tmp_path, change, why):
    state = dict(released)
    change(state)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(InputError, match=rf"other\.pth: not the weights of this U2Net; .*{why}"):
        disbench.load("u2net", str(tmp_path / "other.pth"))


def test_training_starts_from_the_authors_file(released, tmp_path):
    training = Training()
    state = training.learned(released)
    training.choose(state)
    net = load_module(lambda: training.network("u2net", 64), state, tmp_path)
    assert torch.equal(net.outconv.weight, released["outconv.weight"])
