"""What the digest of weights depends on: it enters the keys of runs."""

import hashlib
from dataclasses import replace

import pytest
import torch
from tiny_training import begin

from disbench.models._parts import weights as files
from disbench.models.diffdis import predictor, weights
from disbench.registry.loading import get_card

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def checkpoint():
    return begin()


def test_a_digest_is_that_of_names_and_values_in_order():
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([[3]])
    content = b"epsilon" + b"a" + x.numpy().tobytes() + b"b" + y.numpy().tobytes()
    assert files.digest_tensors([("a", x), ("b", y)], "epsilon") == hashlib.sha256(content).hexdigest()


def test_another_name_is_another_digest():
    x = torch.ones(3)
    assert files.digest_tensors([("a", x)]) != files.digest_tensors([("b", x)])


def test_another_prompt_is_another_digest(checkpoint):
    assert weights.digest(replace(checkpoint, text=checkpoint.text + 1)) != weights.digest(checkpoint)


def test_another_prediction_type_is_another_digest(checkpoint):
    kinds = ("epsilon", "v_prediction", "sample")
    assert len({weights.digest(replace(checkpoint, prediction_type=kind)) for kind in kinds}) == 3


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_another_value_in_a_network_is_another_digest(part):
    checkpoint = begin()
    before = weights.digest(checkpoint)
    with torch.no_grad():
        next(getattr(checkpoint, part).parameters()).flatten()[0] += 1
    assert weights.digest(checkpoint) != before


def test_the_size_is_no_part_of_the_digest(checkpoint):
    """It is a key of its own in the identity of a model."""
    assert weights.digest(replace(checkpoint, size=999)) == weights.digest(checkpoint)


@pytest.fixture
def old_files(checkpoint, tmp_path, monkeypatch):
    """A folder of weights that are older than the cache's doubt, and the number of times that they are hashed."""
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    weights.save(replace(checkpoint, size=64), tmp_path / "weights")
    calls = []
    compute = weights.digest
    monkeypatch.setattr(predictor, "digest", lambda loaded: calls.append(loaded) or compute(loaded))
    return tmp_path / "weights", calls


def load_later(folder, monkeypatch, seconds=60, **options):
    """Load weights as if some seconds had passed since they were written."""
    monkeypatch.setattr(predictor.time, "time_ns", lambda: int((folder / OWN).stat().st_ctime_ns + seconds * 1e9))
    return predictor.DiffDIS(get_card("diffdis"), str(folder), "cpu", **options).identity["weights"]


OWN = "unet.safetensors"


def test_unchanged_files_are_hashed_once_and_changed_ones_again(old_files, checkpoint, monkeypatch):
    folder, calls = old_files
    first = load_later(folder, monkeypatch)
    assert load_later(folder, monkeypatch, precision="fp16") == first == weights.digest(weights.load(folder))
    assert len(calls) == 1
    weights.save(replace(checkpoint, text=checkpoint.text + 1, size=64), folder)
    changed = load_later(folder, monkeypatch)
    assert changed != first and changed == weights.digest(weights.load(folder))
    assert len(calls) == 2


def test_files_that_change_while_they_are_loaded_are_not_cached(old_files, monkeypatch):
    folder, calls = old_files
    for _ in range(2):
        load_later(folder, monkeypatch, seconds=-1)  # they changed after loading began
    load_later(folder, monkeypatch, seconds=1)  # or too shortly before
    assert len(calls) == 3


def test_an_untrained_network_has_no_files(old_files, monkeypatch):
    folder, calls = old_files
    monkeypatch.setattr(predictor, "MINI", folder)
    identities = [predictor.DiffDIS(get_card("diffdis"), name, "cpu").identity for name in (None, "untrained")]
    assert identities[0]["weights"] != identities[1]["weights"] and len(calls) == 2
