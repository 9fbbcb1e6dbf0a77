"""The registry: one folder per model, found without importing any of them.

The folders' roots are this module's `__path__`, so `models/diffdis/unet.py` is `disbench.models.diffdis.unet` in a
checkout, an editable install, a wheel and a spawned worker alike. A card is data: reading it imports nothing.
"""

import inspect
import re
import tomllib
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from disbench.errors import InputError, nearest

_HERE = Path(__file__).parent
__path__ = [str(p) for p in (_HERE / "_shipped" / "models", _HERE.parent / "models") if p.is_dir()][:1]

STATUSES = {
    "verified": "equal to the authors' code",
    "unofficial": "written from the paper alone",
    "maps-only": "only prediction maps are published",
    "trivial": "no network; the floor that every method must clear",
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


@dataclass(frozen=True)
class Card:
    """card.toml: who made the model, where its weights are, and every choice that changes its scores.

    `predictor` is "module:class" in the model's folder; `protocol` is hashed into the run key; `weights` and `maps` say
    how to get what the authors have published.
    """

    name: str
    folder: Path
    title: str
    status: str
    predictor: str = ""
    summary: str = ""
    paper: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    weights: tuple[Download, ...] = ()
    maps: tuple[Download, ...] = ()
    parameters: int = 0
    protocol: dict[str, Any] = field(default_factory=dict)


def cards() -> dict[str, Card]:
    """Every registered model by name, in alphabetical order."""
    folders = [path for root in __path__ for path in Path(root).iterdir() if (path / "card.toml").is_file()]
    return {path.name: _read(path) for path in sorted(folders, key=lambda path: path.name)}


def card(name: str) -> Card:
    """The card of one model; InputError with the nearest names for an unknown one."""
    known = cards()
    found = {_letters(c.name): c for c in known.values()}.get(_letters(name))
    if found is None:
        raise InputError(f"unknown model {name!r}; {nearest(name.lower(), known)}")
    return found


def check(chosen: Card, weights: str | None) -> None:
    """InputError for a model without weights that is given some, and for one that needs some and is given none."""
    if chosen.status == "maps-only":
        raise InputError(
            f"{chosen.title}: only maps are published; --maps takes them, see `disbench models {chosen.name}`"
        )
    if weights is not None and not chosen.weights:
        raise InputError(f"{chosen.title} has no weights; leave --weights away")
    if weights is None and chosen.weights and all(one.urls for one in chosen.weights):
        first = chosen.weights[0]
        raise InputError(
            f"{chosen.title} needs --weights: get {first.name} by hand from {first.urls[0]}, "
            f"or see `disbench models {chosen.name}`"
        )


def load(name: str, weights: str | None = None, device: str | None = None, **options: str):
    """The model, ready to predict.

    `weights`: a file, a folder or a Hugging Face id; None for those that disbench ships, where it does; "untrained" for
    a random initialisation. `device`: "cpu", "cuda", "cuda:1", "mps"; None for the best there is. `options` are the
    model's own.
    """
    from disbench.predict import Model

    chosen = card(name)
    check(chosen, weights)
    module, factory = chosen.predictor.split(":")
    try:
        make = getattr(import_module(f"disbench.models.{chosen.name}.{module}"), factory)
    except ModuleNotFoundError as error:
        raise InputError(f"{chosen.title} needs {error.name}; pip install 'disbench[models]'") from None
    parameters = list(inspect.signature(make).parameters.values())[3:]
    known = [parameter.name for parameter in parameters]
    checks_itself = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    if not checks_itself and (unknown := options.keys() - set(known)):
        raise InputError(f"{chosen.title} has no option {min(unknown)!r}; known: {', '.join(known) or 'none'}")
    return Model(chosen, make(chosen, weights, device, **options))


def _letters(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _read(folder: Path) -> Card:
    path = folder / "card.toml"
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        Card(name=folder.name, folder=folder, **content)  # which takes no unknown key; `convert` checks types
        for kind in content.keys() & {"weights", "maps"}:
            for one in content[kind]:
                Download(**one)
        read = msgspec.convert({"name": folder.name, "folder": folder, **content}, Card)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError, msgspec.ValidationError) as error:
        raise InputError(f"{path}: not a card ({error})") from None
    if read.status not in STATUSES:
        raise InputError(f"{path}: unknown status {read.status!r}; known: {', '.join(STATUSES)}")
    if read.status != "maps-only" and not re.fullmatch(r"\w+:\w+", read.predictor):
        raise InputError(f"{path}: predictor {read.predictor!r} is not module:class, of a module beside the card")
    return read
