"""DiffDIS' weights in every form, and files that are none."""

import shutil
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from hashed import fill, hashed_base, hashed_unet
from huggingface_hub import constants
from safetensors.torch import save_file

from disbench.errors import InputError
from disbench.models.diffdis import weights

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return hashed_base(tmp_path_factory.mktemp("base") / "sd_tiny")


@pytest.fixture(scope="module")
def state():
    return hashed_unet("B").state_dict()


@pytest.fixture(scope="module")
def checkpoint(base, state, tmp_path_factory):
    return weights.load(plain(state, tmp_path_factory.mktemp("authors")), str(base))


@pytest.fixture(scope="module")
def mini(checkpoint, tmp_path_factory):
    """disbench's own folder, for images of 64 pixels."""
    folder = tmp_path_factory.mktemp("mini")
    own = weights.Checkpoint(checkpoint.unet, checkpoint.vae, checkpoint.text, "v_prediction", size=64)
    weights.save(own, folder)
    return folder


def plain(state, folder):
    save_file(state, folder / "drive.safetensors")
    return folder / "drive.safetensors"


def trainers_folder(state, folder):
    (folder / "unet").mkdir()
    save_file(state, folder / "unet" / "diffusion_pytorch_model.safetensors")
    return folder


def distributed(state, folder):
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, folder / "pytorch_model.bin")
    return folder / "pytorch_model.bin"


def repacked(state, folder):
    renamed = {f"unet.{name}": tensor.half() for name, tensor in state.items()}
    save_file(renamed | {"positive": torch.full((1, 2, 24), 0.5).half()}, folder / "repacked.safetensors")
    return folder / "repacked.safetensors"


@pytest.mark.parametrize("form", [plain, trainers_folder, distributed, repacked])
def test_every_form_of_the_authors_unet(state, base, tmp_path, form):
    loaded = weights.load(form(state, tmp_path), str(base))
    expected = {name: x.half().to(x.dtype) for name, x in state.items()} if form is repacked else state
    found = loaded.unet.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert {x.dtype for x in found.values()} == {torch.float32, torch.int64}
    assert (loaded.text == 0.5).all() == (form is repacked)


def test_digest_belongs_to_the_tensors_not_to_the_file(state, base, tmp_path, checkpoint, mini):
    again = weights.load(distributed(state, tmp_path), str(base))
    assert weights.digest(again) == weights.digest(checkpoint)
    assert weights.digest(weights.load(mini)) != weights.digest(checkpoint)


def test_own_folder_comes_back_as_saved(mini, checkpoint, tmp_path):
    loaded = weights.load(mini)
    assert (loaded.prediction_type, loaded.size) == ("v_prediction", 64)
    assert torch.equal(loaded.text, checkpoint.text.half().float())
    weights.save(loaded, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in mini.iterdir()
    }


@pytest.mark.parametrize("with_text", [True, False])
def test_an_exported_folder_is_whole_and_comes_back(checkpoint, base, tmp_path, with_text):
    weights.export(checkpoint, tmp_path / "out", str(base) if with_text else None)
    again = weights.load(tmp_path / "out", base="nobody/nothing")
    assert weights.digest(again) == weights.digest(checkpoint)
    theirs = UNet2DConditionModel.load_config(tmp_path / "out", subfolder="unet")
    assert (theirs["in_channels"], theirs["class_embed_type"]) == (8, "projection")
    assert (tmp_path / "out" / "text_encoder").is_dir() == with_text


def test_only_what_the_authors_can_read_is_exported(mini, tmp_path):
    with pytest.raises(InputError, match="v_prediction: the authors' code reads epsilon alone"):
        weights.export(weights.load(mini), tmp_path / "out")


def test_training_starts_from_the_base(base):
    torch.manual_seed(0)
    begin = weights.start(str(base))
    stock = fill(UNet2DConditionModel.from_pretrained(base, subfolder="unet").state_dict(), "stock.")
    state = begin.unet.state_dict()
    assert torch.equal(state["conv_out.weight"], stock["conv_out.weight"])
    assert torch.equal(state[f"{weights.MID_BLOCK}.attn3.to_k.weight"], stock[f"{weights.MID_BLOCK}.attn1.to_k.weight"])
    assert begin.prediction_type == "epsilon"
    assert not begin.text.is_inference()


# -- What is not DiffDIS


class Bomb:
    def __reduce__(self):
        return Path.touch, (Path("exploded"),)


def stock_unet(folder, state, base):
    shutil.copytree(base / "unet", folder / "unet")
    return folder, "unet/.*not the weights of this DiffDISUNet; 45 tensors differ: class_embedding.*is missing"


def half_a_file(folder, state, base):
    path = plain(state, folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path, "drive.safetensors: not a readable weights file"


def half_an_archive(folder, state, base):
    path = distributed(state, folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path, "pytorch_model.bin: not a readable weights file"


def not_weights(folder, state, base):
    (folder / "notes.pt").write_text("no weights")
    return folder / "notes.pt", "notes.pt: not a readable weights file"


def a_damaged_name(folder, state, base):
    path = folder / "damaged.pt"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"conv_in.weight", b"conv_in.weigh\xff"))
    return path, "damaged.pt: not a readable weights file"


def code(folder, state, base):
    torch.save({"weights": Bomb()}, folder / "code.pt")
    return folder / "code.pt", "code.pt: not a readable weights file"


def optimiser(folder, state, base):
    torch.save({"state": {0: torch.zeros(1)}}, folder / "optimiser.pt")
    return folder / "optimiser.pt", "optimiser.pt: more than weights in it"


def wrong_width(folder, state, base):
    return plain(hashed_unet("A").state_dict(), folder), r"class_embedding.linear_1.bias is \(64,\) instead of \(32,\)"


def nothing(folder, state, base):
    return folder, "no DiffDIS in it"


def no_such_file(folder, state, base):
    return folder / "gone.safetensors", "gone.safetensors: no such file or folder"


@pytest.mark.parametrize(
    "make",
    [
        stock_unet,
        half_a_file,
        half_an_archive,
        a_damaged_name,
        not_weights,
        code,
        optimiser,
        wrong_width,
        nothing,
        no_such_file,
    ],
)
def test_foreign_files_are_named(make, state, base, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, message = make(tmp_path, state, base)
    with pytest.raises(InputError, match=message):
        weights.load(path, str(base))
    assert not Path("exploded").exists()


@pytest.mark.parametrize("name", ["owner/name", "owner/name/unet.safetensors"])
def test_id_that_cannot_be_fetched(name, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=f"{name}: no such path, nor to be had from Hugging Face"):
        weights.load(name)


@pytest.mark.parametrize("name", ["out/isnet.pth", "out/isnet/isnet.pth"])
def test_a_mistyped_file_of_a_folder_that_is_here_is_not_asked_for_elsewhere(name, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(parents=True)
    with pytest.raises(InputError, match=f"{name}: no such file or folder"):
        weights.load(name)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", b"{}", "config.json: not the configuration"),
        ("config.json", None, "config.json: not the configuration"),
        ("vae.safetensors", None, "vae.safetensors: not a readable weights file"),
    ],
)
def test_own_folder_with_a_fault(mini, tmp_path, file, content, message):
    folder = shutil.copytree(mini, tmp_path / "copy")
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(InputError, match=message):
        weights.load(folder)


def test_own_folder_without_its_prompt(mini, state, tmp_path):
    folder = shutil.copytree(mini, tmp_path / "copy")
    save_file(state, folder / "unet.safetensors")
    with pytest.raises(InputError, match="`positive`, is missing"):
        weights.load(folder)


def test_base_without_a_vae(state, base, tmp_path):
    shutil.copytree(base / "unet", tmp_path / "base" / "unet")
    with pytest.raises(InputError, match="base: no vae/ of Stable Diffusion"):
        weights.load(plain(state, tmp_path), str(tmp_path / "base"))


# -- The predictor


def test_a_file_that_is_no_weights_is_told_before_the_base_is_fetched(tmp_path):
    (tmp_path / "notes.pt").write_text("not weights")
    with pytest.raises(InputError, match=r"notes\.pt: not a readable weights file \(damaged.*no code is run"):
        weights.load(tmp_path / "notes.pt", base="nobody/nothing")
