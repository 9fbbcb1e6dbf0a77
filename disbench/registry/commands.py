"""The command of a card: an external program that makes the maps of a whole subset."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from disbench.errors import InputError

PLACEHOLDER = re.compile(r"\{(\w+)\}")
REQUIRED = ("images", "maps")
RESERVED = (*REQUIRED, "device", "weights")


def list_placeholders(command: Sequence[str]) -> set[str]:
    """List the names in braces of a command."""
    return {name for argument in command for name in PLACEHOLDER.findall(argument)}


def fill_command(command: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Replace the placeholders that have a value. Values are inserted as they are: no shell reads them."""
    return [PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), argument) for argument in command]


def check_command(path: Path, command: Sequence[str], options: Mapping[str, str], timeout: float) -> None:
    """Check the command of a card.

    Args:
        path: the card, for messages.
        command: the program and its arguments.
        options: option -> default.
        timeout: seconds; 0 for none.

    Raises:
        InputError: for a command that cannot be run on a folder of images.
    """
    if not command:
        if options or timeout:
            raise InputError(f"{path}: `options` and `timeout` belong to a `command`; add one, or remove them")
        return
    if not command[0] or any("\0" in argument for argument in command):
        raise InputError(f"{path}: `command` has no program or a null character; give the program and its arguments")
    used = list_placeholders(command)
    if missing := [f"{{{name}}}" for name in REQUIRED if name not in used]:
        raise InputError(f"{path}: `command` has no {' and no '.join(missing)}; add the argument that takes the folder")
    if reserved := sorted(options.keys() & set(RESERVED)):
        raise InputError(f"{path}: option {reserved[0]!r} is a name of disbench's own; rename it")
    if unknown := sorted(used - options.keys() - set(RESERVED)):
        listed = ", ".join(f"{{{name}}}" for name in (*RESERVED, *options))
        raise InputError(
            f"{path}: `command` has {{{unknown[0]}}}, which means nothing; known: {listed}; "
            "give an option of your own its default under [options]"
        )
    if unused := sorted(options.keys() - used):
        raise InputError(f"{path}: `command` has no {{{unused[0]}}} for the option of this name; add it there")
    if not 0 <= timeout < float("inf"):
        raise InputError(f"{path}: `timeout` is {timeout}; give seconds above 0, or 0 for no limit")
