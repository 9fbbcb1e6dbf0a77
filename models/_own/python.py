"""A Python file with a class `Predictor`, as in a model's folder. The file is run, since the user asks for it."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

from disbench.errors import InputError
from disbench.registry.card import Card
from disbench.registry.sources import list_sources

MODULE = "disbench_own_model"
_SOURCES: set[Path] = set()  # files, and folders of packages, of all models that this process has loaded
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
        modules = {name: module for name, module in sys.modules.items() if name != "__main__" and _is_own(module)}
        for name in METHODS:
            with suppress(AttributeError):  # of a class with __slots__
                setattr(predictor, name, _with_modules(getattr(predictor, name), modules))
        return predictor


def _with_modules(stage: Callable[..., Any], modules: Mapping[str, ModuleType]) -> Callable[..., Any]:
    """Let imports in a stage's functions find its own modules: a file that was loaded since may have the same names."""

    @wraps(stage)
    def call(*arguments: Any, **inputs: Any) -> Any:
        sys.modules.update(modules)
        return stage(*arguments, **inputs)

    return call


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE, path)
    module = sys.modules[MODULE] = importlib.util.module_from_spec(spec)
    _forget_modules(path)
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)  # the file may import its neighbours, as with `python FILE`
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        # Python's own loader may run the compiled code of an older file of the same size and date.
        exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
        _import_neighbours(path)
    except (Exception, SystemExit) as error:  # SystemExit would end disbench without a message
        raise InputError(f"{path}: cannot be imported ({type(error).__name__}: {error})") from error
    finally:
        sys.dont_write_bytecode = writes_bytecode
        if folder in sys.path:
            sys.path.remove(folder)
    return module


def _import_neighbours(path: Path) -> None:
    """Import the modules of the file's folder that are imported in functions, which run without it on the path.

    One that cannot be imported here may not be needed; otherwise the function that imports it fails.
    """
    root = path.resolve().parent
    for source in list_sources(path):
        name = source.resolve()
        if name != path.resolve() and name.is_relative_to(root):
            parts = name.relative_to(root).with_suffix("").parts
            with suppress(Exception, SystemExit):
                importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))


def _forget_modules(path: Path) -> None:
    """Forget the modules of this file, and of other files, that an earlier load imported.

    They may have changed since, and the run key hashes them as they are now. Those of another folder may have the same
    names.
    """
    root = path.resolve().parent
    for source in list_sources(path):
        folders = [folder for folder in source.resolve().parents if folder != root and folder.is_relative_to(root)]
        _SOURCES.update([source.resolve(), *folders])  # a folder may be a package without a file
    for name in [name for name, module in sys.modules.items() if name != "__main__" and _is_own(module)]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _is_own(module: Any) -> bool:
    content = getattr(module, "__dict__", {})  # some modules answer any other question by importing something
    file = content.get("__file__")
    try:
        places = [file] if file else list(content.get("__path__", ()))
    except KeyError:  # a package without a file, inside of one that is forgotten
        return True
    return any(isinstance(place, str) and Path(place).resolve() in _SOURCES for place in places)
