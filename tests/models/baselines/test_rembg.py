"""rembg's models by name: its steps, in tests/goldens/rembg, and its files, here small ones from a local server."""

import hashlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import call
from filled_weights import GOLDENS, probe_logits, probe_photo
from hub_server import serve_hub
from onnx_files import onnx_file
from own_registry import isolate_registry
from PIL import Image

import disbench
from disbench.errors import BrokenPlugin, DigestMismatch, InputError, TrainedOnScored
from disbench.registry import discovery, loading, weights, weights_cache
from disbench.registry.card import read_cards
from disbench.registry.discovery import list_cards
from disbench.registry.loading import get_card
from disbench.registry.training import find_training
from disbench.reports import publish

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
ANSWERS = np.load(GOLDENS / "rembg" / "answers.npz")
PHOTOS = {"": probe_photo("protocol", 1500, 2100), "_small": probe_photo("protocol_small", 300, 233)}
PROBES = {  # name -> the probe that its network answers with, and its side
    "u2net": ("u2net", 320),
    "isnet-general-use": ("dis_general_use", 1024),
    "isnet-anime": ("dis_anime", 1024),
    "birefnet-general": ("birefnet_general", 1024),
    "bria-rmbg": ("bria_rmbg", 1024),
}
BIREFNETS = ("general", "general-lite", "portrait", "dis", "hrsod", "cod", "massive")
OTHERS = ("u2net", "u2netp", "silueta", "u2net_human_seg", "isnet-general-use", "isnet-anime", "bria-rmbg")
NAMES = (*OTHERS, *(f"birefnet-{name}" for name in BIREFNETS))
CARDS = {name: get_card(f"rembg:{name}") for name in NAMES}
U2NETP = os.environ.get("DISBENCH_U2NETP")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A small ONNX file; its first output are logits."""
    return onnx_file(tmp_path_factory.mktemp("weights") / "small.onnx")


@pytest.fixture(scope="module")
def predictors(file):
    return {name: loading.import_attribute(c, c.predictor)(c, str(file), "cpu") for name, c in CARDS.items()}


@pytest.fixture
def server(monkeypatch, tmp_path, file):
    """A server that has the small file under the name of every file of rembg; cards name it with its digest."""
    monkeypatch.chdir(tmp_path)
    data = file.read_bytes()
    names = {name: card.weights[0].name for name, card in CARDS.items()}
    with serve_hub(monkeypatch, tmp_path, {}, {f"/{name}": data for name in names.values()}) as server:
        facts = {"md5": hashlib.md5(data).hexdigest(), "sha256": ""}
        cards = {}
        for name, card in CARDS.items():
            entry = replace(card.weights[0], urls=(f"{server.url}/{names[name]}",), **facts)
            cards[card.name] = replace(card, weights=(entry,))
        for module in (weights, weights_cache, loading):
            monkeypatch.setattr(module, "scan_models", lambda: (cards, {}))
        yield server


@pytest.fixture
def data(tmp_path, make_pairs):
    return make_pairs(tmp_path / "DIS-TE1", ["a", "b"])


# -- rembg's steps


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize("photo", PHOTOS)
def test_the_network_is_fed_what_rembg_feeds(predictors, name, photo):
    prepared = predictors[name].prepare(PHOTOS[photo])
    side = PROBES[name][1]
    assert (prepared.shape, prepared.dtype) == ((3, side, side), np.float32)
    assert np.array_equal(prepared[:, :: side // 20, :: side // 20], ANSWERS[f"{name}{photo}_input"])


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize("photo", PHOTOS)
def test_the_saved_map_is_that_of_rembg(predictors, monkeypatch, name, photo):
    probe, side = PROBES[name]
    answer = probe_logits(probe, side, side)
    answer = (answer if name == "birefnet-general" else answer.sigmoid()).numpy()
    monkeypatch.setattr(predictors[name], "run", lambda batch, output: answer)
    saved = predictors[name].restore(predictors[name].infer(None)[0], PHOTOS[photo].shape[:2])
    assert np.array_equal(saved[::24, ::24], ANSWERS[f"{name}{photo}_saved"])
    assert hashlib.sha256(saved.tobytes()).hexdigest() == str(ANSWERS[f"{name}{photo}_sha256"])


def test_names_have_the_steps_of_their_sessions():
    steps = {name: [CARDS[name].pipeline[key] for key in ("size", "mean", "deviation", "activation")] for name in NAMES}
    imagenet = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]
    for name in ("u2net", "u2netp", "silueta", "u2net_human_seg"):
        assert steps.pop(name) == [320, *imagenet, "none"]
    assert steps.pop("isnet-general-use") == [1024, [0.5, 0.5, 0.5], [1, 1, 1], "none"]
    assert steps.pop("isnet-anime") == [1024, imagenet[0], [1, 1, 1], "none"]
    assert steps.pop("bria-rmbg") == [1024, *imagenet, "none"]
    assert len(steps) == 7
    assert all(name.startswith("birefnet-") for name in steps)
    assert all(values == [1024, *imagenet, "sigmoid"] for values in steps.values())


def test_the_first_output_is_read_and_very_low_logits_become_0(predictors):
    """The small network answers with logits, 20 times the mean of the colours less a half, in its first output."""
    batch = np.full((1, 3, 2, 2), -9, np.float32)
    assert predictors["u2net"].infer(batch).ravel() == pytest.approx([-190])
    assert predictors["birefnet-dis"].infer(batch).ravel() == [0]
    assert predictors["birefnet-dis"].infer(batch * 0).ravel() == pytest.approx([1 / (1 + np.exp(10))], rel=1e-5)


def test_a_constant_map_is_0_and_a_black_image_has_values(predictors):
    assert not predictors["u2net"].restore(np.full((4, 4), 0.7, np.float32), (6, 5)).any()
    black = predictors["u2net"].prepare(np.zeros((5, 7, 3), np.uint8))
    assert black[:, 0, 0] == pytest.approx([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225])


@pytest.mark.skipif(not U2NETP, reason="DISBENCH_U2NETP names no u2netp.onnx; see test_u2net_real.py")
def test_the_real_u2netp_gives_the_map_of_rembgs_steps(recwarn):
    import onnxruntime

    model = disbench.load("rembg:u2netp", U2NETP, "cpu")
    assert not [warning for warning in recwarn if warning.category is DigestMismatch]
    resized = np.array(Image.fromarray(PHOTOS[""]).resize((320, 320), Image.Resampling.LANCZOS)) / 255
    x = (resized / resized.max() - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    session = onnxruntime.InferenceSession(U2NETP, providers=["CPUExecutionProvider"])
    fed = {session.get_inputs()[0].name: x.transpose(2, 0, 1)[None].astype(np.float32)}
    answer = session.run(None, fed)[0][0, 0]
    assert np.ptp(answer) > 0.5  # it finds something
    pixels = ((answer - answer.min()) / np.ptp(answer) * 255).astype(np.uint8)
    expected = np.array(Image.fromarray(pixels).resize((2100, 1500), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(model.predict(PHOTOS[""]) - expected).max() <= 1  # the order of sums may differ


# -- The table


def test_the_registry_has_every_name_with_its_file_digest_and_training_data():
    assert {name for name in list_cards() if name.startswith("rembg")} == {f"rembg:{name}" for name in NAMES}
    for card in CARDS.values():
        (entry,) = card.weights
        assert entry.urls == (f"https://github.com/danielgatis/rembg/releases/download/v0.0.0/{entry.name}",)
        assert len(entry.md5) == 32 or len(entry.sha256) == 64
        assert entry.license in ("Apache-2.0", "MIT", "CC-BY-NC-4.0")
        assert find_training(card, None) == entry.trained_on
    digests = [entry.md5 + entry.sha256 for card in CARDS.values() for entry in card.weights]
    assert len(set(digests)) == len(digests)
    learned = {name for name, card in CARDS.items() if "DIS5K/DIS-TE1" in card.weights[0].trained_on}
    assert learned == {"birefnet-general", "birefnet-general-lite", "birefnet-massive"}
    assert find_training(CARDS["birefnet-dis"], None) == ("DIS5K/DIS-TR",)


def test_the_list_has_licence_training_data_and_source_of_each_weights_file():
    text = call("models").stdout
    lines = text.splitlines()
    (group,) = [line for line in lines if line.startswith("rembg:NAME")]
    assert "14 models" in group
    shown = {line.partition(",")[0] for line in lines if line.startswith("rembg:") and line is not group}
    assert shown == {f"rembg:{name}" for name in NAMES}
    rest = "; download from github.com"
    assert f"rembg:birefnet-dis, BiRefNet-DIS-epoch_590.onnx: licence: MIT; trained on: DIS5K/DIS-TR{rest}" in lines
    learned = "DIS5K/DIS-TR,DIS-TE1,DIS-TE2,DIS-TE3,DIS-TE4"
    assert f"birefnet, BiRefNet-DIS5K-TR-TEs: licence: not stated; trained on: {learned}; download from" in text
    assert "udun, udun-R50: licence: none; trained on: DIS5K/DIS-TR; by hand from drive.google.com" in lines
    assert "diffdis, mini: licence: MIT; trained on: DIS-Mini/DIS-TR; shipped" in lines
    assert sum("; trained on: " in line for line in lines) >= 20
    listed = json.loads(call("models", "--json").stdout)
    full = [card for card in listed for entry in card["weights"] if entry["license"] and entry["trained_on"]]
    assert len({card["name"] for card in full}) >= 20
    assert {f"rembg:{name}" for name in NAMES} <= {card["name"] for card in full}


def test_the_list_of_chosen_models_has_their_weights_only():
    lines = call("models", "--find", "rembg:isnet").stdout.splitlines()
    assert sum("rembg:" in line for line in lines) == 3  # the group and both
    assert "trained on" not in call("models", "--find", "Otsu").stdout


def test_a_model_is_described_with_the_command_that_runs_it():
    shown = call("models", "rembg:birefnet-dis").stdout
    assert "Weights BiRefNet-DIS-epoch_590.onnx (about 970 MB; licence: MIT; trained on: DIS5K/DIS-TR)" in shown
    assert "MD5: 2d4d44102b446f33a4ebb2e56c051f2b" in shown
    assert "from:    https://github.com/danielgatis/rembg/releases/download/v0.0.0/BiRefNet-DIS-epoch_590" in shown
    assert "then:    disbench run --model rembg:birefnet-dis --data DIS5K" in shown
    (card,) = json.loads(call("models", "rembg:birefnet-dis", "--json").stdout)
    assert (card["name"], card["protocol"]["activation"]) == ("rembg:birefnet-dis", "sigmoid")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("rembg:birefnet-diss", "did you mean rembg:birefnet-dis or "),
        ("rembg", "known: rembg:birefnet-cod, rembg:birefnet-dis, rembg:birefnet-general, "),
    ],
)
def test_an_unknown_name_is_answered_with_close_ones(name, hint):
    refused = call("run", "--model", name)
    assert refused.exit_code == 2
    assert f"unknown model '{name}'; {hint}" in refused.stderr
    assert refused.stderr.count("\n") == 1


# -- Downloads


def test_a_model_is_downloaded_once_and_runs_from_the_cache(server, data, monkeypatch):
    monkeypatch.setattr(publish, "publish_run", lambda results, metrics: {})  # takes seconds
    server.cut = 200  # each attempt brings so much
    command = ("run", "--model", "rembg:u2netp", "--data", data, "--json")
    ran = call(*command)
    assert ran.exit_code == 0, ran.output
    assert f"u2netp.onnx: to be downloaded from {server.url}/u2netp.onnx (4.6 MB; licence: Apache-2.0; " in ran.stderr
    assert server.asked[1] == ("/u2netp.onnx", "bytes=200-")
    (result,) = json.loads(ran.stdout)
    assert Path(result["run"]).parent.name == "rembg_u2netp"
    record = json.loads((Path(result["run"]) / "run.json").read_text())
    assert record["meta"]["trained_on"] == ["DUTS/TR"]
    assert record["identity"]["model"] == "rembg:u2netp"
    assert record["identity"]["card"]["size"] == 320
    assert record["identity"]["weights"] == hashlib.sha256(server.files["/u2netp.onnx"]).hexdigest()
    server.asked = []
    again = call(*command, "--offline")
    assert json.loads(again.stdout)[0]["run"] == result["run"]
    assert (server.asked, "to be downloaded" in again.stderr) == ([], False)
    (row,) = json.loads(call("weights", "--json").stdout)
    assert (row["name"], row["models"]) == ("u2netp.onnx", ["rembg:u2netp"])


def test_another_file_than_that_of_the_table_is_not_loaded(server):
    server.files["/u2netp.onnx"] += b"changed"
    with pytest.raises(InputError, match=r"u2netp\.onnx: not loaded, because .* has the MD5 .* of the card"):
        disbench.load("rembg:u2netp")


def test_offline_a_file_that_is_not_in_the_cache_is_refused_in_one_line(server, data):
    refused = call("run", "--model", "rembg:u2netp", "--data", data, "--offline")
    assert (refused.exit_code, server.asked) == (2, [])
    assert "u2netp.onnx: not in the cache, and cannot be downloaded (offline); connect, or give" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_missing_onnxruntime_is_told_before_the_download(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for module in [m for m in sys.modules if m.startswith(("disbench.models._own", "disbench.models.rembg"))]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(InputError, match=r"rembg:u2netp needs onnxruntime; pip install 'disbench\[onnx\]'"):
        disbench.load("rembg:u2netp")
    assert server.asked == []


# -- Files of one's own


def test_rembgs_own_file_under_any_name_is_recognised(server, file, recwarn):
    model = disbench.load("rembg:birefnet-general", file)
    assert model.title == "rembg:birefnet-general (small.onnx)"
    assert model.identity == disbench.load("rembg:birefnet-general").identity
    assert disbench.load("rembg:birefnet-general").title == "rembg:birefnet-general"
    assert not [warning for warning in recwarn if warning.category is DigestMismatch]
    assert "DIS5K/DIS-TE1" in find_training(get_card("rembg:birefnet-general"), str(file))


def test_another_file_runs_with_a_warning_and_unstated_training_data(server, file, tmp_path):
    model = onnx.load(file)
    model.doc_string = "another digest"
    onnx.save(model, tmp_path / "mine.onnx")
    with pytest.warns(DigestMismatch, match=r"mine\.onnx: not the BiRefNet-general-epoch_244\.onnx .* its MD5 is"):
        other = disbench.load("rembg:birefnet-general", tmp_path / "mine.onnx")
    assert other.identity != disbench.load("rembg:birefnet-general").identity
    assert find_training(get_card("rembg:birefnet-general"), str(tmp_path / "mine.onnx")) == "unstated"


@pytest.mark.parametrize("weights", ["gone.onnx", "untrained"])
def test_a_file_that_is_not_there_is_named(weights):
    with pytest.raises(InputError, match=rf"{weights}: no such file; omit --weights to download u2netp\.onnx"):
        disbench.load("rembg:u2netp", weights, "cpu")


@pytest.mark.filterwarnings("ignore::disbench.errors.DigestMismatch")
def test_a_file_of_another_size_is_refused(tmp_path):
    path = onnx_file(tmp_path / "a.onnx", (1, 3, 320, 320))
    assert disbench.load("rembg:u2net", path, "cpu").predict(PHOTOS["_small"]).shape == (300, 233)
    with pytest.raises(InputError, match=r"a\.onnx: works at 320x320, unlike BiRefNet-DIS-epoch_590\.onnx"):
        disbench.load("rembg:birefnet-dis", path, "cpu")


@pytest.mark.filterwarnings("error::disbench.errors.TrainedOnScored")
def test_a_model_that_has_learned_the_images_is_marked_and_birefnet_dis_is_not(server, data, tmp_path):
    with pytest.warns(TrainedOnScored, match="rembg:birefnet-general was trained on DIS-TE1: scores there are marked"):
        marked = disbench.run("rembg:birefnet-general", data=data, out=tmp_path / "runs")
    plain = disbench.run("rembg:birefnet-dis", data=data, out=tmp_path / "runs")
    table = call("report", "--format", "markdown", marked.folder, plain.folder).stdout
    cells = [line.split("|")[3:5] for line in table.splitlines() if line.endswith(" |")][2:]
    assert len(cells) == 5
    assert all(general.endswith("† ") and "†" not in dis for general, dis in cells)


# -- Variants of a folder


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a = 1", "variants.toml: not a list of variants .a is no table"),
        ('["a:b"]', "variants.toml: not a list of variants .no model can be called 'a:b'"),
        ("[a]\npipeline = 1", "variants.toml: not a list of variants"),
        ("[a]\ncolour = 1", "variants.toml: not a card .*unexpected keyword argument 'colour'"),
        ("[a", "variants.toml: not a list of variants"),
    ],
)
def test_a_bad_list_of_variants_is_named(tmp_path, monkeypatch, text, why):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "card.toml").write_text('status = "trivial"\npredictor = "a:B"\n')
    (tmp_path / "mine" / "variants.toml").write_text(text)
    isolate_registry(monkeypatch, [str(tmp_path)])
    with pytest.warns(BrokenPlugin, match=why):
        assert not discovery.list_cards()
    with pytest.raises(InputError, match=why):
        get_card("mine:a")


def test_a_folder_with_the_name_of_one_with_variants_is_skipped(tmp_path, monkeypatch):
    (tmp_path / "rembg").mkdir()
    (tmp_path / "rembg" / "card.toml").write_text('title = "Mine"\nstatus = "trivial"\npredictor = "a:B"\n')
    isolate_registry(monkeypatch, [*discovery.ROOTS, str(tmp_path)])
    with pytest.warns(BrokenPlugin, match="skipped, since .*models/rembg has its name"):
        assert "rembg" not in discovery.list_cards()


def test_a_variant_has_what_its_table_says_and_the_rest_of_the_card(tmp_path):
    (tmp_path / "card.toml").write_text('status = "trivial"\npredictor = "a:B"\n[pipeline]\nsize = 1\nstretch = "x"\n')
    (tmp_path / "variants.toml").write_text('[one]\nsummary = "y"\n[two]\ntitle = "Two"\npipeline = { size = 2 }\n')
    first, second = read_cards(tmp_path)
    assert (first.name, first.title, first.summary) == (*[f"{tmp_path.name}:one"] * 2, "y")
    assert (first.pipeline, second.pipeline) == ({"size": 1, "stretch": "x"}, {"size": 2, "stretch": "x"})
    assert (second.title, second.default_weights) == ("Two", None)
