"""LawDIS' windows around the edges of the ground truth, the authors' semi-auto, and the mark on their scores."""

import json

import numpy as np
import pytest
import tiny_lawdis as tiny
import torch
from command import call
from filled_weights import probe_photo
from image_files import write

from disbench.data.images import read_image, read_map
from disbench.doctor.adapter import check_batch, check_infer, check_prepare, check_restore
from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.models.lawdis import steps
from disbench.models.lawdis.network import Networks

SMALL = probe_photo("lawdis", 90, 120)
TRUTH = np.zeros((90, 120), np.uint8)
TRUTH[20:60, 70:100] = 255


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.write_folder(tmp_path_factory.mktemp("lawdis") / "stable-diffusion-2")


def load(folder, windows="truth"):
    return load_model("lawdis", str(folder), "cpu", size="64", windows=windows)


def test_windows_lie_around_the_edges_of_the_truth(folder, monkeypatch):
    """The map and its levels decide nothing about where they lie."""
    seen, cut = [], steps.cut_window
    monkeypatch.setattr(steps, "cut_window", lambda x, window, size: seen.append(window) or cut(x, window, size))
    load(folder).predict(SMALL, prompt="", truth=TRUTH)
    expected = steps.find_windows(TRUTH)
    assert expected and seen == [window for window in expected for _ in range(2)]  # of image and map
    seen.clear()
    load(folder).predict(SMALL, prompt="", truth=np.zeros_like(TRUTH))
    assert not seen


def test_the_map_is_that_of_the_macro_mode_but_for_its_windows(folder, monkeypatch):
    monkeypatch.setattr(Networks, "segment", lambda *_: torch.zeros(1, 64, 64))
    monkeypatch.setattr(Networks, "refine", lambda *_: torch.full((1, 64, 64), 99.0))
    monkeypatch.setattr(steps, "find_windows", lambda levels: [steps.Window(60, 10, 50, 60)] * bool(levels.any()))
    levels = load(folder).predict(SMALL, prompt="", truth=TRUTH)
    assert (levels[10:70, 60:110] == 255).all()
    levels[10:70, 60:110] = 127
    assert np.array_equal(levels, load(folder, "none").predict(SMALL, prompt=""))


@pytest.mark.slow
@pytest.mark.ci
def test_scores_are_marked_and_of_another_run(folder, tmp_path, make_pairs):
    data = make_pairs(tmp_path / "mine", ["a", "b"])
    (tmp_path / "p.jsonl").write_text('{"image": "a", "prompt": ""}\n{"image": "b", "prompt": "a disc"}')
    command = ("run", "--model", "lawdis", "--weights", folder, "--data", data, "--option", "size=64")
    command += ("--input", f"prompt={tmp_path / 'p.jsonl'}", "--device", "cpu", "--out", tmp_path / "runs")
    runs = {}
    for windows in ("truth", "auto"):
        ran = call(*command, "--option", f"windows={windows}", "--json")
        assert ran.exit_code == 0, ran.output
        assert ("receives the ground truth: its scores are marked and not ranked" in ran.stderr) == (windows == "truth")
        runs[windows] = tmp_path / "runs" / "lawdis" / json.loads(ran.stdout)[0]["run"].rpartition("/")[2]
    identities = {name: json.loads((path / "run.json").read_text())["identity"] for name, path in runs.items()}
    assert identities["truth"]["windows"] == "truth" and identities["truth"]["sees_truth"] is True
    assert "sees_truth" not in identities["auto"]
    table = call("report", *runs.values()).stdout
    rows = [line.split(" | ")[-2:] for line in table.splitlines() if "↑ |" in line or "↓ |" in line]
    assert rows and all("§" in truth and "§" not in auto for truth, auto in rows), table
    assert "§: receives the ground truth, not ranked." in table
    model = load(folder)
    for name, prompt in (("a", ""), ("b", "a disc")):
        truth, saved = read_map(data / "gt" / f"{name}.png"), read_map(runs["truth"] / "masks" / "mine" / f"{name}.png")
        image = read_image(data / "im" / f"{name}.jpg")
        assert np.array_equal(saved, model.predict(image, prompt=prompt, truth=truth))


def test_what_has_no_ground_truth_is_refused_in_one_line(folder, tmp_path):
    model = load(folder)
    with pytest.raises(InputError, match=r"LawDIS .* needs the ground truth of each image"):
        model.predict(SMALL, prompt="")
    with pytest.raises(InputError, match=r"truth: 8 x 9 pixels, but its image has 120 x 90; resize the ground truth"):
        model.predict(SMALL, prompt="", truth=TRUTH[:9, :8])
    for windows in ("none", "auto"):
        with pytest.raises(InputError, match="takes no truth"):
            load(folder, windows).predict(SMALL, prompt="", truth=TRUTH)
    write(tmp_path / "a.png", SMALL)
    (tmp_path / "p.jsonl").write_text('{"image": "a", "prompt": ""}')
    command = ("predict", tmp_path / "a.png", "--model", "lawdis", "--weights", folder, "--option", "windows=truth")
    command += ("--option", "size=64", "--input", f"prompt={tmp_path / 'p.jsonl'}", "--device", "cpu")
    refused = call(*command, "--out", tmp_path / "cut")
    assert refused.exit_code == 2 and "Traceback" not in refused.output
    assert "needs ground truths, which photos do not have; choose other options" in refused.stderr
    assert not (tmp_path / "cut").exists()


def test_doctor_draws_a_truth(folder):
    image = np.ascontiguousarray(SMALL[:37, :53])
    model = load(folder)
    for check in (check_prepare, check_infer, check_restore, check_batch):
        assert check(model, [(image, np.zeros((37, 53), np.uint8))])
