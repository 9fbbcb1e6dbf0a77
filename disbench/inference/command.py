"""Methods that are external commands: all maps of some images from one call of a program."""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from disbench.data.file_lists import list_names
from disbench.data.hashing import hash_file
from disbench.data.headers import EXTENSIONS
from disbench.errors import InputError, describe_error
from disbench.registry.card import Card
from disbench.registry.commands import fill_command, list_placeholders
from disbench.registry.loading import check_weights, get_card
from disbench.registry.weights import add_options
from disbench.system.files import is_file, link_or_copy, require_regular_file
from disbench.system.processes import run_logged

NO_DEVICE = "command"  # the device of a command that takes none


@dataclass(frozen=True, kw_only=True)
class CommandMethod:
    """A card with a command, and the values of its placeholders.

    Attributes:
        card: the card.
        weights: the value of {weights}: an absolute path, or a name that the program understands.
        device: the value of {device}; NO_DEVICE if the command has no such placeholder.
        options: option -> value, for all options of the card.
    """

    card: Card
    weights: str | None
    device: str
    options: Mapping[str, str]

    def fill(self, images: Path, maps: Path) -> list[str]:
        """Return the program and its arguments for a folder of images and a folder for their maps."""
        folders = {"images": str(images.absolute()), "maps": str(maps.absolute())}
        return fill_command(self.card.command, {**self._values, **folders})

    @property
    def _values(self) -> dict[str, str]:
        return {**self.options, "device": self.device, **({"weights": self.weights} if self.weights else {})}

    def identify(self) -> dict[str, Any]:
        """Hash what decides the maps, as far as disbench can see it.

        That is the command, the options, the file of weights, every .py file of the card's folder, and the files that
        arguments name. Packages, containers and other files that the program reads are invisible.
        """
        folder = self.card.folder
        code = [(path.relative_to(folder).as_posix(), hash_file(path)) for path in sorted(folder.rglob("*.py"))]
        path = Path(str(self.weights))
        has_file = self.weights is not None and is_file(path)
        weights = {"weights_file": hash_file(path)} if has_file else {"weights_name": self.weights}
        return {
            "model": self.card.name,
            "card": self.card.pipeline,
            "command": list(self.card.command),
            "options": dict(self.options),
            "source": hashlib.sha256(repr(code).encode()).hexdigest(),
            "files": {argument: hash_file(path) for argument, path in self._list_named_files()},
            **weights,
        }

    def _list_named_files(self) -> list[tuple[str, Path]]:
        """List the arguments that name files, also behind a "=", with the files."""
        named = {}
        for template in self.card.command:
            if "weights" not in list_placeholders([template]):
                (argument,) = fill_command([template], self._values)
                for text in (argument, argument.partition("=")[2]):
                    path = self.card.folder / text
                    if text and is_file(path):
                        named[argument] = path
        return sorted(named.items())


def load_command(
    name: str, weights: str | None, device: str | None, options: Mapping[str, str]
) -> CommandMethod | None:
    """Make the method of a card with a command. None for any other model.

    Raises:
        InputError: for an unknown model or option, and for weights or a device that the command has no argument for.
    """
    card = get_card(name)
    if not card.command:
        return None
    check_weights(card, weights)
    if unknown := options.keys() - card.options.keys():
        known = ", ".join(card.options) or "none"
        raise InputError(f"{card.title} has no option {min(unknown)!r}; known: {known}")
    takes_device = "device" in list_placeholders(card.command)
    if device and not takes_device:
        raise InputError(f"{card.title} takes no device, because its command has no {{device}}; omit --device")
    if device and "," in device:
        raise InputError(f"--device {device}: {card.title} is an external command, which takes one device")
    options = add_options(card, weights, options)
    if weights and Path(weights).exists():
        weights = str(require_regular_file(Path(weights)).absolute())  # the program runs in another folder
    return CommandMethod(
        card=card,
        weights=weights,
        device=(device or _find_device()) if takes_device else NO_DEVICE,
        options={**card.options, **options},
    )


def predict_folder(
    method: CommandMethod, images: Sequence[Path], work: Path, log: Path, progress: Callable[[int], None]
) -> tuple[list[Path], float]:
    """Run the command on images, which get numbers for names.

    Args:
        method: the command.
        images: the images.
        work: an empty folder, for the images and their maps.
        log: the file that gets the output of the program.
        progress: is called with the number of maps while the program runs.

    Returns:
        The file of the map of each image, and the seconds of the whole process.

    Raises:
        InputError: names the log, if the program cannot be started, fails, takes too long, or does not write exactly
            one file per image.
    """
    image_folder, map_folder = (work / "images"), (work / "maps")
    image_folder.mkdir()
    map_folder.mkdir()
    for number, path in enumerate(images, 1):
        _place_image(path, image_folder / f"{number:06}{path.suffix.lower()}", copies=method.card.copies)
    title, timeout = method.card.title, method.card.timeout
    start = perf_counter()
    try:
        status = run_logged(
            method.fill(image_folder, map_folder),
            folder=method.card.folder,
            log=log,
            timeout=timeout,
            poll=lambda: progress(_count_files(map_folder)),
        )
    except (OSError, ValueError) as error:  # the latter for a null character in an option
        raise InputError(
            f"{method.card.folder / 'card.toml'}: its command cannot be started ({method.card.command[0]}: "
            f"{describe_error(error)}); install the program, or correct `command`"
        ) from None
    seconds = perf_counter() - start
    if status is None:
        raise InputError(
            f"{log}: the command of {title} was ended after {timeout:g} s; see its output there, "
            "or increase `timeout` of its card"
        )
    if status:
        reason = f"was killed by signal {-status}" if status < 0 else f"failed with exit status {status}"
        raise InputError(f"{log}: the command of {title} {reason}; see its output there")
    return _collect_maps(map_folder, images, f"{log}: the command of {title}"), seconds


def _collect_maps(folder: Path, images: Sequence[Path], title: str) -> list[Path]:
    """Pair the files that a command wrote with the images, strictly."""
    expected = {f"{number:06}": path.name for number, path in enumerate(images, 1)}
    maps: dict[str, Path] = {}
    extra: list[str] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():  # a program may have removed it
        is_map = path.suffix.lower() in EXTENSIONS and path.is_file() and path.stem in expected
        if not is_map or maps.setdefault(path.stem, path) is not path:
            extra.append(path.name)
    missing = [name for stem, name in expected.items() if stem not in maps]
    faults = [("wrote no map of", missing), ("wrote what is no map of an image:", extra)]
    texts = [f"{text} {len(names)} ({list_names(names)})" for text, names in faults if names]
    if texts:
        raise InputError(
            f"{title} {' and '.join(texts)}; for images/000001.jpg it must write maps/000001.png, and nothing more"
        )
    return [maps[stem] for stem in expected]


def _count_files(folder: Path) -> int:
    """Count the files in a folder, which a program may remove and make anew."""
    try:
        return sum(1 for _ in folder.iterdir())
    except OSError:
        return 0


def _place_image(path: Path, target: Path, *, copies: bool) -> None:
    if copies:
        shutil.copyfile(path, target)
    else:
        link_or_copy(path, target, os.symlink)


def _find_device() -> str:
    """Return the best device, as this installation sees it; "cpu" without torch."""
    try:
        from disbench.models._parts.device import choose_device
    except ModuleNotFoundError:
        return "cpu"
    return choose_device(None)
