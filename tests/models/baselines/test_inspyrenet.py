"""InSPyReNet against the answers of its authors' own code, in tests/goldens/inspyrenet."""

import hashlib
import json
from copy import copy

import cv2
import numpy as np
import pytest
import torch
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo, read_keys, scaled
from torch.nn import functional

from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.models._parts.swin import drop_buffers
from disbench.models._parts.weights import load_module
from disbench.models.inspyrenet.network import InSPyReNet
from disbench.models.inspyrenet.predictor import PRESETS, Preset
from disbench.models.inspyrenet.pyramid import TRANSITIONS, dilate, transition
from disbench.registry.loading import get_card

torch.set_num_threads(1)
ANSWERS = np.load(GOLDENS / "inspyrenet" / "answers.npz")
KEYS = {name: read_keys(GOLDENS / "inspyrenet" / f"{name}.json.gz") for name in ("swin", "res2net")}
BACKBONES = {"swin": "SwinB", "res2net": "Res2Net50"}
SCALES = json.loads((GOLDENS / "inspyrenet" / "scales.json").read_text())
LARGE, SQUARE = probe_image("inspyrenet", 192, 256), probe_image("inspyrenet_small", 96, 96)
PHOTOS = {"wide": (1500, 2100), "tall": (700, 560), "small": (480, 900)}


def released(name):
    """What the authors' latest.pth would hold."""
    return scaled(checkpoint(KEYS[name], gain=1.0), SCALES[name])


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "latest.pth"
    torch.save(released("res2net"), path)
    return str(path)


@pytest.fixture(scope="module")
def models(file):
    """A model of each preset, with the small backbone."""
    return {preset: load_model("inspyrenet", file, "cpu", preset=preset) for preset in PRESETS}


def assert_answers(name, pyramid):
    maps = {f"d{3 - i}": x for i, x in enumerate(pyramid.saliency)}
    maps |= {f"p{2 - i}": x for i, x in enumerate(pyramid.laplacian)}
    for key, x in maps.items():
        assert_close(x, ANSWERS[f"{name}_{key}"], key)


def assert_close(answer, expected, title):
    """Within 1e-4 of the largest: summing in another order moves it by a twentieth of it, other weights by hundreds."""
    step = max(1, *(side // 32 for side in answer.shape[2:]))
    answer = answer[0, 0, ::step, ::step].numpy()
    assert answer.shape == expected.shape, title
    assert np.abs(answer - expected).max() <= 1e-4 * np.abs(expected).max(), title


@torch.inference_mode()
def test_with_swin_it_answers_as_the_authors(tmp_path):
    state = drop_buffers(released("swin"))
    net = load_module(lambda: InSPyReNet("SwinB", 1024), state, tmp_path)
    assert_answers("swin", net(probe_image("inspyrenet", 256, 256)))
    assert get_card("inspyrenet").parameters == sum(x.numel() for x in net.parameters())


@pytest.fixture(scope="module")
def small(models):
    """A predictor as if trained at 96 pixels."""
    predictor = copy(models["DIS5K_LR"].predictor)
    with torch.device("meta"):
        net = InSPyReNet("Res2Net50", 96).eval()
    net.load_state_dict(predictor.net.state_dict(), assign=True)
    predictor.net, predictor.preset = net, Preset(96, blend=True)
    return predictor


@torch.inference_mode()
def test_with_res2net_it_answers_as_the_authors(small):
    assert sum(x.numel() for x in small.net.parameters()) == 28_104_339
    assert_answers("res2net", small.net(probe_image("inspyrenet_long", 64, 576)))
    assert_close(small.infer(SQUARE)[None], ANSWERS["square_pred"], "pred")


def test_two_sizes_are_blended_as_by_the_authors(small):
    below = functional.pad(SQUARE, (0, LARGE.shape[3] - SQUARE.shape[3]))
    blended = small.infer(torch.cat((LARGE, below), 2))[None]
    assert_close(blended, ANSWERS["blended_pred"], "pred")


@pytest.mark.parametrize("diameter", TRANSITIONS)
def test_transitions_are_where_opencv_sees_them(diameter):
    x = 4 * (probe_logits("transition", 60, 80) - 4)
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter))
    assert np.array_equal(dilate(x, diameter)[0, 0], cv2.dilate(x[0, 0].numpy(), ellipse))
    sure = x[0, 0].sigmoid().numpy()
    expected = cv2.dilate(sure, ellipse) - cv2.erode(sure, ellipse) > 0.5
    assert np.array_equal(transition(x, diameter)[0, 0], expected)
    assert 0.05 < expected.mean() < 0.95


@pytest.mark.parametrize("name", KEYS)
def test_keys_and_shapes_are_the_authors(name):
    with torch.device("meta"):
        state = InSPyReNet(BACKBONES[name], 384).state_dict()
    assert {key: list(tensor.shape) for key, tensor in state.items()} == drop_buffers(KEYS[name])


@pytest.mark.parametrize("photo", PHOTOS)
def test_the_network_is_fed_what_the_authors_feed(photo, models):
    image = probe_photo("protocol", *PHOTOS[photo])
    for preset in ("DIS5K", "DIS5K_LR"):
        prepared = models[preset].predictor.prepare(image)
        if preset == "DIS5K":
            fed = {"image": prepared}
        else:
            fed = {"image_resized": prepared[:, -384:, :384], "image": prepared[:, :-384]}
            height, width = ANSWERS[f"DIS5K_LR_{photo}_image_size"]
            if min(height, width) <= 512:  # then theirs is not looked at
                assert prepared.shape == (3, 384, 384)
                del fed["image"]
        for key, x in fed.items():
            assert x.dtype == torch.float32
            assert list(x.shape[1:]) == ANSWERS[f"{preset}_{photo}_{key}_size"].tolist()
            np.testing.assert_allclose(x[:, 5::32, 7::32], ANSWERS[f"{preset}_{photo}_{key}"], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("photo", "shape"), [((512, 900), (384, 384)), ((527, 527), (384, 384)), ((530, 900), (544 + 384, 896))]
)
def test_a_larger_copy_of_512_pixels_adds_nothing(models, photo, shape):
    """Its sides are rounded to multiples of 32."""
    prepared = models["DIS5K_LR"].predictor.prepare(np.zeros((*photo, 3), np.uint8))
    assert prepared.shape == (3, *shape)


def test_the_saved_map_is_that_of_the_authors(models):
    saliency = probe_logits("inspyrenet", 1024, 1024)[0, 0].sigmoid()
    saliency = (saliency - saliency.min()) / (saliency.max() - saliency.min() + 1e-8)
    saved = models["DIS5K"].predictor.restore(saliency, PHOTOS["wide"])
    assert np.array_equal(saved[::12, ::12], ANSWERS["saved"])
    assert hashlib.sha256(saved.tobytes()).hexdigest() == str(ANSWERS["saved_sha256"])


def test_a_photo_becomes_a_map_of_its_size(models, monkeypatch):
    model = models["Res2Net50"]
    monkeypatch.setattr(model.predictor, "preset", Preset(64))
    mask = model.predict(probe_photo("small", 90, 70))
    assert (mask.shape, mask.dtype) == ((90, 70), np.uint8)
    assert mask.min() < 6 and mask.max() > 249  # stretched, and then resized
    assert model.title == "InSPyReNet-Res2Net50 (latest.pth), preset Res2Net50"


def test_presets_are_other_models(models, file):
    assert len({str(model.identity) for model in models.values()}) == len(PRESETS)
    with pytest.raises(InputError, match=r"unknown preset 'LR'; .*DIS5K_LR"):
        load_model("inspyrenet", file, "cpu", preset="LR")


def test_another_network_is_refused(tmp_path):
    torch.save({"backbone.patch_embed.proj.weight": torch.zeros(96, 3, 4, 4)}, tmp_path / "tiny.pth")
    with pytest.raises(InputError, match=r"tiny\.pth: not the weights of this InSPyReNet; .*is missing"):
        load_model("inspyrenet", str(tmp_path / "tiny.pth"), "cpu")
