"""A Python file with a class `Predictor`, as in a model's folder. The file is run, since the user asks for it."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

from disbench.errors import InputError
from disbench.registry.card import Card
from disbench.registry.sources import list_sources

MODULE = "disbench_own_model"
_SOURCES: set[Path] = set()  # files, and folders of packages, of all models that this process has loaded
_ACTIVE: list["_Neighbours"] = []  # those whose modules are in sys.modules
METHODS = ("prepare", "infer", "restore")


class Predictor:
    """The class `Predictor` of the file: creating one returns an instance of the file's class."""

    def __new__(cls, card: Card, weights: str | None, device: str | None, **options: str) -> Any:
        """Import the file and create its predictor, on the CPU by default.

        Raises:
            InputError: The file cannot be imported, or lacks the class or one of METHODS.
        """
        path = Path(card.source)
        neighbours = _Neighbours(path)
        module = _import_file(path, neighbours)
        if not hasattr(module, "Predictor"):
            raise InputError(f"{path}: has no class Predictor; see docs/add-a-model.md")
        try:
            with neighbours.importable():
                predictor = module.Predictor(card, weights, device, **options)
        except TypeError as error:
            raise InputError(f"{path}: Predictor(card, weights, device, **options) fails ({error})") from error
        if missing := [name for name in METHODS if not callable(getattr(predictor, name, None))]:
            raise InputError(f"{path}: its Predictor has no {', '.join(missing)}; see docs/add-a-model.md")
        if not hasattr(predictor, "device"):
            predictor.device = "cpu"
        for name in METHODS:
            with suppress(AttributeError):  # of a class with __slots__
                setattr(predictor, name, neighbours.wrap(getattr(predictor, name)))
        return predictor


class _Neighbours:
    """The folder of a file, whose modules the file may import at any time, as with `python FILE`."""

    def __init__(self, path: Path):
        self._folder = str(path.resolve().parent)
        self._modules: dict[str, ModuleType] = {}

    @contextmanager
    def importable(self) -> Iterator[None]:
        """Let the block import modules of the folder, and none that another file has loaded under their names."""
        writes_bytecode = sys.dont_write_bytecode
        if [self] != _ACTIVE:
            for name in _list_own_modules():
                del sys.modules[name]
            sys.modules.update(self._modules)
            _ACTIVE[:] = [self]
        before = len(sys.modules)
        sys.path.insert(0, self._folder)
        sys.dont_write_bytecode = True  # Python would later run it in place of a changed file of the same size and date
        try:
            yield
        finally:
            sys.dont_write_bytecode = writes_bytecode
            if self._folder in sys.path:
                sys.path.remove(self._folder)
            if len(sys.modules) != before:
                self._modules |= _list_own_modules()

    def wrap(self, stage: Callable[..., Any]) -> Callable[..., Any]:
        """Return a stage in whose functions the modules are importable."""

        @wraps(stage)
        def call(*arguments: Any, **inputs: Any) -> Any:
            with self.importable():
                return stage(*arguments, **inputs)

        return call


def _import_file(path: Path, neighbours: _Neighbours) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE, path)
    module = sys.modules[MODULE] = importlib.util.module_from_spec(spec)
    _forget_modules(path)
    try:
        with neighbours.importable():
            # Python's own loader may run the compiled code of an older file of the same size and date.
            exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:  # SystemExit would end disbench without a message
        raise InputError(f"{path}: cannot be imported ({type(error).__name__}: {error})") from error
    return module


def _forget_modules(path: Path) -> None:
    """Forget the modules of this file, and of other files, that an earlier load imported.

    They may have changed since, and the run key hashes them as they are now. Those of another folder may have the same
    names.
    """
    root = path.resolve().parent
    for source in list_sources(path):
        folders = [folder for folder in source.resolve().parents if folder != root and folder.is_relative_to(root)]
        _SOURCES.update([source.resolve(), *folders])  # a folder may be a package without a file
    for name in _list_own_modules():
        del sys.modules[name]
    importlib.invalidate_caches()


def _list_own_modules() -> dict[str, ModuleType]:
    """List the modules of all files' folders that are imported now."""
    return {name: module for name, module in [*sys.modules.items()] if name != "__main__" and _is_own(module)}


def _is_own(module: Any) -> bool:
    content = getattr(module, "__dict__", {})  # some modules answer any other question by importing something
    file = content.get("__file__")
    try:
        places = [file] if file else list(content.get("__path__", ()))
    except KeyError:  # a package without a file, inside of one that is forgotten
        return True
    return any(isinstance(place, str) and Path(place).resolve() in _SOURCES for place in places)
