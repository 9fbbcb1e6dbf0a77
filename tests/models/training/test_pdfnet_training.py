"""PDFNet's training: its loss against slow formulas, and which outputs of the network it is taken of."""

import math
from importlib import import_module

import numpy as np
import pytest
import torch
from filled_weights import loss_maps, loss_masks
from torch.nn import functional

from disbench.models._parts.swin import SIZES
from disbench.models._training.context import TrainingContext
from disbench.models._training.losses import ssim
from disbench.models._training.supervised import Recipe, build_start
from disbench.models.pdfnet import train
from disbench.models.pdfnet.train import DepthDecoder, Training, depth_loss, integrity_loss, map_loss

torch.set_num_threads(1)


def drawn(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def narrow(monkeypatch):
    """PDFNet of 8 channels on a Swin of one block to a stage."""
    for part in ("fusion", "network", "train"):
        monkeypatch.setattr(import_module(f"disbench.models.pdfnet.{part}"), "WIDTH", 8)
    monkeypatch.setitem(SIZES, "base", (32, (1, 1, 1, 1), 4))


def integrity_by_formula(maps, depths, masks):
    """Pixel by pixel, in double precision."""
    total = []
    for p, d, y in zip(*(x[:, 0].double().numpy() for x in (maps, depths, masks)), strict=True):
        height, width = y.shape
        mean = (d * y).sum() / y.sum()
        padded = np.pad(d, 1)
        for i, j in np.ndindex(height, width):
            right = p[i, j] if y[i, j] else 1 - p[i, j]
            distance = (d[i, j] - mean) ** 2
            weight = right * (1 - right) * (distance * p[i, j] + (1 - distance) * y[i, j])
            around = padded[i : i + 3, j : j + 3]
            across = around[:, 2] @ [1, 2, 1] - around[:, 0] @ [1, 2, 1]
            down = around[2] @ [1, 2, 1] - around[0] @ [1, 2, 1]
            total.append(-math.log(right) * (weight + abs(across) + abs(down)))
    return sum(total) / len(total)


def depth_by_formula(estimates, depths):
    total = 0
    for x, y in zip(estimates.double().numpy(), depths.double().numpy(), strict=True):
        errors = np.log(y + 1e-6) - np.log(x + 1e-6)
        total += math.sqrt((errors**2).mean() - 0.5 * errors.mean() ** 2 + 1e-6) / len(estimates)
    return total


def map_by_formula(logits, masks):
    """F3Net's loss with 1e-6 in place of 1, and a quarter of 1 - SSIM, image by image."""
    total = 0
    for x, y in zip(logits, masks, strict=True):
        near = functional.avg_pool2d(y[None], 31, 1, 15)[0]
        weight, p = (1 + 5 * (near - y).abs()).double(), x.double().sigmoid()
        entropy = -(y * p.log() + (1 - y) * (1 - p).log())
        both, either = (weight * p * y).sum(), (weight * (p + y - p * y)).sum()
        entropy = (weight * entropy).sum() / weight.sum()
        structure = entropy + 1 - (both + 1e-6) / (either + 1e-6)
        total += (structure + 0.25 * (1 - ssim(x.sigmoid()[None], y[None]))).item()
    return total / len(masks)


MASKS = loss_masks(40)
DEPTHS = drawn(2, 1, 40, 40, seed=1)


def test_maps_are_compared_with_the_truth_by_the_authors_formula():
    (logits,) = loss_maps("mvanet", 40)
    assert map_loss(logits, MASKS).item() == pytest.approx(map_by_formula(logits, MASKS), rel=1e-5)


def test_integrity_weighs_errors_by_depth():
    maps = drawn(2, 1, 40, 40, seed=2)
    expected = integrity_by_formula(maps, DEPTHS, MASKS)
    assert integrity_loss(maps, DEPTHS, MASKS).item() == pytest.approx(expected, rel=1e-4)
    apart = [integrity_loss(*(x[i : i + 1] for x in (maps, DEPTHS, MASKS))).item() for i in (0, 1)]
    assert sum(apart) / 2 == pytest.approx(expected, rel=1e-4)  # the authors' batches have one image
    # A mask without foreground, and maps that are certain and wrong.
    for mask in (MASKS * 0, MASKS):
        assert integrity_loss(1 - mask, DEPTHS, mask).isfinite()


def test_the_error_of_depth_forgives_half_of_a_common_factor():
    estimates = drawn(2, 1, 40, 40, seed=3)
    assert depth_loss(estimates, DEPTHS).item() == pytest.approx(depth_by_formula(estimates, DEPTHS), rel=1e-5)
    assert depth_loss(DEPTHS / 2, DEPTHS).item() == pytest.approx(math.log(2) * math.sqrt(0.5), rel=1e-3)


def test_the_parts_of_the_loss_are_taken_of_what_the_layers_answer(narrow):
    """The depth is stretched image by image; its maps are those of a decoder that sees all views."""
    torch.manual_seed(0)
    training = Training()
    net = training.network("pdfnet", 256).eval()
    images, masks, seen = drawn(2, 3, 256, 256), loss_masks(256), {}
    depth = 0.2 + drawn(2, 1, 256, 256, seed=1) / 2
    names = ["decoder.Bside.0", "decoder.channel_mix.0", *(f"decoder.Bside.{k}" for k in (2, 3, 4, 5))]
    names += [f"depth_decoder.Bside.{k}" for k in range(5)]
    for name in names:
        net.get_submodule(name).register_forward_hook(lambda _, __, y, name=name: seen.setdefault(name, y.detach()))
    with torch.no_grad():
        parts = training.losses(net, images, masks, depth=depth)
        seen["decoder.Bside.1"] = net.decoder.Bside[1](seen["decoder.channel_mix.0"])
    stretched = torch.stack([(x - x.min()) / (x.max() - x.min()) for x in depth])

    def total(compare, prefix, count):
        answers = [
            functional.interpolate(seen[f"{prefix}.Bside.{k}"], (256, 256), mode="bilinear") for k in range(count)
        ]
        return compare(answers[0]) + 0.5 * sum(map(compare, answers[1:]))

    expected = {
        "maps": total(lambda x: map_by_formula(x, masks), "decoder", 6),
        "integrity": 0.5 * total(lambda x: integrity_loss(x.sigmoid(), stretched, masks).item(), "decoder", 6),
        "depth": 0.1 * total(lambda x: depth_by_formula(x.sigmoid(), stretched), "depth_decoder", 5),
    }
    assert {name: loss.item() for name, loss in parts.items()} == pytest.approx(expected, rel=1e-4)
    sizes = [seen[f"depth_decoder.Bside.{k}"].shape[-1] for k in range(5)]
    assert sizes == [128, 32, 16, 8, 4]


def test_it_starts_from_the_authors_file_and_from_its_own(narrow):
    """The authors' file has a decoder of depth of an earlier form, and constants of the loss."""
    training = Training()
    with torch.random.fork_rng():
        torch.manual_seed(3)
        own = training.network("pdfnet", 256).state_dict()
    assert training.learned(own).keys() == own.keys()
    assert all(torch.equal(x, own[name]) for name, x in training.learned(own).items())
    released = own | {"depth_decoder.Decoder.0.0.0.weight": torch.zeros(16, 16, 3, 3)}
    released |= {"IntegrityPriorLoss.sobel_x.weight": torch.zeros(1, 1, 3, 3)}
    learned = training.learned(released)
    assert learned.keys() == own.keys()
    assert {name for name, x in learned.items() if not torch.equal(x, own[name])} <= {
        f"depth_decoder.{name}" for name in DepthDecoder().state_dict()
    }
    training.network("pdfnet", 256).load_state_dict(learned)


def test_it_starts_from_a_published_swin_whose_positions_are_drawn(narrow, tmp_path):
    training = Training()
    torch.manual_seed(1)
    state = training.network("pdfnet", 256).encoder.state_dict()
    drawn_anew = ("norm0.", "norm1.", "norm2.", "norm3.", "absolute_pos_embed")
    published = {name: x for name, x in state.items() if not name.startswith(drawn_anew)}
    torch.save({"model": published}, tmp_path / "swin.pth")
    recipe, lines = Recipe(size=256, backbone=(str(tmp_path / "swin.pth"),)), []
    net, identity = build_start(training, recipe, TrainingContext(out=tmp_path, log=lines.append))
    assert all(torch.equal(net.encoder.state_dict()[name], x) for name, x in published.items())
    assert len(identity["backbone"]) == 1 and "absolute_pos_embed" in lines[0]


def test_the_decoder_of_depth_has_the_authors_names_and_shapes():
    with torch.device("meta"):
        state = DepthDecoder().state_dict()
    assert len(state) == 42 and train.WIDTH == 128
    assert state["Decoder.0.0.0.weight"].shape == (256, 768, 3, 3)
    assert state["Decoder.3.1.0.weight"].shape == (128, 256, 3, 3)
    assert {"Decoder.1.0.1.weight", "shallow.0.weight", "upsample2.1.weight", "Bside.4.bias"} <= state.keys()


def test_convolutions_outside_the_encoder_are_drawn_as_by_the_authors(narrow):
    torch.manual_seed(0)
    net = Training().network("pdfnet", 256)
    layer = net.decoder.FSE_mix[0].I_channelswich[0]
    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1) and not layer.bias.any()
    assert net.encoder.patch_embed.proj.bias.any()
