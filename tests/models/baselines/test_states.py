"""Checkpoints of trainers: which of their state dicts is the network, and what is before its names."""

import json
import warnings

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from disbench.cli.main import main
from disbench.errors import InputError, SeveralStates
from disbench.inference.model import load_model
from disbench.models._parts.states import choose_state
from disbench.models._parts.weights import read_weights
from disbench.models.isnet.network import ISNet

NET = {"conv.weight": torch.ones(2), "conv.bias": torch.zeros(1)}
AVERAGE = {name: tensor + 1 for name, tensor in NET.items()}
OPTIMIZER = {"state": {0: {"exp_avg": torch.zeros(2), "step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1}]}


def put(prefix, state=NET):
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


SINGLE = {
    "the whole file": NET,
    "model_state_dict": {"model_state_dict": NET, "optimizer_state_dict": OPTIMIZER, "epoch": 3, "loss": 0.1},
    "Lightning": {"state_dict": put("model."), "optimizer_states": [OPTIMIZER], "pytorch-lightning_version": "2"},
    "Lightning with a loss": {"state_dict": put("net.") | {"criterion.weight": torch.ones(4)}},
    "net": put("net."),
    "network": {"network": put("module."), "optimizer": OPTIMIZER},
    "generator": {"generator": NET, "discriminator": {"d.weight": torch.ones(1)}},
    "generator before names": put("generator.") | {"discriminator.d": torch.ones(1)},
    "nested prefixes": put("module._orig_mod.model.net._orig_mod."),
    "nested keys": {"model": {"module": {"state_dict": put("_orig_mod.")}}, "scaler": {"scale": 1.0}},
    "an average": {"n_averaged": torch.tensor(3)} | put("module."),
    "only an average": {"ema_state_dict": NET, "optimizer": OPTIMIZER},
    "a name of a trainer's own": {"my_net": NET, "epoch": 3},
}


@pytest.mark.parametrize("kind", SINGLE)
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_the_network_of_a_checkpoint_is_read(kind, suffix, tmp_path, recwarn):
    path, content = tmp_path / f"w.{suffix}", SINGLE[kind]
    if suffix == "pth":
        torch.save(content, path)
    elif all(isinstance(value, torch.Tensor) for value in content.values()):
        save_file(content, path)
    else:
        pytest.skip("safetensors does not nest")
    state = read_weights(path)
    assert state.keys() == NET.keys() and all(torch.equal(state[name], NET[name]) for name in NET)
    assert not recwarn.list


BOTH = {
    "ema": ({"model": NET, "ema": AVERAGE}, "model", "ema"),
    "model_ema": ({"model_ema": AVERAGE, "model": NET, "optimizer": OPTIMIZER}, "model", "model_ema"),
    "state_dict_ema": ({"state_dict": NET, "state_dict_ema": AVERAGE}, "state_dict", "state_dict_ema"),
    "ema_state_dict": ({"model_state_dict": NET, "ema_state_dict": put("module.", AVERAGE)}, "model_state_dict", None),
    "params_ema": ({"params_ema": AVERAGE, "params": NET}, "params", "params_ema"),
    "inside": ({"ema": {"module": AVERAGE, "decay": 0.9}, "model": {"module": NET}}, "model.module", "ema.module"),
    "Lightning": (
        {"state_dict": put("model.") | put("ema_model.", AVERAGE) | {"loss.w": torch.ones(1)}},
        "state_dict.model",
        "state_dict.ema_model",
    ),
    "by prefix": (put("net.") | put("net_ema.module.", AVERAGE), "net", "net_ema"),
}


@pytest.mark.parametrize("kind", BOTH)
def test_of_two_versions_the_plain_one_is_used_and_the_average_on_request(kind, tmp_path):
    content, plain, other = BOTH[kind]
    choice = choose_state(tmp_path, content)
    assert (choice.label, choice.others) == (plain, (other or "ema_state_dict",))
    assert torch.equal(choice.state["conv.weight"], NET["conv.weight"])
    for wanted in {choice.others[0], "ema" if kind == "inside" else choice.others[0].split(".")[-1]}:
        assert torch.equal(choose_state(tmp_path, content, wanted).state["conv.weight"], AVERAGE["conv.weight"])


def test_what_has_no_state_dict_is_answered_with_its_keys_and_what_was_expected(tmp_path):
    with pytest.raises(InputError, match=r"its keys are epoch, optimizer\); expected .* under one of state_dict, "):
        choose_state(tmp_path, {"epoch": 3, "optimizer": OPTIMIZER})
    with pytest.raises(InputError, match=r"has several state dicts, net_a, net_b; choose one with --option state="):
        choose_state(tmp_path, {"net_a": NET, "net_b": NET})
    with pytest.raises(InputError, match=r"--option state=swa: .* has model, ema"):
        choose_state(tmp_path, {"model": NET, "ema": AVERAGE}, "swa")
    with pytest.raises(InputError, match=r"--option state=ema: .* has only one state dict"):
        choose_state(tmp_path, NET, "ema")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint of IS-Net next to its average."""
    torch.manual_seed(0)
    state = ISNet().state_dict()
    average = {name: tensor * 0.5 if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    path = tmp_path_factory.mktemp("w") / "w.pth"
    torch.save({"model": state, "ema": average, "optimizer": OPTIMIZER}, path)
    torch.save({"model": state}, path.with_name("plain.pth"))
    return path


@pytest.mark.slow  # three networks of 44 million parameters
def test_the_choice_is_in_the_key_only_where_it_was_given(checkpoint):
    plain = load_model("isnet", checkpoint.with_name("plain.pth"), "cpu", size="64").identity
    with pytest.warns(SeveralStates, match=r"its model is used; it also has ema; --option state=ema uses the other"):
        default = load_model("isnet", checkpoint, "cpu", size="64")
    assert default.identity == plain and default.weights_state == "model"
    with warnings.catch_warnings(action="error"):
        average = load_model("isnet", checkpoint, "cpu", size="64", state="ema")
    assert average.identity["state"] == average.weights_state == "ema"
    assert average.identity["weights"] != plain["weights"]


@pytest.mark.slow
def test_the_manifest_of_a_run_says_which_state_dict_was_used(checkpoint, make_pairs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_pairs(tmp_path / "data", ["a"])
    command = ["run", "--model", "isnet", "--weights", str(checkpoint), "--data", "data", "--option", "size=64"]
    ran = CliRunner().invoke(main, [*command, "--device", "cpu", "--json"])
    assert ran.exit_code == 0, ran.output
    assert "its model is used; it also has ema" in ran.stderr
    folder = tmp_path / json.loads(ran.stdout)[0]["run"]
    assert json.loads((folder / "run.json").read_text())["meta"]["weights_state"] == "model"


def test_weights_of_another_network_are_answered_with_both_sides_names(tmp_path):
    torch.save({"backbone.x": torch.ones(1), "head.y": torch.ones(1)}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"none of its names fits, it has backbone.x, head.y .* expected are "):
        load_model("isnet", str(tmp_path / "w.pth"), "cpu")


def test_untrained_weights_have_no_state_to_choose():
    with pytest.raises(InputError, match="--option state=ema: untrained weights are from no file"):
        load_model("isnet", "untrained", "cpu", state="ema")
