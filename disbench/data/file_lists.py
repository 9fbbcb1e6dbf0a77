"""Lists of image files in a folder, by stem, and the faults of such lists, in one error."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import cache
from pathlib import Path

from disbench.data.dataset import stem_key
from disbench.data.headers import EXTENSIONS, read_header
from disbench.errors import InputError
from disbench.system.files import require_regular_file

MAX_LISTED = 8  # files named for each kind of fault before "and N more"
REASONS = "reasons"  # why files are unreadable, among the faults
WRONG_SIZE = "of another size than the truth"
_LEFTOVERS = {"Thumbs.db", "desktop.ini"}  # of file managers
Faults = dict[str, list[str]]  # kind of fault -> names of files


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of one kind in a folder: images, or ground truths.

    Attributes:
        folder: the folder.
        patterns: globs of the names of these files. Case does not matter.
        excluded: globs of names in the folder that are not of this kind.
        suffix: the end of each stem that is not part of the name of the image, such as "_gt".
    """

    folder: Path
    patterns: tuple[str, ...] = ("*",)
    excluded: tuple[str, ...] = ()
    suffix: str = ""

    def selects(self, name: str) -> bool:
        """Return whether a file with this name is of this kind."""
        return matches_any(name, self.patterns) and not matches_any(name, self.excluded)

    def strip(self, stem: str) -> str:
        """Return a stem without the suffix."""
        return strip_suffix(stem, self.suffix)


def matches_any(name: str, patterns: tuple[str, ...]) -> bool:
    """Return whether a name matches one of several globs, whatever its case."""
    return _compile(patterns).match(name.casefold()) is not None


@cache
def _compile(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Compile globs into one expression for names in lower case."""
    return re.compile("|".join(translate(pattern.casefold()) for pattern in patterns) or "(?!)")


def strip_suffix(stem: str, suffix: str) -> str:
    """Return a stem without a suffix, whatever its case. A stem that is only the suffix stays."""
    has_suffix = suffix and len(stem) > len(suffix) and stem.casefold().endswith(suffix.casefold())
    return stem[: -len(suffix)] if has_suffix else stem


def describe_no_folder(path: Path) -> str:
    """Describe a path that is not a folder, where one is needed."""
    return "a file, not a folder; give a folder" if path.exists() else "no such folder"


def is_ignored(name: str) -> bool:
    """Return whether a file is hidden, or left by a file manager."""
    return name.startswith(".") or name in _LEFTOVERS


def list_by_stem(files: Files, extensions: frozenset[str] | set[str] = EXTENSIONS) -> tuple[dict[str, Path], Faults]:
    """List files by the stem_key() of their stripped stem, with the faults of the list."""
    folder = files.folder
    if not folder.is_dir():
        raise InputError(f"{folder}: {describe_no_folder(folder)}")
    paths: dict[str, Path] = {}
    faults: Faults = {"duplicate": [], "not an image": [], "whose name is not UTF-8": []}
    for path in sorted(folder.iterdir()):
        if is_ignored(path.name) or not files.selects(path.name):
            continue
        if path.suffix.lower() not in extensions or not path.is_file():
            faults["not an image"].append(path.name)
            try:
                require_regular_file(path)  # says that it is a broken link, a pipe or a device
            except InputError as error:
                add_reason(path, faults, error)
        elif any("\ud800" <= c <= "\udfff" for c in path.name):  # how Python shows bytes that do not decode
            faults["whose name is not UTF-8"].append(path.name)
        elif paths.setdefault(stem_key(files.strip(path.stem)), path) is not path:
            faults["duplicate"].append(path.name)
    subfolders = [name for name in faults["not an image"] if (folder / name).is_dir()]
    if subfolders and not paths:  # otherwise every file would be reported as missing
        raise InputError(
            f"{folder}: no images in it, but folders ({list_names(subfolders)}); give the one that has them"
        )
    return paths, faults


def check_sizes(path: Path | None, truth: Path, faults: Faults, read=read_header) -> None:
    """Add a fault if an image or map has another size than its truth, and one for each unreadable file.

    Args:
        path: the image or map. None: only the truth is checked.
        truth: the ground truth.
        faults: faults, to which these are added.
        read: reads the mode and size of the image or map.
    """
    sizes = set()
    for file, header in ((path, read), (truth, read_header)):
        if file is None:
            continue
        try:
            sizes.add(header(file)[1])
        except InputError as error:
            faults.setdefault("unreadable", []).append(_name_with_folder(file))
            add_reason(file, faults, error)
    if path is not None and len(sizes) > 1:
        faults.setdefault(WRONG_SIZE, []).append(path.name)


def add_reason(path: Path, faults: Faults, error: InputError) -> None:
    """Add the reason why a file is a fault."""
    faults.setdefault(REASONS, []).append(f"{_name_with_folder(path)}: {str(error).removeprefix(f'{path}: ')}")


def raise_faults(title: str, faults: Mapping[str, list[str]], hint: str = "") -> None:
    """Raise one InputError that names all faults, if there are any."""
    counted = {kind: names for kind, names in faults.items() if names and kind != REASONS}
    lines = [f"{len(names)} {kind} ({list_names(sorted(names))})" for kind, names in counted.items()]
    if lines:
        lines += sorted(faults.get(REASONS, []))[:MAX_LISTED]
        raise InputError(
            f"{title}: {'; '.join(lines)}. A subset is scored as a whole or not at all; fix or remove these files{hint}"
        )


def list_names(names: list[str]) -> str:
    """Join names, and the number of those beyond MAX_LISTED."""
    listed = ", ".join(names[:MAX_LISTED])
    more = len(names) - MAX_LISTED
    return f"{listed} and {more} more" if more > 0 else listed


def _name_with_folder(path: Path) -> str:
    """Return a name that says whether a file is an image, a truth or a map."""
    return f"{path.parent.name}/{path.name}"
