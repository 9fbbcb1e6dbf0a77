"""Models without a folder: a file of the user's own, or a Hugging Face repository, in place of a registered name."""

import re
from pathlib import Path

from disbench import models
from disbench.errors import InputError
from disbench.models import Card, Download

HUB = "hf:"
KINDS = {".onnx": "onnx", ".pt": "script", ".ts": "script", ".torchscript": "script", ".pt2": "export", ".py": "python"}
WEIGHTS = {".pth", ".safetensors", ".ckpt", ".bin"}  # say nothing of the network that they belong to


def card_of(name: str) -> Card | None:
    """The card of what `name` is, if it is no registered name: hf:OWNER/NAME, hf:FOLDER, or a file by its suffix."""
    if name.startswith(HUB):
        return _card(name.removeprefix(HUB), "huggingface", name)
    path = Path(name)
    suffix = path.suffix.lower()
    if suffix in WEIGHTS:
        raise InputError(f"{name}: weights, which need the network that they belong to: --model NAME --weights {name}")
    if suffix not in KINDS:
        return None
    if not path.is_file():
        raise InputError(f"{name}: no such file")
    return _card(path.stem, KINDS[suffix], path.name, name)


def _card(name: str, kind: str, title: str, source: str | None = None) -> Card:
    return Card(
        name=re.sub(r"[^\w.+-]+", "_", name).strip("._") or "model",  # names a folder under runs/
        folder=Path(models.__path__[0]) / "_own",  # the shipped root is the first
        title=title,
        status="file",
        predictor=f"{kind}:Predictor",
        weights=(Download("for the user's file"),) if kind == "python" else (),
        source=source or name,
    )
