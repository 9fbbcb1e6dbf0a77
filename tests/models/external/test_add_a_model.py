"""The example of docs/add-a-model.md works as shown there."""

import json
import re
import sys

from added_model import CARD, PYTHON, TEXT
from click.testing import CliRunner
from own_registry import isolate_registry

from disbench.cli.main import main
from disbench.doctor import adapter
from disbench.inference import model
from disbench.models._own.steps import ACTIVATIONS, OPTIONS, RESIZES, STRETCHES


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_doctor_accepts_the_python_file(tmp_path, monkeypatch):
    (tmp_path / "my_model.py").write_text(PYTHON)
    small = [(image[::8, ::8].copy(), truth[::8, ::8].copy()) for image, truth in adapter.sample_pictures(2)]
    monkeypatch.setattr(adapter, "sample_pictures", lambda: small)
    ran = call("doctor", "--model", tmp_path / "my_model.py", "--option", "size=64", "--json")
    failed = [check["check"] for check in json.loads(ran.stdout)["checks"] if not check["ok"]]
    assert failed in ([], ["score"])  # its weights are untrained
    printed = call("doctor", "--model", tmp_path / "my_model.py", "--option", "size=64").stdout.splitlines()
    shown = TEXT.partition("```text\n")[2].partition("\n```")[0].splitlines()
    assert set(shown[2:4]) <= set(printed)
    advice = shown[-2].partition("; ")[2]
    assert advice in [hint for _, _, hint in adapter.CHECKS]


def test_the_folder_is_listed_and_described(tmp_path, monkeypatch):
    isolate_registry(monkeypatch)
    folder = tmp_path / "my_models" / "thin_net"
    folder.mkdir(parents=True)
    (folder / "card.toml").write_text(CARD)
    (folder / "predictor.py").write_text(PYTHON)
    shown = call("models", "--models", folder.parent, "thin-net")
    assert "ThinNet, unofficial" in shown.stdout and "Weights thin.pth" in shown.stdout
    assert model.load_model("thin_net", "thin.pth").title == "ThinNet"


def test_the_table_of_options_is_complete():
    section = TEXT.partition("## A model file\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| (`\w+`(?:, `\w+`)?) \| (.*?) \|", section, re.M))
    assert {name for key in rows for name in re.findall(r"\w+", key)} == {*OPTIONS, "output"}
    for key, choices in (("resize", RESIZES), ("activation", ACTIVATIONS), ("stretch", STRETCHES)):
        assert re.findall(r"`([\w-]+)`", rows[f"`{key}`"]) == list(choices)


def test_modules_of_a_card_leave_no_compiled_code(tmp_path, monkeypatch):
    """Python would run it in place of a file that was changed since, if size and date are the same."""
    isolate_registry(monkeypatch)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)  # as users have it
    folder = tmp_path / "my_models" / "kept_net"
    folder.mkdir(parents=True)
    (folder / "card.toml").write_text(CARD)
    (folder / "helper.py").write_text("LEVEL = 50")
    (folder / "predictor.py").write_text(PYTHON + "\nfrom disbench.models.kept_net import helper\n")
    call("models", "--models", folder.parent, "kept-net")
    assert model.load_model("kept_net", "thin.pth").title == "ThinNet"
    assert not list(folder.rglob("*.pyc")) and not sys.dont_write_bytecode


PRINTING = """
print("of a file")


class Predictor(Predictor):
    def infer(self, batch):
        print("of a class")
        return super().infer(batch)
"""


def test_what_a_file_prints_is_kept_out_of_results(tmp_path, monkeypatch, make_pairs, capsys):
    monkeypatch.chdir(tmp_path)
    make_pairs(tmp_path / "mine", ["a"])
    (tmp_path / "my_model.py").write_text(PYTHON + PRINTING)
    asked = ("--model", "my_model.py", "--option", "size=64")
    ran = call("run", *asked, "--data", "mine", "--json")
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)[0]["scores"]["mine"] and "of a file" in ran.stderr
    photo = (tmp_path / "mine" / "im" / "a.jpg").read_bytes()
    made = CliRunner().invoke(main, ["predict", "-", *asked], input=photo)
    assert made.stdout_bytes.startswith(b"\x89PNG") and b"of a class" in made.stderr_bytes
    capsys.readouterr()
    model.load_model("my_model.py", size="64")  # in a program, which decides for itself
    assert capsys.readouterr().out == "of a file\n"


def test_a_file_is_described_without_weights_and_by_its_own_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    isolate_registry(monkeypatch)
    (tmp_path / "my_model.py").write_text(PYTHON)
    shown = call("models", "my_model.py").stdout
    assert "my_model.py, file: a model of your own" in shown and "Weights" not in shown
    folder = tmp_path / "own" / "thin_net"
    folder.mkdir(parents=True)
    (folder / "card.toml").write_text(CARD)
    (folder / "predictor.py").write_text(PYTHON)
    shown = call("models", "--models", "own", "thin-net").stdout
    assert f"disbench run --models {tmp_path / 'own'} --model thin_net --weights thin.pth" in shown
