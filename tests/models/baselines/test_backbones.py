"""Loading published backbones into networks: generated weights under the names of the published files."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from drawn_weights import fill
from safetensors.torch import load_file, save_file
from torch import nn

from disbench.errors import InputError
from disbench.models._parts.backbones import load_backbones, read_backbone
from disbench.models._parts.res2net import Res2Net
from disbench.models._parts.resnet import ResNet
from disbench.models._parts.swin import SIZES, Swin
from disbench.models._training import supervised
from disbench.models._training.context import TrainingContext
from disbench.models._training.data import Pictures
from disbench.models._training.supervised import Recipe
from disbench.registry.loading import get_card, import_attribute

FC = {"fc.weight": (10, 2048), "fc.bias": (10,)}


def meta_state(build):
    with torch.device("meta"):
        return build().state_dict()


def drawn(state, more=()):
    """Generate weights of these names and shapes, and of `more`."""
    return fill(dict(state) | {key: torch.empty(shape, device="meta") for key, shape in dict(more).items()})


def swin(size, window=None):
    """A file of Microsoft's, with classifier, its norm, and the tables that disbench computes."""
    width, depths, default_window = SIZES[size]
    state = meta_state(lambda: Swin(width, depths, window or default_window, norms=False))
    more = {"norm.weight": (8 * width,), "norm.bias": (8 * width,), "head.weight": (99, 8 * width), "head.bias": (99,)}
    more |= {"layers.0.blocks.1.attn_mask": (4, 9, 9), "layers.0.blocks.0.attn.relative_position_index": (9, 9)}
    return drawn(state, more)


def resnet(depth, counted=True):
    state = drawn(meta_state(lambda: ResNet(depth)), FC)
    return {key: x for key, x in state.items() if counted or not key.endswith("num_batches_tracked")}


def start_training(tmp_path, model, *states, size=128):
    """Return the network that a training of `model` starts from, the logged lines, and the identity."""
    paths, lines = [], []
    for number, state in enumerate(states):
        paths.append(str(tmp_path / f"{number}.pth"))
        torch.save(state, paths[-1])
    training = import_attribute(get_card(model), get_card(model).training)()
    context = TrainingContext(out=tmp_path, log=lines.append)
    net, identity = supervised.build_start(training, Recipe(size=size, backbone=tuple(paths)), context)
    return net, "\n".join(lines), identity


def assert_loaded(module, state, drawn_prefixes=()):
    """The module has the file's tensors, except those that are drawn from the seed."""
    loaded = module.state_dict()
    for key, x in loaded.items():
        if not key.startswith(drawn_prefixes) and (key in state or not key.endswith("num_batches_tracked")):
            assert torch.equal(x, state[key]), key
    assert any(key.startswith(drawn_prefixes) for key in loaded) if drawn_prefixes else True


@pytest.mark.parametrize(
    "model, depth, name",
    [("udun", 34, "bkbone"), ("fp_dis", 50, "backbone")],
)
def test_torchvisions_resnet(tmp_path, model, depth, name):
    state = resnet(depth, counted=depth == 50)
    net, log, _ = start_training(tmp_path, model, state)
    assert_loaded(net.get_submodule(name), state)
    assert "tensors for" in log and log.endswith("; skipped: fc")


@pytest.mark.ci
@pytest.mark.slow
def test_a_different_stem_stays_as_drawn_from_the_seed(tmp_path):
    for model, name, depth, stem_prefixes in (
        ("isdnet", "backbone", 18, ("stem.",)),
        ("ifa", "encoder", 50, ("conv1.", "bn1.", "layer1.0.conv1.", "layer1.0.bn1.", "layer1.0.downsample.")),
    ):
        state = resnet(depth)
        net, log, _ = start_training(tmp_path, model, state)
        assert_loaded(net.get_submodule(name), state, stem_prefixes)
        assert "; skipped: " in log and f"; drawn from the seed: {stem_prefixes[0].strip('.')}" in log
        torch.manual_seed(0)
        fresh = import_attribute(get_card(model), get_card(model).training)().network(model, 128)
        stem = {key: x for key, x in net.state_dict().items() if key.startswith(f"{name}.{stem_prefixes[0]}")}
        assert stem and all(torch.equal(x, fresh.state_dict()[key]) for key, x in stem.items())
        # A file with the same stem is loaded whole.
        whole = drawn(fresh.get_submodule(name).state_dict())
        assert_loaded(start_training(tmp_path, model, whole)[0].get_submodule(name), whole)


@pytest.mark.parametrize("model", ["bsanet", "inspyrenet"])
def test_the_authors_res2net(tmp_path, model):
    state = drawn(meta_state(Res2Net), FC)
    assert_loaded(start_training(tmp_path, model, state)[0].backbone, state)


def test_microsofts_swin_and_timms(tmp_path):
    state = swin("tiny")
    net, log, identity = start_training(tmp_path, "birefnet", state)
    assert_loaded(net.bb, state, tuple(f"norm{level}." for level in range(4)))
    assert "; skipped: head, norm; drawn from the seed: norm0, norm1, norm2, norm3" in log
    # Equal tensors have the same identity under other names and in other files.
    timm = {re.sub(r"(?<=layers\.)\d(?=\.downsample)", next_stage, key): x for key, x in state.items()}
    timm = {key.replace("head.", "head.fc."): x for key, x in timm.items()}
    assert "layers.3.downsample.norm.weight" in timm and "layers.0.downsample.norm.weight" not in timm
    save_file(timm, tmp_path / "s.safetensors")
    again = load_backbones(net, [read_backbone(str(tmp_path / "s.safetensors"))])[0]
    assert {"backbone": again} == identity
    assert_loaded(net.bb, state, tuple(f"norm{level}." for level in range(4)))


def next_stage(match):
    return str(int(match[0]) + 1)


@pytest.mark.ci
@pytest.mark.slow
def test_two_backbones_and_one_stage_less(tmp_path):
    files = resnet(18), swin("base", 7)
    net, log, _ = start_training(tmp_path, "pgnet", *files)
    assert_loaded(net.resnet, files[0])
    assert_loaded(net.swin, files[1])
    assert "; skipped: head, layers.2.downsample, layers.3\n" in f"{log}\n"
    assert "swin: drawn from the seed; no --backbone is a Swin" in start_training(tmp_path, "pgnet", files[0])[1]


def assert_refused(tmp_path, model, *states, match):
    with pytest.raises(InputError, match=match) as caught:
        start_training(tmp_path, model, *states)
    assert "\n" not in str(caught.value)


@pytest.mark.ci
@pytest.mark.slow
def test_a_file_that_does_not_fit_is_refused(tmp_path):
    good = resnet(18)
    less = {key: x for key, x in good.items() if key != "layer3.0.bn1.weight"}
    assert_refused(
        tmp_path, "udun", less, match=r"0\.pth: not the weights of the ResNet of UDUN; 1 .*layer3\.0\.bn1\.weight is m"
    )
    assert_refused(tmp_path, "udun", good | {"head": torch.ones(1)}, match="head is unknown")
    wrong = good | {"conv1.weight": torch.ones(64, 4, 7, 7)}
    assert_refused(tmp_path, "udun", wrong, match=r"conv1\.weight is \(64, 4, 7, 7\) instead of \(64, 3, 7, 7\)")
    nan = good | {"bn1.weight": torch.full((64,), torch.nan)}
    assert_refused(tmp_path, "udun", nan, match=r"0\.pth: values of bn1\.weight are not finite")
    assert_refused(tmp_path, "udun", swin("tiny"), match="a Swin, but UDUN has none")
    assert_refused(tmp_path, "udun", good, good, match=r"1\.pth: a ResNet, but UDUN has only one")
    assert_refused(
        tmp_path,
        "birefnet",
        swin("tiny", 12),
        match=r"relative_position_bias_table is \(529, 3\) instead of \(169, 3\)",
    )
    assert_refused(tmp_path, "isnet", good, match="--backbone: ISNet has no backbone that is published separately")
    whole = {f"bkbone.{key}": x for key, x in good.items()}
    assert_refused(
        tmp_path,
        "udun",
        whole,
        match=r"no backbone \(Res2Net, .* first tensor is bkbone\.bn1\.bias; a whole .*--weights",
    )
    assert_refused(tmp_path, "udun", {}, match="its first tensor is none")
    with pytest.raises(InputError, match="--backbone: --weights has a backbone already"):
        supervised.build_start(Tiny(), Recipe(weights="a", backbone=("b",)), TrainingContext(out=tmp_path))


class Small(ResNet):
    """A ResNet in name only, which trains in a moment."""

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


def test_a_training_starts_from_a_backbone_and_resumes_only_with_the_same(tmp_path):
    pictures = Pictures(np.full((2, 16, 16, 3), 90, np.uint8), np.zeros((2, 16, 16), np.uint8))
    for name, seed in (("a", 1), ("b", 2)):
        torch.manual_seed(seed)
        torch.save(Small().state_dict(), tmp_path / f"{name}.pth")
    context = TrainingContext(out=tmp_path / "out")
    run = partial(supervised.train_stages, Tiny(), pictures=pictures, held_out=(), context=context)
    make_recipe = partial(Recipe, steps=1, size=16, batch=2, lr=1e-9)
    run(recipe=make_recipe(backbone=(str(tmp_path / "a.pth"),)))
    start = torch.load(tmp_path / "a.pth", weights_only=True)
    trained = load_file(tmp_path / "out" / "tiny.safetensors")
    for key, x in start.items():
        torch.testing.assert_close(trained[f"0.{key}"], x)
    for other in ((str(tmp_path / "b.pth"),), ()):
        with pytest.raises(InputError, match=r"made by another recipe, its backbone is \['"):
            run(recipe=make_recipe(backbone=other))
    (tmp_path / "a.pth").rename(tmp_path / "c.pth")
    run(recipe=make_recipe(backbone=(str(tmp_path / "c.pth"),)))
