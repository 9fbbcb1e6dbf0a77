"""RMBG-1.4 against the answers of its own code, in tests/goldens/rmbg14."""

import hashlib

import numpy as np
import pytest
import torch
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo, read_keys

import disbench
from disbench.errors import InputError
from disbench.models._parts.weights import load_module
from disbench.models.isnet import network

torch.set_num_threads(1)
ANSWERS = np.load(GOLDENS / "rmbg14" / "answers.npz")
PHOTO = probe_photo("protocol", 1500, 2100)
STEPS = ("pipeline", "utilities")


THIN = (*((depth, False, 4, 16) for depth in (7, 6, 5, 4)), *[(4, True, 4, 16)] * 2)


@pytest.fixture
def load(monkeypatch):
    """Load with a thin network."""
    monkeypatch.setattr(network, "ISNET", THIN)
    monkeypatch.setattr(network, "DECODER", THIN[:5])
    return lambda steps="pipeline": disbench.load("rmbg14", "untrained", "cpu", steps=steps)


@torch.inference_mode()
def test_the_network_answers_as_theirs(tmp_path):
    """Within 1e-4 of the largest, as IS-Net."""
    state = checkpoint(read_keys(GOLDENS / "rmbg14" / "keys.json.gz"), gain=1.2)
    maps = load_module(network.ISNet, state, tmp_path)(probe_image("rmbg14", 160, 224))[0]
    for i, x in enumerate(maps):
        expected = ANSWERS[f"map{i}"]
        assert np.abs(x[0, 0, ::4, ::4].numpy() - expected).max() <= 1e-4 * expected.max()


def test_keys_are_those_of_isnet():
    theirs = read_keys(GOLDENS / "rmbg14" / "keys.json.gz")
    assert theirs == read_keys(GOLDENS / "isnet" / "isnet.json.gz")


@pytest.mark.parametrize("steps", STEPS)
def test_the_network_is_fed_what_each_program_feeds(load, steps):
    prepared = load(steps).predictor.prepare(PHOTO)
    assert prepared.shape == (3, 1024, 1024)
    assert np.abs(prepared[:, ::16, ::16].numpy() - ANSWERS[f"{steps}_input"]).max() <= 1e-6


def test_the_saved_map_is_theirs(load):
    answer = probe_logits("rmbg14", 1024, 1024).sigmoid()[0, 0]
    saved = load().predictor.restore(answer, PHOTO.shape[:2])
    assert np.array_equal(saved[::12, ::12], ANSWERS["saved"])
    assert hashlib.sha256(saved.tobytes()).hexdigest() == str(ANSWERS["saved_sha256"])


def test_a_photo_becomes_a_map_of_its_size(load, monkeypatch):
    model = load()
    monkeypatch.setattr(model.predictor, "size", (64, 64))
    mask = model.predict(PHOTO[:90, :70])
    assert (mask.shape, mask.dtype) == ((90, 70), np.uint8)


@pytest.mark.parametrize(("steps", "suffix"), [("pipeline", ""), ("utilities", ", steps utilities")])
def test_steps_are_in_title_and_identity(load, steps, suffix):
    model = load(steps)
    assert (model.title, model.identity["steps"]) == (f"RMBG-1.4 (untrained){suffix}", steps)


def test_unknown_steps_are_named():
    with pytest.raises(InputError, match=r"unknown steps 'utility'; did you mean utilities\?"):
        disbench.load("rmbg14", "untrained", "cpu", steps="utility")
