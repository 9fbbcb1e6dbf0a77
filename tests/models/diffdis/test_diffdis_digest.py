"""What the digest of weights depends on: it enters the keys of runs."""

import hashlib
from dataclasses import replace

import pytest
import torch
from tiny_training import begin

from disbench.models._parts import weights as files
from disbench.models.diffdis import weights

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
