"""Suites from the two JSON files of PySODEvalToolkit: data sets, and folders of maps with prefixes and suffixes.

    data sets  {NAME: {"image": {"path", "prefix", "suffix"}, "mask": {"path", "prefix", "suffix"}}}
    methods    {METHOD: {NAME: {"path", "prefix", "suffix"}}}

There, prefix and suffix are removed from file names, other files are ignored, and missing maps are skipped. Here, links
with the remaining names are made, and a missing map is a fault.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from disbench.errors import InputError, describe_error
from disbench.runs.outputs import check_output
from disbench.runs.suite import DataEntry, MethodEntry, Suite, check_suite
from disbench.system.documents import read_json, report_unreadable
from disbench.system.files import link_or_copy, wait_for_folder
from disbench.system.progress import announce_once

FAULT = "not a file of PySODEvalToolkit"


class Part(msgspec.Struct, frozen=True):
    """A folder of files whose names have a prefix and a suffix."""

    path: str
    prefix: str = ""
    suffix: str = ""


def read_pysod_suite(datasets: Path, methods: Path, root: Path) -> Suite:
    """Read the two files as a suite, and make a folder of links for each data set and method.

    Args:
        datasets: the JSON file of data sets.
        methods: the JSON file of methods.
        root: the folder of the links. Files of other content have links of their own in it.

    Raises:
        InputError: for files of another form, and for a folder without a file that has its prefix and suffix.
    """
    sets, tables = _read_tables(datasets), _read_tables(methods)
    for path, keys in ((datasets, sets), (methods, tables)):
        if len({_make_name(key).casefold() for key in keys}) < len(keys):
            raise InputError(f"{path}: two names differ only in case or special characters; rename one of them")
    content = msgspec.json.encode([sets, tables], order="deterministic")
    links = root / f"links-{hashlib.sha256(content).hexdigest()[:12]}"
    check_output(links, list_pysod_inputs(datasets, methods))
    used = {name for folders in tables.values() for name, part in folders.items() if part is not None}
    entries = []
    for name, parts in sets.items():
        if name not in used:  # one file of data sets serves many files of methods
            continue
        if not parts.get("mask"):
            raise InputError(f"{datasets}: {name} has no `mask`; add the folder of its ground truths")
        _link_files(
            _convert(datasets, name, parts["mask"]), links / _make_name(name) / "gt", f"{datasets}: {name}"
        )
        entries.append(DataEntry(title=name, truth=str(links / _make_name(name) / "gt")))
    listed = []
    for method, folders in tables.items():
        maps = {}
        for name, part in folders.items():
            if part is not None and name in sets:
                target = links / _make_name(name) / "maps" / _make_name(method)
                place = f"{method}, {name}"
                _link_files(_convert(methods, place, part), target, f"{methods}: {place}")
                maps[name] = str(target)
        if maps:
            listed.append(MethodEntry(title=method, maps=maps))
        else:
            announce_once(f"{methods}: {method} is skipped, since {datasets} has none of its data sets")
    if not listed:
        raise InputError(f"{methods}: no method has maps of a data set of {datasets}; give files that belong together")
    suite = Suite(name=methods.stem, title=methods.stem, methods=tuple(listed), datasets=tuple(entries))
    check_suite(methods, suite)
    return suite


def list_pysod_inputs(*paths: Path) -> list[Path]:
    """List the two files and the folders that they name, which no output may change."""
    parts = [part for path in paths for table in _read_tables(path).values() for part in table.values()]
    folders = [part.get("path") for part in parts if isinstance(part, dict)]
    return [*paths, *(Path(folder) for folder in folders if isinstance(folder, str) and folder)]


def _read_tables(path: Path) -> dict[str, dict[str, Any]]:
    return read_json(path, dict[str, dict[str, Any]], fault=FAULT)


def _convert(path: Path, place: str, part: Any) -> Part:
    with report_unreadable(path, f"{FAULT}: {place}"):
        converted = msgspec.convert(part, Part)
        if not converted.path:
            raise ValueError("its path is empty")
        if "\0" in converted.path:
            raise ValueError("its path holds a null character")
        return converted


def _make_name(name: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", name).strip(".") or "data"


def _link_files(part: Part, target: Path, source: str) -> None:
    """Make a folder of links to the files of a part, under their names without prefix and suffix."""
    try:
        files = sorted(Path(part.path).iterdir())
    except OSError as error:
        raise InputError(f"{source}: {part.path}: {describe_error(error)}; correct its `path`") from None
    links: dict[str, Path] = {}
    for file in files:
        name = file.name
        if name.startswith(part.prefix) and name.endswith(part.suffix) and not name.startswith("."):
            stem = name[len(part.prefix) : len(name) - len(part.suffix or file.suffix)]
            if stem:
                links[f"{stem}{file.suffix}"] = file.resolve()
    if not links:
        raise InputError(
            f"{source}: {part.path} has no file with prefix {part.prefix!r} and suffix {part.suffix!r}; correct them"
        )
    _update_links(target, links)


def _update_links(target: Path, links: Mapping[str, Path]) -> None:
    with wait_for_folder(target):
        for path in target.iterdir():
            if path.name not in links or not path.is_symlink() or path.readlink() != links[path.name]:
                path.unlink()
        for name, file in links.items():
            if not (target / name).is_symlink():
                link_or_copy(file, target / name, os.symlink)
