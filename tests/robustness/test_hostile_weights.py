"""Checkpoints, cards and recipes from outside: never run, and refused by name where they are not what they seem."""

import io
import json
import os
import pickle
import shutil
import struct
import zipfile
from importlib import import_module
from pathlib import Path

import pytest
import torch
from hostile import call, data_set, files, nothing_half, refused
from own_registry import isolate_registry
from safetensors.torch import save

from disbench.errors import InputError
from disbench.models._parts.weights import match_state
from disbench.registry import discovery

MINI = Path(discovery.ROOTS[0]) / "diffdis" / "mini"
RAN = "it-was-run"


class Malicious:
    def __reduce__(self):
        return os.system, (f"touch {RAN}",)


def saved(value, **options):
    torch.save(value, file := io.BytesIO(), **options)
    return file.getvalue()


def lying(header, data=b""):
    """A safetensors file with this header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def zipped(data):
    """What torch.save writes, with this pickle in it."""
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


ONE = {"one": torch.ones(3)}
SHAPED = {"conv_in.weight": torch.ones(2, 3), "positive": torch.ones(1, 2, 32)}
UNREADABLE = "not a readable weights file"
FOREIGN = "not the weights of this"

FILES = {
    "pickle that runs code": ("w.pth", pickle.dumps(Malicious()), UNREADABLE),
    "pickle of protocol 0": ("w.pth", pickle.dumps(Malicious(), 0), UNREADABLE),
    "torch file that runs code": ("w.pth", zipped(pickle.dumps(Malicious())), UNREADABLE),
    "code beside weights": ("w.pth", saved({"state_dict": ONE, "hook": Malicious()}), UNREADABLE),
    "old torch file that runs code": ("w.pth", saved(Malicious(), _use_new_zipfile_serialization=False), UNREADABLE),
    "pickle called safetensors": ("w.safetensors", pickle.dumps(Malicious()), UNREADABLE),
    "empty": ("w.pth", b"", UNREADABLE),
    "empty safetensors": ("w.safetensors", b"", UNREADABLE),
    "text": ("w.pth", b"version https://git-lfs.github.com/spec/v1\n", UNREADABLE),
    "a word": ("w.pth", b"broken\n", f"{UNREADABLE} (damaged, or more than tensors; no code is run)"),
    "html": ("w.safetensors", b"<!doctype html><title>Google Drive - Quota exceeded</title>", UNREADABLE),
    "truncated": ("w.pth", saved(ONE)[:-200], UNREADABLE),
    "truncated early": ("w.pth", saved(ONE)[:30], UNREADABLE),
    "old and truncated": ("w.pth", saved(ONE, _use_new_zipfile_serialization=False)[:-9], UNREADABLE),
    "truncated safetensors": ("w.safetensors", save(ONE)[:-5], UNREADABLE),
    "zip without a pickle": ("w.pth", zipped(b""), UNREADABLE),
    "header of an exabyte": ("w.safetensors", struct.pack("<Q", 1 << 60) + b"{}", UNREADABLE),
    "header longer than the file": ("w.safetensors", struct.pack("<Q", 100) + b"{}", UNREADABLE),
    "header that is no JSON": ("w.safetensors", lying(b"{]"), UNREADABLE),
    "header with a gigabyte that is not there": (
        "w.safetensors",
        lying({"one": {"dtype": "F32", "shape": [1 << 28], "data_offsets": [0, 1 << 30]}}, bytes(12)),
        UNREADABLE,
    ),
    "header whose shape is another": (
        "w.safetensors",
        lying({"one": {"dtype": "F32", "shape": [9], "data_offsets": [0, 12]}}, bytes(12)),
        UNREADABLE,
    ),
    "header whose shape overflows": (
        "w.safetensors",
        lying({"one": {"dtype": "F32", "shape": [1 << 62, 1 << 62], "data_offsets": [0, 12]}}, bytes(12)),
        UNREADABLE,
    ),
    "a list": ("w.pth", saved([torch.ones(2)]), "more than weights"),
    "a number": ("w.pth", saved(7), "more than weights"),
    "numbers": ("w.pth", saved({"epoch": 7}), "more than weights"),
    "another network's": ("w.pth", saved(ONE), FOREIGN),
    "names that are numbers": ("w.pth", saved({1: torch.ones(2)}), "more than weights"),
    "nothing in it": ("w.pth", saved({}), FOREIGN),
    "no such file": ("other.pth", b"", "no such file"),
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    # A machine with little memory says so first, in a line of its own.
    monkeypatch.setattr("disbench.models.diffdis.inference_memory.free_memory", lambda *_: None)
    data_set("d")


def run(*arguments):
    result = call("run", "--data", "d", "--device", "cpu", *arguments)
    assert not Path(RAN).exists()
    nothing_half()
    return result


@pytest.mark.parametrize("what", FILES)
def test_a_file(what):
    name, data, expected = FILES[what]
    Path(name).write_bytes(data)
    refused(run("--model", "isnet", "--weights", "w.pth" if name == "other.pth" else name), expected)


@pytest.mark.parametrize("model", ["udun", "diffdis"])
@pytest.mark.parametrize("what", [key for key in FILES if "code" in key or key.startswith(("empty", "header"))])
def test_a_file_for_another_model(model, what):
    name, data, expected = FILES[what]
    Path(name).write_bytes(data)
    refused(run("--model", model, "--weights", name), expected)


@pytest.mark.parametrize("what", FILES)
def test_a_file_as_a_backbone(what):
    name, data, expected = FILES[what]
    Path(name).write_bytes(data)
    options = ("--backbone", "w.pth" if name == "other.pth" else name, "--data", "d", "--size", 128, "--device", "cpu")
    ran = call("train", "--model", "udun", "--out", "out", *options)
    assert not Path(RAN).exists()
    refused(ran, "no backbone (Res2Net, ResNet, Swin)" if expected == FOREIGN else expected, "w.")


@pytest.mark.parametrize("model", ["isnet", "udun", "diffdis"])
def test_a_folder_without_weights(model):
    Path("empty").mkdir()
    refused(run("--model", model, "--weights", "empty"), "empty: ")


def test_weights_that_are_not_finite():
    shutil.copytree(MINI, "w")
    data = bytearray(Path("w/unet.safetensors").read_bytes())
    data[-2:] = b"\x00\x7e"  # NaN in half precision, the last value of the last tensor
    Path("w/unet.safetensors").write_bytes(data)
    refused(run("--model", "diffdis", "--weights", "w"), "unet.safetensors: ", "not finite")


KINDS = {"sparse": lambda x: x.to_sparse(), "meta": lambda x: x.to("meta"), "int8": lambda x: x.to(torch.int8),
         "complex64": lambda x: x.to(torch.cfloat), "float8": lambda x: x.to(torch.float8_e4m3fn)}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_of_another_kind_are_no_weights(kind):
    with pytest.raises(InputError, match=f"w.pth: x is .*{kind}.*; save it as dense float32"):
        match_state({"x": torch.ones(2, 2)}, {"x": KINDS[kind](torch.ones(2, 2))}, Path("w.pth"), "a network")


CONFIG = json.loads((MINI / "config.json").read_bytes())


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("config.json", b"", "not the configuration"),
        ("config.json", b"[]", "not the configuration"),
        ("config.json", b"\xff\xfe", "not the configuration"),
        ("config.json", json.dumps(CONFIG | {"size": "large"}).encode(), "not the configuration"),
        ("config.json", json.dumps(CONFIG | {"more": 1}).encode(), "not the configuration"),
        ("config.json", json.dumps(CONFIG | {"prediction_type": "x"}).encode(), "not the configuration"),
        ("config.json", json.dumps({k: v for k, v in CONFIG.items() if k != "vae"}).encode(), "not the configuration"),
        ("config.json", json.dumps(CONFIG | {"unet": CONFIG["unet"] | {"block_out_channels": "x"}}).encode(), "config"),
        ("config.json", json.dumps(CONFIG | {"unet": CONFIG["unet"] | {"layers_per_block": -3}}).encode(), "w/"),
        ("config.json", json.dumps(CONFIG | {"vae": CONFIG["vae"] | {"down_block_types": ["os"]}}).encode(), "w/"),
        ("config.json", json.dumps(CONFIG | {"unet": {}}).encode(), "w/unet.safetensors"),
        ("config.json", json.dumps(CONFIG | {"size": -5}).encode(), "not the configuration"),
        ("unet.safetensors", save(ONE), "`positive`, is missing"),
        ("unet.safetensors", save(ONE | {"positive": torch.ones(1, 2, 32)}), FOREIGN),
        ("unet.safetensors", save(SHAPED), FOREIGN),
        ("unet.safetensors", b"", UNREADABLE),
        ("vae.safetensors", b"", UNREADABLE),
        ("vae.safetensors", None, UNREADABLE),
        ("vae.safetensors", save(ONE), FOREIGN),
    ],
)
def test_a_folder_of_diffdis(name, data, expected):
    shutil.copytree(MINI, "w")
    Path("w", name).unlink()
    if data is not None:
        Path("w", name).write_bytes(data)
    refused(run("--model", "diffdis", "--weights", "w"), expected, "w/")


CARD = 'title = "T"\nstatus = "trivial"\npredictor = "predictor:P"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "not a card"),
        (b"\xff\xfe", "not a card"),
        (b"title = ", "not a card"),
        (b'title = "T"', "status"),
        (b'status = "trivial"', "title"),
        (CARD.replace("trivial", "best").encode(), "unknown status 'best'; known: verified"),
        (CARD.replace('"trivial"', "7").encode(), "status"),
        (CARD.replace('"T"', "7").encode(), "title"),
        ((CARD + "titel = 1").encode(), "titel"),
        ((CARD + 'name = "x"').encode(), "name"),
        ((CARD + 'parameters = "many"').encode(), "parameters"),
        ((CARD + "summary = []").encode(), "summary"),
        ((CARD + 'paper = "x"').encode(), "paper"),
        ((CARD + "[paper]\nyear = 2024").encode(), "paper"),
        ((CARD + 'weights = "w"').encode(), "not a card"),
        ((CARD + "[[weights]]\nsize = 7").encode(), "not a card"),
        ((CARD + '[[weights]]\nname = "x"\nurl = "y"').encode(), "url"),
        ((CARD + '[[maps]]\nname = "x"\nurls = "y"').encode(), "urls"),
        ((CARD + "pipeline = 7").encode(), "pipeline"),
        ((CARD + "protocol = 7").encode(), "pipeline"),  # its older name
        (CARD.replace("predictor:P", "predictor").encode(), "predictor"),
        (CARD.replace("predictor:P", "../../evil:P").encode(), "predictor"),
        ((CARD + "parameters = " + "9" * 5000).encode(), "not a card"),
        ((CARD + "pipeline = " + "[" * 5000).encode(), "nested too deeply"),
        ((CARD + "pipeline.size = " + "9" * 30).encode(), "64 bits"),
        (("a." * 20000 + "a = 1").encode(), "nested too deeply"),
    ],
)
def test_a_card(monkeypatch, text, expected):
    isolate_registry(monkeypatch, [str(Path.cwd() / "m")])
    Path("m/new").mkdir(parents=True)
    Path("m/new/card.toml").write_bytes(text)
    listed = call("models")  # a list is not spoilt by one card
    assert listed.exit_code == 0 and "card.toml" in listed.stderr and expected in listed.stderr
    assert "\nnew " not in listed.stdout
    for arguments in (["models", "new"], ["run", "--model", "new", "--data", "d"]):
        refused(call(*arguments), "card.toml", expected)


RECIPE = (MINI.parent / "recipes" / "mini.toml").read_text()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "stages"),
        ("= 1", "not a recipe"),
        (RECIPE.replace("seed = 1", 'seed = "one"'), "seed"),
        (RECIPE.replace("seed = 1", "sead = 1"), "unknown key 'sead'"),
        (RECIPE.replace("steps = 2200", 'steps = "2200"'), "steps"),
        (RECIPE.replace("size = 128", "size = [128]"), "size"),
        (RECIPE.replace("batch = 8", "batch = 7"), "batch must be even"),
        (RECIPE.replace("steps = 2200", "steps = 2201"), "make them equal"),
        (RECIPE.replace("v_prediction", "x_prediction"), "prediction_type"),
        (RECIPE.replace("[unet]", "[unett]"), "unknown key"),
        (RECIPE.replace('vae = "mini-vae.toml"', "vae = 7"), "vae"),
        (RECIPE.replace('vae = "mini-vae.toml"', 'vae = "gone.toml"'), "gone.toml"),
        (RECIPE.replace('vae = "mini-vae.toml"', 'base = "x"\nvae = "y"'), "either base, or vae and unet"),
        (RECIPE.replace("stages = [", "stages = 7\nx = ["), "unknown key"),
        (RECIPE.replace("rotation = 0.1", 'rotation = "much"'), "rotation"),
        (RECIPE.replace("seed = 1", "seed = " + "9" * 5000), "not a recipe"),
        (RECIPE.replace("seed = 1", "seed = " + "{a=" * 2000), "nested too deeply"),
    ],
)
def test_a_recipe(text, expected):
    Path("r.toml").write_text(text, encoding="utf-8")
    before = files()
    refused(call("train", "r.toml", "--data", "d", "--out", "out", "--device", "cpu"), expected, ".toml")
    assert {path: data for path, data in files().items() if path.name != ".lock"} == before


@pytest.mark.parametrize("data", [b"\xff\xfe", None])
def test_a_recipe_that_is_no_text(data):
    Path("r.toml").mkdir() if data is None else Path("r.toml").write_bytes(data)
    refused(call("train", "r.toml", "--data", "d", "--out", "out"), "r.toml: not a recipe")


@pytest.mark.parametrize(
    "data", [b"", b"text", saved(ONE)[:-200], saved({"hook": Malicious()}), saved(ONE), saved([1])]
)
def test_a_training_checkpoint(data):
    Path("unet.pt").write_bytes(data)
    with pytest.raises(InputError, match=r"unet\.pt: damaged, or not a checkpoint; remove it"):
        checkpoints = import_module("disbench.models._training.checkpoints")
        checkpoints.restore_checkpoint(checkpoints.RunState(out=Path(), identity=None, name="unet"), {})
    assert not Path(RAN).exists()


def test_a_training_log_that_is_gone():
    checkpoints = import_module("disbench.models._training.checkpoints")
    with pytest.raises(InputError, match=r"unet\.jsonl: .*; remove it and the checkpoint next to it"):
        checkpoints.truncate_log(Path("unet.jsonl"), 3)


def test_a_damaged_unet_of_lawdis():
    Path("lawdis/unet").mkdir(parents=True)
    Path("lawdis/unet/diffusion_pytorch_model.safetensors").write_bytes(b"truncated download")
    asked = ("--model", "lawdis", "--weights", "lawdis", "--device", "cpu")
    words = "lawdis/unet/diffusion_pytorch_model.safetensors: not a readable weights file"
    refused(call("run", *asked, "--data", "d", "--out", "out"), words)


def test_an_unknown_model_to_train_is_refused_before_a_folder_is_made():
    refused(call("train", "--model", "nothing", "--data", "d", "--out", "out"), "unknown model 'nothing'")
    assert not Path("out").exists()
