"""Additional inputs of a model next to the image: a depth map, a text prompt or a box, paired with the images by name.

Depth maps are files in a folder, read as prediction maps are. Prompts and boxes are lines of a JSON Lines file.
docs/data.md describes both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from disbench.data.dataset import (
    INPUTS,
    TRUTH,
    DataSet,
    InputSource,
    Sample,
    SampleInputs,
    check_input_names,
    stem_key,
)
from disbench.data.file_lists import Faults, Files, list_by_stem, raise_faults
from disbench.data.float_maps import MAP_EXTENSIONS
from disbench.data.hashing import combine_digests
from disbench.data.headers import read_header
from disbench.data.images import read_bytes
from disbench.data.input_values import check_names, parse_box
from disbench.data.map_files import match_maps
from disbench.errors import InputError, require_utf8
from disbench.system.files import is_file, is_folder, require_path

KINDS = {"depth": "depth maps", "prompt": "prompts", "box": "boxes"}
SPLIT_FIELD = "{split}"  # in a place: stands for the name of each split
LINE_SUFFIXES = (".jsonl", ".json")


class _Line(msgspec.Struct):
    """A line of a file of prompts or boxes. Other keys are ignored."""

    image: str | None = None
    img: str | None = None
    prompt: str | None = None
    box: tuple[float, float, float, float] | None = None


def declare_inputs(dataset: DataSet, places: Mapping[str, str | PathLike[str]]) -> DataSet:
    """Return a data set with the additional inputs that a user gives, in place of those of its description.

    Args:
        dataset: the data set.
        places: name of the input -> folder of depth maps, file of prompts or boxes, or "truth" for the boxes of the
            ground truths. For several splits it has "{split}" in it, or is a folder with a folder or file for each.

    Raises:
        InputError: for an unknown name, and a single file for several splits.
    """
    check_input_names("--input", places)
    sources = dict(dataset.inputs)
    for name, place in places.items():
        text = str(place if place == TRUTH else require_path(f"input {name}", place))
        only = len(dataset.splits) == 1
        sources[name] = InputSource(
            places={split: _locate(name, text, split, only=only) for split in dataset.splits}, given=True
        )
    return replace(dataset, inputs=sources)


def _locate(name: str, place: str, split: str, *, only: bool) -> Path | str:
    """Locate an input of a split; `only`: the data set has no other split."""
    if place == TRUTH:
        if name != "box":
            raise InputError(f"--input {name}={TRUTH}: only boxes follow from ground truths; give {INPUTS[name]}")
        return TRUTH
    require_utf8(place)
    if SPLIT_FIELD in place:
        return Path(place.replace(SPLIT_FIELD, split))
    names = [split] if name == "depth" else [f"{split}{suffix}" for suffix in LINE_SUFFIXES]
    inside = [Path(place) / each for each in names]
    if existing := [path for path in inside if is_folder(path) or is_file(path)]:
        return existing[0]
    if only:
        return Path(place)
    if is_file(Path(place)):
        raise InputError(f"{place}: a single file for several splits; give a folder with {inside[0].name} and so on")
    return inside[0]


def pair_inputs(dataset: DataSet, title: str, names: Sequence[str]) -> DataSet:
    """Return a data set whose samples have the additional inputs of a model.

    Args:
        dataset: the data set.
        title: the model.
        names: the inputs that the model takes.

    Raises:
        InputError: for a missing input, a given one that the model does not take, and missing, extra, duplicate,
            unreadable or unfit values. One error names all faults of a split.
    """
    sources = {name: source for name, source in dataset.inputs.items() if source.given or name in names}
    check_names(title, names, sources)
    if not names:
        return replace(dataset, inputs={})
    splits = {}
    for split, samples in dataset.splits.items():
        values: dict[str, Mapping[str, Any]] = {}
        for name in names:
            if split not in sources[name].places:
                raise InputError(f"{split}: {title} needs {name} for each image; add --input {INPUTS[name]}")
            values[name] = _pair(name, sources[name].places[split], samples)
        splits[split] = tuple(
            replace(sample, inputs=SampleInputs(**{name: values[name][sample.name] for name in names}))
            for sample in samples
        )
    return replace(dataset, splits=splits, inputs=sources)


def _pair(name: str, place: Path | str, samples: Sequence[Sample]) -> Mapping[str, Any]:
    """Pair an input with the samples of a split: name of the sample -> file of a depth map, prompt or box."""
    if place == TRUTH:
        return dict.fromkeys((sample.name for sample in samples), TRUTH)
    place = Path(place)
    if name == "depth":
        return match_maps(samples, place, kind=KINDS[name])[0]
    values, faults = _read_lines(name, place)
    title = f"{place} as {KINDS[name]} of {samples[0].truth.parent}"
    matched = _match(title, [sample.name for sample in samples], values, faults)
    if name == "box":
        for sample in samples:
            parse_box(f"{place}: {sample.name}", matched[sample.name], read_header(sample.truth)[1])
    return matched


def pair_photos(
    title: str, names: Sequence[str], places: Mapping[str, str], photos: Sequence[Path]
) -> dict[Path, SampleInputs]:
    """Pair photos with the additional inputs of a model, by the stems of their names.

    Args:
        title: the model.
        names: the inputs that the model takes.
        places: name of the input -> folder of depth maps, the depth map of a single photo, or file of prompts or boxes.
        photos: the photos.

    Raises:
        InputError: as pair_inputs() does, for boxes of ground truths, and for photos of the same name.
    """
    check_input_names("--input", places)
    check_names(title, names, places)
    if not names:
        return dict.fromkeys(photos, SampleInputs())
    stems = {photo.stem: photo for photo in photos}
    if len({stem_key(stem) for stem in stems}) < len(photos):
        raise InputError(f"{photos[0].parent}: photos of the same name, by which inputs are paired; rename some")
    values: dict[str, Mapping[str, Any]] = {}
    for name in names:
        place = Path(places[name])
        if places[name] == TRUTH:
            raise InputError(f"--input {name}={TRUTH}: photos have no ground truths; give {INPUTS[name]}")
        if name == "depth" and len(photos) == 1 and is_file(place):
            values[name] = {photos[0].stem: place}
            continue
        files = list_by_stem(Files(folder=place), MAP_EXTENSIONS) if name == "depth" else _read_lines(name, place)
        values[name] = _match(f"{place} as {KINDS[name]} of {photos[0].parent}", list(stems), *files)
    return {
        photo: SampleInputs(**{name: values[name][stem] for name in names}) for stem, photo in stems.items()
    }


def _read_lines(name: str, path: Path) -> tuple[dict[str, Any], Faults]:
    """Read the prompts or boxes of a JSON Lines file by the stem_key() of their image, with the duplicates."""
    if is_folder(path):
        raise InputError(f"{path}: a folder; give the file of {KINDS[name]}, or a folder with SPLIT.jsonl in it")
    values: dict[str, Any] = {}
    faults: Faults = {"duplicate": []}
    for number, data in enumerate(read_bytes(path).tobytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not data.strip():
            continue
        try:
            line = msgspec.json.decode(data, type=_Line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InputError(f"{path}: line {number} cannot be read ({error}); see docs/data.md") from None
        image, value = line.image or line.img, getattr(line, name)
        if not image or value is None:
            raise InputError(f'{path}: line {number} has no {name if image else "image"}; see docs/data.md')
        file = PurePosixPath(image).name
        key = stem_key(file)
        if key in values:
            faults["duplicate"].append(file)
        values[key] = value
    return values, faults


def _match(title: str, names: Sequence[str], values: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """Match values, by stem_key() of a name or of a file name, with names. One InputError names all faults."""
    expected = {stem_key(name): name for name in names}
    matched: dict[str, Any] = {}
    extra, duplicate = [], list(faults["duplicate"])
    for key, value in values.items():
        stem = key if key in expected else key.rpartition(".")[0]
        if stem not in expected:
            extra.append(key)
        elif expected[stem] in matched:
            duplicate.append(key)
        else:
            matched[expected[stem]] = value
    missing = [name for name in names if name not in matched]
    raise_faults(title, faults | {"missing": missing, "extra": extra, "duplicate": duplicate})
    return matched


def identify_inputs(samples: Sequence[Sample]) -> dict[str, str]:
    """Identify the additional inputs of a split by what is read: name -> digest, or TRUTH. {} where there are none."""
    inputs = {sample.name: sample.inputs for sample in samples}
    identity = {}
    if any(entry.depth for entry in inputs.values()):
        identity["depth"] = combine_digests((name, entry.depth_digest) for name, entry in inputs.items())
    for kind in ("prompt", "box"):
        values = {name: getattr(entry, kind) for name, entry in inputs.items()}
        if any(value is not None for value in values.values()):
            digests = [(name, sha256(repr(value).encode()).hexdigest()) for name, value in values.items()]
            identity[kind] = TRUTH if TRUTH in values.values() and kind == "box" else combine_digests(digests)
    return identity
