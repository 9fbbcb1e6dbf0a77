"""Recipes: TOML files read into frozen dataclasses, with every key known and every value of the right type."""

import sys
import tomllib
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import msgspec
from msgspec import Meta

from disbench.errors import InputError
from disbench.system.documents import MAX_DEPTH, read_toml

RecipeType = TypeVar("RecipeType")
Table = dict[str, Any]
"""A TOML table, as tomllib reads it."""

# Bounds that exclude every value a training would only fail on later. A rate may not be infinite.
Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Natural = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Side = Annotated[int, Meta(ge=1, le=8192)]  # pixels
Share = Annotated[float, Meta(ge=0, le=1)]
Cut = Annotated[float, Meta(gt=0, le=1)]
Weight = Annotated[float, Meta(ge=0, le=sys.float_info.max)]
Rate = Annotated[float, Meta(gt=0, le=sys.float_info.max)]


def read_recipe(path: Path, kind: type[RecipeType]) -> RecipeType:
    """Read the recipe in a TOML file as an instance of `kind`.

    Raises:
        InputError: with the file and the key at fault; for an unknown key, also the accepted keys.
    """
    return convert_table(path, read_table(path), kind)


def read_table(path: Path) -> Table:
    """Read a TOML file. Raise InputError if it is unreadable or no TOML."""
    return read_toml(path, "not a recipe")


def convert_table(path: Path, table: Table, kind: type[RecipeType]) -> RecipeType:
    """Convert the table of the file `path` to an instance of `kind`.

    Args:
        path: names the table in errors; it is not read.
        table: keys and values of the recipe.
        kind: dataclass whose fields are the accepted keys.

    Raises:
        InputError: for an unknown key, a missing key, or a value of the wrong type or out of range.
    """
    _check_keys(path, table, kind)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {error}") from None


def apply_changes(table: Table, changes: Iterable[tuple[str, str]]) -> Table:
    """Return the table with other values for some keys.

    Each change is a dotted key and a value as TOML writes it, such as ("schedule.lr", "1e-5"). A value that is no
    TOML is taken as a string.
    """
    for key, text in changes:
        if key.count(".") > MAX_DEPTH:
            raise InputError(f"--set {key[:60]}: is nested too deeply; no recipe has such a key")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):  # also integers of thousands of digits, and brackets in brackets
            value = text
        for name in reversed(key.split(".")):
            value = {name: value}
        table = merge_tables(table, value)
    return table


def merge_tables(table: Table, changes: Table) -> Table:
    """Return the table with the changes applied, inner tables key by key."""
    inner = {key: merge_tables(table[key], value) for key, value in changes.items() if isinstance(table.get(key), dict)}
    return table | changes | inner


def _check_keys(path: Path, table: Table, kind: type) -> None:
    types = {f.name: f.type for f in fields(kind)}
    for key, value in table.items():
        if key not in types:
            raise InputError(f"{path}: unknown key {key!r}; known: {', '.join(types)}")
        inner = next((t for t in (types[key], *get_args(types[key])) if is_dataclass(t)), None)
        for entry in value if isinstance(value, list) else [value]:
            if inner and isinstance(entry, dict):
                _check_keys(path, entry, inner)
