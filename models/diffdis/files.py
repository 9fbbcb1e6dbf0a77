"""Tensors, modules and folders from local paths or Hugging Face ids; a failure is an InputError that names the file.

Reading any file here runs no code of it.
"""

import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import ModelMixin
from huggingface_hub import hf_hub_download, snapshot_download
from safetensors.torch import load_file
from torch import Tensor

from disbench.errors import InputError


def find(name: str, wanted: tuple[str, ...]) -> Path:
    """The path itself, or the Hugging Face download of owner/name/file, or of what is `wanted` in owner/name."""
    if (path := Path(name)).exists():
        return path
    remote = re.fullmatch(r"([\w-][\w.-]*/[\w.-]+)(?:/(.+))?", name)
    if not remote:
        raise InputError(f"{name}: no such file or folder")
    repository, file = remote.groups()
    try:
        if file:
            return Path(hf_hub_download(repository, file))
        return Path(snapshot_download(repository, allow_patterns=list(wanted)))
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: no such path, nor to be had from Hugging Face ({_first(error)})") from error


def part(read: Callable, base: str, name: str) -> Any:
    """`read` applied to one part of a Stable Diffusion folder (or id) in diffusers' layout: "vae", "unet", ..."""
    try:
        return read(base, subfolder=name)
    except (OSError, ValueError) as error:
        raise InputError(f"{base}: no {name}/ of Stable Diffusion 2.1 or SD-Turbo to read ({_first(error)})") from error


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of what torch.save made of a state dict."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler fails on damaged bytes in whatever way they lead it to
        # torch's own words advise to load with code allowed, which is no advice for a file from outside.
        refused = "damaged, or more than tensors: no code is run" if isinstance(error, pickle.UnpicklingError) else None
        raise InputError(f"{path}: not a readable weights file ({refused or _first(error)})") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path}: more than weights in it; a state dict of tensors is needed")
    return state


def build(kind: type[ModelMixin], config: dict[str, Any], state: dict[str, Tensor], path: Path) -> ModelMixin:
    """A module in float32 and eval mode, with the tensors that were read from `path`, neither more nor fewer."""
    with torch.device("meta"):  # no time lost on drawing what the file replaces
        module = kind.from_config(config)
    expected = module.state_dict()
    if wrong := list(_differences(expected, state)):
        some = ", ".join(wrong[:3])
        raise InputError(f"{path}: not the weights of this {kind.__name__}; {len(wrong)} tensors differ: {some} ...")
    module.load_state_dict({name: state[name].to(tensor.dtype) for name, tensor in expected.items()}, assign=True)
    return module.eval()


def _differences(expected: dict[str, Tensor], found: dict[str, Tensor]) -> Iterator[str]:
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            yield f"{name} is missing"
        elif name not in expected:
            yield f"{name} is unknown"
        elif found[name].shape != expected[name].shape:
            yield f"{name} is {tuple(found[name].shape)} instead of {tuple(expected[name].shape)}"


def _first(error: Exception) -> str:
    return str(error).partition("\n")[0]
