"""The authors' pipeline as one folder or one repository of the Hugging Face hub, which needs no other base."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from command import call
from diffusers import AutoencoderKL
from drawn_weights import fill
from hashed_weights import CONFIGS, hashed_base, hashed_unet
from hub_server import serve_hub, use_endpoint
from safetensors.torch import save_file

from disbench.errors import InputError
from disbench.models.diffdis import weights

torch.set_num_threads(1)
NAME = "some/diffdis"
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """What is not SD-Turbo's: a base with another VAE."""
    folder = hashed_base(tmp_path_factory.mktemp("base") / "sd_tiny")
    vae = AutoencoderKL.from_config(AutoencoderKL.load_config(folder, subfolder="vae"))
    save_file(fill(vae.state_dict(), "other."), folder / "vae" / "diffusion_pytorch_model.safetensors")
    return folder


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """A folder in the layout of the authors' repository."""
    folder = hashed_base(tmp_path_factory.mktemp("pipeline") / "diffdis")
    unet = hashed_unet("B")
    save_file(unet.state_dict(), folder / UNET)
    config = {**CONFIGS["B"], "_class_name": "UNet2DConditionModel", "class_embed_type": "projection"}
    (folder / "unet" / "config.json").write_text(json.dumps(config))
    index = {"_class_name": "DiffDISPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture(scope="module")
def contents(pipeline):
    files = {path.relative_to(pipeline).as_posix(): path.read_bytes() for path in pipeline.rglob("*") if path.is_file()}
    return files | {"README.md": b"not for disbench", "unet/diffusion_pytorch_model.fp16.safetensors": b"nor this"}


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """No server answers at this address."""
    use_endpoint(monkeypatch, "http://127.0.0.1:9", tmp_path)


def test_a_folder_with_all_parts_needs_no_base(pipeline, base, no_network):
    checkpoint = weights.load(pipeline)
    drive = weights.load(pipeline / UNET, str(pipeline))
    assert weights.digest(checkpoint) == weights.digest(drive)
    assert weights.digest(checkpoint) != weights.digest(weights.load(pipeline / UNET, str(base)))


def test_a_base_that_is_named_replaces_that_of_the_folder(pipeline, base, no_network):
    assert weights.digest(weights.load(pipeline, str(base))) == weights.digest(weights.load(pipeline / UNET, str(base)))


def test_one_repository_is_enough_and_is_read_from_the_cache_without_a_network(
    pipeline, contents, monkeypatch, tmp_path
):
    with serve_hub(monkeypatch, tmp_path, {NAME: contents}) as server:
        first = weights.load(NAME)
    assert weights.digest(first) == weights.digest(weights.load(pipeline))
    paths = {path for path, _ in server.asked}
    assert not any("sd-turbo" in path or "fp16" in path or "README" in path for path in paths)
    use_endpoint(monkeypatch, "http://127.0.0.1:9", tmp_path)  # the server is gone
    assert weights.digest(weights.load(NAME)) == weights.digest(first)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert weights.digest(weights.load(NAME)) == weights.digest(first)


def test_with_a_base_only_the_unet_of_a_repository_is_downloaded(contents, base, monkeypatch, tmp_path, pipeline):
    with serve_hub(monkeypatch, tmp_path, {NAME: contents}) as server:
        loaded = weights.load(NAME, str(base))
    assert weights.digest(loaded) == weights.digest(weights.load(pipeline / UNET, str(base)))
    assert not any("/vae/" in path or "/text_encoder/" in path for path, _ in server.asked)


def test_a_repository_is_the_base_of_a_repacked_file(contents, pipeline, monkeypatch, tmp_path):
    state = {f"unet.{name}": x.half() for name, x in hashed_unet("B").state_dict().items()}
    save_file(state | {"positive": torch.full((1, 2, 24), 0.5).half()}, tmp_path / "F16.safetensors")
    with serve_hub(monkeypatch, tmp_path, {NAME: contents}):
        loaded = weights.load(tmp_path / "F16.safetensors", NAME)
    expected = weights.load(pipeline).vae.state_dict()
    assert all(torch.equal(x, expected[name]) for name, x in loaded.vae.state_dict().items())
    assert (loaded.text == 0.5).all()


@pytest.mark.parametrize("part", ["vae", "text_encoder"])
def test_a_folder_that_lacks_a_part_is_not_completed_from_elsewhere(part, pipeline, tmp_path, no_network):
    folder = shutil.copytree(pipeline, tmp_path / "part")
    shutil.rmtree(folder / part)
    with pytest.raises(InputError, match=f"part: no {part}/ of Stable Diffusion"):
        weights.load(folder)


def test_a_base_that_cannot_be_downloaded_is_reported_with_the_alternative(pipeline, no_network):
    with pytest.raises(InputError, match=r"stabilityai/sd-turbo: no such folder, and without a network.* base=DIR"):
        weights.load(pipeline / UNET)


def test_an_exported_folder_is_whole(pipeline, no_network, tmp_path):
    checkpoint = weights.load(pipeline)
    weights.export(replace(checkpoint), tmp_path / "out")
    assert weights.digest(weights.load(tmp_path / "out")) == weights.digest(checkpoint)


@pytest.mark.slow
def test_the_command_runs_a_repository_and_again_offline_under_the_same_key(
    contents, monkeypatch, tmp_path, make_pairs
):
    monkeypatch.chdir(tmp_path)
    data = make_pairs(tmp_path / "pairs", ["a", "b"])
    command = ("run", "--model", "diffdis", "--weights", NAME, "--data", data, "--device", "cpu", "--no-save")
    with serve_hub(monkeypatch, tmp_path, {NAME: contents}):
        first = call(*command, "--option", "size=64", "--json")
    assert first.exit_code == 0, first.output
    use_endpoint(monkeypatch, "http://127.0.0.1:9", tmp_path)
    again = call(*command, "--option", "size=64", "--json", "--offline")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout) == json.loads(first.stdout)
    assert len(list((tmp_path / "runs" / "diffdis").iterdir())) == 1
