"""References to runs: a run folder, the folder of a method, the name of such a folder, or a pattern."""

from collections.abc import Iterable, Sequence
from glob import glob
from pathlib import Path

from disbench.errors import InputError, suggest_names
from disbench.runs.manifest import MAX_LISTED, Manifest, describe_place, read_manifest
from disbench.system.files import is_folder
from disbench.system.progress import announce_once

ROOT = Path("runs")  # which names are looked up in
RESUME_HINT = "run the same command again to resume it"


def find_run(reference: Path) -> Path:
    """Find the one run folder that a reference stands for; see `find_runs`.

    Raises:
        InputError: as in `find_runs`, and for a reference that stands for no run or for several.
    """
    runs = find_runs(reference)
    if not runs:
        raise unknown_run_error(reference)
    if len(runs) > 1:
        listed = ", ".join(map(str, runs[:MAX_LISTED]))
        raise InputError(f"{reference}: {len(runs)} runs match, such as {listed}; give one of them")
    return runs[0]


def find_runs(reference: Path) -> list[Path]:
    """Find the run folders that a reference stands for.

    Args:
        reference: a run folder; the folder of a method, which stands for its latest complete run; a pattern such as
            runs/MyNet/* or runs/*, which stands for every match; or the name of a method's folder in ./runs. A path
            comes before a name.

    Returns:
        The folders; none if the reference stands for no run.

    Raises:
        InputError: for a method without a complete run, a pattern that matches none, and a damaged run.json.
    """
    return find_runs_at(reference) or find_named_runs(reference)


def find_named_runs(reference: Path) -> list[Path]:
    """Find the latest complete run of the method with this name in ./runs; none if there is no such method."""
    return find_runs_at(ROOT / reference) if is_name(reference) else []


def find_runs_at(path: Path) -> list[Path]:
    """Find the run folders that a path or a pattern stands for, as `find_runs` does, but by no name."""
    if is_folder(path):
        if (path / "run.json").exists():
            return [path]
        runs = _list_runs(path)
        return [_latest(path, runs)] if runs else []
    return _expand(path) if is_pattern(path) else []


def is_name(path: Path) -> bool:
    """Return whether a path is a single name, as of a method."""
    return path.name == str(path) != ".."


def is_pattern(path: Path) -> bool:
    """Return whether a path has characters that stand for others."""
    return any(character in str(path) for character in "*?[")


def list_methods() -> list[str]:
    """List the names of the methods that have runs in ./runs."""
    return sorted({file.parent.parent.name for file in ROOT.glob("*/*/run.json")})


def unknown_run_error(reference: Path) -> InputError:
    """Make the error for a reference that stands for no run: what is there, or what it could have meant."""
    hint = "" if is_folder(reference) else _hint(reference)
    return InputError(f"{reference}: {describe_place(reference)}{hint}")


def sort_complete(runs: Iterable[Path]) -> list[tuple[Path, Manifest]]:
    """Return the complete ones among run folders with their manifests, in the order in which they ended."""
    manifests = ((run, read_manifest(run)) for run in runs)
    complete = [(run, manifest) for run, manifest in manifests if manifest.complete]
    # A manifest knows the second only; that of two runs of one second which was written last is the later one's.
    return sorted(
        complete, key=lambda pair: (pair[1].meta["finished"], (pair[0] / "run.json").stat().st_mtime_ns, pair[0])
    )


def _list_runs(folder: Path) -> list[Path]:
    return sorted(file.parent for file in folder.glob("*/run.json"))


def _latest(folder: Path, runs: Sequence[Path]) -> Path:
    complete = sort_complete(runs)
    if not complete:
        count = "its run is not finished" if len(runs) == 1 else f"none of its {len(runs)} runs is finished"
        raise InputError(f"{folder}: {count}; {RESUME_HINT}")
    return complete[-1][0]


def _expand(pattern: Path) -> list[Path]:
    """Return the complete run of every match, in the order in which they ended. Matches without one are announced."""
    runs: list[Path] = []
    for match in sorted(map(Path, glob(str(pattern)))):  # noqa: PTH207 - Path.glob takes no absolute pattern
        candidates = [match] if (match / "run.json").exists() else _list_runs(match)
        complete = sort_complete(candidates)
        if complete:
            runs.append(complete[-1][0])
        elif candidates:
            announce_once(f"{match}: not finished, so it is left out; {RESUME_HINT}")
    if not runs:
        raise InputError(f"{pattern}: matches no finished run{_hint(pattern)}")
    return [run for run, _ in sort_complete(runs)]


def _hint(reference: Path) -> str:
    """Name the methods and runs next to a place where there is no run; in ./runs for a name or a pattern."""
    root = ROOT if is_name(reference) or is_pattern(reference) else reference.parent
    places = {file.parent.parent for file in root.glob("*/*/run.json")} | set(_list_runs(root))
    names = sorted(place.name for place in places)
    return f"; {suggest_names(reference.name, names)} (in {root})" if names else ""
