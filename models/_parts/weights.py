"""Tensors and modules from local paths or Hugging Face ids; a failure is an InputError that names the file.

Reading any file here runs no code of it.
"""

import hashlib
import pickle
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download, snapshot_download
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from disbench.errors import InputError

NESTS = ("state_dict", "model_state", "model")  # where trainers keep the weights beside their own state
WRAPPERS = ("module.", "_orig_mod.")  # what distributed training and torch.compile put before every name
SIZE = "disbench.size"  # a key of a .safetensors file's metadata
State = dict[str, Tensor]


def find(name: str, wanted: tuple[str, ...]) -> Path:
    """The path itself, or the Hugging Face download of owner/name/file, or of what is `wanted` in owner/name.

    InputError where neither is to be had. What would lie in a folder that is here is looked for nowhere else.
    """
    if (path := Path(name)).exists():
        return path
    remote = re.fullmatch(r"([\w-][\w.-]*/[\w.-]+)(?:/(.+))?", name)
    if not remote or path.parent.is_dir():  # out/isnet.pth has the form of owner/name, but out is here
        raise InputError(f"{name}: no such file or folder")
    repository, file = remote.groups()
    try:
        if file:
            return Path(hf_hub_download(repository, file))
        return Path(snapshot_download(repository, allow_patterns=list(wanted)))
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: no such path, nor to be had from Hugging Face ({first_line(error)})") from error


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of what torch.save made of a state dict, bare or under one of NESTS."""
    if path.is_dir():
        raise InputError(f"{path}: a folder; weights are one file here")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings(action="ignore"):  # of a pickle that it then refuses
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler fails on damaged bytes in whatever way they lead it to
        # torch's own words advise to load with code allowed, which is no advice for a file from outside.
        refused = "damaged, or more than tensors: no code is run" if isinstance(error, pickle.UnpicklingError) else None
        raise InputError(f"{path}: not a readable weights file ({refused or first_line(error)})") from error
    if isinstance(state, dict):
        state = next((state[nest] for nest in NESTS if isinstance(state.get(nest), dict)), state)
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise InputError(f"{path}: more than weights in it; a state dict of tensors is needed")
    return state


def unwrapped(state: dict[str, Tensor], prefixes: tuple[str, ...] = WRAPPERS) -> dict[str, Tensor]:
    """The same tensors under their names without the prefixes, in whatever order they come."""
    wrapping = re.compile(f"^(?:{'|'.join(map(re.escape, prefixes))})+")
    return {wrapping.sub("", name): tensor for name, tensor in state.items()}


def build(make: Callable[[], nn.Module], state: dict[str, Tensor], path: Path) -> Any:
    """What `make` makes, in float32 and eval mode, with the tensors read from `path`, neither more nor fewer.

    InputError with the first that differ where they are another network's, or hold NaN or infinity.
    """
    with torch.device("meta"):  # no time lost on drawing what the file replaces
        module = make()
    module.load_state_dict(matched(module.state_dict(), state, path, f"this {type(module).__name__}"), assign=True)
    return module.eval()


def matched(expected: State, state: State, path: Path, of: str) -> State:
    """The tensors read from `path` for those expected, of their types; InputError as `build` says."""
    if wrong := list(_differences(expected, state)):
        some = ", ".join(wrong[:3])
        raise InputError(f"{path}: not the weights of {of}; {len(wrong)} tensors differ: {some} ...")
    if wrong := next((k for k, x in state.items() if x.is_floating_point() and not x.isfinite().all()), None):
        raise InputError(f"{path}: values of {wrong} are not finite; the file is damaged, or of a training that failed")
    return {name: state[name].to(tensor.dtype) for name, tensor in expected.items()}


def untrained(make: Callable[[], nn.Module], seed: int = 0) -> Any:
    """What `make` makes, in eval mode, as drawn from the seed; torch's global generator stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().eval()


def saved(module: nn.Module, about: dict[str, str] | None = None) -> bytes:
    """Its state as a .safetensors file; a tensor that has several names is written under each.

    `about`: what the file says beside them, as `trained_at` reads it.
    """
    state, places = {}, set()
    for name, tensor in module.state_dict().items():
        tensor = tensor.cpu().contiguous()
        state[name] = tensor.clone() if tensor.data_ptr() in places else tensor
        places.add(tensor.data_ptr())
    return save(state, about)


def trained_at(path: Path) -> str:
    """Pixels a side that a network was trained at here, as its .safetensors file says; "" for any other file.

    InputError for what can be no size.
    """
    if path.suffix != ".safetensors":
        return ""
    with safe_open(path, "pt") as file:
        size = (file.metadata() or {}).get(SIZE, "")
    if size and not re.fullmatch(r"[1-9]\d{0,3}", size):
        raise InputError(f"{path}: its {SIZE} is {size[:20]!r}, which is no size in pixels; save it without")
    return size


def working_size(text: str, default: int, multiple: int = 32, said_by: str = "--option size") -> int:
    """What an option or a file says, for networks that were trained at another size than the authors'."""
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1 or int(text) % multiple:
        raise InputError(f"{said_by}={text}: pixels a side, a multiple of {multiple}")
    return int(text)


def digest(tensors: Iterable[tuple[str, Tensor]], kind: str = "") -> str:
    """SHA-256 of names and values in the order given: the same for the same tensors in another form of file."""
    sha = hashlib.sha256(kind.encode())
    for name, tensor in tensors:
        sha.update(name.encode())
        sha.update(tensor.cpu().contiguous().numpy())
    return sha.hexdigest()


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _differences(expected: dict[str, Tensor], found: dict[str, Tensor]) -> Iterator[str]:
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            yield f"{name} is missing"
        elif name not in expected:
            yield f"{name} is unknown"
        elif found[name].shape != expected[name].shape:
            yield f"{name} is {tuple(found[name].shape)} instead of {tuple(expected[name].shape)}"
