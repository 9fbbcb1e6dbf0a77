"""A Python file with a class `Predictor`, as in a model's folder. The file is run, since the user asks for it."""

import importlib
import importlib.util
import sys
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
)
from pathlib import Path
from types import ModuleType
from typing import Any

from disbench.errors import InputError
from disbench.registry.card import Card
from disbench.registry.sources import list_sources

MODULE = "disbench_own_model"
_SOURCES: set[Path] = set()  # files, and folders of packages, of all models that this process has loaded
_FOLDERS: list[str] = []  # that are on sys.path for the model that was loaded last
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
    folder = str(path.resolve().parent)
    _enter_folder(folder)
    _forget_modules(path)
    sys.path.insert(0, folder)  # the file may import its neighbours, as with `python FILE`
    try:
        exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:  # SystemExit would end disbench without a message
        raise InputError(f"{path}: cannot be imported ({type(error).__name__}: {error})") from error
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
        sys.path.append(folder)  # for imports in functions; at the end, where it hides nothing
    return module


def _enter_folder(folder: str) -> None:
    """Import from a folder without compiled code, and no longer from that of the file that was loaded before."""
    while _FOLDERS:  # whose modules may have the same names
        if (earlier := _FOLDERS.pop()) in sys.path:
            sys.path.remove(earlier)
    _FOLDERS.append(folder)
    if _find_sources not in sys.path_hooks:
        sys.path_hooks.insert(0, _find_sources)
    for place in [place for place in sys.path_importer_cache if _is_below(place, folder)]:
        del sys.path_importer_cache[place]


def _find_sources(place: str) -> FileFinder:
    """Find modules in the folder of the model, or below it. ImportError for other places, which Python knows."""
    if not any(_is_below(place, folder) for folder in _FOLDERS):
        raise ImportError(place)
    return FileFinder(place, (ExtensionFileLoader, EXTENSION_SUFFIXES), (_SourceLoader, SOURCE_SUFFIXES))


def _is_below(place: str, folder: str) -> bool:
    path = Path(place)
    return path.is_relative_to(folder) and "site-packages" not in path.parts


class _SourceLoader(SourceFileLoader):
    """Compiles every module: Python's own may run the compiled code of an older file of the same size and date."""

    def path_stats(self, path: str) -> dict[str, Any]:
        """Know no date, without which compiled code is neither read nor written."""
        raise OSError(path)


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
