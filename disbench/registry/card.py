"""Cards: what disbench knows of a model without importing it."""


import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from disbench.errors import InputError

_HERE = Path(__file__).parents[1]
SHIPPED_ROOTS = [str(p) for p in (_HERE / "_shipped" / "models", _HERE.parent / "models") if p.is_dir()][:1]
HELP = "see docs/add-a-model.md"
FOLDERS_VARIABLE = "DISBENCH_MODELS"  # folders of models, separated as in $PATH

STATUSES = {
    "verified": "equal to the authors' code",
    "unofficial": "written from the paper alone",
    "maps-only": "only prediction maps are published",
    "trivial": "no network; the floor that every method must clear",
    "file": "a model of your own, without a card",
}


@dataclass(frozen=True)
class Download:
    """A weights file, or published maps. `urls`: pages to get it from by hand; none for what disbench ships."""

    name: str
    urls: tuple[str, ...] = ()
    size: str = ""
    license: str = ""
    trained_on: str = ""
    note: str = ""
    md5: str = ""  # of the file called `name`, in hexadecimal, where its publisher says it
    sha256: str = ""


@dataclass(frozen=True)
class Card:
    """card.toml: who made the model, where its weights are, and every choice that changes its scores.

    `predictor` is "module:class" in the model's folder, and so is what trains it, `training`, unless it is trained by
    `recipe`, a file there; `loss` says whose loss it has, and which; `protocol` is hashed into the run key; `weights`
    and `maps` say how to get what the authors have published. `source` is the file or repository that stands for a
    folder.
    """

    name: str
    folder: Path
    title: str
    status: str
    predictor: str = ""
    training: str = ""
    recipe: str = ""
    loss: str = ""
    summary: str = ""
    paper: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    weights: tuple[Download, ...] = ()
    maps: tuple[Download, ...] = ()
    parameters: int = 0
    pipeline: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    commands: str = ""
    trainer: str = ""  # "module:function" in the model's folder that trains it by a recipe

    @property
    def accepts_weights(self) -> bool:
        """Whether there is anything for --weights to be."""
        return bool(self.weights or self.training)

    @property
    def external_path(self) -> Path | None:
        """The file or the folder of a model that is not disbench's own, which errors name; None for one that is."""
        shipped = str(self.folder.parent) in SHIPPED_ROOTS
        return Path(self.source) if self.source else None if shipped else self.folder


def read_card(folder: Path) -> Card:
    path = folder / "card.toml"
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        if "protocol" in content:  # the name of the table before `protocol` meant the rules of evaluation only
            content["pipeline"] = content.pop("protocol")
        downloads = {kind: [Download(**one) for one in content[kind]] for kind in content.keys() & {"weights", "maps"}}
        Card(name=folder.name, folder=folder, **content | downloads)  # tells of keys that there are not
        read = msgspec.convert(content | {"name": folder.name, "folder": folder}, Card)  # and of values of other types
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError, msgspec.ValidationError) as error:
        raise InputError(f"{path}: not a card ({error})") from None
    if read.status not in STATUSES:
        raise InputError(f"{path}: unknown status {read.status!r}; known: {', '.join(STATUSES)}")
    if read.status != "maps-only" and not re.fullmatch(r"\w+:\w+", read.predictor):
        raise InputError(f"{path}: predictor {read.predictor!r} is not module:class, of a module beside the card")
    return read
