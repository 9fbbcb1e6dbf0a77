"""Recipes: TOML files read into frozen dataclasses, every key known and of the right type."""

import sys
import tomllib
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import msgspec
from msgspec import Meta

from disbench.errors import InputError

Recipe = TypeVar("Recipe")

# What values may be: nothing that a training would only fail at later. Infinity is no rate.
Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Natural = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Side = Annotated[int, Meta(ge=1, le=8192)]  # pixels
Share = Annotated[float, Meta(ge=0, le=1)]
Cut = Annotated[float, Meta(gt=0, le=1)]
Weight = Annotated[float, Meta(ge=0, le=sys.float_info.max)]
Rate = Annotated[float, Meta(gt=0, le=sys.float_info.max)]


def read(path: Path, kind: type[Recipe]) -> Recipe:
    """The recipe in `path` as a `kind`. InputError names the file, the key and, for an unknown one, those there are."""
    return convert(path, table(path), kind)


def table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not a recipe ({error})") from None


def convert(path: Path, table: dict[str, Any], kind: type[Recipe]) -> Recipe:
    """What the table of the file `path` says, as `read` does."""
    _check_keys(path, table, kind)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {error}") from None


def changed(table: dict[str, Any], changes: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The table with other values for some keys: ("schedule.lr", "1e-5"), each as TOML writes it, or else a text."""
    for key, text in changes:
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        for name in reversed(key.split(".")):
            value = {name: value}
        table = merged(table, value)
    return table


def merged(table: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The table with the changes, inner tables key by key."""
    both = {key: merged(table[key], value) for key, value in changes.items() if isinstance(table.get(key), dict)}
    return table | changes | both


def _check_keys(path: Path, table: dict, kind: type) -> None:
    types = {f.name: f.type for f in fields(kind)}
    for key, value in table.items():
        if key not in types:
            raise InputError(f"{path}: unknown key {key!r}; known: {', '.join(types)}")
        inner = next((t for t in (types[key], *get_args(types[key])) if is_dataclass(t)), None)
        for part in value if isinstance(value, list) else [value]:
            if inner and isinstance(part, dict):
                _check_keys(path, part, inner)
