"""Match prediction maps with the samples of a subset, by stem."""

from collections.abc import Collection, Sequence
from pathlib import Path

from disbench.data.dataset import Sample, stem_key
from disbench.data.file_lists import WRONG_SIZE, Files, check_sizes, list_by_stem, raise_faults
from disbench.data.float_maps import MAP_EXTENSIONS, read_map_header
from disbench.data.headers import read_header
from disbench.system.progress import announce_once

ONE_SIDE = "with only one side of another length, which this protocol does not resize"
SEPARATORS = "_-. "  # a suffix of maps, as in name_pred.png, begins with one of them


def match_maps(
    samples: Sequence[Sample], folder: Path, *, resize: str | None = None, kind: str = "maps"
) -> tuple[dict[str, Path], int]:
    """Match prediction maps, or trimaps, to the samples of one split.

    How a map is resized changes scores. A map of another size than its truth is therefore a fault, unless the protocol
    resizes maps. A suffix that all maps share, as in name_pred.png, is removed from their names, and announced.

    Args:
        samples: samples of one split.
        folder: folder of maps, one for every sample and no others.
        resize: how a protocol resizes maps of another size; see EvalProtocol. None: they are refused.
        kind: "maps" or "trimaps", for messages.

    Returns:
        Map files by name, and the number of maps to resize.

    Raises:
        InputError: for faults. One error names them all.
    """
    maps, faults = list_by_stem(Files(folder=folder), MAP_EXTENSIONS)
    expected = {stem_key(sample.name): sample for sample in samples}
    if suffix := find_suffix(maps, expected):
        announce_once(f"{folder}: reading the {kind} as NAME{suffix}")
        maps = {key.removesuffix(suffix): path for key, path in maps.items()}
    faults["missing"] = [expected[key].name for key in expected.keys() - maps.keys()]
    faults["extra"] = [maps[key].name for key in maps.keys() - expected.keys()]
    for key in expected.keys() & maps.keys():
        check_sizes(maps[key], expected[key].truth, faults, read_map_header)
    to_resize = set(faults.pop(WRONG_SIZE, [])) if resize else set()
    if resize == "opencv-bilinear-both":
        others = [key for key, path in maps.items() if path.name in to_resize]
        faults[ONE_SIDE] = [maps[key].name for key in others if _share_one_side(maps[key], expected[key].truth)]
    # The message names the data set, because the user may not have given one.
    title = f"{folder} as {kind} of {samples[0].truth.parent}"
    raise_faults(title, faults, _resize_hint() if WRONG_SIZE in faults and kind == "maps" else "")
    return {sample.name: maps[key] for key, sample in expected.items()}, len(to_resize)


def find_suffix(maps: Collection[str], expected: Collection[str]) -> str:
    """Find the suffix that all maps have, and without which most of them are expected.

    Args:
        maps: keys of the maps.
        expected: keys of the samples.

    Returns:
        The suffix; "" where a map has the name of a sample, and where there is no such suffix.
    """
    expected = set(expected)
    if not maps or not expected.isdisjoint(maps):
        return ""
    shortest = min(maps, key=len)
    ends = [shortest[at:] for at, character in enumerate(shortest) if character in SEPARATORS]
    suffixes = [end for end in ends if all(key.endswith(end) for key in maps)]
    matches = {suffix: len(expected & {key.removesuffix(suffix) for key in maps}) for suffix in suffixes}
    best = max(matches, key=matches.__getitem__, default="")
    return best if matches.get(best) else ""


def _share_one_side(path: Path, truth: Path) -> bool:
    """Check whether a map has the height or the width of its truth, but not both."""
    (height, width), (truth_height, truth_width) = read_map_header(path)[1], read_header(truth)[1]
    return (height == truth_height) != (width == truth_width)


def _resize_hint() -> str:
    from disbench.metrics.protocols import PROTOCOLS  # only an error needs all measures

    names = ", ".join(name for name, protocol in PROTOCOLS.items() if protocol.resize)
    return f", or score with a --protocol that resizes maps: {names}"
