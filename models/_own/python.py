"""A Python file of the user's own: its class `Predictor`, as in a model's folder. It is run, as the user asks for."""

import importlib.util
import sys
from pathlib import Path

from disbench.errors import InputError
from disbench.registry.card import Card

MODULE = "disbench_own_model"
METHODS = ("prepare", "infer", "restore")


def Predictor(card: Card, weights: str | None, device: str | None, **options: str):
    """The file's `Predictor(card, weights, device, **options)`."""
    path = Path(card.source)
    spec = importlib.util.spec_from_file_location(MODULE, path)
    module = sys.modules[MODULE] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))  # as `python FILE` would find its neighbours
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the last would end disbench in silence
        raise InputError(f"{path}: cannot be imported ({type(error).__name__}: {error})") from error
    finally:
        sys.path.pop(0)
    if not hasattr(module, "Predictor"):
        raise InputError(f"{path}: it has no class Predictor; see docs/add-a-model.md")
    try:
        predictor = module.Predictor(card, weights, device, **options)
    except TypeError as error:
        raise InputError(f"{path}: Predictor(card, weights, device, **options) fails ({error})") from error
    if missing := [name for name in METHODS if not callable(getattr(predictor, name, None))]:
        raise InputError(f"{path}: its Predictor has no {', '.join(missing)}; see docs/add-a-model.md")
    if not hasattr(predictor, "device"):
        predictor.device = "cpu"
    return predictor
