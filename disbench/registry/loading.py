"""From the name of a model to its card and its predictor."""

import hashlib
import inspect
import os
import sys
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from disbench.errors import DeviceMismatchError, DigestMismatch, InputError, suggest_names
from disbench.registry.card import HELP, SHIPPED_ROOTS, Card
from disbench.registry.discovery import cli_arguments, normalise_name, scan_models
from disbench.registry.external import make_external_card
from disbench.registry.weights import check_fetchable
from disbench.system.console import divert_prints
from disbench.system.device_memory import is_out_of_memory, make_out_of_memory
from disbench.system.files import is_file, require_regular_file
from disbench.system.variables import check_hub_variables

NAMESPACE = "disbench.models"  # its path is the roots of the registry
EXTRAS = {"onnxruntime": "onnx", "accelerate": "train"}  # missing package -> extra, where that is not `models`
STAGES = ("prepare", "infer", "restore")  # that every predictor has


def get_card(name: str) -> Card:
    """Get the card of a registered model, or make one for a file or a repository.

    Raises:
        InputError: for an unknown name. The message suggests similar names.
    """
    if external := make_external_card(name):
        return external
    cards, faults = scan_models()
    if name in cards:
        return cards[name]
    if is_file(Path(name) / "card.toml"):
        raise InputError(f"{name}: the folder of a model; give --models {Path(name).parent} --model {Path(name).name}")
    is_path = "/" in name or os.sep in name
    similar = [key for key in cards if normalise_name(key) == normalise_name(name) and not is_path]
    if len(similar) > 1:
        raise InputError(f"{name!r} may be {' or '.join(similar)}; give the name as it is")
    if not similar:
        variants = [key for key in cards if key.startswith(f"{name}:")]
        names = sorted(cards, key=lambda key: ":" in key)  # variants last
        hint = f"known: {', '.join(variants)}" if variants else suggest_names(name.lower(), names)
        raise InputError(faults.get(name.partition(":")[0]) or f"unknown model {name!r}; {hint}")
    return cards[similar[0]]


def check_weights(card: Card, weights: str | None) -> None:
    """Check that a model which needs weights is given some, and one without weights none. InputError otherwise."""
    if card.status == "maps-only":
        raise InputError(
            f"{card.title}: only maps are published; --maps takes them, see `disbench models {cli_arguments(card)}`"
        )
    if weights == "":
        raise InputError(f"{card.title}: got an empty text for its weights; give a file, a folder or a name")
    if weights is not None:
        if not card.accepts_weights:
            raise InputError(f"{card.title} has no weights; omit --weights")
        check_fetchable(card, weights)
        return
    if card.command and not card.accepts_weights:
        return
    if card.training and not card.weights:
        maps = "; --maps takes its authors' maps" if card.maps else ""
        raise InputError(
            f"{card.title} comes without weights; --weights takes those of a training of your own "
            f"(`disbench train {cli_arguments(card, '--model')}`){maps}"
        )
    if card.weights and card.default_weights is None:
        first = card.weights[0]
        raise InputError(
            f"{card.title} needs --weights: get {first.name} by hand from {first.urls[0]}, "
            f"or see `disbench models {cli_arguments(card)}`"
        )
    if card.command:
        raise InputError(f"{card.title} needs --weights, because its command has an argument for them")


def check_device(card: Card, device: str | None) -> None:
    """Check, before any weights are downloaded or read, that a model can compute on a device.

    A predictor of disbench's own says so in `check_device`, a function of the device's name.

    Raises:
        DeviceMismatchError: for a model that computes on the CPU only.
        InputError: for a device that is missing, and for a package that is.
    """
    if card.cpu_only and _kind(device or "cpu") != "cpu":
        raise _mismatch(card.title, device, "cpu")
    if card.command or not (card.is_shipped or card.source):  # code from outside is hashed before it is imported
        return
    check = getattr(import_attribute(card, card.predictor), "check_device", None)
    if device is not None and check:
        check(device)


def load_predictor(card: Card, weights: str | None, device: str | None, options: Mapping[str, str]) -> Any:
    """Build the predictor of a card.

    Args:
        card: the model.
        weights: a file, a folder or a Hugging Face id; None for the weights that disbench ships.
        device: "cpu", "cuda", "cuda:1" or "mps"; None for the best one available.
        options: options of the model itself.

    Raises:
        InputError: for unfit weights, an unknown option, and code from outside that fails.
    """
    check_weights(card, weights)
    if card.command:
        raise InputError(
            f"{card.title} is an external command, which only predicts whole subsets: "
            f"`disbench run {cli_arguments(card, '--model')}` runs it"
        )
    if weights:
        require_regular_file(Path(weights))
    _check_digest(card, weights)
    factory = import_attribute(card, card.predictor)
    if not callable(factory):
        raise InputError(f"{card.folder}: its {card.predictor} makes nothing; {HELP}")
    parameters = list(inspect.signature(factory).parameters.values())[3:]
    accepted = [parameter.name for parameter in parameters]
    checks_itself = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    unknown = options.keys() - set(accepted)
    if unknown and not checks_itself:
        raise InputError(f"{card.title} has no option {min(unknown)!r}; known: {', '.join(accepted) or 'none'}")
    try:
        with nullcontext() if card.is_shipped else divert_prints():
            predictor = factory(card, weights, device, **options)
        _check_predictor(predictor)
        if device is not None and _kind(device) != _kind(predictor.device):
            raise _mismatch(card.title, device, predictor.device)
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        if is_out_of_memory(error):
            advice = "end other processes that use it, or give another --device"
            raise make_out_of_memory(card.title, device or "its device", error, advice) from error
        if card.is_shipped:
            raise
        raise InputError(f"{card.external_path}: no predictor ({type(error).__name__}: {error}); {HELP}") from error
    return predictor


def import_attribute(card: Card, path: str) -> Any:
    """Import what a card calls "module:attribute", from the model's folder. InputError where that fails."""
    module, _, attribute = path.partition(":")
    check_hub_variables()  # for models that import diffusers or transformers, and these huggingface_hub
    ours = str(card.folder.parent) in SHIPPED_ROOTS  # also for a user's file, which disbench's own code reads
    writes_bytecode = sys.dont_write_bytecode
    try:
        # Python's own loader would later run the compiled code of an older file of the same size and date.
        sys.dont_write_bytecode = writes_bytecode or not ours
        with nullcontext() if ours else divert_prints():
            return getattr(import_module(f"{NAMESPACE}.{card.folder.name}.{module}"), attribute)
    except (Exception, SystemExit) as error:  # SystemExit would end disbench without a word
        if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith(NAMESPACE):
            package = f"'disbench[{EXTRAS.get(error.name or '', 'models')}]'" if ours else error.name
            raise InputError(f"{card.title} needs {error.name}; pip install {package}") from error
        if ours:
            raise
        raise InputError(f"{card.folder / module}.py: cannot be imported ({type(error).__name__}: {error})") from error
    finally:
        sys.dont_write_bytecode = writes_bytecode


def _check_digest(card: Card, weights: str | None) -> None:
    """Warn of a file with the name of a published one, but another digest: authors replace files."""
    if not weights or not Path(weights).is_file():
        return
    download = next((download for download in card.weights if download.name == Path(weights).name), None)
    if card.is_variant:  # whose file has any name
        download = download or card.default_weights
    for kind in ("md5", "sha256"):
        if download and (expected := getattr(download, kind)):
            with Path(weights).open("rb") as file:
                digest = hashlib.file_digest(file, kind).hexdigest()
            if digest != expected.lower():
                warnings.warn(
                    f"{weights}: not the {download.name} that {card.title}'s card means; its {kind.upper()} is "
                    f"{digest}, not {expected}: damaged, or replaced since the card was written",
                    DigestMismatch,
                    stacklevel=4,
                )


def _kind(device: str) -> str:
    return device.partition(":")[0]


def _mismatch(title: str, asked: str | None, actual: str) -> DeviceMismatchError:
    way_out = f"give --device {_kind(actual)}, or omit it"
    return DeviceMismatchError(f"--device {asked}: {title} computes on {actual}; {way_out}")


def _check_predictor(predictor: Any) -> None:
    """Check that a predictor has what every use of it needs. TypeError or AttributeError otherwise."""
    if missing := [name for name in STAGES if not callable(getattr(predictor, name, None))]:
        raise TypeError(f"it has no {', '.join(missing)}")
    if not isinstance(predictor.device, str):
        raise TypeError("its device must be a text as 'cpu'")
