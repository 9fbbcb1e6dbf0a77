"""From the name of a model to its card and its predictor."""


import hashlib
import inspect
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from disbench.errors import DigestMismatch, InputError, suggest_names
from disbench.registry.card import HELP, SHIPPED_ROOTS, Card
from disbench.registry.discovery import _letters, cli_arguments, scan_models
from disbench.registry.external import make_external_card

NAMESPACE = "disbench.models"  # whose path is the roots of the registry
_EXTRAS = {"onnxruntime": "onnx", "accelerate": "train"}  # what brings a package, where it is not `models`


def get_card(name: str) -> Card:
    """The card of a registered model, or one for a file or a repository; InputError with the nearest names else."""
    if own := make_external_card(name):
        return own
    known, broken = scan_models()
    found = {_letters(c.name): c for c in known.values()}.get(_letters(name))
    if found is None:
        raise InputError(broken.get(name) or f"unknown model {name!r}; {suggest_names(name.lower(), known)}")
    return found


def check_weights(chosen: Card, weights: str | None) -> None:
    """InputError for a model without weights that is given some, and for one that needs some and is given none."""
    if chosen.status == "maps-only":
        raise InputError(
            f"{chosen.title}: only maps are published; --maps takes them, see `disbench models {cli_arguments(chosen)}`"
        )
    if weights is not None and not chosen.accepts_weights:
        raise InputError(f"{chosen.title} has no weights; leave --weights away")
    if weights is None and chosen.training and not chosen.weights:
        maps = "; --maps takes its authors' maps" if chosen.maps else ""
        raise InputError(
            f"{chosen.title} comes without weights; --weights takes those of a training of your own "
            f"(`disbench train {cli_arguments(chosen, '--model')}`){maps}"
        )
    if weights is None and chosen.weights and all(one.urls for one in chosen.weights):
        first = chosen.weights[0]
        raise InputError(
            f"{chosen.title} needs --weights: get {first.name} by hand from {first.urls[0]}, "
            f"or see `disbench models {cli_arguments(chosen)}`"
        )


def load_predictor(card: Card, weights: str | None, device: str | None, options: dict[str, str]) -> Any:
    """Build the predictor of a card. InputError where it cannot be built from these arguments."""
    check_weights(card, weights)
    _check_digest(card, weights)
    factory = import_attribute(card, card.predictor)
    if not callable(factory):
        raise InputError(f"{card.folder}: its {card.predictor} makes nothing; {HELP}")
    parameters = list(inspect.signature(factory).parameters.values())[3:]
    accepted = [parameter.name for parameter in parameters]
    checks_itself = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    if not checks_itself and (unknown := options.keys() - set(accepted)):
        raise InputError(f"{card.title} has no option {min(unknown)!r}; known: {', '.join(accepted) or 'none'}")
    try:
        predictor = factory(card, weights, device, **options)
        _check_predictor(predictor)
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        if card.external_path is None:
            raise
        raise InputError(f"{card.external_path}: no predictor ({type(error).__name__}: {error}); {HELP}") from error
    return predictor


def _check_digest(chosen: Card, weights: str | None) -> None:
    """An OtherFile warning for a file with the name of one of the card's, but another digest: authors replace files."""
    one = next((one for one in chosen.weights if weights and one.name == Path(weights).name), None)
    for kind in ("md5", "sha256"):
        if one and (known := getattr(one, kind)) and Path(weights).is_file():
            with Path(weights).open("rb") as file:
                found = hashlib.file_digest(file, kind).hexdigest()
            if found != known.lower():
                why = f"its {kind.upper()} is {found}, not {known}: damaged, or replaced since the card was written"
                warnings.warn(f"{weights}: not the {one.name} that {chosen.title}'s card means; {why}", DigestMismatch, 3)


def _check_predictor(predictor: Any) -> None:
    """TypeError or AttributeError where it lacks what every use of a disbench.predict.Predictor needs."""
    if missing := [name for name in ("prepare", "infer", "restore") if not callable(getattr(predictor, name, None))]:
        raise TypeError(f"it has no {', '.join(missing)}")
    if not isinstance(predictor.device, str):
        raise TypeError("its device must be a text as 'cpu'")


def import_attribute(chosen: Card, name: str) -> Any:
    """What a card calls "module:name", of the model's folder; InputError where it cannot be imported."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(f"{NAMESPACE}.{chosen.folder.name}.{module}"), attribute)
    except (Exception, SystemExit) as error:  # the last would end disbench in silence
        shipped = str(chosen.folder.parent) in SHIPPED_ROOTS
        if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith(NAMESPACE):
            extra = f"'disbench[{_EXTRAS.get(error.name, 'models')}]'" if shipped else error.name
            raise InputError(f"{chosen.title} needs {error.name}; pip install {extra}") from error
        if shipped:
            raise
        raise InputError(
            f"{chosen.folder / module}.py: cannot be imported ({type(error).__name__}: {error})"
        ) from error
