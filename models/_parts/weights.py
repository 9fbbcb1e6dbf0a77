"""Read, check and write weights: local files, Hugging Face downloads, state dicts.

Reading a file never runs code in it. Every failure is an InputError that names the file.
"""

import hashlib
import pickle
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from disbench.errors import InputError, SeveralStates
from disbench.models._parts.states import Choice, State, choose_state
from disbench.registry.weights import fetch_from_hub
from disbench.system.files import require_regular_file

SIZE = "disbench.size"  # key in a .safetensors file's metadata: the training size in pixels
HUB_FILE = "model.safetensors"  # of a repository that holds one network, or of a copy of it
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
MAX_LISTED = 3  # differing tensors that an error names


def find_weights(name: str, patterns: tuple[str, ...]) -> Path:
    """Return a local path, or download from Hugging Face.

    A name whose parent folder exists is only looked for locally.

    Args:
        name: A path, `owner/name/file` for one file, or `owner/name` for the files that match `patterns`.
        patterns: File names or globs to download from `owner/name`.

    Raises:
        InputError: Neither the path nor the download exists.
    """
    if (path := require_regular_file(Path(name))).exists():
        return path
    remote = re.fullmatch(r"([\w-][\w.-]*/[\w.-]+)(?:/(.+))?", name)
    if not remote or path.parent.is_dir():  # out/isnet.pth looks like owner/name, but out/ is a local folder
        raise InputError(f"{name}: no such file or folder")
    repository, file = remote.groups()
    return fetch_from_hub(name, repository, file, patterns)


def find_file(name: str) -> Path:
    """Find or download one file of weights: a path, owner/name/file, or owner/name for HUB_FILE in it."""
    path = find_weights(name, (HUB_FILE,))
    return path / HUB_FILE if path.is_dir() and (path / HUB_FILE).is_file() else path


def read_weights(path: Path) -> State:
    """Read the tensors of a .safetensors file, or of a checkpoint that torch.save wrote, without trainers' prefixes."""
    return read_state(path, has_option=False).state


def read_state(path: Path, wanted: str = "", *, has_option: bool = True) -> Choice:
    """Read a state dict of a .safetensors file, or of a checkpoint that torch.save wrote.

    A file with several versions of its network causes a warning that names the version used.

    Args:
        path: The file.
        wanted: Name of the state dict in the file, such as "ema"; "" for the network before its average.
        has_option: Whether the user can choose with --option state.

    Raises:
        InputError: Not a readable file of weights, or without the wanted state dict.
    """
    choice = choose_state(path, _read_file(path), wanted)
    if choice.others and not wanted:
        others = ", ".join(choice.others)
        advice = f"; --option state={choice.others[0]} uses the other" if has_option else ""
        warnings.warn(f"{path}: its {choice.label} is used; it also has {others}{advice}", SeveralStates, stacklevel=3)
    return choice


def _read_file(path: Path) -> Any:
    if require_regular_file(path).is_dir():
        raise InputError(f"{path}: is a folder; give a single weights file")
    try:
        if path.suffix == ".safetensors":
            return {name: tensor.clone() for name, tensor in load_file(path).items()}  # as in separate_from_file()
        with warnings.catch_warnings(action="ignore"):  # warnings about a pickle that torch then refuses
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # on damaged bytes torch's unpickler raises errors of many types
        # torch's own message suggests loading with code allowed, which is bad advice for an untrusted file.
        is_refused = isinstance(error, pickle.UnpicklingError | LookupError)
        cause = "damaged, or more than tensors; no code is run" if is_refused else first_line(error) or "empty"
        raise InputError(f"{path}: not a readable weights file ({cause})") from error


def load_module(build: Callable[[], nn.Module], state: State, path: Path) -> Any:
    """Build a module and fill it with the tensors of a file.

    Args:
        build: Constructor of the module, called on the meta device.
        state: Tensors of the file, exactly those of the module.
        path: File to name in errors.

    Returns:
        The module, in eval mode and with the dtypes of its constructor.

    Raises:
        InputError: Names or shapes differ, or a value is not finite.
    """
    with torch.device("meta"):  # the file replaces all values, so none are drawn
        module = build()
    module.load_state_dict(match_state(module.state_dict(), state, path, f"this {type(module).__name__}"), assign=True)
    return module.eval()


def separate_from_file(module: nn.Module) -> None:
    """Copy all tensors of a module: where they are a file that is mapped into memory, they change with the file."""
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = tensor.data.clone()


def match_state(expected: State, state: State, path: Path, network_title: str) -> State:
    """Return the tensors of a file for the expected names, converted to the expected dtypes.

    Args:
        expected: State dict of the network.
        state: Tensors of the file.
        path: File to name in errors.
        network_title: Network to name in errors.

    Raises:
        InputError: Names or shapes differ, or a value is not finite or not a float.
    """
    if differences := list(_differences(expected, state)):
        listed = ", ".join(differences[:MAX_LISTED])
        if not expected.keys() & state.keys():
            has, wants = (", ".join(sorted(names)[:MAX_LISTED]) or "nothing" for names in (state, expected))
            listed = f"none of its names fits, it has {has} ... and expected are {wants}"
        raise InputError(f"{path}: not the weights of {network_title}; {len(differences)} tensors differ: {listed} ...")
    for name, tensor in state.items():
        # Other numbers are not values of weights without a scale that is not in the file, or would lose a part.
        is_value = tensor.dtype in FLOATS or not expected[name].is_floating_point()
        if tensor.is_meta or tensor.is_quantized or tensor.layout is not torch.strided or not is_value:
            kind = f"{tensor.dtype} on {tensor.device}, {tensor.layout}".replace("torch.", "")
            raise InputError(f"{path}: {name} is {kind}; save it as dense float32, which is not quantized")
    if name := next((k for k, x in state.items() if x.is_floating_point() and not x.isfinite().all()), None):
        raise InputError(f"{path}: values of {name} are not finite; the file is damaged, or its training failed")
    return {name: state[name].to(tensor.dtype) for name, tensor in expected.items()}


def build_untrained(build: Callable[[], nn.Module], seed: int = 0) -> Any:
    """Build a module in eval mode with weights drawn from the seed; torch's global generator is left unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build().eval()


def to_safetensors(module: nn.Module, metadata: dict[str, str] | None = None) -> bytes:
    """Serialise a module's state as a .safetensors file; a tensor with several names is written under each.

    `metadata` goes into the file's header; `read_training_size` reads its SIZE.
    """
    state, addresses = {}, set()
    for name, tensor in module.state_dict().items():
        tensor = tensor.cpu().contiguous()
        state[name] = tensor.clone() if tensor.data_ptr() in addresses else tensor
        addresses.add(tensor.data_ptr())
    return save(state, metadata)


def read_training_size(path: Path) -> str:
    """Return the training size (pixels per side) in a .safetensors file's metadata; "" if the file has none.

    InputError for a file that cannot be read, and for a value that cannot be a size.
    """
    if path.suffix != ".safetensors":
        return ""
    try:
        with safe_open(path, "pt") as file:
            size = (file.metadata() or {}).get(SIZE, "")
    except Exception as error:  # safetensors raises several kinds on damaged bytes
        raise InputError(f"{path}: not a readable weights file ({first_line(error) or 'empty'})") from error
    if size and not re.fullmatch(r"[1-9]\d{0,3}", size):
        raise InputError(f"{path}: its {SIZE} is {size[:20]!r}, not a size in pixels; save the file without it")
    return size


def parse_size(text: str, default: int, multiple: int = 32, origin: str = "--option size") -> int:
    """Parse a working size in pixels per side.

    Args:
        text: The number, or "" for the default.
        default: Size of the card.
        multiple: The size must be a multiple of this.
        origin: Option or file to name in the error.

    Raises:
        InputError: Not a positive multiple.
    """
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1 or int(text) % multiple:
        raise InputError(f"{origin}={text}: must be pixels per side, a multiple of {multiple}")
    return int(text)


def digest_tensors(tensors: Iterable[tuple[str, Tensor]], prefix: str = "") -> str:
    """Return the SHA-256 of names and values in the given order, independent of the file format."""
    sha = hashlib.sha256(prefix.encode())
    for name, tensor in tensors:
        sha.update(name.encode())
        sha.update(tensor.cpu().contiguous().numpy())
    return sha.hexdigest()


def first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return str(error).partition("\n")[0]


def _differences(expected: State, state: State) -> Iterator[str]:
    for name in sorted(expected.keys() | state.keys()):
        if name not in state:
            yield f"{name} is missing"
        elif name not in expected:
            yield f"{name} is unknown"
        elif state[name].shape != expected[name].shape:
            yield f"{name} is {tuple(state[name].shape)} instead of {tuple(expected[name].shape)}"
