"""DiffDIS with generated weights against a stored answer: here of small networks, and once at full size."""

import gzip
import json
from functools import partial

import numpy as np
import pytest
import torch
from hashed_weights import CONFIGS, GOLDENS

from disbench.data.images import read_map
from disbench.data.png_encoder import encode_grey
from disbench.doctor import full_size, gpu
from disbench.models.diffdis import full_size as networks
from disbench.models.diffdis.full_size import build_full_size
from disbench.registry.loading import get_card

torch.set_num_threads(1)
WIDTHS = [8, 16, 32, 32]


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Small networks in place of the full ones, at 64 pixels, and the file that their answer belongs in."""
    monkeypatch.setattr(networks, "UNET", CONFIGS["B"])
    monkeypatch.setattr(networks, "VAE", networks.VAE | {"block_out_channels": WIDTHS, "norm_num_groups": 8})
    monkeypatch.setattr(networks, "PROMPT", (1, 2, CONFIGS["B"]["cross_attention_dim"]))
    monkeypatch.setattr(full_size, "SIDE", 64)
    monkeypatch.setattr(full_size, "ANSWER", tmp_path / "answer.png")
    return tmp_path / "answer.png"


def test_the_networks_have_the_tensors_of_the_released_file_and_the_parameters_of_the_card():
    checkpoint = build_full_size()
    expected = json.loads(gzip.decompress((GOLDENS / "shapes.json.gz").read_bytes()))
    assert {name: list(tensor.shape) for name, tensor in checkpoint.unet.state_dict().items()} == expected
    parameters = [x for network in (checkpoint.unet, checkpoint.vae) for x in network.parameters()]
    assert sum(x.numel() for x in parameters) == get_card("diffdis").parameters
    assert {x.device.type for x in parameters} == {"meta"}


@pytest.mark.slow
@pytest.mark.ci
def test_an_answer_is_compared_within_levels(small):
    model = full_size.load_full_size("cpu", 64)
    mask = model.predict(full_size.draw_picture(64))
    assert model.title == "DiffDIS (generated), size 64" and mask.std() > 10
    small.write_bytes(encode_grey(mask))
    check = partial(full_size.check_full_size, "cpu", "fp32")
    assert check() == (True, "99 % of pixels within 0 levels of the stored answer, all within 0")
    small.write_bytes(encode_grey(np.where(np.arange(64) < 2, mask, mask ^ 4).astype(np.uint8)))
    assert check()[0] is False
    other = mask.copy()
    other[0, :40] ^= 128  # less than 1 % of the pixels
    small.write_bytes(encode_grey(other))
    assert check()[0] is True


def test_half_precision_and_graphs_are_for_other_devices():
    assert full_size.check_full_size("cpu", "fp16") == (None, "computed on other devices only")
    for device in ("cpu", "mps"):
        assert full_size.check_full_size(device, "fp32", compile="graph") == (None, "by CUDA graphs, which need CUDA")
        assert full_size.time_full_size(device, compile="graph")[0] is None


def test_every_precision_is_checked_and_the_fastest_one_timed():
    names = {name for name in gpu.list_checks(["diffdis"], tiny=False, timed=True) if "full size" in name}
    fastest = "full size in fp16 with compile=graph"
    assert names == {*(f"full size in {name}" for name in ("fp32", "tf32", "fp16")), fastest, f"times of {fastest}"}
    assert not [name for name in gpu.list_checks(["diffdis"], tiny=True, timed=True) if "full size" in name]
    assert not [name for name in gpu.list_checks(["isnet"], tiny=False, timed=True) if "full size" in name]


def test_the_picture_follows_from_a_rule():
    picture = full_size.draw_picture(64)
    assert (picture.shape, picture.dtype) == ((64, 64, 3), np.uint8)
    assert picture[0, 0].tolist() == picture[7, 7].tolist() != picture[0, 8].tolist()
    stored = read_map(full_size.ANSWER)
    assert stored.shape == (full_size.SIDE, full_size.SIDE) and stored.std() > 30


@pytest.mark.slow  # one minute and 6 GB, half of it for the weights
def test_full_size_gives_the_stored_answer():
    assert full_size.check_full_size("cpu", "fp32")[0] is True
