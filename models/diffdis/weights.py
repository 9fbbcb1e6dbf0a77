"""Weights on disk, in every form that DiffDIS comes in, to a Checkpoint in memory (float32).

disbench's own folder holds config.json, unet.safetensors (with the prompt's embedding as `positive`) and
vae.safetensors. The authors release the U-Net alone; its VAE and text encoder come from a base, a Stable Diffusion
folder in diffusers' layout.
"""

import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, get_args

import msgspec
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from msgspec import Meta
from safetensors.torch import save as dump
from safetensors.torch import save_file
from torch import Tensor

from disbench.errors import InputError
from disbench.models._parts.weights import WRAPPERS, find, read, unwrapped
from disbench.models._parts.weights import digest as digest_of
from disbench.models.diffdis import files
from disbench.models.diffdis.pipeline import PredictionType, scheduler
from disbench.models.diffdis.unet import LATENT_CHANNELS, WHOLE, DiffDISUNet, Parts
from disbench.system.files import write_atomic

BASE = "stabilityai/sd-turbo"
OWN = ("config.json", "unet.safetensors", "vae.safetensors")
AUTHORS = ("unet/diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors")
PROMPT = "positive.safetensors"
KEPT = r"unet(-\d+)?\.safetensors"  # the last of a training of disbench's, and the best that it kept
TOKENS = 2  # of the empty prompt: its start and its end
MID_BLOCK = "mid_block.attentions.0.transformer_blocks.0"


@dataclass(frozen=True)
class Checkpoint:
    """What `pipeline.segment` takes. `text` is the empty prompt's embedding, (1, L, C).

    `size` is the side in pixels of the square images that the weights were trained for; None: the card's.
    """

    unet: DiffDISUNet
    vae: AutoencoderKL
    text: Tensor
    prediction_type: PredictionType
    size: int | None = None


class Config(msgspec.Struct, forbid_unknown_fields=True):
    """config.json of disbench's own folder."""

    unet: dict[str, Any]
    vae: dict[str, Any]
    prediction_type: PredictionType
    size: Annotated[int, Meta(ge=1)] | None = None


def load(weights: str | Path, base: str = BASE) -> Checkpoint:
    """A folder of disbench's own, or the authors' U-Net: a file, the folder that their trainer writes, or `export`'s.

    A U-Net that a training has kept in a folder of disbench's own, `unet-STEP.safetensors`, comes with the rest of it.
    Both arguments are local paths or else Hugging Face ids; for `weights` also owner/name/file. InputError for what is
    missing, truncated or something else.
    """
    path = find(str(weights), OWN + AUTHORS)
    if path.is_file():
        if not re.fullmatch(KEPT, path.name):
            return _load_authors(path, base)
        if all(path.with_name(name).is_file() for name in OWN):
            return _load_own(path)
        if path.with_name("unet.jsonl").is_file():  # a training's log
            raise InputError(f"{path}: of a training that has not ended, without a VAE yet; go on with it first")
        return _load_authors(path, base)
    if (path / "unet.safetensors").is_file():
        return _load_own(path / "unet.safetensors")
    for name in AUTHORS:
        if (path / name).is_file():
            # A whole Stable Diffusion folder is its own base.
            return _load_authors(path / name, str(path) if (path / "vae").is_dir() else base)
    raise InputError(f"{path}: no DiffDIS in it, neither unet.safetensors (disbench's) nor {AUTHORS[0]} (the authors')")


def save(checkpoint: Checkpoint, folder: Path) -> None:
    """Write disbench's own folder, in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    unet, vae = checkpoint.unet, checkpoint.vae
    config = Config(_public(unet.config), _public(vae.config), checkpoint.prediction_type, checkpoint.size)
    write_atomic(folder / "config.json", msgspec.json.format(msgspec.json.encode(config)) + b"\n")
    write_atomic(folder / "unet.safetensors", dump(_half(unet.state_dict() | {"positive": checkpoint.text})))
    write_atomic(folder / "vae.safetensors", dump(_half(vae.state_dict())))


def export(checkpoint: Checkpoint, folder: Path, base: str | None = None) -> None:
    """Write a Stable Diffusion folder in diffusers' layout, float32, whose unet/ is what the authors' scripts read.

    `base` lends it its text encoder and tokenizer; without, the folder has the prompt's embedding in unet/ alone.
    InputError for weights that do not predict epsilon, since the authors' code knows nothing else.
    """
    if checkpoint.prediction_type != "epsilon":
        raise InputError(f"weights that predict {checkpoint.prediction_type}: the authors' code reads epsilon alone")
    config = _public(checkpoint.unet.config) | {"_class_name": "UNet2DConditionModel"}
    if (parts := Parts(*(config.pop(name) for name in asdict(WHOLE)))) != WHOLE:
        raise InputError(f"weights of an ablation ({parts}): the authors' code reads the whole network alone")
    if (tokens := checkpoint.text.shape[1]) != TOKENS:
        raise InputError(f"weights of a prompt of {tokens} tokens: the authors' code gives them {TOKENS}")
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".part-") as name:  # no file is there before all are whole
        part = Path(name)
        (part / "unet").mkdir()
        (part / "unet" / "config.json").write_bytes(msgspec.json.format(msgspec.json.encode(config)) + b"\n")
        state = {name: x.cpu().contiguous() for name, x in checkpoint.unet.state_dict().items()}
        save_file(state, part / AUTHORS[0])
        save_file({"positive": checkpoint.text.cpu().contiguous()}, part / "unet" / PROMPT)
        checkpoint.vae.save_pretrained(part / "vae")
        scheduler(1, "epsilon").save_pretrained(part / "scheduler")
        if base:
            from transformers import CLIPTextModel, CLIPTokenizer

            files.part(CLIPTokenizer.from_pretrained, base, "tokenizer").save_pretrained(part / "tokenizer")
            files.network(CLIPTextModel, base, "text_encoder").save_pretrained(part / "text_encoder")
        for path in filter(Path.is_file, sorted(part.rglob("*"))):
            target = folder / path.relative_to(part)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


def start(base: str = BASE, parts: Parts = WHOLE, scratch: bool = False) -> Checkpoint:
    """What training starts from: the base with a widened U-Net, whose new layers torch's global generator draws.

    From `scratch` it draws all of the U-Net.
    """
    unet, vae = _widened(base, parts, scratch), autoencoder(base)
    text = empty_prompt(base)
    check_prompt(text, unet, f"{base}/text_encoder")
    config = files.part(DDPMScheduler.load_config, base, "scheduler")
    kind = config.get("prediction_type", "epsilon")  # what diffusers takes it for
    if kind not in get_args(PredictionType):
        known = ", ".join(get_args(PredictionType))
        raise InputError(f"{base}/scheduler: prediction_type {kind!r}; known: {known}; choose another base")
    return Checkpoint(unet, vae, text, kind)


def from_stock(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A stock U-Net's state in DiffDIS' shapes: two latents enter, mutual attention begins as self-attention.

    The class embedding and the injectors have no counterpart there and stay missing.
    """
    widened = state | {"conv_in.weight": state["conv_in.weight"].repeat(1, 2, 1, 1) / 2}
    for stock, new in (("attn1", "attn3"), ("norm1", "norm2_")):
        old, prefix = f"{MID_BLOCK}.{stock}.", f"{MID_BLOCK}.{new}."
        widened |= {name.replace(old, prefix): state[name].clone() for name in state if name.startswith(old)}
    return widened


def untrained(checkpoint: Checkpoint, seed: int = 0) -> Checkpoint:
    """The same with a U-Net that has learned nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return replace(checkpoint, unet=DiffDISUNet.from_config(checkpoint.unet.config).eval())


@torch.no_grad()
def empty_prompt(base: str) -> Tensor:
    """The embedding (1, 2, C) of the empty prompt: its start and its end, without padding."""
    from transformers import CLIPTextModel, CLIPTokenizer

    tokenizer = files.part(CLIPTokenizer.from_pretrained, base, "tokenizer")
    encoder = files.network(CLIPTextModel, base, "text_encoder").float()
    return encoder(tokenizer("", padding="do_not_pad", return_tensors="pt").input_ids).last_hidden_state


def digest(checkpoint: Checkpoint) -> str:
    """SHA-256 of what decides the masks: the same for the same tensors in another form of file."""
    states = {"unet": checkpoint.unet.state_dict(), "vae": checkpoint.vae.state_dict(), "text": {"": checkpoint.text}}
    tensors = ((f"{part}.{name}", x) for part, state in states.items() for name, x in sorted(state.items()))
    return digest_of(tensors, checkpoint.prediction_type)


def _widened(base: str, parts: Parts, scratch: bool) -> DiffDISUNet:
    stock = files.network(UNet2DConditionModel, base, "unet")
    if (channels := stock.config.in_channels) != LATENT_CHANNELS:
        raise InputError(
            f"{base}/unet: takes {channels} channels, as for inpainting or upscaling; a base whose U-Net takes "
            f"{LATENT_CHANNELS} is needed: Stable Diffusion 2.1 or SD-Turbo"
        )
    unet = DiffDISUNet.from_config(stock.config, **asdict(parts))
    if not scratch:
        unet.load_state_dict(from_stock(stock.state_dict()), strict=False)
    return unet


def _load_own(weights: Path) -> Checkpoint:
    """This U-Net with the rest of its folder; one that was kept has the prompt of the last."""
    folder = weights.parent
    path = folder / "config.json"
    try:
        config = msgspec.json.decode(path.read_bytes(), type=Config)
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        raise InputError(f"{path}: not the configuration of a DiffDIS folder ({error})") from None
    source, (state, text) = weights, _read_unet(weights)
    if text is None:
        source = folder / "unet.safetensors"
        text = _read_unet(source)[1]
    if text is None:
        raise InputError(f"{source}: the prompt's embedding, `positive`, is missing")
    unet = files.build(DiffDISUNet, config.unet, state, weights)
    check_prompt(text, unet, source, tokens=text.shape[1] if text.ndim == 3 else 1)  # as a training's recipe says
    vae = files.build(AutoencoderKL, config.vae, read(folder / "vae.safetensors"), folder / "vae.safetensors")
    return Checkpoint(unet, vae, text, config.prediction_type, config.size)


def _load_authors(path: Path, base: str) -> Checkpoint:
    state, text = _read_unet(path)  # before the base, which may have to be fetched
    source = path
    if text is None and (prompt := path.with_name(PROMPT)).is_file():
        source, found = prompt, read(prompt)
        if "positive" not in found:
            raise InputError(f"{prompt}: the prompt's embedding, `positive`, is missing; remove it to use the base's")
        text = found["positive"].float()
    config = files.part(UNet2DConditionModel.load_config, base, "unet")
    unet = files.build(DiffDISUNet, config, state, path)
    vae = autoencoder(base)
    if text is None:
        source, text = f"{base}/text_encoder", empty_prompt(base)
    check_prompt(text, unet, source)
    # The base's own prediction type and spacing of steps do not count: these weights learned epsilon at t = 999.
    return Checkpoint(unet, vae, text, "epsilon")


def autoencoder(base: str) -> AutoencoderKL:
    """The base's; InputError for one whose latents are not Stable Diffusion 2.1's."""
    vae = files.network(AutoencoderKL, base, "vae")
    if (channels := vae.config.latent_channels) != LATENT_CHANNELS:
        raise InputError(
            f"{base}/vae: latents of {channels} channels; one with {LATENT_CHANNELS}, as of Stable Diffusion 2.1 or "
            "SD-Turbo, is needed"
        )
    return vae


def check_prompt(text: Tensor, unet: UNet2DConditionModel, source: str | Path, tokens: int = TOKENS) -> None:
    """InputError for another one: a padded prompt, of 77 tokens, too. The papers' has neither padding nor words."""
    if (shape := (1, tokens, unet.config.cross_attention_dim)) != tuple(text.shape):
        raise InputError(
            f"{source}: not this U-Net's empty prompt, {tuple(text.shape)} instead of {shape}; take the embedding or "
            "the base that the weights were trained with"
        )


def _read_unet(path: Path) -> tuple[dict[str, Tensor], Tensor | None]:
    """The U-Net's tensors under their own names, and the prompt's embedding where the file has it."""
    # A distributed or compiled trainer saves names under WRAPPERS; a repacked file has them under `unet.`.
    state = unwrapped(read(path), (*WRAPPERS, "unet."))
    text = state.pop("positive", None)
    return state, None if text is None else text.float()


def _half(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: (x.half() if x.is_floating_point() else x).cpu().contiguous() for name, x in state.items()}


def _public(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if not name.startswith("_")}
