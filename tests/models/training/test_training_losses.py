"""What each method learns by: its loss against formulas, that it reaches all, and that `run` loads what is saved."""

import json
import math
import re
from importlib import import_module

import cv2
import numpy as np
import pytest
import torch
from filled_weights import GOLDENS, loss_maps, loss_masks
from scipy.ndimage import uniform_filter
from torch.nn import functional

import disbench
from disbench.errors import InputError
from disbench.models._parts.swin import SIZES
from disbench.models._parts.weights import to_safetensors
from disbench.models._training import losses
from disbench.models.birefnet.layers import resize_like
from disbench.models.birefnet.train import laplacian, map_loss
from disbench.models.bsanet.network import Maps
from disbench.models.ifa.train import hard_pixel_loss
from disbench.models.inspyrenet.pyramid import Pyramid, reduce
from disbench.models.isdnet.train import affinity
from disbench.models.pgnet import network
from disbench.models.pgnet.train import pairs
from disbench.models.u2net.train import Training as U2NetTraining
from disbench.registry.discovery import list_cards
from disbench.registry.loading import import_attribute

torch.set_num_threads(1)
SLOW = {"pdfnet": (pytest.mark.ci, pytest.mark.slow)}  # at 256 pixels, its smallest size
TRAINED = [
    pytest.param(card, marks=SLOW.get(card.name, ()), id=card.name)
    for card in list_cards().values()
    if card.training and card.name not in ("isnet", "udun", "fp_dis", "lawdis")
]
DRAWN = [c for c in list_cards().values() if c.training and c.name != "lawdis"]  # which starts from a folder
# What no loss depends on: a norm without effect; where nothing is away from itself; a bias before a batch norm.
UNREACHED = {"swin.norm.weight", "swin.norm.bias", "decoder.ifa.pos1.emb", "msca3.global_att.1.bias"}
WAITING = {"inspyrenet": r"\.[HW]attn\.", "isdnet": r"_mlp\.", "bsanet": r"SA\d\.gn\."}
STRETCHED = ("ben2", "bsanet", "inspyrenet", "u2net", "u2netp")


PICTURES = torch.zeros(2, 3, 64, 64)


def trained(name):
    return import_attribute(list_cards()[name], "train:Training")()


def drawn(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def inputs_of(card, size, device=None):
    """Make the additional inputs of two pictures."""
    return {"depth": drawn(2, 1, size, size, seed=2).to(device)} if "depth" in card.inputs else {}


@pytest.fixture
def narrow(monkeypatch):
    """Swins of one block to a stage, and PDFNet's decoder of 8 channels.

    PGNet's decoder takes no other width, but a smaller copy of the image; U2-NetP.
    """
    for part in ("fusion", "network", "train"):
        monkeypatch.setattr(import_module(f"disbench.models.pdfnet.{part}"), "WIDTH", 8)
    monkeypatch.setattr(network, "SMALL", 64)
    monkeypatch.setattr(U2NetTraining, "variant", "P")
    monkeypatch.setitem(SIZES, "base", (128, (1, 1, 1, 1), 4))
    monkeypatch.setitem(SIZES, "large", (32, (1, 1, 1, 1), 4))


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.parametrize("card", TRAINED)
def test_its_loss_reaches_the_network_and_run_loads_what_is_saved(card, narrow, tmp_path):
    training = trained(card.name)
    (stage,) = training.stages
    assert stage == card.name
    size = max(64, training.multiple)
    torch.manual_seed(0)
    net = training.network(stage, size).train()
    masks = torch.zeros(2, 1, size, size)
    masks[0, :, 10:40, 20:50] = masks[1, :, 5:30, 5:60] = 1
    images = (drawn(2, 3, size, size) + masks) / 2
    inputs = inputs_of(card, size)
    parts = training.losses(net, images, masks, **inputs)
    loss = sum(parts.values())
    loss.backward()
    gradients = {name: p.grad for name, p in net.named_parameters()}
    without = {name for name, gradient in gradients.items() if gradient is None or not gradient.any()}
    # Layers behind a weight that begins at 0 are reached in the second step.
    waiting = {name for name in without if re.search(WAITING.get(card.name, "$^"), name)}
    assert without - waiting <= UNREACHED

    norm = math.sqrt(sum(g.square().sum() for g in gradients.values() if g is not None))
    with torch.no_grad():
        for p in net.parameters():
            if p.grad is not None:
                p -= 1e-3 / norm * p.grad
        after = training.losses(net, images, masks, **inputs)
    assert after.keys() == parts.keys()
    assert 0 < sum(after.values()) < loss

    (tmp_path / "own.safetensors").write_bytes(to_safetensors(net))
    net.eval()
    picture = (255 * images[:1]).byte()
    with torch.inference_mode():
        rounded = {name: (255 * x).byte() / 255 for name, x in inputs.items()}
        expected = training.predict(net, picture / 255, **{name: x[:1] for name, x in rounded.items()})[0]
        swapped = {name: x.flip(0) for name, x in rounded.items()}
        together = training.predict(net, torch.cat((images[1:], picture / 255)), **swapped)[1]
    torch.testing.assert_close(together, expected, rtol=0, atol=1e-4)  # whatever else is in its batch
    if card.name in STRETCHED:
        expected = (expected - expected.min()) / (expected.max() - expected.min())
    model = disbench.load(card.name, str(tmp_path / "own.safetensors"), "cpu", size=str(size))
    own = {name: (255 * x[0, 0]).byte().numpy() for name, x in inputs.items()}
    prediction = model.predict(picture[0].permute(1, 2, 0).numpy(), **own)
    assert np.abs(prediction - 255 * expected.numpy()).max() < 1.01
    assert f"{size} px" in model.title and model.identity["size"] == str(size)


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.parametrize("card", DRAWN, ids=lambda card: card.name)
def test_no_loss_asks_its_device_for_a_value(card, narrow):
    """On the meta device, which has none; a GPU would have to end first what it has been given to do."""
    training = trained(card.name)
    size = max(64, training.multiple)
    images = torch.empty(2, 3, size, size, device="meta")
    labels = training.labels(torch.zeros(2, 1, size, size)).to("meta")
    for stage in training.stages:
        with torch.device("meta"):
            net = training.network(stage, size)
        inputs = inputs_of(card, size, "meta")
        assert sum(training.losses(net, images, labels, **inputs).values()).is_meta
        training.finished(stage, net)


@pytest.mark.parametrize("card", [c for c in list_cards().values() if c.training], ids=lambda card: card.name)
def test_a_card_says_whose_loss_it_is(card):
    assert card.loss.startswith(("the authors'", "ours"))


IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
THEIRS = (124.55 / 255, 118.90 / 255, 102.94 / 255), (56.77 / 255, 55.97 / 255, 57.50 / 255)
# What a network answers whose map has these logits, and the means and deviations of what it is shown.
ANSWERING = {
    "ben2": (lambda x: x, *IMAGENET),
    "birefnet": (lambda x: x, *IMAGENET),
    "bsanet": (lambda x: Maps([x, -x], [-x], -x), *IMAGENET),
    "fp_dis": (lambda x: (x, -x), *IMAGENET),
    "ifa": (lambda x: (x, -x), *IMAGENET),
    "inspyrenet": (lambda x: Pyramid([-x, x], []), *IMAGENET),
    "isdnet": (lambda x: x, *IMAGENET),
    "isnet": (lambda x: ([x.sigmoid(), -x], []), (0.5,) * 3, (1.0,) * 3),
    "mvanet": (lambda x: x, *IMAGENET),
    "pdfnet": (lambda x: x, (*IMAGENET[0], 0), (*IMAGENET[1], 1)),
    "pgnet": (lambda x: (x, -x), *THEIRS),
    # Its images are divided by their largest value first, here 0.9.
    "u2net": (lambda x: [x.sigmoid(), -x], *(tuple(0.9 * x for x in values) for values in IMAGENET)),
    "u2netp": (lambda x: [x.sigmoid(), -x], *(tuple(0.9 * x for x in values) for values in IMAGENET)),
    "udun": (lambda x: (-x, -x, x), *THEIRS),
}


def test_every_training_is_in_the_table_above():
    assert ANSWERING.keys() == {card.name for card in DRAWN}


@pytest.mark.parametrize("name", ANSWERING)
def test_a_prediction_is_the_sigmoid_of_the_networks_map_of_a_normalised_picture(name):
    answer, mean, deviation = ANSWERING[name]
    colour, seen = (0.2, 0.5, 0.9), []
    images = torch.tensor(colour).view(1, 3, 1, 1).expand(2, 3, 32, 32)
    logits = torch.full((2, 1, 32, 32), math.log(3))
    logits[1] = -math.log(3)
    inputs = {"depth": torch.full((2, 1, 32, 32), 0.3)} if name == "pdfnet" else {}
    predicted = trained(name).predict(lambda x: seen.append(x) or answer(logits), images, **inputs)
    torch.testing.assert_close(predicted, torch.tensor([0.75, 0.25]).view(2, 1, 1).expand(2, 32, 32))
    expected = (np.array([*colour, *[0.3] * len(inputs)]) - mean) / deviation
    np.testing.assert_allclose(seen[0], np.broadcast_to(expected.reshape(1, -1, 1, 1), seen[0].shape), atol=1e-5)


def test_six_passes_need_sizes_of_their_own():
    with pytest.raises(InputError, match="size=256: not with passes=2025, whose scaled sizes must be multiples"):
        disbench.load("mvanet", "untrained", "cpu", passes="2025", size="256")


# -- Formulas


def test_losses_are_the_authors():
    """Of logits, in tests/goldens/losses.json; which outputs of a network they are taken of is not held by it."""
    computed = {
        "birefnet": sum(
            map_loss(resize_like(x, loss_masks(40)), loss_masks(40)) for x in loss_maps("birefnet", 40, 20)
        ),
        "mvanet": losses.structure(*loss_maps("mvanet", 40), loss_masks(40)),
        "ifa": sum(
            hard_pixel_loss(x, loss_masks(40), min_pixels=1000) * w
            for x, w in zip(loss_maps("ifa", 40, 40), (1, 0.4), strict=True)
        ),
    }
    # As the whole networks are trained, with one that answers so.
    pyramid = Pyramid(loss_maps("inspyrenet", 8, 16, 32, 64), [])
    computed["inspyrenet"] = sum(trained("inspyrenet").losses(lambda x: pyramid, PICTURES, loss_masks(64)).values())
    last, *others = loss_maps("pgnet", 56, 28, 28, 784)
    computed["pgnet"] = sum(trained("pgnet").losses(lambda x: (last, *others), PICTURES, loss_masks(56)).values())
    deep, decoded = (x.unflatten(2, (8, -1)).flatten(1, 2) for x in loss_maps("isdnet", 40, 80))
    computed["isdnet"] = functional.l1_loss(affinity(deep), affinity(losses.resized(decoded, deep)))
    expected = json.loads((GOLDENS / "losses.json").read_text())
    assert {name: loss.item() for name, loss in computed.items()} == pytest.approx(expected, rel=1e-5)


def entropy_by_formula(logits, masks):
    """Mean binary cross entropy; logits are brought to the masks' size by OpenCV."""
    x, y = _grown(logits, masks), masks.double().numpy()
    return (np.logaddexp(0, x) - x * y).mean()


def iou_by_formula(logits, masks):
    p, y = 1 / (1 + np.exp(-_grown(logits, masks))), masks.double().numpy()
    both, either = (p * y).sum((1, 2, 3)), (p + y - p * y).sum((1, 2, 3))
    return (1 - (both + 1) / (either + 1)).mean()


def _grown(logits, masks):
    size = masks.shape[:1:-1]
    planes = [cv2.resize(x, size, interpolation=cv2.INTER_LINEAR) for x in logits[:, 0].detach().double().numpy()]
    return np.stack(planes)[:, None]


def structure_by_formula(logits, masks):
    """F3Net's, picture by picture."""
    expected = []
    for x, y in zip(logits[:, 0].detach().double().numpy(), masks[:, 0].double().numpy(), strict=True):
        weight = 1 + 5 * abs(uniform_filter(y, 31, mode="constant") - y)
        p = 1 / (1 + np.exp(-x))
        entropy = (weight * -(y * np.log(p) + (1 - y) * np.log(1 - p))).sum() / weight.sum()
        both, either = (weight * p * y).sum(), (weight * (p + y - p * y)).sum()
        expected.append(entropy + 1 - (both + 1) / (either + 1))
    return np.mean(expected)


def test_structure_is_weighted_along_edges():
    logits, masks = drawn(2, 1, 40, 50) * 6 - 3, (drawn(2, 1, 40, 50, seed=1) > 0.7).float()
    assert losses.structure(logits, masks).item() == pytest.approx(structure_by_formula(logits, masks), rel=1e-5)


def test_udun_holds_mask_trunk_and_structure_each_to_its_own():
    """The structure to what the truth has beyond its trunk."""
    masks = loss_masks(64)
    trunks = masks * drawn(2, 1, 64, 64)
    trunk, structure, mask = loss_maps("udun", 8, 64, 64)
    parts = trained("udun").losses(lambda x: (trunk, structure, mask), PICTURES, torch.cat((masks, trunks), 1))
    expected = {
        "mask": entropy_by_formula(mask, masks) + iou_by_formula(mask, masks),
        "trunk": entropy_by_formula(trunk, trunks),
        "structure": entropy_by_formula(structure, masks - trunks),
    }
    assert {name: loss.item() for name, loss in parts.items()} == pytest.approx(expected, rel=1e-5)


def test_uduns_trunk_grows_with_the_distance_to_the_outline():
    masks = torch.zeros(1, 1, 9, 9)
    masks[..., 2:7, 2:7] = 1
    labels = trained("udun").labels(masks)
    rings = torch.zeros(9, 9)
    for depth in (1, 2, 3):
        rings[1 + depth : 8 - depth, 1 + depth : 8 - depth] = depth / 3
    assert torch.equal(labels[0, 0], masks[0, 0])
    torch.testing.assert_close(labels[0, 1], rings)


def test_bsanets_edge_is_held_to_a_band_of_three_pixels():
    masks = loss_masks(64)
    *maps, edge = loss_maps("bsanet", 64, 32, 16, 8, 64, 32, 16, 8, 64)
    parts = trained("bsanet").losses(lambda x: Maps(maps[:4], maps[4:], edge), PICTURES, masks)
    square = np.ones((3, 3), np.uint8)
    bands = [cv2.dilate(mask, square) - cv2.erode(mask, square) for mask in masks[:, 0].numpy()]
    bands = torch.from_numpy(np.stack(bands))[:, None]
    expected = {
        "maps": sum(entropy_by_formula(x, masks) + iou_by_formula(x, masks) for x in maps),
        "edge": entropy_by_formula(edge, bands) + iou_by_formula(edge, bands),
    }
    assert {name: loss.item() for name, loss in parts.items()} == pytest.approx(expected, rel=1e-5)


def test_u2net_holds_each_of_its_seven_maps_to_the_truth():
    masks, logits = loss_masks(64), loss_maps("u2net", *[64] * 7)
    parts = trained("u2net").losses(lambda x: [x.sigmoid() for x in logits], PICTURES, masks)
    expected = sum(entropy_by_formula(x, masks) for x in logits)
    assert {name: loss.item() for name, loss in parts.items()} == {"maps": pytest.approx(expected, rel=1e-5)}


def test_fp_dis_holds_each_of_its_maps_to_the_truth():
    masks, maps = loss_masks(64), loss_maps("fp_dis", 64, 64, 32, 16)
    parts = trained("fp_dis").losses(lambda x: maps, PICTURES, masks)
    expected = sum(entropy_by_formula(x, masks) + iou_by_formula(x, masks) for x in maps)
    assert {name: loss.item() for name, loss in parts.items()} == {"maps": pytest.approx(expected, rel=1e-5)}


def test_mvanets_losses_are_taken_of_what_its_layers_answer(narrow):
    """Weighings count .3 and have their sigmoid twice, as in the authors' code; a truth's nearest pixels are its copy.

    Of two pictures there are ten views, quarter by quarter and then the whole.
    """
    torch.manual_seed(0)
    training = trained("mvanet")
    net = training.network("mvanet", 128).eval()
    masks, seen = loss_masks(128), {}
    levels = {5: "multifieldcrossatt", 4: "conv4", 3: "conv3", 2: "conv2", 1: "conv1"}
    weighings = [f"dec_blk{level}.sal_conv" for level in (1, 2, 3, 4)]
    for name in (*levels.values(), *weighings, "output5", "output"):
        net.get_submodule(name).register_forward_hook(lambda _, __, y, name=name: seen.setdefault(name, y.detach()))
    with torch.no_grad():
        parts = training.losses(net, drawn(2, 3, 128, 128), masks)
        sides = {level: net.get_submodule(f"sideout{level}") for level in levels}
        near, far = [], []
        for level, name in levels.items():
            views = sides[level](seen[name])
            left_top, right_top, left_low, right_low, whole = views.chunk(5)
            near.append(torch.cat((torch.cat((left_top, right_top), 3), torch.cat((left_low, right_low), 3)), 2))
            far.append(sides[5](seen["output5"][-2:]) if level == 5 else whole)
    salient = [seen[name].sigmoid().repeat_interleave(2, 2).repeat_interleave(2, 3) for name in weighings]

    def total(maps):
        return sum(structure_by_formula(x, masks[..., :: 128 // x.shape[-2], :: 128 // x.shape[-1]]) for x in maps)

    expected = {"maps": total([seen["output"], *near]), "whole": 0.3 * total(far), "salient": 0.3 * total(salient)}
    assert {name: loss.item() for name, loss in parts.items()} == pytest.approx(expected, rel=1e-4)


def test_ssim_window_by_window():
    x, y = drawn(1, 1, 13, 12), drawn(1, 1, 13, 12, seed=1)
    row = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    kernel = np.outer(row, row) / row.sum() ** 2
    windows = [functional.unfold(z, 11, padding=5)[0].T.double().numpy().reshape(-1, 11, 11) for z in (x, y)]

    def mean(z):
        return (kernel * z).sum((1, 2))

    mx, my = map(mean, windows)
    vx, vy, both = (mean(a * b) - mean(a) * mean(b) for a, b in (windows[:1] * 2, windows[1:] * 2, windows))
    alike = (2 * mx * my + 1e-4) * (2 * both + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    assert losses.ssim(x, y).item() == pytest.approx(alike.mean(), rel=1e-3)
    assert losses.ssim(x, x).item() == pytest.approx(1)


def test_birefnets_parts():
    masks = (drawn(2, 1, 32, 32) > 0.5).float()
    assert map_loss(200 * masks - 100, masks).item() == pytest.approx(0, abs=1e-3)
    nothing = map_loss(masks * 0, masks).item()
    half, count = masks * 0 + 0.5, masks.sum((1, 2, 3))
    iou = (count / 2 / (512 + count / 2)).sum().item()
    ssim = losses.ssim(half, masks).item()
    assert nothing == pytest.approx(30 * math.log(2) + (2 - iou) / 2 + 5 * (1 - ssim), rel=1e-5)
    point = torch.zeros(1, 1, 9, 9)
    point[..., 4, 4] = 48
    expected = torch.zeros(9, 9)
    expected[2:7, 2:7] = 1
    expected[4, 4] = -24
    torch.testing.assert_close(laplacian(point)[0, 0], expected)


def test_hard_pixels():
    logits = torch.tensor([3.0, 1.0, -1.0, 0.0]).view(1, 1, 2, 2)
    masks = torch.ones(1, 1, 2, 2)
    each = functional.binary_cross_entropy_with_logits(logits, masks, reduction="none").flatten()
    assert hard_pixel_loss(logits, masks, 0.7, 1) == pytest.approx(each[2:].mean())  # those that are given at most 0.7
    assert hard_pixel_loss(logits, masks, 0.1, 3) == pytest.approx(each[1:].mean())  # the hardest three
    assert hard_pixel_loss(logits, masks) == pytest.approx(each.mean())


def test_pyramids_and_pairs():
    image = drawn(1, 1, 16, 25)
    blurred = cv2.GaussianBlur(image[0, 0].numpy(), (7, 7), 1, borderType=cv2.BORDER_REFLECT_101)
    np.testing.assert_allclose(reduce(image)[0, 0], blurred[::2, ::2], rtol=1e-5)
    x = drawn(2, 1, 3, 4)
    points = x.flatten(1)
    torch.testing.assert_close(pairs(x)[:, 0], points[:, :, None] * points[:, None])
    ones = affinity(torch.ones(1, 5, 2, 2))
    torch.testing.assert_close(ones, torch.full((1, 4, 4), 5 / 4), rtol=1e-5, atol=0)
