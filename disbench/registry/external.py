"""Models that are not disbench's: a file of the user's, a Hugging Face repository, or a folder of code."""

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from disbench.data.hashing import load_hashed
from disbench.errors import InputError
from disbench.registry.card import HUB_PREFIX, SHIPPED_ROOTS, Card, Download
from disbench.registry.sources import list_sources

# suffix of a file -> module of models/_own that reads it
KINDS = {".onnx": "onnx", ".pt": "script", ".ts": "script", ".torchscript": "script", ".pt2": "export", ".py": "python"}
WEIGHTS_SUFFIXES = {".pth", ".safetensors", ".ckpt", ".bin"}  # files that do not contain their network
Loaded = TypeVar("Loaded")


def make_external_card(name: str) -> Card | None:
    """Make the card of a file, or of hf:OWNER/NAME or hf:FOLDER. None for any other name.

    Raises:
        InputError: for a missing file, and for a file of weights only.
    """
    if name.startswith(HUB_PREFIX):
        repository = name.removeprefix(HUB_PREFIX)
        if not repository:
            raise InputError(f"{name}: got an empty id; give hf:OWNER/NAME or hf:FOLDER")
        return _make_card(repository, "huggingface", title=name, source=repository)
    path = Path(name)
    suffix = path.suffix.lower()
    if suffix in WEIGHTS_SUFFIXES:
        raise InputError(f"{name}: weights, which need the network that they belong to: --model NAME --weights {name}")
    if suffix not in KINDS:
        return None
    if not path.is_file():
        raise InputError(f"{name}: no such file")
    return _make_card(path.stem, KINDS[suffix], title=path.name, source=name)


def load_identified(
    card: Card, weights: str | None, options: Mapping[str, str], load: Callable[[], Loaded]
) -> tuple[Loaded, dict[str, Any]]:
    """Load a model, and hash what decides its maps if it is Python code from outside disbench.

    That is the code itself (every .py file of a model's folder, or the single file with what it imports from its folder
    and files that it names), the weights and the options. The identity of any other model comes from its predictor.

    Args:
        card: the model.
        weights: a file, or a name that the code understands.
        options: options of the model.
        load: function that loads the model.

    Returns:
        What was loaded, and its identity; {} for a model that is not Python code from outside.

    Raises:
        ChangedFileError: for a file that changed while it was loaded.
    """
    path = card.external_path
    if path is None or (card.source and KINDS.get(path.suffix.lower()) != "python"):
        return load(), {}
    root, code = (path.parent, list_sources(path)) if card.source else (card.folder, sorted(card.folder.rglob("*.py")))
    files = [Path(weights)] if weights and Path(weights).is_file() else []
    loaded, digests = load_hashed([*code, *files], load)
    names = [(file.relative_to(root) if file.is_relative_to(root) else Path(file.name)).as_posix() for file in code]
    pairs = sorted(zip(names, digests[: len(names)], strict=True))
    source = hashlib.sha256(repr(pairs).encode()).hexdigest()
    # The same file of weights counts the same wherever it is.
    weights_identity = {"weights_file": digests[-1]} if files else {"weights_name": weights}
    return loaded, {"source": source, "options": dict(options)} | weights_identity


def _make_card(name: str, kind: str, *, title: str, source: str) -> Card:
    return Card(
        name=re.sub(r"[^\w.+-]+", "_", name).strip("._") or "model",  # names a folder under runs/
        folder=Path(SHIPPED_ROOTS[0]) / "_own",
        title=title,
        status="file",
        predictor=f"{kind}:Predictor",
        weights=(Download(name="for the user's file"),) if kind == "python" else (),
        source=source,
    )
