"""The registry: one folder per model, found without importing any of them.

ROOTS is the `__path__` of disbench.models, so `models/diffdis/unet.py` is `disbench.models.diffdis.unet` in a
checkout, an editable install, a wheel and a spawned worker alike. A card is data: reading it imports nothing. After
disbench's own root come those of plug-ins, packages that an entry point of the group `disbench.models` names, and the
folders of $DISBENCH_MODELS.
"""

import os
import re
import shlex
import warnings
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from disbench.errors import BrokenPlugin, InputError
from disbench.registry.card import FOLDERS_VARIABLE, HELP, SHIPPED_ROOTS, Card, read_card

ENTRY_POINTS = "disbench.models"  # the group that plug-ins use


def list_cards() -> dict[str, Card]:
    """Every registered model by name, in alphabetical order; a broken one is left out, with a BrokenPlugin warning."""
    known, broken = scan_models()
    for why in broken.values():
        warnings.warn(why, BrokenPlugin, stacklevel=2)
    return known


def cli_arguments(chosen: Card, *before: str) -> str:
    """What chooses the model in another command, as a shell reads it: with --models where that has brought it."""
    root = str(chosen.folder.parent)
    models = ["--models", root] if root in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) else []
    return shlex.join([*models, *before, chosen.source or chosen.name])


def add_models_folder(folder: Path) -> None:
    """Register the models in one more folder, in this process and those that it starts."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; --models takes one that holds a folder per model")
    if (folder / "card.toml").is_file():
        raise InputError(f"{folder}: a model's own folder; give --models the folder that it is in")
    root = str(folder.resolve())
    if root not in ROOTS:
        ROOTS.append(root)
        os.environ[FOLDERS_VARIABLE] = os.pathsep.join(filter(None, [os.environ.get(FOLDERS_VARIABLE), root]))


def scan_models() -> tuple[dict[str, Card], dict[str, str]]:
    """Cards by name, and by name, or place, what is wrong with the others."""
    known: dict[str, Card] = {}
    broken = dict(_BROKEN)
    for root in map(Path, ROOTS):
        try:
            inside = sorted(root.iterdir())
        except OSError as error:
            broken[str(root)] = f"{root}: {error.strerror}"
            continue
        folders = [path for path in inside if (path / "card.toml").is_file()]
        if not folders:
            broken[str(root)] = f"{root}: no model in it; each is a folder with a card.toml, {HELP}"
        for folder in inside:
            name = folder.name
            if folder not in folders:
                if (folder / "predictor.py").is_file():
                    broken[str(folder)] = f"{folder}: left out, since it has no card.toml; {HELP}"
                continue
            if name in known:
                broken[str(folder)] = f"{folder}: left out, since {known[name].folder} has its name"
            elif not re.fullmatch(r"[a-zA-Z0-9][\w-]*", name):
                broken[name] = f"{folder}: left out, since no model can have this name; rename the folder"
            else:
                try:
                    known[name] = read_card(folder)
                except InputError as error:
                    broken[name] = str(error)
    return dict(sorted(known.items())), broken


def _roots() -> tuple[list[str], dict[str, str]]:
    """Folders that hold models, shipped ones first; and by name, or place, what is wrong with the others."""
    roots, broken = list(SHIPPED_ROOTS), {}
    for point in entry_points(group=ENTRY_POINTS):
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
    for folder in filter(None, os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)):
        if Path(folder).is_dir():
            roots.append(str(Path(folder).resolve()))
        else:
            broken[folder] = f"{FOLDERS_VARIABLE}: {folder} is no folder"
    return list(dict.fromkeys(roots)), broken


def _letters(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


ROOTS, _BROKEN = _roots()
