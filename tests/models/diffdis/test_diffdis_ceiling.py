"""What truths lose in an autoencoder: scored as maps are."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from diffusers import AutoencoderKL
from hashed_weights import hashed_base

from disbench.cli.main import main
from disbench.data.dataset import Sample
from disbench.data.images import read_truth
from disbench.errors import InputError
from disbench.models.diffdis import conditioning
from disbench.models.diffdis.ceiling import RoundTrip
from disbench.models.diffdis.predictor import normalise, quantise, resize, stretch

torch.set_num_threads(1)


@pytest.fixture
def base(tmp_path):
    return hashed_base(tmp_path / "base")


@pytest.mark.parametrize("folder", ["", "vae"])
def test_a_truth_is_encoded_and_decoded(base, make_pairs, tmp_path, folder):
    path = make_pairs(tmp_path / "set", ["a"]) / "gt" / "a.png"
    source = RoundTrip(str(base / folder), 64, "cpu")
    output, _ = source.compute(source.load(Sample("set", "a", None, path))[0])
    mask, seconds = source.finish(output, (24, 32))

    vae = AutoencoderKL.from_pretrained(base / "vae").eval()
    truth = read_truth(path)
    x = normalise(np.stack([resize(truth, (64, 64))] * 3, axis=2))[None]
    with torch.no_grad():
        expected = stretch(conditioning.decode(vae, conditioning.encode(vae, x)))[0]
    assert np.array_equal(mask, resize(quantise(expected.numpy()), (24, 32)))
    assert seconds["restore"] >= 0


def test_the_command_scores_it_and_the_identity_tells_sizes_apart(base, make_pairs, tmp_path):
    data = str(make_pairs(tmp_path / "set", ["a", "b"]))
    call = ["vae-ceiling", "--data", data, "--vae", str(base), "--out", str(tmp_path / "runs"), "--json"]
    results = [json.loads(CliRunner().invoke(main, [*call, "--size", size]).stdout) for size in ("32", "64")]
    assert [result["title"] for (result,) in results] == [f"VAE of {base} at {size}" for size in (32, 64)]
    assert len({result["run"] for (result,) in results}) == 2
    done = CliRunner().invoke(main, [*call, "--size", "101"])
    assert done.exit_code == 2
    assert done.stderr == "disbench: --size 101: must be a multiple of 8, the pixels to a latent; near: 104\n"
    assert all(0 <= result["scores"]["set"]["f_max"] <= 1 for (result,) in results)


def test_a_folder_that_is_no_autoencoder_is_named(tmp_path):
    done = CliRunner().invoke(main, ["vae-ceiling", "--data", "mini", "--vae", str(tmp_path), "--split", "DIS-VD"])
    assert done.exit_code == 2
    assert str(tmp_path) in done.stderr and "Traceback" not in done.stderr


def test_a_configuration_without_weights_is_named(base, tmp_path):
    (base / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(InputError, match=r"vae: no part of Stable Diffusion .*no file named"):
        RoundTrip(str(base / "vae"), 64, "cpu")
