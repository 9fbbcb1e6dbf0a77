"""Backbones as they are published, by drawn weights under the files' names, into the networks that have them."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from drawn_weights import fill
from safetensors.torch import load_file, save_file
from torch import nn

from disbench.errors import InputError
from disbench.models._parts import backbones
from disbench.models._parts.res2net import Res2Net
from disbench.models._parts.resnet import ResNet
from disbench.models._parts.swin import SIZES, Swin
from disbench.models._training import supervised
from disbench.models._training.context import TrainingContext
from disbench.models._training.data import Pictures
from disbench.models._training.supervised import Recipe
from disbench.registry.loading import get_card, import_attribute

FC = {"fc.weight": (10, 2048), "fc.bias": (10,)}


def meta(make):
    with torch.device("meta"):
        return make().state_dict()


def drawn(state, more=()):
    """Weights of these names and shapes, and of `more`."""
    return fill(dict(state) | {key: torch.empty(shape, device="meta") for key, shape in dict(more).items()})


def swin(size, window=None):
    """A file of Microsoft's, with the classifier, the norm before it, and the tables that are computed here."""
    width, depths, usual = SIZES[size]
    state = meta(lambda: Swin(width, depths, window or usual, norms=False))
    more = {"norm.weight": (8 * width,), "norm.bias": (8 * width,), "head.weight": (99, 8 * width), "head.bias": (99,)}
    more |= {"layers.0.blocks.1.attn_mask": (4, 9, 9), "layers.0.blocks.0.attn.relative_position_index": (9, 9)}
    return drawn(state, more)


def resnet(depth, counted=True):
    state = drawn(meta(lambda: ResNet(depth)), FC)
    return {key: x for key, x in state.items() if counted or not key.endswith("num_batches_tracked")}


def started(tmp_path, model, *states, size=128):
    """The network that a training of `model` starts from, what it said, and its identity."""
    paths, said = [], []
    for number, state in enumerate(states):
        paths.append(str(tmp_path / f"{number}.pth"))
        torch.save(state, paths[-1])
    training = import_attribute(get_card(model), get_card(model).training)()
    net, identity = supervised.build_start(
        training, Recipe(size=size, backbone=tuple(paths)), TrainingContext(out=tmp_path, log=said.append)
    )
    return net, "\n".join(said), identity


def equal(module, state, apart=()):
    """The module has the file's tensors, but those apart, which are as drawn."""
    own = module.state_dict()
    for key, x in own.items():
        if not key.startswith(apart) and (key in state or not key.endswith("num_batches_tracked")):
            assert torch.equal(x, state[key]), key
    assert any(key.startswith(apart) for key in own) if apart else True


@pytest.mark.parametrize(
    "model, depth, name",
    [("udun", 34, "bkbone"), ("fp_dis", 50, "backbone")],
)
def test_torchvisions_resnet(tmp_path, model, depth, name):
    state = resnet(depth, counted=depth == 50)
    net, said, _ = started(tmp_path, model, state)
    equal(net.get_submodule(name), state)
    assert "tensors for" in said and said.endswith("; not taken: fc")


def test_a_stem_of_its_own_stays_as_drawn(tmp_path):
    for model, name, depth, apart in (
        ("isdnet", "backbone", 18, ("stem.",)),
        ("ifa", "encoder", 50, ("conv1.", "bn1.", "layer1.0.conv1.", "layer1.0.bn1.", "layer1.0.downsample.")),
    ):
        state = resnet(depth)
        net, said, _ = started(tmp_path, model, state)
        equal(net.get_submodule(name), state, apart)
        assert "; not taken: " in said and f"; as drawn: {apart[0].strip('.')}" in said
        torch.manual_seed(0)
        fresh = import_attribute(get_card(model), get_card(model).training)().network(model, 128)
        stem = {key: x for key, x in net.state_dict().items() if key.startswith(f"{name}.{apart[0]}")}
        assert stem and all(torch.equal(x, fresh.state_dict()[key]) for key, x in stem.items())
        # A file that has such a stem gives it too.
        whole = drawn(fresh.get_submodule(name).state_dict())
        equal(started(tmp_path, model, whole)[0].get_submodule(name), whole)


@pytest.mark.parametrize("model", ["bsanet", "inspyrenet"])
def test_the_authors_res2net(tmp_path, model):
    state = drawn(meta(Res2Net), FC)
    equal(started(tmp_path, model, state)[0].backbone, state)


def test_microsofts_swin_and_timms(tmp_path):
    state = swin("tiny")
    net, said, identity = started(tmp_path, "birefnet", state)
    equal(net.bb, state, tuple(f"norm{level}." for level in range(4)))
    assert "; not taken: head, norm; as drawn: norm0, norm1, norm2, norm3" in said
    # The same tensors are the same start, whatever their names and file.
    timm = {re.sub(r"(?<=layers\.)\d(?=\.downsample)", later, key): x for key, x in state.items()}
    timm = {key.replace("head.", "head.fc."): x for key, x in timm.items()}
    assert "layers.3.downsample.norm.weight" in timm and "layers.0.downsample.norm.weight" not in timm
    save_file(timm, tmp_path / "s.safetensors")
    again = backbones.take(net, [backbones.read(str(tmp_path / "s.safetensors"))])[0]
    assert {"backbone": again} == identity
    equal(net.bb, state, tuple(f"norm{level}." for level in range(4)))


def later(match):
    return str(int(match[0]) + 1)


def test_two_backbones_and_a_stage_less(tmp_path):
    files = resnet(18), swin("base", 7)
    net, said, _ = started(tmp_path, "pgnet", *files)
    equal(net.resnet, files[0])
    equal(net.swin, files[1])
    assert "; not taken: head, layers.2.downsample, layers.3\n" in f"{said}\n"
    assert "swin: as drawn; no --backbone is a Swin" in started(tmp_path, "pgnet", files[0])[1]


def refused(tmp_path, model, *states, match):
    with pytest.raises(InputError, match=match) as caught:
        started(tmp_path, model, *states)
    assert "\n" not in str(caught.value)


def test_what_does_not_fit_is_refused(tmp_path):
    good = resnet(18)
    less = {key: x for key, x in good.items() if key != "layer3.0.bn1.weight"}
    refused(
        tmp_path, "udun", less, match=r"0\.pth: not the weights of the ResNet of UDUN; 1 .*layer3\.0\.bn1\.weight is m"
    )
    refused(tmp_path, "udun", good | {"head": torch.ones(1)}, match="head is unknown")
    wrong = good | {"conv1.weight": torch.ones(64, 4, 7, 7)}
    refused(tmp_path, "udun", wrong, match=r"conv1\.weight is \(64, 4, 7, 7\) instead of \(64, 3, 7, 7\)")
    nan = good | {"bn1.weight": torch.full((64,), torch.nan)}
    refused(tmp_path, "udun", nan, match=r"0\.pth: values of bn1\.weight are not finite")
    refused(tmp_path, "udun", swin("tiny"), match="a Swin, which UDUN has not")
    refused(tmp_path, "udun", good, good, match=r"1\.pth: a ResNet, which UDUN has not \(twice\)")
    refused(
        tmp_path,
        "birefnet",
        swin("tiny", 12),
        match=r"relative_position_bias_table is \(529, 3\) instead of \(169, 3\)",
    )
    refused(tmp_path, "isnet", good, match="--backbone: ISNet has none that is published apart")
    whole = {f"bkbone.{key}": x for key, x in good.items()}
    refused(
        tmp_path,
        "udun",
        whole,
        match=r"no backbone \(Res2Net, .* first tensor is bkbone\.bn1\.bias; a whole .*--weights",
    )
    refused(tmp_path, "udun", {}, match="its first tensor is none")
    with pytest.raises(InputError, match="--backbone: --weights has a backbone already"):
        supervised.build_start(Tiny(), Recipe(weights="a", backbone=("b",)), TrainingContext(out=tmp_path))


class Small(ResNet):
    """A ResNet in name, that a moment trains."""

    def __init__(self):
        nn.Module.__init__(self)
        self.conv1 = nn.Conv2d(3, 4, 1)
        self.layer1 = nn.Sequential(nn.Module())
        self.layer1[0].conv1 = nn.Conv2d(4, 1, 1)

    def forward(self, x):
        return self.layer1[0].conv1(self.conv1(x))


class Tiny(supervised.Training):
    stages, multiple = ("tiny",), 8

    def network(self, stage, size):
        return nn.Sequential(Small())

    def losses(self, net, images, masks):
        return {"map": (net(images) - masks).square().mean()}


def test_a_training_starts_from_it_and_goes_on_with_it_alone(tmp_path):
    pictures = Pictures(np.full((2, 16, 16, 3), 90, np.uint8), np.zeros((2, 16, 16), np.uint8))
    for name, seed in (("a", 1), ("b", 2)):
        torch.manual_seed(seed)
        torch.save(Small().state_dict(), tmp_path / f"{name}.pth")
    context = TrainingContext(out=tmp_path / "out")
    run = partial(supervised.train_stages, Tiny(), pictures=pictures, held_out=(), context=context)
    what = partial(Recipe, steps=1, size=16, batch=2, lr=1e-9)
    run(recipe=what(backbone=(str(tmp_path / "a.pth"),)))
    start = torch.load(tmp_path / "a.pth", weights_only=True)
    found = load_file(tmp_path / "out" / "tiny.safetensors")
    for key, x in start.items():
        torch.testing.assert_close(found[f"0.{key}"], x)
    for other in ((str(tmp_path / "b.pth"),), ()):
        with pytest.raises(InputError, match=r"made by another recipe, its backbone is \['"):
            run(recipe=what(backbone=other))
    (tmp_path / "a.pth").rename(tmp_path / "c.pth")
    run(recipe=what(backbone=(str(tmp_path / "c.pth"),)))
