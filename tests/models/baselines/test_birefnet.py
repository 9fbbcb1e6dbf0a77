"""BiRefNet against the answers of its authors' own code, in tests/goldens/birefnet."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo, read_keys
from PIL import Image
from safetensors.torch import save_file

from disbench.errors import InputError
from disbench.inference import model as inference_model
from disbench.inference.model import load_model
from disbench.models._parts.network import Weights
from disbench.models._parts.swin import drop_buffers
from disbench.models._parts.weights import load_module
from disbench.models.birefnet import predictor
from disbench.models.birefnet.network import BiRefNet, cut_patches
from disbench.models.birefnet.train import Training
from disbench.registry.loading import get_card

ANSWERS = np.load(GOLDENS / "birefnet" / "answers.npz")
DEMO = np.load(GOLDENS / "birefnet" / "demo.npz")
PHOTO = probe_photo("protocol", 1500, 2100)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A file as the authors save theirs, of BiRefNet_lite's shape."""
    path = tmp_path_factory.mktemp("birefnet") / "lite.pth"
    state = checkpoint(read_keys(GOLDENS / "birefnet" / "tiny.json.gz"), gain=1.42)
    torch.save({f"_orig_mod.{name}": tensor for name, tensor in state.items()}, path)
    return path


@pytest.fixture(scope="module")
def model(tiny):
    return load_model("birefnet", str(tiny), "cpu")


def assert_answers(logits, name):
    """Within 1e-3 of the largest: summing in another order moves it by 4e-5, other weights by 8e-3."""
    expected = ANSWERS[name]
    assert np.abs(logits[0, 0, ::2, ::2].numpy() - expected).max() <= 1e-3 * np.abs(expected).max()


@torch.inference_mode()
def test_the_network_answers_as_the_authors(tmp_path):
    state = checkpoint(read_keys(GOLDENS / "birefnet" / "large.json.gz"), gain=1.55)
    net = load_module(lambda: BiRefNet(patches="current"), drop_buffers(state), tmp_path)
    assert sum(p.numel() for p in net.parameters()) == get_card("birefnet").parameters
    assert_answers(net(probe_image("birefnet", 256, 320)), "large")


@pytest.mark.parametrize(("patches", "answer"), [("current", "tiny"), ("legacy", "legacy")])
@torch.inference_mode()
def test_the_lite_network_answers_as_the_authors_before_and_since_patches_changed(tiny, patches, answer):
    model = load_model("birefnet", str(tiny), "cpu", patches=patches)
    assert_answers(model.predictor.net(probe_image("birefnet_lite", 256, 320)), answer)
    assert model.title == f"BiRefNet-lite (lite.pth), {patches} patches"


def test_patches_lie_in_channels_as_asked():
    image = torch.arange(2 * 4 * 6.0).view(1, 2, 4, 6)  # two colours; 2 x 2 patches of 2 x 3
    corners = [cut_patches(image, torch.zeros(2, 3), order)[0, :, 0, 0].tolist() for order in ("current", "legacy")]
    assert corners == [[0, 3, 12, 15, 24, 27, 36, 39], [0, 24, 12, 36, 3, 27, 15, 39]]


@pytest.mark.parametrize("size", ["large", "tiny"])
def test_keys_and_shapes_are_the_authors(size):
    with torch.device("meta"):
        state = BiRefNet(size).state_dict()
    keys = drop_buffers(read_keys(GOLDENS / "birefnet" / f"{size}.json.gz"))
    assert {name: list(tensor.shape) for name, tensor in state.items()} == keys


def test_the_network_is_fed_what_the_authors_feed(model):
    prepared = model.predictor.prepare(PHOTO)
    assert prepared.shape == (3, 1024, 1024) and prepared.dtype == torch.float32
    assert np.abs(prepared[:, ::16, ::16].numpy() - ANSWERS["input"]).max() <= 1e-6


def test_the_saved_map_is_that_of_the_authors(model, monkeypatch):
    monkeypatch.setattr(model.predictor, "net", lambda batch: probe_logits("birefnet", 1024, 1024))
    saved = model.predictor.restore(model.predictor.infer(torch.zeros(1))[0], PHOTO.shape[:2])
    assert saved.dtype == np.uint8 and saved.shape == PHOTO.shape[:2]
    assert np.array_equal(saved[::12, ::12], ANSWERS["saved"])
    assert hashlib.sha256(saved.tobytes()).hexdigest() == str(ANSWERS["saved_sha256"])


@pytest.fixture
def load(monkeypatch):
    """Load BiRefNet around a small network, whose steps before and after are tested."""
    monkeypatch.setattr(predictor, "BiRefNet", lambda *_: torch.nn.Conv2d(3, 1, 1))
    return lambda **options: load_model("birefnet", "untrained", "cpu", **options)


def test_demo_processing_equals_the_steps_of_the_authors_notebook(load, monkeypatch):
    model = load(processing="demo")
    assert model.title == "BiRefNet (untrained), legacy patches, demo processing"
    prepared = model.predictor.prepare(PHOTO)
    assert np.abs(prepared[:, ::16, ::16].numpy() - DEMO["input"]).max() <= 1e-6
    monkeypatch.setattr(model.predictor, "net", lambda batch: probe_logits("birefnet_demo", 1024, 1024))
    saved = model.predictor.restore(model.predictor.infer(torch.zeros(1))[0], PHOTO.shape[:2])
    assert saved.dtype == np.uint8 and saved.shape == PHOTO.shape[:2]
    assert hashlib.sha256(saved.tobytes()).hexdigest() == str(DEMO["saved_sha256"])


def test_processing_and_shapes_make_another_run_and_the_defaults_do_not(load):
    options = [{}, {"processing": "demo"}, {"size": "native"}, {"size": "2560x1440"}, {"size": "1440x2560"}]
    identities = [load(**each).predictor.identity for each in options]
    assert all(left != right for i, left in enumerate(identities) for right in identities[:i])
    assert set(identities[0]) == {"weights", "patches"}
    assert load(processing="inference").predictor.identity == identities[0]


def test_the_card_names_options_that_exist(load):
    options = {download.name: download.options for download in get_card("birefnet").weights}
    assert options["BiRefNet-DIS-epoch_590.pth"] == {}
    assert options["ZhengPeng7/BiRefNet_HR/model.safetensors"] == {"size": "2048", "patches": "current"}
    for each in options.values():
        load(**each)


@pytest.mark.parametrize("processing", ["inference", "demo"])
def test_a_size_of_two_sides_is_width_by_height(load, processing):
    model = load(size="96x64", processing=processing)
    assert model.title.startswith("BiRefNet (untrained), legacy patches, 96x64 px")
    assert model.predictor.prepare(PHOTO[:50, :70]).shape == (3, 64, 96)
    assert model.predict(PHOTO[:50, :70]).shape == (50, 70)


@pytest.mark.parametrize(
    ("shape", "prepared"), [((64, 96), (64, 96)), ((95, 97), (64, 96)), ((70, 31), (64, 32)), ((1, 64), (32, 64))]
)
def test_native_size_reduces_each_side_to_a_multiple_of_32_as_the_authors(load, shape, prepared):
    """dataset.py of 25cb930 resizes with Pillow's default, bicubic, and only if a side is no multiple."""
    model = load(size="native")
    assert model.title == "BiRefNet (untrained), legacy patches, native size"
    image = np.ascontiguousarray(PHOTO[: shape[0], : shape[1]])
    inputs = model.predictor.prepare(image).permute(1, 2, 0).numpy()
    expected = image if shape == prepared else np.array(Image.fromarray(image).resize(prepared[::-1]))
    expected = (expected / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    assert inputs.shape == (*prepared, 3) and np.abs(inputs - expected).max() < 1e-5
    assert model.predict(image).shape == shape


def test_a_shape_replaces_the_size_of_a_file(load, monkeypatch):
    monkeypatch.setattr(predictor, "open_weights", lambda *_, **__: Weights(Path("own.pth"), None, "64"))
    assert load().title == "BiRefNet (own.pth, 64 px), legacy patches"
    model = load(size="native")
    assert (model.title, model.identity["size"]) == ("BiRefNet (own.pth), legacy patches, native size", "native")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"patches": "new"}, "patches=new: must be one of legacy, current"),
        ({"processing": "rembg"}, "processing=rembg: must be one of inference, demo"),
        ({"size": "2560x1450"}, "--option size=1450: must be pixels per side, a multiple of 32"),
        ({"size": "0x64"}, "--option size=0: must be pixels per side"),
        ({"size": "64x"}, "--option size=64x: must be pixels per side"),
        ({"size": "64x64x3"}, "--option size=64x64x3: must be pixels per side"),
        ({"colour": "1"}, "BiRefNet has no option 'colour'; known: size, state, precision, patches, processing"),
        ({"size": "Native"}, "--option size=Native: must be pixels per side"),
    ],
)
def test_unknown_options_are_refused(load, options, why):
    with pytest.raises(InputError, match=why):
        load(**options)


def test_a_file_without_tables_is_the_same_network_and_the_order_of_patches_another(model, tiny, tmp_path):
    save_file(drop_buffers(torch.load(tiny)), tmp_path / "a.safetensors")
    assert load_model("birefnet", str(tmp_path / "a.safetensors"), "cpu").identity == model.identity
    assert load_model("birefnet", str(tiny), "cpu", patches="current").identity != model.identity


def test_a_photo_becomes_a_map_of_its_size(model, monkeypatch):
    monkeypatch.setattr(model.predictor, "size", (128, 128))
    mask = model.predict(PHOTO[:90, :70])
    assert (mask.shape, mask.dtype) == ((90, 70), np.uint8)


def test_other_weights_are_refused(tmp_path):
    torch.save({"bb.norm0.bias": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth: not the weights of this BiRefNet; .*bb\.layers\.0"):
        load_model("birefnet", str(tmp_path / "other.pth"), "cpu")


def test_weights_get_the_options_of_their_card(tiny, tmp_path, monkeypatch):
    named = tmp_path / "birefnet_finetuned_toonout.pth"
    named.write_bytes(tiny.read_bytes())
    card = get_card("birefnet")
    entry = next(entry for entry in card.weights if "toonout" in entry.name)
    changed = replace(card, weights=(replace(entry, name=named.name, options=dict(patches="current", size="64")),))
    monkeypatch.setattr(inference_model, "get_card", lambda _: changed)
    loaded = load_model("birefnet", str(named), "cpu")
    assert loaded.identity["patches"] == "current" and loaded.predictor.size == (64, 64)
    given = load_model("birefnet", str(named), "cpu", patches="legacy")
    assert given.identity["patches"] == "legacy" and given.predictor.size == (64, 64)


def test_a_training_converts_the_order_of_patches(tiny):
    state = drop_buffers({name.removeprefix("_orig_mod."): x for name, x in torch.load(tiny).items()})
    training = Training()
    training.options = {"patches": "current"}
    image = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 3, 64, 64))).float()
    current, legacy = BiRefNet("tiny", "current").eval(), BiRefNet("tiny").eval()
    current.load_state_dict(state, strict=False)
    legacy.load_state_dict(training.learned(state), strict=False)
    with torch.inference_mode():
        torch.testing.assert_close(legacy(image), current(image), rtol=0, atol=1e-4)
        legacy.load_state_dict(state)
        assert (legacy(image) - current(image)).abs().max() > 1e-2
