"""DiffDIS' weights in every form, and files that are none."""

import json
import re
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from hashed_weights import fill, hashed_base, hashed_unet
from hub_server import serve_hub
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

from disbench.errors import InputError, SeveralStates
from disbench.models._parts import weights as files
from disbench.models.diffdis import ceiling, weights

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
    weights.save(replace(checkpoint, prediction_type="v_prediction", size=64), folder)
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


def compiled(state, folder):
    return plain({f"_orig_mod.{name}": tensor for name, tensor in state.items()}, folder)


def repacked(state, folder):
    renamed = {f"unet.{name}": tensor.half() for name, tensor in state.items()}
    save_file(renamed | {"positive": torch.full((1, 2, 24), 0.5).half()}, folder / "repacked.safetensors")
    return folder / "repacked.safetensors"


@pytest.mark.parametrize("form", [plain, trainers_folder, distributed, compiled, repacked])
def test_every_form_of_the_authors_unet(state, base, tmp_path, form):
    loaded = weights.load(form(state, tmp_path), str(base))
    expected = {name: x.half().to(x.dtype) for name, x in state.items()} if form is repacked else state
    tensors = loaded.unet.state_dict()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in expected.items())
    assert {x.dtype for x in tensors.values()} == {torch.float32, torch.int64}
    assert (loaded.text == 0.5).all() == (form is repacked)


def checkpoint_file(state, average, folder):
    torch.save({"unet": state, "ema": average, "step": 3}, folder / "both.pt")
    return folder / "both.pt"


def lightning_file(state, average, folder):
    names = {f"model.unet.{name}": tensor for name, tensor in state.items()}
    names |= {f"ema.unet.{name}": tensor for name, tensor in average.items()}
    torch.save({"state_dict": names}, folder / "both.ckpt")
    return folder / "both.ckpt"


def flat_folder(state, average, folder):
    names = {f"unet.{name}": tensor for name, tensor in state.items()}
    return trainers_folder(names | {f"ema.{name}": tensor for name, tensor in average.items()}, folder)


def own_folder(state, average, folder):
    parts = {"net": state | {"positive": torch.zeros(1, 2, 24)}, "ema": average | {"positive": torch.zeros(1, 2, 24)}}
    names = {f"{part}.{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}
    save_file(names, folder / "unet.safetensors")
    return folder


@pytest.mark.parametrize("form", [checkpoint_file, lightning_file, flat_folder, own_folder])
def test_of_a_file_with_an_average_the_plain_unet_is_used_and_the_average_on_request(
    form, state, base, mini, tmp_path
):
    folder = shutil.copytree(mini, tmp_path / "own") if form is own_folder else tmp_path
    average = {name: x / 2 if x.is_floating_point() else x.clone() for name, x in state.items()}
    path = form(state, average, folder)
    with pytest.warns(SeveralStates, match=r"is used; it also has \S*ema\S*; --option state=\S*ema\S* uses the other"):
        plain_unet = weights.load(path, str(base), "")
    with pytest.warns(SeveralStates, match=r"is used; it also has \S*ema[^;]*$"):  # of a command without the option
        weights.load(path, str(base))
    with warnings.catch_warnings(action="error"):
        averaged = weights.load(path, str(base), "ema")
    for loaded, expected, label in ((plain_unet, state, "model|unet|net"), (averaged, average, "ema")):
        tensors = loaded.unet.state_dict()
        assert all(torch.equal(tensors[name], tensor) for name, tensor in expected.items())
        assert re.search(label, loaded.state)


def test_a_state_that_the_file_lacks_is_refused_with_those_it_has(state, base, tmp_path):
    path = checkpoint_file(state, state, tmp_path)
    with pytest.raises(InputError, match=r"--option state=swa: .*both.pt has unet, ema"):
        weights.load(path, str(base), "swa")


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
    again = weights.load(tmp_path / "out")
    assert weights.digest(again) == weights.digest(checkpoint)
    theirs = UNet2DConditionModel.load_config(tmp_path / "out", subfolder="unet")
    assert (theirs["in_channels"], theirs["class_embed_type"]) == (8, "projection")
    assert (tmp_path / "out" / "text_encoder").is_dir() == with_text


def test_an_export_that_fails_leaves_no_file(checkpoint, base, tmp_path):
    broken = shutil.copytree(base, tmp_path / "base")
    drop(broken / "text_encoder" / "model.safetensors", "fc1")
    with pytest.raises(InputError, match=r"text_encoder: .*CLIPTextModel; 4 tensors differ"):
        weights.export(checkpoint, tmp_path / "out", str(broken))
    assert not list((tmp_path / "out").iterdir())


def test_only_what_the_authors_can_read_is_exported(mini, tmp_path):
    with pytest.raises(InputError, match="v_prediction: the authors' code reads only epsilon"):
        weights.export(weights.load(mini), tmp_path / "out")
    padded = replace(weights.load(mini), prediction_type="epsilon", text=torch.zeros(1, 77, 24))
    with pytest.raises(InputError, match="77 tokens: the authors' code has 2"):
        weights.export(padded, tmp_path / "out")


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
    return folder / "optimiser.pt", "optimiser.pt: holds more than weights"


def wrong_width(folder, state, base):
    return plain(hashed_unet("A").state_dict(), folder), r"class_embedding.linear_1.bias is \(64,\) instead of \(32,\)"


def nothing(folder, state, base):
    return folder, "no DiffDIS weights"


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
    with pytest.raises(InputError, match=f"{name}: no such path, and not available from Hugging Face"):
        weights.load(name)


def test_an_id_is_a_file_of_a_repository_or_what_is_wanted_of_it(tmp_path, monkeypatch):
    contents = {"unet/a.safetensors": b"a", "b": b"b", "c": b"c", "other": b"other"}
    with serve_hub(monkeypatch, tmp_path, {"owner/name": contents}):
        assert files.find_weights("owner/name/unet/a.safetensors", ("b",)).read_bytes() == b"a"
        folder = files.find_weights("owner/name", ("b", "c"))
    assert {path.name: path.read_bytes() for path in folder.glob("[bco]*")} == {"b": b"b", "c": b"c"}


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


@pytest.mark.parametrize("shape", [(1, 2, 99), (2, 24)])
def test_own_folder_with_another_prompt(mini, state, tmp_path, shape):
    folder = shutil.copytree(mini, tmp_path / "copy")
    save_file(state | {"positive": torch.zeros(shape)}, folder / "unet.safetensors")
    with pytest.raises(InputError, match=r"unet.safetensors: not this U-Net's empty prompt, .* of \(1, \d, 24\)"):
        weights.load(folder)


@pytest.mark.parametrize("shape", [(1, 2, 99), (1, 77, 24)])
@pytest.mark.parametrize("in_own_file", [True, False])
def test_a_stored_prompt_of_another_network_or_padded(state, base, tmp_path, shape, in_own_file):
    prompt = {"positive": torch.zeros(shape)}
    path = plain(state if in_own_file else state | prompt, tmp_path)
    save_file(prompt, tmp_path / "positive.safetensors")
    source = "positive" if in_own_file else "drive"
    with pytest.raises(InputError, match=rf"{source}.safetensors: not this U-Net's empty prompt.*\(1, 2, 24\); take"):
        weights.load(path, str(base))


def test_a_file_for_the_prompt_without_it(state, base, tmp_path):
    save_file({"other": torch.zeros(1)}, tmp_path / "positive.safetensors")
    with pytest.raises(InputError, match=r"positive.safetensors: the prompt's.* is missing; remove"):
        weights.load(plain(state, tmp_path), str(base))


# -- A base that is not whole, or another model's


def change(path, **values):
    path.write_text(json.dumps({k: v for k, v in (json.loads(path.read_text()) | values).items() if v is not None}))


def drop(path, part, prefix=""):
    state = {f"{prefix}{name}": tensor for name, tensor in load_file(path).items() if part not in name}
    save_file(state, path, {"format": "pt"})


def truncated_vae(folder):
    drop(folder / "vae" / "diffusion_pytorch_model.safetensors", "decoder.up_blocks")
    return r"vae: not the weights of this AutoencoderKL; 72 tensors differ: decoder.up.* is missing.*choose another"


def foreign_vae(folder):
    drop(folder / "vae" / "diffusion_pytorch_model.safetensors", "nothing", "other.")
    return "vae: not the weights of this AutoencoderKL; 360 tensors differ: decoder.conv_in.bias is missing"


def wide_vae(folder):
    change(folder / "vae" / "config.json", block_out_channels=[16, 16, 16, 16])
    return "vae: not the weights of this AutoencoderKL; 36 tensors differ: decoder.conv_norm_out.bias has another shape"


def other_latents(folder):
    change(folder / "vae" / "config.json", latent_channels=16)
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    vae = AutoencoderKL.from_config(AutoencoderKL.load_config(folder / "vae"))
    save_file(fill(vae.state_dict()), file)
    return "vae: latents of 16 channels; choose a base with 4"


def truncated_text(folder):
    drop(folder / "text_encoder" / "model.safetensors", "bias")
    return "text_encoder: not the weights of this CLIPTextModel; 17 tensors differ: encoder.layers.0.* is missing"


def other_text(folder):
    file = folder / "text_encoder" / "model.safetensors"
    state = load_file(file)
    name = next(name for name in state if "fc2.weight" in name)
    save_file(state | {name: torch.zeros(3, 3), "other": torch.zeros(1)}, file, {"format": "pt"})
    return "2 tensors differ: .*fc2.weight has another shape, .*other is unknown"


def narrow_text(folder):
    change(folder / "text_encoder" / "config.json", hidden_size=16, num_attention_heads=2)
    text = CLIPTextModel.config_class.from_pretrained(folder / "text_encoder")
    CLIPTextModel(text).save_pretrained(folder / "text_encoder")
    return r"text_encoder: not this U-Net's empty prompt, \(1, 2, 16\) instead of \(1, 2, 24\); take"


def no_configuration(folder):
    (folder / "vae" / "config.json").write_text('{"block_out_channels": "wide"}')
    return "base: no vae/ of Stable Diffusion"


@pytest.mark.parametrize(
    "make",
    [truncated_vae, foreign_vae, wide_vae, other_latents, truncated_text, other_text, narrow_text, no_configuration],
)
def test_a_foreign_base_is_named(make, state, base, tmp_path, capfd):
    folder = shutil.copytree(base, tmp_path / "base")
    message = make(folder)
    with pytest.raises(InputError, match=message) as caught:
        weights.load(plain(state, tmp_path), str(folder))
    assert "\n" not in str(caught.value)
    assert "newly initialized" not in "".join(capfd.readouterr())


def test_an_autoencoder_alone_is_held_to_it_too(base, tmp_path):
    folder = shutil.copytree(base / "vae", tmp_path / "vae")
    drop(folder / "diffusion_pytorch_model.safetensors", "decoder.up_blocks")
    with pytest.raises(InputError, match="vae: not the weights of this AutoencoderKL; 72 tensors differ"):
        ceiling.RoundTrip(str(folder), 64, "cpu")


def test_names_and_buffers_of_older_versions_are_no_fault(state, base, tmp_path):
    """As in the files of Stable Diffusion 2.1."""
    folder = shutil.copytree(base, tmp_path / "base")
    text, vae = folder / "text_encoder" / "model.safetensors", folder / "vae" / "diffusion_pytorch_model.safetensors"
    position = {"text_model.embeddings.position_ids": torch.arange(77)[None]}
    save_file(load_file(text) | position, text, {"format": "pt"})
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = load_file(vae)
    for new, name in old.items():
        renamed = {key.replace(f"attentions.0.{new}.", f"attentions.0.{name}."): x for key, x in renamed.items()}
    assert renamed.keys() != load_file(vae).keys()
    save_file(renamed, vae)
    path = plain(state, tmp_path)
    assert weights.digest(weights.load(path, str(folder))) == weights.digest(weights.load(path, str(base)))


def truncated_unet(folder):
    drop(folder / "unet" / "diffusion_pytorch_model.safetensors", "up_blocks")
    return "unet: not the weights of this UNet2DConditionModel; 258 tensors differ: up_blocks.0.* is missing"


def inpainting(folder):
    change(folder / "unet" / "config.json", in_channels=9)
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    save_file(state | {"conv_in.weight": torch.zeros(8, 9, 3, 3)}, file)
    return "unet: takes 9 channels, as for inpainting or upscaling; choose a base whose U-Net takes 4"


def another_target(folder):
    change(folder / "scheduler" / "scheduler_config.json", prediction_type="flow")
    return "scheduler: prediction_type 'flow'; known: epsilon, v_prediction, sample"


@pytest.mark.parametrize("make", [truncated_unet, inpainting, narrow_text, truncated_vae, another_target])
def test_no_training_starts_from_a_foreign_base(make, base, tmp_path):
    folder = shutil.copytree(base, tmp_path / "base")
    message = make(folder)
    with pytest.raises(InputError, match=message):
        weights.start(str(folder))


def test_a_scheduler_that_names_no_target_means_epsilon_as_in_diffusers(base, tmp_path):
    folder = shutil.copytree(base, tmp_path / "base")
    change(folder / "scheduler" / "scheduler_config.json", prediction_type=None)
    assert weights.start(str(folder)).prediction_type == "epsilon"


def test_base_without_a_vae(state, base, tmp_path):
    shutil.copytree(base / "unet", tmp_path / "base" / "unet")
    with pytest.raises(InputError, match="base: no vae/ of Stable Diffusion"):
        weights.load(plain(state, tmp_path), str(tmp_path / "base"))


# -- The predictor


def test_a_file_that_is_no_weights_is_told_before_the_base_is_fetched(tmp_path):
    (tmp_path / "notes.pt").write_text("not weights")
    with pytest.raises(InputError, match=r"notes\.pt: not a readable weights file \(damaged.*no code is run"):
        weights.load(tmp_path / "notes.pt", base="nobody/nothing")
