"""Load LawDIS' weights from the folder that its authors publish, in diffusers' layout."""

import re
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, ModelMixin, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from disbench.errors import InputError
from disbench.models._parts.weights import read_weights
from disbench.models.diffdis import files
from disbench.models.lawdis.network import UNET, VAE, FusingVAE, Networks

URL = "https://drive.google.com/drive/folders/1RDBTj5-Z9Ek9wqnYoQHkFz4_zCFwiKK_"
PARTS = (
    *("unet/config.json", "vae/config.json", "scheduler/scheduler_config.json"),
    *("text_encoder/config.json", "tokenizer/vocab.json"),
)
FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
NEEDED = {
    "unet": {"in_channels": 8, "class_embed_type": "projection", "projection_class_embeddings_input_dim": 4},
    "vae": {"out_channels": 1, "latent_channels": 4},
    "scheduler": {"_class_name": "DDIMScheduler"},
}


def load_networks(folder: Path) -> Networks:
    """Load the networks of the authors' folder. InputError if a part is missing or does not fit."""
    check_parts(folder)
    kinds: dict[str, Any] = {"unet": UNet2DConditionModel, "vae": FusingVAE, "scheduler": DDIMScheduler}
    configs = {name: files.load_part(kind.load_config, str(folder), name) for name, kind in kinds.items()}
    for name, config in configs.items():
        _check_config(folder / name, config, NEEDED[name])
    text, tokenizer = load_text(folder, configs["unet"]["cross_attention_dim"])
    return Networks(
        unet=_load_part(UNet2DConditionModel, configs["unet"], folder / "unet"),
        vae=_load_part(FusingVAE, configs["vae"], folder / "vae"),
        scheduler=set_step(files.load_part(DDIMScheduler.from_pretrained, str(folder), "scheduler")),
        text=text,
        tokenizer=tokenizer,
    )


def check_parts(folder: Path) -> None:
    """Raise InputError if a part of the folder is missing."""
    if missing := [part for part in PARTS if not (folder / part).is_file()]:
        fault = f"has no {missing[0]}" if folder.is_dir() else "is no folder"
        raise InputError(f"{folder}: {fault}; give the folder stable-diffusion-2 of LawDIS' authors, from {URL}")


def load_text(folder: Path, width: int) -> tuple[CLIPTextModel, CLIPTokenizer]:
    """Load the text encoder and its tokenizer. InputError unless its embeddings have `width` channels."""
    tokenizer, text = files.load_text_encoder(str(folder))
    if text.config.hidden_size != width:
        fault = f"its embeddings have {text.config.hidden_size} channels, and the U-Net takes {width}"
        raise InputError(f"{folder / 'text_encoder'}: {fault}; get the folder again")
    return text, tokenizer


def build_untrained(seed: int = 0) -> Networks:
    """Build U-Net and VAE at full size, drawn from the seed; all prompts are 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet, vae = UNet2DConditionModel(**UNET).eval(), FusingVAE(**VAE).eval()
    stable_diffusion = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    scheduler = DDIMScheduler(
        **stable_diffusion,
        clip_sample=False,
        set_alpha_to_one=False,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
    )
    return Networks(unet, vae, set_step(scheduler))


def _check_config(part: Path, config: dict[str, Any], needed: dict[str, Any]) -> None:
    for key, value in needed.items():
        if config.get(key) != value:
            fault = f"its {key} is {config.get(key)!r} instead of {value!r}"
            raise InputError(f"{part}: not LawDIS' {part.name}: {fault}; give its authors' folder, from {URL}")


def set_step(scheduler: DDIMScheduler) -> DDIMScheduler:
    """Set a scheduler to one step."""
    scheduler.set_timesteps(1)
    return scheduler


def _load_part(kind: type[ModelMixin], config: dict[str, Any], part: Path) -> Any:
    path = next((part / name for name in FILES if (part / name).is_file()), None)
    if path is None:
        raise InputError(f"{part}: has no {' or '.join(FILES)}; get the folder again, from {URL}")
    return files.build_network(kind, config, _merge_names(read_weights(path), path), path)


def _merge_names(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Merge the two names that each fusing convolution has in the authors' class, of which a file may have one."""
    merged: dict[str, Tensor] = {}
    for name, tensor in state.items():
        name = re.sub(r"^decoder\.conv_fuse_up_(\d)\.", r"decoder.conv_fuse_up.\1.", name)
        if name in merged and not torch.equal(merged[name], tensor):
            raise InputError(f"{path}: has two values of {name}; get the file again")
        merged[name] = tensor
    return merged
