"""Training data of weights: cards of any form load, runs record them, and `run` warns of scored splits among them."""

import hashlib
import json
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner
from fake_runs import make_run
from fixed_data import write_data
from own_registry import isolate_registry

import disbench
from disbench.cli.main import main
from disbench.data.training import UNSTATED, check_training, describe_training, is_trained_on
from disbench.errors import InputError, TrainedOnScored
from disbench.leaderboard.evidence import load_measured, submit_run
from disbench.registry import discovery
from disbench.registry.card import Card, Download, read_card
from disbench.registry.loading import get_card
from disbench.registry.training import find_training
from disbench.reports import publish
from disbench.runs.manifest import read_manifest, write_manifest
from disbench.runs.result import load_run

CARD = """
title = "Mine"
summary = "A test."
predictor = "predictor:Predictor"
status = "unofficial"

[[weights]]
name = "mine.pth"
urls = ["https://example.org/mine"]
trained_on = {trained_on}

[pipeline]
size = 8
"""
PREDICTOR = """
import numpy as np


class Predictor:
    device = "cpu"
    identity = {}

    def __init__(self, card, weights, device):
        pass

    def prepare(self, image):
        return image.transpose(2, 0, 1).astype(np.float32) / 255

    def infer(self, batch):
        return batch[:, 0]

    def restore(self, output, size):
        return (output * 255).astype(np.uint8)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with a model, and a data set in a folder called DUTS-TE."""
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path)
    (tmp_path / "data").rename(tmp_path / "DUTS-TE")
    (tmp_path / "mine.pth").write_bytes(b"weights")
    (tmp_path / "models" / "noted_net").mkdir(parents=True)
    isolate_registry(monkeypatch, [*discovery.ROOTS, str(tmp_path / "models")])
    (tmp_path / "models" / "noted_net" / "predictor.py").write_text(PREDICTOR)
    return tmp_path


def write_card(here, trained_on):
    (here / "models" / "noted_net" / "card.toml").write_text(CARD.format(trained_on=trained_on))


def test_run_warns_once_of_a_scored_split_and_records_the_training_data_outside_the_key(here, monkeypatch):
    monkeypatch.setattr(publish, "publish_run", lambda results, metrics: {})  # takes seconds
    write_card(here, '["DIS5K/DIS-TR", "DUTS/TE"]')
    command = ["run", "--model", "noted_net", "--weights", "mine.pth", "--data", "DUTS-TE", "--json"]
    ran = CliRunner().invoke(main, command)
    assert ran.exit_code == 0, ran.output
    folder = Path(json.loads(ran.stdout)[0]["run"])
    assert ran.stderr.count("Mine was trained on DUTS-TE: scores there are marked and not ranked") == 1
    assert json.loads((folder / "run.json").read_text())["meta"]["trained_on"] == ["DIS5K/DIS-TR", "DUTS/TE"]
    write_card(here, '"unstated"')
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrainedOnScored)
        unstated = disbench.run("noted_net", weights="mine.pth", data="DUTS-TE")
        assert unstated.folder == folder
        assert unstated.meta["trained_on"] == ["DIS5K/DIS-TR", "DUTS/TE"]
        write_card(here, '["DUTS/TR"]')
        assert disbench.run("noted_net", weights="mine.pth", data="DUTS-TE").meta["trained_on"] == ["DUTS/TR"]


@pytest.mark.parametrize(
    ("trained_on", "recorded"),
    [
        ('["DUTS/TR"]', ("DUTS/TR",)),
        ('"unstated"', "unstated"),
        ('"DIS5K: DIS-TR and DUTS-TE, as prose"', "unstated"),
        ('""', "unstated"),
        ("[]", ()),
    ],
)
def test_cards_with_lists_and_with_prose_load(here, trained_on, recorded):
    write_card(here, trained_on)
    assert find_training(get_card("noted_net"), "mine.pth") == recorded


def test_prose_is_shown_as_a_note_on_unstated_data(here):
    write_card(here, '"all pictures of my phone"')
    assert "trained on: unstated (all pictures of my phone)" in CliRunner().invoke(main, ["models", "noted_net"]).output
    assert "noted_net" in CliRunner().invoke(main, ["models", "--find", "of my phone"]).output


@pytest.mark.parametrize("names", ['["DUTS/TX"]', '["DIS5K/DIS-TE9"]', '[""]', '["<b>"]'])
def test_a_card_with_an_impossible_split_is_refused_with_its_path(here, names):
    write_card(here, names)
    with pytest.raises(InputError, match=r"noted_net/card\.toml: mine\.pth: trained_on: .* is not "):
        read_card(here / "models" / "noted_net")


def test_an_old_run_has_no_record_and_no_mark(tmp_path):
    run = make_run(tmp_path)
    assert "trained_on" not in run.meta
    ran = CliRunner().invoke(main, ["report", str(run.folder)])
    assert ran.exit_code == 0
    assert "†" not in ran.output and "‡" not in ran.output


def test_a_submitted_run_carries_its_training_data(tmp_path):
    run = make_run(tmp_path / "runs")
    manifest = read_manifest(run.folder)
    manifest.meta["trained_on"] = ["DIS-Mini/DIS-TE1"]
    write_manifest(run.folder, manifest)
    path = submit_run(load_run(run.folder), tmp_path, metrics="mae")
    assert json.loads(path.read_text())["measured"][0]["trained_on"] == ["DIS-Mini/DIS-TE1"]
    (loaded,) = load_measured(path)
    assert list(loaded.meta["trained_on"]) == ["DIS-Mini/DIS-TE1"]
    shown = CliRunner().invoke(main, ["leaderboard", "show", str(path), "--split", "DIS-TE1", "--metrics", "mae"])
    assert "DiffDIS-mini†" in shown.output


@pytest.mark.parametrize(
    ("names", "token", "split", "expected"),
    [
        (["DIS5K/DIS-TE1"], "dis5k", "DIS-TE1", True),
        (["DIS5K/DIS-TE1"], "dis5k", "DIS-TE2", False),
        (["DIS5K/DIS-TE1"], "dis-mini-v1", "DIS-TE1", False),
        (["DIS-Mini/DIS-TE1"], "dis5k", "DIS-TE1", False),
        (["DIS-Mini"], "dis-mini-v1", "DIS-TE4", True),
        (["DIS5K"], "dis5k", "DIS-VD", True),
        (["DIS5K/DIS-VD"], "folder:DIS-VD", "DIS-VD", True),
        (["DUTS/TE"], "folder:DUTS-TE", "DUTS-TE", True),
        (["DUTS/TE"], "folder:SOD", "TE-DUTS", True),
        (["DUTS/TR"], "folder:SOD", "TE-DUTS", False),
        (["UHRSD/TE"], "folder:UHRSD_TE_2K", "UHRSD_TE_2K", True),
        (["ECSSD/test"], "folder:ECSSD", "ECSSD", True),
        (["ECSSD"], "folder:ECSSD", "ECSSD", True),
        (["AIM-500/test"], "folder:AIM-500|gt:alpha", "AIM-500", True),
        (["HRS10K/TE"], "folder:HR", "TE-HRS10K", True),
        (["ThinObject5K/test"], "folder:ThinObject5K", "test", True),
        (["ThinObject5K/test"], "folder:mine", "test", False),
        ([], "dis5k", "DIS-VD", False),
    ],
)
def test_a_scored_split_is_recognised_under_its_names(names, token, split, expected):
    check_training(names)
    assert is_trained_on(tuple(names), token, split) is expected


def test_weights_are_recognised_by_name_address_and_digest(tmp_path):
    renamed = tmp_path / "model.bin"
    renamed.write_bytes(b"weights")
    card = Card(
        name="mine",
        folder=tmp_path,
        title="Mine",
        status="unofficial",
        weights=(
            Download(name="shipped", trained_on=("A/a",)),
            Download(name="named.pth", urls=("https://x",), trained_on=("B/b",)),
            Download(name="hub", urls=("https://huggingface.co/me/net",), trained_on=("C/c",)),
            Download(name="hub2", urls=("https://huggingface.co/me/two/blob/main/a/x.pth",), trained_on=("E/e",)),
            Download(name="md5", urls=("https://x",), md5=hashlib.md5(b"weights").hexdigest(), trained_on=("D/d",)),
        ),
    )
    named = {None: ("A/a",), "x/named.pth": ("B/b",), "me/net": ("C/c",), str(renamed): ("D/d",), "untrained": ()}
    named |= {"me/net/sub/x.pth": ("C/c",), "me/two/a/x.pth": ("E/e",), "me/two/b.pth": UNSTATED, "me/two": UNSTATED}
    assert {weights: find_training(card, weights) for weights in named} == named
    assert find_training(card, "other.pth") == UNSTATED
    assert find_training(get_card("otsu"), None) == ()
    assert find_training(get_card("diffdis"), None) == ("DIS-Mini/DIS-TR",)


def test_training_data_are_described_in_words():
    assert describe_training(("DIS5K/DIS-TR", "DUTS/TR")) == "DIS5K/DIS-TR, DUTS/TR"
    assert describe_training(()) == "no data"
    assert describe_training("unstated") == "unstated"
