"""Models from outside: a plug-in that is really installed, folders, and what is broken in them."""

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from own_registry import isolate_registry

from disbench.cli.main import main
from disbench.errors import BrokenPlugin, InputError
from disbench.inference import model
from disbench.registry import card, discovery, loading

PLUGIN = Path(__file__).parents[1] / "plugin"
CHECKOUT = str(PLUGIN.parent.parent)
CARD = 'title = "Mine"\nsummary = "Mine."\npredictor = "predictor:Mine"\nstatus = "trivial"\n'
CODE = (PLUGIN / "disbench_dark" / "threshold" / "predictor.py").read_text().replace("Dark", "Mine")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that pip put the plug-in into."""
    target, source = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("source") / "plugin"
    for path in PLUGIN.rglob("*"):  # built from a copy, since a build leaves its folders beside what it builds
        if path.is_file() and path.suffix in {".toml", ".py"}:
            copy = source / path.relative_to(PLUGIN)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    built = subprocess.run([*pip, "--target", str(target), str(source)], capture_output=True, text=True)
    if built.returncode:
        pytest.skip(f"no pip or setuptools here: {built.stderr[-200:]}")
    return target


def disbench(*arguments, site, cwd=None, **environment):
    environment |= {"PYTHONPATH": f"{CHECKOUT}{os.pathsep}{site}"}
    command = [sys.executable, "-m", "disbench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=os.environ | environment)


def test_an_installed_plug_in(installed, tmp_path, make_pairs):
    make_pairs(tmp_path, ["a"])
    ran = disbench("predict", "im", "--model", "threshold", "--option", "level=90", site=installed, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "Dark, masks written to predictions: 1" in ran.stdout


def test_a_folders_code_weights_and_options_are_in_the_key(tmp_path, monkeypatch):
    isolate_registry(monkeypatch, [*discovery.ROOTS, str(tmp_path)])
    folder = tmp_path / "mine"
    (folder / "parts").mkdir(parents=True)
    (folder / "card.toml").write_text(CARD + '[[weights]]\nname = "w.pth"\nurls = ["https://a"]\n')
    (folder / "predictor.py").write_text(CODE.replace('        self.identity = {"level": self.level}\n', ""))
    weights = tmp_path / "w.pth"
    weights.write_text("1")
    identities = [model.load_model("mine", str(weights), **options).identity for options in ({}, {"level": "90"})]
    moved = tmp_path / "moved.pth"
    moved.write_text("1")
    assert model.load_model("mine", str(moved)).identity == identities[0]
    weights.write_text("2")
    identities.append(model.load_model("mine", str(weights)).identity)
    (folder / "parts" / "network.py").write_text("")
    identities.append(model.load_model("mine", str(weights)).identity)
    assert all(a != b for i, a in enumerate(identities) for b in identities[:i])
    assert identities[-1] == model.load_model("mine", str(weights)).identity


def test_a_broken_plug_in_is_told_and_left_out(installed, tmp_path):
    bad = tmp_path / "broken-1.dist-info"
    bad.mkdir()
    (bad / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (bad / "entry_points.txt").write_text("[disbench.models]\nbroken = no_such_package\n")
    site = f"{installed}{os.pathsep}{tmp_path}"
    ran = disbench("models", "--json", site=site, DISBENCH_MODELS=str(tmp_path / "nowhere"))
    assert {model["name"] for model in json.loads(ran.stdout)} >= {"threshold", "isnet", "otsu"}
    assert ran.stderr.splitlines() == [
        "disbench: warning: plug-in broken: no_such_package is missing (no such package)",
        f"disbench: warning: DISBENCH_MODELS: {tmp_path / 'nowhere'} is not a folder",
    ]


# -- Folders


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Added to the registry by a command, taken out again after the test."""
    isolate_registry(monkeypatch)
    return tmp_path / "own"


def write(folder, name="mine", card=CARD, code=CODE):
    (folder / name).mkdir(parents=True)
    (folder / name / "card.toml").write_text(card)
    (folder / name / "predictor.py").write_text(code)


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_a_folder_of_models(folder, tmp_path, make_pairs):
    write(folder, "mine_one")
    data = make_pairs(tmp_path / "data", ["a"])
    listed = call("models", "--models", folder, "--json")
    assert "mine_one" in {model["name"] for model in json.loads(listed.stdout)}
    ran = call("run", "--models", folder, "--model", "mine-one", "--data", data, "--out", tmp_path / "runs", "--json")
    assert json.loads(ran.stdout)[0]["title"] == "Mine"
    assert os.environ[card.FOLDERS_VARIABLE] == str(folder)  # for the processes that this one starts


def test_a_hint_can_be_given_as_it_stands(folder, tmp_path, make_pairs):
    folder = folder.with_name("my own")  # a shell needs quotes around it
    write(folder, "failing", code=CODE.replace("def infer(self, batch):", "def infer(self, batch):\n        1 / 0"))
    data = make_pairs(tmp_path / "data", ["a"])
    ran = call("run", "--models", folder, "--model", "failing", "--data", data, "--out", tmp_path / "runs")
    hint = shlex.split(re.search("`(.*)` reports more", ran.stderr)[1])
    assert hint == ["disbench", "doctor", "--models", str(folder), "--model", "failing"]
    assert discovery.cli_arguments(loading.get_card("isnet"), "--model") == "--model isnet"


def test_broken_folders_are_told_and_left_out(folder):
    write(folder, "fine")
    write(folder, "bad", card="title =")
    write(folder, "isnet")
    write(folder, "load")
    write(folder, "a.b")
    write(folder, "_parts")
    discovery.add_models_folder(folder)
    with pytest.warns(BrokenPlugin) as told:
        listed = discovery.list_cards()
    assert {"fine", "isnet", "load"} < listed.keys()  # a model's name hides no function of the registry
    assert str(listed["isnet"].folder) == str(loading.get_card("otsu").folder.parent / "isnet")
    words = " ".join(str(one.message) for one in told)
    for why in (
        "bad/card.toml: not a card",
        "own/isnet: skipped, since",
        "a.b: skipped",
        "_parts: skipped",
    ):
        assert why in words
    with pytest.raises(InputError, match="not a card"):
        loading.get_card("bad")


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import no_such_thing", "Mine needs no_such_thing; pip install no_such_thing"),
        ("from disbench.models import no_such", r"predictor\.py: cannot be imported \(ImportError"),
        ("import disbench.models.broken.network", r"predictor\.py: cannot be imported \(ModuleNotFoundError"),
        ("x = (", r"predictor\.py: cannot be imported \(SyntaxError"),
        ("x = 1", r"predictor\.py: cannot be imported \(AttributeError"),
    ],
)
def test_code_that_fails_is_one_line(folder, code, why):
    name = f"broken_{len(code)}"  # a module of one name would be remembered
    write(folder, name, code=code)
    discovery.add_models_folder(folder)
    with pytest.raises(InputError, match=why):
        model.load_model(name)


@pytest.mark.parametrize(("which", "why"), [("nowhere", "no such folder"), ("own/mine", "the folder that it is in")])
def test_a_wrong_folder_is_told(folder, tmp_path, which, why):
    write(folder)
    ran = call("models", "--models", tmp_path / which)
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)
    assert why in ran.stderr


def test_a_file_that_is_not_what_its_name_says_is_warned_of(folder, tmp_path, make_pairs):
    right, wrong = tmp_path / "right" / "mine.pth", tmp_path / "wrong" / "mine.pth"
    for path in (right, wrong):
        path.parent.mkdir()
        path.write_bytes(path.parent.name.encode())
    digests = {kind: hashlib.new(kind, b"right").hexdigest() for kind in ("md5", "sha256")}
    for kind, digest in digests.items():
        entry = f'[[weights]]\nname = "mine.pth"\nurls = ["https://a.b"]\n{kind} = "{digest}"\n'
        write(folder, f"mine-{kind}", CARD + entry)
    data = make_pairs(tmp_path / "data", ["a"])
    for kind, digest in digests.items():
        common = ["--model", f"mine-{kind}", "--models", str(folder)]
        said = CliRunner().invoke(main, ["models", f"mine-{kind}", "--models", str(folder)])
        assert f"  {kind.upper()}: {digest}\n" in said.stdout
        call = ["run", *common, "--data", str(data), "--out", str(tmp_path / "runs"), "--json", "--weights"]
        fine, other = (CliRunner().invoke(main, [*call, str(path)]) for path in (right, wrong))
        assert fine.exit_code == other.exit_code == 0, (fine.output, other.output)
        assert "warning" not in fine.stderr
        (line,) = [line for line in other.stderr.splitlines() if "warning" in line]
        found = hashlib.new(kind, b"wrong").hexdigest()
        assert line.startswith(
            f"disbench: warning: {wrong}: not the mine.pth that Mine's card means; its {kind.upper()}"
        )
        assert found in line and digest in line
        json.loads(other.stdout)
