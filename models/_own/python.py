"""A Python file with a class `Predictor`, as in a model's folder. The file is run, since the user asks for it."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from disbench.errors import InputError
from disbench.registry.card import Card

MODULE = "disbench_own_model"
METHODS = ("prepare", "infer", "restore")


class Predictor:
    """The class `Predictor` of the file: creating one returns an instance of the file's class."""

    def __new__(cls, card: Card, weights: str | None, device: str | None, **options: str) -> Any:
        """Import the file and create its predictor, on the CPU by default.

        Raises:
            InputError: The file cannot be imported, or lacks the class or one of METHODS.
        """
        path = Path(card.source)
        module = _import_file(path)
        if not hasattr(module, "Predictor"):
            raise InputError(f"{path}: has no class Predictor; see docs/add-a-model.md")
        try:
            predictor = module.Predictor(card, weights, device, **options)
        except TypeError as error:
            raise InputError(f"{path}: Predictor(card, weights, device, **options) fails ({error})") from error
        if missing := [name for name in METHODS if not callable(getattr(predictor, name, None))]:
            raise InputError(f"{path}: its Predictor has no {', '.join(missing)}; see docs/add-a-model.md")
        if not hasattr(predictor, "device"):
            predictor.device = "cpu"
        return predictor


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE, path)
    module = sys.modules[MODULE] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))  # the file may import its neighbours, as with `python FILE`
    try:
        # Python's own loader may run the compiled code of an older file of the same size and date.
        exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:  # SystemExit would end disbench without a message
        raise InputError(f"{path}: cannot be imported ({type(error).__name__}: {error})") from error
    finally:
        sys.path.pop(0)
    return module
