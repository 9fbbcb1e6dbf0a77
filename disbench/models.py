"""The registry: one folder per model, found without importing any of them.

The folders' roots are this module's `__path__`, so `models/diffdis/unet.py` is `disbench.models.diffdis.unet` in a
checkout, an editable install, a wheel and a spawned worker alike. A card is data: reading it imports nothing. After
disbench's own root come those of plug-ins, packages that an entry point of the group `disbench.models` names, and the
folders of $DISBENCH_MODELS.
"""

import hashlib
import inspect
import os
import re
import shlex
import tomllib
import warnings
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from disbench.errors import BrokenPlugin, InputError, OtherFile, nearest

GROUP, FOLDERS = "disbench.models", "DISBENCH_MODELS"  # of entry points; the environment's variable
_HERE = Path(__file__).parent
_SHIPPED = [str(p) for p in (_HERE / "_shipped" / "models", _HERE.parent / "models") if p.is_dir()][:1]
_HELP = "see docs/add-a-model.md"
_EXTRAS = {"onnxruntime": "onnx", "accelerate": "train"}  # what brings a package, where it is not `models`

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
    protocol: dict[str, Any] = field(default_factory=dict)
    source: str = ""

    @property
    def learns(self) -> bool:
        """Whether there is anything for --weights to be."""
        return bool(self.weights or self.training)

    @property
    def outside(self) -> Path | None:
        """The file or the folder of a model that is not disbench's own, which errors name; None for one that is."""
        shipped = str(self.folder.parent) in _SHIPPED
        return Path(self.source) if self.source else None if shipped else self.folder


def cards() -> dict[str, Card]:
    """Every registered model by name, in alphabetical order; a broken one is left out, with a BrokenPlugin warning."""
    known, broken = _scan()
    for why in broken.values():
        warnings.warn(why, BrokenPlugin, stacklevel=2)
    return known


def card(name: str) -> Card:
    """The card of a registered model, or one for a file or a repository; InputError with the nearest names else."""
    from disbench.own import card_of

    if own := card_of(name):
        return own
    known, broken = _scan()
    found = {_letters(c.name): c for c in known.values()}.get(_letters(name))
    if found is None:
        raise InputError(broken.get(name) or f"unknown model {name!r}; {nearest(name.lower(), known)}")
    return found


def arguments(chosen: Card, *before: str) -> str:
    """What chooses the model in another command, as a shell reads it: with --models where that has brought it."""
    root = str(chosen.folder.parent)
    models = ["--models", root] if root in os.environ.get(FOLDERS, "").split(os.pathsep) else []
    return shlex.join([*models, *before, chosen.source or chosen.name])


def add(folder: Path) -> None:
    """Register the models in one more folder, in this process and those that it starts."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; --models takes one that holds a folder per model")
    if (folder / "card.toml").is_file():
        raise InputError(f"{folder}: a model's own folder; give --models the folder that it is in")
    root = str(folder.resolve())
    if root not in __path__:
        __path__.append(root)
        os.environ[FOLDERS] = os.pathsep.join(filter(None, [os.environ.get(FOLDERS), root]))


def check(chosen: Card, weights: str | None) -> None:
    """InputError for a model without weights that is given some, and for one that needs some and is given none."""
    if chosen.status == "maps-only":
        raise InputError(
            f"{chosen.title}: only maps are published; --maps takes them, see `disbench models {arguments(chosen)}`"
        )
    if weights is not None and not chosen.learns:
        raise InputError(f"{chosen.title} has no weights; leave --weights away")
    if weights is None and chosen.training and not chosen.weights:
        maps = "; --maps takes its authors' maps" if chosen.maps else ""
        raise InputError(
            f"{chosen.title} comes without weights; --weights takes those of a training of your own "
            f"(`disbench train {arguments(chosen, '--model')}`){maps}"
        )
    if weights is None and chosen.weights and all(one.urls for one in chosen.weights):
        first = chosen.weights[0]
        raise InputError(
            f"{chosen.title} needs --weights: get {first.name} by hand from {first.urls[0]}, "
            f"or see `disbench models {arguments(chosen)}`"
        )


def load(name: str, weights: str | None = None, device: str | None = None, **options: str):
    """The model, ready to predict.

    `weights`: a file, a folder or a Hugging Face id; None for those that disbench ships, where it does; "untrained" for
    a random initialisation. `device`: "cpu", "cuda", "cuda:1", "mps"; None for the best there is. `options` are the
    model's own.
    """
    from disbench.own import code_identity
    from disbench.predict import Model

    chosen = card(name)
    check(chosen, weights)
    _check_digest(chosen, weights)
    make = part(chosen, chosen.predictor)
    if not callable(make):
        raise InputError(f"{chosen.folder}: its {chosen.predictor} makes nothing; {_HELP}")
    parameters = list(inspect.signature(make).parameters.values())[3:]
    known = [parameter.name for parameter in parameters]
    checks_itself = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    if not checks_itself and (unknown := options.keys() - set(known)):
        raise InputError(f"{chosen.title} has no option {min(unknown)!r}; known: {', '.join(known) or 'none'}")
    try:
        predictor = make(chosen, weights, device, **options)
        _check_predictor(predictor)
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        if chosen.outside is None:
            raise
        raise InputError(f"{chosen.outside}: no predictor ({type(error).__name__}: {error}); {_HELP}") from error
    return Model(chosen, predictor, code_identity(chosen, weights, options))


def _check_digest(chosen: Card, weights: str | None) -> None:
    """An OtherFile warning for a file with the name of one of the card's, but another digest: authors replace files."""
    one = next((one for one in chosen.weights if weights and one.name == Path(weights).name), None)
    for kind in ("md5", "sha256"):
        if one and (known := getattr(one, kind)) and Path(weights).is_file():
            with Path(weights).open("rb") as file:
                found = hashlib.file_digest(file, kind).hexdigest()
            if found != known.lower():
                why = f"its {kind.upper()} is {found}, not {known}: damaged, or replaced since the card was written"
                warnings.warn(f"{weights}: not the {one.name} that {chosen.title}'s card means; {why}", OtherFile, 3)


def _check_predictor(predictor: Any) -> None:
    """TypeError or AttributeError where it lacks what every use of a disbench.predict.Predictor needs."""
    if missing := [name for name in ("prepare", "infer", "restore") if not callable(getattr(predictor, name, None))]:
        raise TypeError(f"it has no {', '.join(missing)}")
    if not isinstance(predictor.device, str):
        raise TypeError("its device must be a text as 'cpu'")


def part(chosen: Card, name: str) -> Any:
    """What a card calls "module:name", of the model's folder; InputError where it cannot be imported."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(f"{__name__}.{chosen.folder.name}.{module}"), attribute)
    except (Exception, SystemExit) as error:  # the last would end disbench in silence
        shipped = str(chosen.folder.parent) in _SHIPPED
        if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith(__name__):
            extra = f"'disbench[{_EXTRAS.get(error.name, 'models')}]'" if shipped else error.name
            raise InputError(f"{chosen.title} needs {error.name}; pip install {extra}") from error
        if shipped:
            raise
        raise InputError(
            f"{chosen.folder / module}.py: cannot be imported ({type(error).__name__}: {error})"
        ) from error


def _scan() -> tuple[dict[str, Card], dict[str, str]]:
    """Cards by name, and by name, or place, what is wrong with the others."""
    known: dict[str, Card] = {}
    broken = dict(_BROKEN)
    for root in map(Path, __path__):
        try:
            inside = sorted(root.iterdir())
        except OSError as error:
            broken[str(root)] = f"{root}: {error.strerror}"
            continue
        folders = [path for path in inside if (path / "card.toml").is_file()]
        if not folders:
            broken[str(root)] = f"{root}: no model in it; each is a folder with a card.toml, {_HELP}"
        for folder in inside:
            name = folder.name
            if folder not in folders:
                if (folder / "predictor.py").is_file():
                    broken[str(folder)] = f"{folder}: left out, since it has no card.toml; {_HELP}"
                continue
            if name in known:
                broken[str(folder)] = f"{folder}: left out, since {known[name].folder} has its name"
            elif name in _TAKEN or not re.fullmatch(r"[a-zA-Z0-9][\w-]*", name):
                broken[name] = f"{folder}: left out, since no model can have this name; rename the folder"
            else:
                try:
                    known[name] = _read(folder)
                except InputError as error:
                    broken[name] = str(error)
    return dict(sorted(known.items())), broken


def _roots() -> tuple[list[str], dict[str, str]]:
    """Folders that hold models, shipped ones first; and by name, or place, what is wrong with the others."""
    roots, broken = list(_SHIPPED), {}
    for point in entry_points(group=GROUP):
        try:
            spec = find_spec(point.value)  # imports no plug-in, but the packages around one that is inside others
            folders = list(spec.submodule_search_locations or ()) if spec else []
        except (Exception, SystemExit) as error:
            folders, why = [], f"{type(error).__name__}: {error}"
        else:
            why = "no such package"
        if not folders:
            broken[point.name] = f"plug-in {point.name}: {point.value} is not there ({why})"
        roots += folders
    for folder in filter(None, os.environ.get(FOLDERS, "").split(os.pathsep)):
        if Path(folder).is_dir():
            roots.append(str(Path(folder).resolve()))
        else:
            broken[folder] = f"{FOLDERS}: {folder} is no folder"
    return list(dict.fromkeys(roots)), broken


def _letters(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _read(folder: Path) -> Card:
    path = folder / "card.toml"
    try:
        content = tomllib.loads(path.read_text("utf-8"))
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


__path__, _BROKEN = _roots()
_TAKEN = frozenset(globals())  # an import of disbench.models.load would put a module in the place of `load`
