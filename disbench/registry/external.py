"""Models that are not disbench's: a file of the user's own or a Hugging Face repository without a folder, and code."""

import hashlib
import re
from pathlib import Path
from typing import Any

from disbench.data.hashing import hash_file
from disbench.errors import InputError
from disbench.registry.card import SHIPPED_ROOTS, Card, Download

HUB = "hf:"
KINDS = {".onnx": "onnx", ".pt": "script", ".ts": "script", ".torchscript": "script", ".pt2": "export", ".py": "python"}
WEIGHTS_SUFFIXES = {".pth", ".safetensors", ".ckpt", ".bin"}  # say nothing of the network that they belong to


def make_external_card(name: str) -> Card | None:
    """The card of what `name` is, if it is no registered name: hf:OWNER/NAME, hf:FOLDER, or a file by its suffix."""
    if name.startswith(HUB):
        return _card(name.removeprefix(HUB), "huggingface", name)
    path = Path(name)
    suffix = path.suffix.lower()
    if suffix in WEIGHTS_SUFFIXES:
        raise InputError(f"{name}: weights, which need the network that they belong to: --model NAME --weights {name}")
    if suffix not in KINDS:
        return None
    if not path.is_file():
        raise InputError(f"{name}: no such file")
    return _card(path.stem, KINDS[suffix], path.name, name)


def hash_code(card: Card, weights: str | None, options: dict[str, str]) -> dict[str, Any]:
    """What is known to decide the maps of Python code that may change any time: its files, weights and options.

    Of a model's folder all its Python files count, of a file that one; of anything else nothing is said.
    """
    if card.external_path is None or (card.source and KINDS.get(card.external_path.suffix.lower()) != "python"):
        return {}
    root, files = (card.external_path.parent, [card.external_path]) if card.source else (card.folder, card.folder.rglob("*.py"))
    code = sorted((file.relative_to(root).as_posix(), hash_file(file)) for file in files)
    source = hashlib.sha256(repr(code).encode()).hexdigest()
    is_file = weights and Path(weights).is_file()  # which is the same wherever it lies
    of_weights = {"weights_file": hash_file(Path(weights))} if is_file else {"weights_name": weights}
    return {"source": source, "options": options} | of_weights


def _card(name: str, kind: str, title: str, source: str | None = None) -> Card:
    return Card(
        name=re.sub(r"[^\w.+-]+", "_", name).strip("._") or "model",  # names a folder under runs/
        folder=Path(SHIPPED_ROOTS[0]) / "_own",
        title=title,
        status="file",
        predictor=f"{kind}:Predictor",
        weights=(Download("for the user's file"),) if kind == "python" else (),
        source=source or name,
    )
