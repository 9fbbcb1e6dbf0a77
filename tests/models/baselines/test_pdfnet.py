"""PDFNet against the answers of its authors' own code, in tests/goldens/pdfnet."""

import hashlib

import numpy as np
import pytest
import torch
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo, read_keys, scaled

from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.models._parts.swin import SIZES
from disbench.models.pdfnet import predictor
from disbench.models.pdfnet.fusion import Fusion
from disbench.models.pdfnet.network import PDFNet, drop_training
from disbench.registry.loading import get_card

torch.set_num_threads(1)  # as the goldens: resizing rounds otherwise where threads meet
ANSWERS = np.load(GOLDENS / "pdfnet" / "answers.npz")
KEYS = read_keys(GOLDENS / "pdfnet" / "keys.json.gz")
POSITIONS = {"encoder.absolute_pos_embed": 300.0}
SCALES = POSITIONS | {f"decoder.Bside.{level}.weight": 15.0 for level in range(1, 6)}
# As in the released file: only training uses it, and the class at its commit has another shape.
SURPLUS = {"depth_decoder.Decoder.0.0.0.weight": torch.zeros(256, 256, 3, 3)}
PHOTOS = {"": probe_photo("protocol", 1500, 2100), "_small": probe_photo("protocol_small", 300, 233)}
DEPTHS = {name: probe_photo(f"protocol{name}_depth", *photo.shape[:2])[..., 0] for name, photo in PHOTOS.items()}


@pytest.fixture
def narrow_swin(monkeypatch):
    """A Swin of a quarter of the width, with one block to a stage."""
    monkeypatch.setitem(SIZES, "base", (32, (1, 1, 1, 1), 4))


@pytest.fixture
def light(monkeypatch):
    """PDFNet's steps around a small network."""
    monkeypatch.setattr(predictor.Predictor, "build", staticmethod(lambda: torch.nn.Conv2d(4, 1, 1)))
    return load_model("pdfnet", "untrained", "cpu")


def load_net(folder, keys, scales):
    """Load the network from a file of the form of PDFNet_Best.pth."""
    torch.save(scaled(checkpoint(KEYS[keys], gain=1.0), scales) | SURPLUS, folder / "PDFNet_Best.pth")
    return load_model("pdfnet", str(folder / "PDFNet_Best.pth"), "cpu").predictor.net


def probe_inputs(name, side):
    return torch.cat((probe_image(name, side, side), probe_image(f"{name}_depth", side, side, 1)), 1)


def assert_answers(outputs, name):
    """Within 2e-4 of the largest: summing in another order moves logits by 1.1e-5, other weights by 0.1."""
    expected = ANSWERS[name]
    assert np.abs(outputs.numpy() - expected).max() <= 2e-4 * np.abs(expected).max()


@torch.inference_mode()
def test_the_network_answers_as_the_authors_on_a_narrow_swin_whatever_else_is_in_the_batch(tmp_path, narrow_swin):
    """The authors' code stretches depth over the whole batch; where depth is constant, it answers NaN."""
    net = load_net(tmp_path, "narrow", SCALES)
    image = probe_inputs("pdfnet", 256)
    flat = torch.cat((image[:, :3], torch.full((1, 1, 256, 256), 0.5)), 1)
    brighter = torch.cat((image[:, :3], image[:, 3:] * 2 + 7), 1)
    answers = net(torch.cat((flat, brighter)))
    assert_answers(answers[1, 0, ::4, ::4], "narrow")
    assert answers[0].isfinite().all() and (answers[0] - answers[1]).abs().max() > 0.01


@torch.inference_mode()
def test_a_fusion_answers_as_the_authors_where_an_eighth_of_a_side_is_odd():
    fusion = Fusion(2)
    fusion.load_state_dict(checkpoint({name: list(x.shape) for name, x in fusion.state_dict().items()}, gain=1.0))
    names = {"fusion_image": 24, "fusion_depth": 24, "fusion_tiles": 48}
    maps = [probe_image(name, side, side, 256) for name, side in names.items()]
    for name, output in zip(names, fusion(*maps, probe_logits("fusion_last", 24, 24)), strict=True):
        assert_answers(output[0, ::16], name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "probe", "step", "scales"),
    [("square", ("pdfnet", 512), 4, SCALES), ("odd", ("pdfnet_odd", 768), 6, POSITIONS)],
)
@torch.inference_mode()
def test_the_network_answers_as_the_authors(tmp_path, name, probe, step, scales):
    net = load_net(tmp_path, "full", scales)
    assert_answers(net(probe_inputs(*probe))[0, 0, ::step, ::step], name)


def test_keys_and_shapes_are_the_authors():
    with torch.device("meta"):
        net = PDFNet()
    assert {name: list(tensor.shape) for name, tensor in net.state_dict().items()} == drop_training(KEYS["full"])
    assert len(KEYS["full"]) == 561
    assert sum(p.numel() for p in net.parameters()) == get_card("pdfnet").parameters


# -- Before and after the network


@pytest.mark.parametrize("photo", PHOTOS)
def test_the_network_is_fed_as_by_the_authors(light, photo):
    prepared = light.predictor.prepare(PHOTOS[photo], depth=DEPTHS[photo])
    assert prepared.shape == (4, 1024, 1024) and prepared.dtype == torch.float32
    assert np.abs(prepared[:3, ::16, ::16].numpy() - ANSWERS[f"input{photo}"]).max() <= 1e-6
    assert np.array_equal(prepared[3, ::16, ::16].numpy(), ANSWERS[f"depth{photo}"])


@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("passes", ["six", "one"])
def test_the_saved_map_is_that_of_the_authors(light, monkeypatch, photo, passes):
    net = lambda x: probe_logits("pdfnet", *x.shape[-2:]) + x[:, :3].mean(1, keepdim=True) + x[:, 3:]  # noqa: E731
    monkeypatch.setattr(light.predictor, "net", net)
    monkeypatch.setattr(light.predictor, "passes", predictor.PASSES[passes])
    prepared = light.predictor.prepare(PHOTOS[photo], depth=DEPTHS[photo])
    saved = light.predictor.restore(light.predictor.infer(prepared[None])[0], PHOTOS[photo].shape[:2])
    assert saved.dtype == np.uint8 and saved.shape == PHOTOS[photo].shape[:2]
    assert np.array_equal(saved[::12, ::12], ANSWERS[f"{passes}{photo}"])
    assert hashlib.sha256(saved.tobytes()).hexdigest() == str(ANSWERS[f"{passes}{photo}_sha256"])


def test_a_photo_with_its_depth_becomes_a_map_of_its_size(light):
    black = np.zeros((300, 233), np.uint8)
    masks = [light.predict(PHOTOS["_small"], depth=depth) for depth in (DEPTHS["_small"], black)]
    assert all(mask.shape == (300, 233) and mask.dtype == np.uint8 for mask in masks)
    assert not np.array_equal(*masks)
    with pytest.raises(InputError, match=r"PDFNet .*needs depth for each image"):
        light.predict(PHOTOS["_small"])


def test_passes_are_an_option_and_another_model(light):
    assert light.title == "PDFNet (untrained)" and light.predictor.passes == predictor.PASSES["six"]
    for options in ({"passes": "one"}, {"size": "512"}):
        other = load_model("pdfnet", "untrained", "cpu", **options)
        assert other.predictor.passes == [(False, 1)] and other.identity != light.identity
        assert other.title.endswith(", passes one")


def test_options_that_do_not_fit_are_refused(light):
    with pytest.raises(InputError, match="passes=two: must be one of six, one"):
        load_model("pdfnet", "untrained", "cpu", passes="two")
    with pytest.raises(InputError, match="--option size=384: must be pixels per side, a multiple of 256"):
        load_model("pdfnet", "untrained", "cpu", size="384")
    with pytest.raises(InputError, match="size=512: not with passes=six, whose scaled sizes must be multiples of 256"):
        load_model("pdfnet", "untrained", "cpu", size="512", passes="six")


def test_files_of_other_networks_are_refused(tmp_path, narrow_swin):
    state = checkpoint(KEYS["narrow"], gain=1.0)
    del state["decoder.Bside.1.bias"]
    torch.save(state | {"Glob.0.1.weight": torch.ones(64)}, tmp_path / "other.pth")
    faults = r"2 tensors differ: Glob\.0\.1\.weight is \(64,\) instead of \(128,\), decoder\.Bside\.1\.bias is missing"
    with pytest.raises(InputError, match=rf"other\.pth: not the weights of this PDFNet; {faults}"):
        load_model("pdfnet", str(tmp_path / "other.pth"), "cpu")
    keys = read_keys(GOLDENS / "mvanet" / "keys.json.gz")["trained"]
    torch.save({name: torch.zeros(shape) for name, shape in keys.items() if "conv1." in name}, tmp_path / "mvanet.pth")
    with pytest.raises(InputError, match=r"mvanet\.pth: not the weights of this PDFNet; .*none of its names fits"):
        load_model("pdfnet", str(tmp_path / "mvanet.pth"), "cpu")
