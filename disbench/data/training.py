"""The training data of weights: a list of splits such as "DIS5K/DIS-TR", or "unstated".

A split of a published data set is called as in known.toml. A data set by itself, such as "DIS5K", stands for all of
its splits. Splits of data sets that known.toml does not have may be listed under any name.
"""

from collections.abc import Iterable
from typing import Any

from disbench.data.known import list_known, normalise_name
from disbench.errors import InputError, escape_control_chars, suggest_names

UNSTATED = "unstated"
TrainedOn = tuple[str, ...] | str  # splits, or UNSTATED
MAX_NAME = 100  # characters
MINI = "DIS-Mini"


def check_training(trained_on: Iterable[str]) -> None:
    """Raise InputError for a name that is no split, or that is no split of its published data set."""
    for name in trained_on:
        if not name.strip() or not name.isprintable() or len(name) > MAX_NAME or set(name) & set("<>\\{}$`"):
            raise InputError(f"trained_on: {escape_control_chars(name[:MAX_NAME])!r} is not the name of a split")
        title, _, split = name.partition("/")
        facts = list_known().get(title)
        if facts and split not in {"", *(entry.name for entry in facts.splits)}:
            known = [f"{title}/{entry.name}" for entry in facts.splits]
            raise InputError(f"trained_on: {name!r} is not a split of {title}; {suggest_names(name, known)}")


def normalise_training(trained_on: Any) -> TrainedOn | None:
    """Return training data as a card, a run or an entry has them. Anything other than a list of texts is UNSTATED."""
    if trained_on is None:
        return None
    if isinstance(trained_on, list | tuple) and all(isinstance(name, str) for name in trained_on):
        return tuple(trained_on)
    return UNSTATED


def describe_training(trained_on: TrainedOn) -> str:
    """Describe training data in words. Prose, as older cards have it, is a note on what is unstated."""
    if isinstance(trained_on, str):
        return trained_on if trained_on in ("", UNSTATED) else f"{UNSTATED} ({trained_on})"
    return ", ".join(trained_on) or "no data"


def is_trained_on(trained_on: TrainedOn, token: str, split: str) -> bool:
    """Return whether a scored split is in training data that are stated.

    Args:
        trained_on: the training data.
        token: the name of the data set in signatures.
        split: the split, or the folder of a data set by itself.
    """
    if isinstance(trained_on, str):
        return False
    folder = token.partition("|")[0].removeprefix("folder:")
    if folder.startswith("dis-mini-"):
        scored = {f"{MINI}/{split}", f"{MINI}/*"}
    else:
        scored = {split, f"{folder}/{split}", f"{folder}/*"}
    return not {normalise_name(name) for name in scored}.isdisjoint(
        normalise_name(alias) for name in trained_on for alias in _list_aliases(name)
    )


def _list_aliases(name: str) -> set[str]:
    """List the names that the folder of a split may have."""
    title, _, split = name.partition("/")
    facts = list_known().get(title)
    entries = facts.splits if facts else ()
    if not split:
        return {title, f"{title}/*"}.union(*(_list_aliases(f"{title}/{entry.name}") for entry in entries))
    aliases = {name, f"{title}-{split}", f"{split}-{title}"}
    if title == "DIS5K":
        aliases.add(split)
    if len(entries) == 1:
        aliases.add(title)
    return aliases.union(*(entry.folders for entry in entries if entry.name == split))
