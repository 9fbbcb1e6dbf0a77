"""Load DiffDIS weights in every published form as a Checkpoint (float32), and save them.

disbench's format is a folder with config.json, unet.safetensors (including the prompt's embedding as `positive`) and
vae.safetensors. The authors release a whole pipeline in diffusers' layout, and its U-Net only. The VAE and text encoder
of the latter come from a base, a Stable Diffusion folder in that layout.
"""

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from msgspec import Meta
from safetensors.torch import save as dump
from safetensors.torch import save_file
from torch import Tensor

from disbench.errors import InputError
from disbench.models._parts.states import WRAPPERS, strip_prefixes
from disbench.models._parts.weights import digest_tensors, find_weights, read_state, read_weights
from disbench.models.diffdis import files
from disbench.models.diffdis.checkpoint import Checkpoint, PredictionType
from disbench.models.diffdis.pipeline import make_scheduler
from disbench.models.diffdis.unet import LATENT_CHANNELS, WHOLE, DiffDISUNet, Parts
from disbench.system.documents import read_json
from disbench.system.files import temporary_folder, write_atomic

BASE = "stabilityai/sd-turbo"
OWN = ("config.json", "unet.safetensors", "vae.safetensors")
AUTHORS = ("unet/diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors")
PROMPT = "positive.safetensors"
INDEX = "model_index.json"  # of a whole pipeline
PIPELINE = (
    INDEX,
    "unet/config.json",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/*",
)
TRAINED = r"unet(-\d+)?\.safetensors"  # the last U-Net of a training of disbench's, and the best ones
TOKENS = 2  # of the empty prompt: its start and its end
MID_BLOCK = "mid_block.attentions.0.transformer_blocks.0"


class Config(msgspec.Struct, forbid_unknown_fields=True):
    """config.json of disbench's format."""

    unet: dict[str, Any]
    vae: dict[str, Any]
    prediction_type: PredictionType
    size: Annotated[int, Meta(ge=1)] | None = None


def load(weights: str | Path, base: str | None = None, state: str | None = None) -> Checkpoint:
    """Load DiffDIS weights.

    Args:
        weights: a folder in disbench's format, or `unet-STEP.safetensors` in one, a U-Net that a training kept; or the
            authors' pipeline, which has all parts, or a folder of `export`; or their U-Net: a file, or the folder that
            their trainer writes. A local path or a Hugging Face id, also owner/name/file.
        base: Stable Diffusion folder or id, for the VAE and text encoder of the authors' U-Net. Default: those of the
            pipeline, and for a U-Net without them, BASE.
        state: value of --option state: the U-Net to use of a file that has several, such as "ema"; "" for the network
            before its average. None: the same, for commands without the option.

    Raises:
        InputError: for files that are missing, truncated or something else.
    """
    patterns = OWN + AUTHORS + (f"unet/{PROMPT}",)
    path = find_weights(str(weights), patterns if base else patterns + PIPELINE)
    if path.is_file():
        if not re.fullmatch(TRAINED, path.name):
            return _load_authors(path, base or BASE, state)
        if all(path.with_name(name).is_file() for name in OWN):
            return _load_own(path, state)
        if path.with_name("unet.jsonl").is_file():  # a training's log
            raise InputError(f"{path}: from an unfinished training, without a VAE yet; resume the training first")
        return _load_authors(path, base or BASE, state)
    if (path / "unet.safetensors").is_file():
        return _load_own(path / "unet.safetensors", state)
    for name in AUTHORS:
        if (path / name).is_file():
            is_whole = (path / "vae").is_dir() or (path / INDEX).is_file()
            return _load_authors(path / name, base or (str(path) if is_whole else BASE), state)
    raise InputError(
        f"{path}: no DiffDIS weights, neither unet.safetensors (disbench's) nor {AUTHORS[0]} (the authors'); give "
        "another folder"
    )


def save(checkpoint: Checkpoint, folder: Path) -> None:
    """Write a folder in disbench's format, in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    unet, vae = checkpoint.unet, checkpoint.vae
    config = Config(_public(unet.config), _public(vae.config), checkpoint.prediction_type, checkpoint.size)
    write_atomic(folder / "config.json", msgspec.json.format(msgspec.json.encode(config)) + b"\n")
    write_atomic(folder / "unet.safetensors", dump(_half(unet.state_dict() | {"positive": checkpoint.text})))
    write_atomic(folder / "vae.safetensors", dump(_half(vae.state_dict())))


def export(checkpoint: Checkpoint, folder: Path, base: str | None = None) -> None:
    """Write a Stable Diffusion folder in diffusers' layout, float32, whose unet/ the authors' scripts read.

    Args:
        checkpoint: weights to write.
        folder: folder to write.
        base: Stable Diffusion folder or id whose text encoder and tokenizer are copied. Without it, the folder has
            only the prompt's embedding, in unet/.

    Raises:
        InputError: for weights that the authors' code cannot read: of an ablation, of a longer prompt, or that do not
            predict epsilon.
    """
    if checkpoint.prediction_type != "epsilon":
        kind = checkpoint.prediction_type
        raise InputError(f"weights that predict {kind}: the authors' code reads only epsilon")
    config = _public(checkpoint.unet.config) | {"_class_name": "UNet2DConditionModel"}
    if (parts := Parts(*(config.pop(name) for name in asdict(WHOLE)))) != WHOLE:
        raise InputError(f"weights of an ablation ({parts}): the authors' code reads only the whole network")
    if (tokens := checkpoint.text.shape[1]) != TOKENS:
        raise InputError(f"weights for a prompt of {tokens} tokens: the authors' code has {TOKENS}")
    folder.mkdir(parents=True, exist_ok=True)
    with temporary_folder(folder) as part:  # no file appears before all are complete
        (part / "unet").mkdir()
        (part / "unet" / "config.json").write_bytes(msgspec.json.format(msgspec.json.encode(config)) + b"\n")
        state = {name: x.cpu().contiguous() for name, x in checkpoint.unet.state_dict().items()}
        save_file(state, part / AUTHORS[0])
        save_file({"positive": checkpoint.text.cpu().contiguous()}, part / "unet" / PROMPT)
        checkpoint.vae.save_pretrained(part / "vae")
        make_scheduler(1, "epsilon").save_pretrained(part / "scheduler")
        if base:
            tokenizer, encoder = files.load_text_encoder(base)
            tokenizer.save_pretrained(part / "tokenizer")
            encoder.save_pretrained(part / "text_encoder")
        for path in filter(Path.is_file, sorted(part.rglob("*"))):
            target = folder / path.relative_to(part)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


def start(base: str = BASE, parts: Parts = WHOLE, *, scratch: bool = False) -> Checkpoint:
    """Build what a training starts from: a base whose U-Net is widened to DiffDIS'.

    Args:
        base: Stable Diffusion folder or Hugging Face id.
        parts: parts of the network.
        scratch: whether all of the U-Net is drawn from torch's global generator, not only its new layers.

    Raises:
        InputError: if the base is not a Stable Diffusion 2.1 or SD-Turbo.
    """
    unet, vae = _widen_unet(base, parts, scratch=scratch), autoencoder(base)
    text = empty_prompt(base)
    check_prompt(text, unet, f"{base}/text_encoder")
    config = files.load_part(DDPMScheduler.load_config, base, "scheduler")
    kind = config.get("prediction_type", "epsilon")  # diffusers' default
    if kind not in get_args(PredictionType):
        accepted = ", ".join(get_args(PredictionType))
        raise InputError(f"{base}/scheduler: prediction_type {kind!r}; known: {accepted}; choose another base")
    return Checkpoint(unet, vae, text, kind)


def from_stock(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert a stock U-Net's state to DiffDIS' shapes.

    Two latents enter, and mutual attention starts as self-attention. The class embedding and the injectors have no
    counterpart in the stock U-Net and stay missing.
    """
    widened = state | {"conv_in.weight": state["conv_in.weight"].repeat(1, 2, 1, 1) / 2}
    for stock, new in (("attn1", "attn3"), ("norm1", "norm2_")):
        old, prefix = f"{MID_BLOCK}.{stock}.", f"{MID_BLOCK}.{new}."
        widened |= {name.replace(old, prefix): state[name].clone() for name in state if name.startswith(old)}
    return widened


def untrained(checkpoint: Checkpoint, seed: int = 0) -> Checkpoint:
    """Return the checkpoint with an untrained U-Net, drawn from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return replace(checkpoint, unet=DiffDISUNet.from_config(checkpoint.unet.config).eval(), files=())


@torch.no_grad()
def empty_prompt(base: str) -> Tensor:
    """Compute the embedding (1, 2, C) of the empty prompt: its start and its end, without padding."""
    tokenizer, encoder = files.load_text_encoder(base)
    return encoder(tokenizer("", padding="do_not_pad", return_tensors="pt").input_ids).last_hidden_state


def digest(checkpoint: Checkpoint) -> str:
    """Compute the SHA-256 of everything that decides the masks. It does not depend on the form of the files."""
    states = {"unet": checkpoint.unet.state_dict(), "vae": checkpoint.vae.state_dict(), "text": {"": checkpoint.text}}
    tensors = ((f"{part}.{name}", x) for part, state in states.items() for name, x in sorted(state.items()))
    return digest_tensors(tensors, checkpoint.prediction_type)


def _widen_unet(base: str, parts: Parts, *, scratch: bool) -> DiffDISUNet:
    stock = files.load_network(UNet2DConditionModel, base, "unet")
    if (channels := stock.config.in_channels) != LATENT_CHANNELS:
        raise InputError(
            f"{base}/unet: takes {channels} channels, as for inpainting or upscaling; choose a base whose U-Net takes "
            f"{LATENT_CHANNELS}, such as Stable Diffusion 2.1 or SD-Turbo"
        )
    unet = DiffDISUNet.from_config(stock.config, **asdict(parts))
    if not scratch:
        unet.load_state_dict(from_stock(stock.state_dict()), strict=False)
    return unet


def _load_own(weights: Path, wanted: str | None) -> Checkpoint:
    """Load a U-Net with the other files of its folder. The best U-Nets of a training use the prompt of the last."""
    folder = weights.parent
    path = folder / "config.json"
    config = read_json(path, Config, fault="not the configuration of a DiffDIS folder")
    source, (state, text, label) = weights, _read_unet(weights, wanted)
    if text is None:
        source = folder / "unet.safetensors"
        text = _read_unet(source, None)[1]
    if text is None:
        raise InputError(f"{source}: the prompt's embedding, `positive`, is missing")
    unet = files.build_network(DiffDISUNet, config.unet, state, weights)
    check_prompt(text, unet, source, tokens=text.shape[1] if text.ndim == 3 else 1)  # as the recipe has it
    vae_path = folder / "vae.safetensors"
    vae = files.build_network(AutoencoderKL, config.vae, read_weights(vae_path), vae_path)
    return Checkpoint(unet, vae, text, config.prediction_type, config.size, label, (path, weights, vae_path))


def _load_authors(path: Path, base: str, wanted: str | None) -> Checkpoint:
    state, text, label = _read_unet(path, wanted)  # before the base, which may have to be downloaded
    source: str | Path = path
    if text is None and (prompt := path.with_name(PROMPT)).is_file():
        source, tensors = prompt, read_weights(prompt)
        if "positive" not in tensors:
            raise InputError(f"{prompt}: the prompt's embedding, `positive`, is missing; remove it to use the base's")
        text = tensors["positive"].float()
    config = files.load_part(UNet2DConditionModel.load_config, base, "unet")
    unet = files.build_network(DiffDISUNet, config, state, path)
    vae = autoencoder(base)
    if text is None:
        source, text = f"{base}/text_encoder", empty_prompt(base)
    check_prompt(text, unet, source)
    # The base's prediction type and spacing of steps are ignored: these weights learned epsilon at t = 999.
    parts = files.list_files(base, "unet/config.json", "vae/*")
    return Checkpoint(unet, vae, text, "epsilon", state=label, files=(path, *parts) if parts else (), base=base)


def autoencoder(base: str) -> AutoencoderKL:
    """Load the VAE of a base. Raise InputError if its latents are not those of Stable Diffusion 2.1."""
    vae = files.load_network(AutoencoderKL, base, "vae")
    if (channels := vae.config.latent_channels) != LATENT_CHANNELS:
        raise InputError(
            f"{base}/vae: latents of {channels} channels; choose a base with {LATENT_CHANNELS}, such as Stable "
            "Diffusion 2.1 or SD-Turbo"
        )
    return vae


def check_prompt(text: Tensor, unet: UNet2DConditionModel, source: str | Path, tokens: int = TOKENS) -> None:
    """Check that an embedding is that of the empty prompt without padding, as in the papers.

    Args:
        text: the embedding.
        unet: network that takes it.
        source: file or folder that it is from, for errors.
        tokens: expected number of tokens.

    Raises:
        InputError: for another shape, such as that of a prompt padded to 77 tokens.
    """
    shape = 1, tokens, unet.config.cross_attention_dim
    if shape != tuple(text.shape):
        raise InputError(
            f"{source}: not this U-Net's empty prompt, {tuple(text.shape)} instead of {shape}; take the embedding or "
            "the base that the weights were trained with"
        )


def _read_unet(path: Path, wanted: str | None) -> tuple[dict[str, Tensor], Tensor | None, str]:
    """Read the U-Net's tensors by their names in the U-Net, the prompt's embedding if it is there, and their label."""
    choice = read_state(path, wanted or "", has_option=wanted is not None)
    # A distributed or compiled trainer prefixes names with WRAPPERS; a repacked file with `unet.`.
    state = strip_prefixes(choice.state, (*WRAPPERS, "unet."))
    text = state.pop("positive", None)
    return state, None if text is None else text.float(), choice.label if choice.others else ""


def _half(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: (x.half() if x.is_floating_point() else x).cpu().contiguous() for name, x in state.items()}


def _public(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if not name.startswith("_")}
