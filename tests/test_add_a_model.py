"""docs/add-a-model.md: what it shows works as it is shown."""

import json
import re
from pathlib import Path

from click.testing import CliRunner

from disbench import doctor, models
from disbench.cli import main
from disbench.models._own.steps import ACTIVATIONS, OPTIONS, RESIZES, STRETCHES

TEXT = (Path(__file__).parent.parent / "docs" / "add-a-model.md").read_text()
PYTHON, CARD = (re.search(rf"```{kind}\n(.*?)```", TEXT, re.S)[1] for kind in ("python", "toml"))


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_the_python_file_is_fit(tmp_path, monkeypatch):
    (tmp_path / "my_model.py").write_text(PYTHON)
    small = [(image[::8, ::8].copy(), truth[::8, ::8].copy()) for image, truth in doctor.pictures(2)]
    monkeypatch.setattr(doctor, "pictures", lambda: small)
    ran = call("doctor", "--model", tmp_path / "my_model.py", "--option", "size=64", "--json")
    failed = [one["check"] for one in json.loads(ran.stdout)["checks"] if not one["ok"]]
    assert failed in ([], ["score"])  # its weights are as drawn


def test_the_folder_is_listed_and_described(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "__path__", list(models.__path__))
    monkeypatch.setenv(models.FOLDERS, "")
    folder = tmp_path / "my_models" / "thin_net"
    folder.mkdir(parents=True)
    (folder / "card.toml").write_text(CARD)
    (folder / "predictor.py").write_text(PYTHON)
    shown = call("models", "--models", folder.parent, "thin-net")
    assert "ThinNet, unofficial" in shown.stdout and "Weights thin.pth" in shown.stdout
    assert models.load("thin_net", "thin.pth").title == "ThinNet"


def test_the_table_of_options_is_whole():
    rows = dict(re.findall(r"^\| (`\w+`(?:, `\w+`)?) \| (.*?) \|", TEXT, re.M))
    assert {name for key in rows for name in re.findall(r"\w+", key)} == {*OPTIONS, "output"}
    for key, known in (("resize", RESIZES), ("activation", ACTIVATIONS), ("stretch", STRETCHES)):
        assert re.findall(r"`([\w-]+)`", rows[f"`{key}`"]) == list(known)
