"""Discovery: which models there are, without importing any of them.

ROOTS is the `__path__` of disbench.models, so `models/diffdis/unet.py` is `disbench.models.diffdis.unet` in a checkout,
an editable install, a wheel and a spawned process alike. After disbench's own root come the roots of plug-ins, packages
that an entry point of the group `disbench.models` names, and the folders of $DISBENCH_MODELS.
"""

import os
import re
import shlex
import warnings
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from disbench.errors import BrokenPlugin, InputError
from disbench.registry.card import FOLDERS_VARIABLE, HELP, HUB_PREFIX, SHIPPED_ROOTS, Card, read_cards

ENTRY_POINTS = "disbench.models"  # the group that plug-ins use


def list_cards() -> dict[str, Card]:
    """List the cards of all registered models by name, in alphabetical order.

    A broken model is omitted, with a BrokenPlugin warning.
    """
    cards, faults = scan_models()
    for fault in faults.values():
        warnings.warn(fault, BrokenPlugin, stacklevel=2)
    return cards


def cli_arguments(card: Card, *before: str) -> str:
    """Write the arguments that choose a model in another command, quoted for a shell.

    `before` comes directly before the name, as "--model". --models is added where the model came with it.
    """
    root = str(card.folder.parent)
    added = root in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)
    name = card.source or card.name
    if card.title == f"{HUB_PREFIX}{name}":
        name = card.title
    return shlex.join([*(["--models", root] if added else []), *before, name])


def add_models_folder(folder: Path) -> None:
    """Register the models in one more folder, for this process and those that it starts."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; --models takes a folder that holds a folder per model")
    if (folder / "card.toml").is_file():
        raise InputError(f"{folder}: a model's own folder; give --models the folder that it is in")
    root = str(folder.resolve())
    if root not in ROOTS:
        ROOTS.append(root)
        os.environ[FOLDERS_VARIABLE] = os.pathsep.join(filter(None, [os.environ.get(FOLDERS_VARIABLE), root]))


def scan_models() -> tuple[dict[str, Card], dict[str, str]]:
    """Read the cards of all roots.

    Returns:
        The cards by name, and the faults of the other models by name or path.
    """
    cards: dict[str, Card] = {}
    faults = dict(_ROOT_FAULTS)
    for root in map(Path, ROOTS):
        try:
            folders = sorted(root.iterdir())
        except OSError as error:
            faults[str(root)] = f"{root}: {error.strerror}"
            continue
        if not any((folder / "card.toml").is_file() for folder in folders):
            faults[str(root)] = f"{root}: no model in it; each is a folder with a card.toml, {HELP}"
        for folder in folders:
            name = folder.name
            if not (folder / "card.toml").is_file():
                if (folder / "predictor.py").is_file():
                    faults[str(folder)] = f"{folder}: skipped, since it has no card.toml; {HELP}"
            elif other := next((card.folder for card in cards.values() if card.folder.name == name), None):
                faults[str(folder)] = f"{folder}: skipped, since {other} has its name"
            elif not re.fullmatch(r"[a-zA-Z0-9][\w-]*", name):
                faults[name] = f"{folder}: skipped, since no model can have this name; rename the folder"
            else:
                try:
                    cards |= {card.name: card for card in read_cards(folder)}
                except InputError as error:
                    faults[name] = str(error)
    return dict(sorted(cards.items())), faults


def normalise_name(name: str) -> str:
    """Reduce a model's name to letters and digits in lower case, for comparisons."""
    return re.sub("[^a-z0-9]", "", name.lower())


def _find_roots() -> tuple[list[str], dict[str, str]]:
    """Find the folders that hold models, shipped models first, and the faults of the others by name or path."""
    roots, faults = list(SHIPPED_ROOTS), {}
    for point in entry_points(group=ENTRY_POINTS):
        try:
            # Imports no plug-in, except the packages around one that is inside others.
            spec = find_spec(point.value)
            folders = list(spec.submodule_search_locations or ()) if spec else []
            reason = "no such package"
        except (Exception, SystemExit) as error:
            folders, reason = [], f"{type(error).__name__}: {error}"
        if not folders:
            faults[point.name] = f"plug-in {point.name}: {point.value} is missing ({reason})"
        roots += folders
    for folder in filter(None, os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)):
        if Path(folder).is_dir():
            roots.append(str(Path(folder).resolve()))
        else:
            faults[folder] = f"{FOLDERS_VARIABLE}: {folder} is not a folder"
    return list(dict.fromkeys(roots)), faults


ROOTS, _ROOT_FAULTS = _find_roots()
