"""The value objects of data: a sample, a data set, and the splits of DIS5K.

Qin et al., Highly accurate dichotomous image segmentation, ECCV 2022.
"""

import difflib
import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from disbench.errors import InputError, suggest_names, wrong_type
from disbench.system.names import stem_key as stem_key

DataLocation = str | Path | tuple[Path | None, Path] | None  # see disbench.data.location.find_dataset
SPLIT_COUNTS = {"DIS-TR": 3000, "DIS-VD": 470, "DIS-TE1": 500, "DIS-TE2": 500, "DIS-TE3": 500, "DIS-TE4": 500}
TEST_SPLITS = ("DIS-TE1", "DIS-TE2", "DIS-TE3", "DIS-TE4")
TRUTH_KINDS = ("binary", "alpha")
OVERALL = "Overall"  # all images of TEST_SPLITS together, in reports
# Additional inputs that a model may take next to an image, with the value of --input that supplies each.
INPUTS = {"depth": "depth=DIR", "prompt": "prompt=FILE.jsonl", "box": "box=FILE.jsonl"}
TRUTH = "truth"  # in place of a file: the input follows from the ground truth
Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels; x1 and y1 are behind the last pixel


@dataclass(frozen=True, kw_only=True)
class SampleInputs:
    """The additional inputs of one image, as far as its model takes any.

    Attributes:
        depth: the file of the depth map.
        depth_digest: SHA-256 of this file, which reading it then checks. None: not hashed.
        prompt: the text prompt.
        box: the box of the object, or TRUTH for that of its ground truth.
    """

    depth: Path | None = None
    depth_digest: str | None = None
    prompt: str | None = None
    box: Box | str | None = None


@dataclass(frozen=True, kw_only=True)
class InputSource:
    """The places of one additional input.

    Attributes:
        places: split -> folder of depth maps, or file of prompts or boxes, or TRUTH.
        given: the user gave it. A model that does not take it is then refused, not run without it.
    """

    places: dict[str, Path | str]
    given: bool = False


@dataclass(frozen=True)
class Sample:
    """One image with its ground truth.

    Attributes:
        split: name of the split.
        name: stem of the truth file, without the suffix of its layout, unique in its split.
        image: the image file. None when only maps are scored.
        truth: the ground truth file.
        image_digest: SHA-256 of the image file, which reading it then checks. None: not hashed.
        truth_digest: the same of the ground truth file.
        truth_kind: "binary", or "alpha" for a soft ground truth.
        trimap: the trimap file. None: there is none.
        trimap_digest: as image_digest, of the trimap file.
        inputs: the additional inputs of the model.
    """

    split: str
    name: str
    image: Path | None
    truth: Path
    image_digest: str | None = None
    truth_digest: str | None = None
    truth_kind: str = "binary"
    trimap: Path | None = None
    trimap_digest: str | None = None
    inputs: SampleInputs = SampleInputs()

    @property
    def key(self) -> tuple[str, str]:
        """(split, name), which is unique in a data set."""
        return self.split, self.name

    def require_image(self) -> Path:
        """Return the path of the image. InputError where only ground truths were looked for."""
        if self.image is None:
            raise InputError(f"{self.split}/{self.name}: its image was not looked for, only its ground truth")
        return self.image

    @property
    def category(self) -> str | None:
        """The category in a name of DIS5K; see parse_category()."""
        return parse_category(self.name)


def parse_category(name: str) -> str | None:
    """Return the category of an image that is named group#Group#category#Category#id; None for other names."""
    parts = name.split("#")
    return parts[3] if len(parts) >= 5 else None


@dataclass(frozen=True)
class DataSet:
    """Samples of some splits of one data set.

    Attributes:
        title: name in reports, such as "DIS5K" or "DIS-Mini (synthetic, not DIS5K)".
        token: name in signatures.
        location: the place of the data set, for find_dataset().
        splits: samples of each split, sorted by name.
        truth_kind: "binary", or "alpha" for soft ground truths.
        trimaps: the folder of the trimaps. None: there are none.
        inputs: the additional inputs that there are, by name. A model takes those that its card names.
    """

    title: str
    token: str
    location: DataLocation
    splits: dict[str, tuple[Sample, ...]]
    truth_kind: str = "binary"
    trimaps: Path | None = None
    inputs: dict[str, InputSource] = field(default_factory=dict)

    @property
    def samples(self) -> list[Sample]:
        """The samples of all splits."""
        return [sample for samples in self.splits.values() for sample in samples]

    def select(self, splits: Collection[str]) -> "DataSet":
        """Return the data set with only these splits, as far as it has them."""
        return replace(self, splits={name: samples for name, samples in self.splits.items() if name in splits})

    @property
    def input_places(self) -> list[Path]:
        """The folders and files of additional inputs."""
        places = [place for source in self.inputs.values() for place in source.places.values()]
        return [place for place in places if isinstance(place, Path)]

    @property
    def gives_truth(self) -> bool:
        """Whether an additional input follows from the ground truths."""
        return any(TRUTH in source.places.values() for source in self.inputs.values())

    @property
    def is_mini(self) -> bool:
        """Whether this is DIS-Mini."""
        return self.token.startswith("dis-mini-")


def check_input_names(title: str, names: Iterable[str]) -> None:
    """Raise InputError, which begins with `title`, for a name that is none of INPUTS."""
    for name in names:
        if name not in INPUTS:
            raise InputError(f"{title}: input {name!r} is unknown; {suggest_names(str(name), INPUTS)}")


def resolve_location(location: DataLocation) -> str | Path | tuple[Path | None, Path]:
    """Return a location, or the default: $DISBENCH_DATA, or ./DIS5K, or "mini"."""
    return location or os.environ.get("DISBENCH_DATA") or ("DIS5K" if Path("DIS5K").is_dir() else "mini")


def parse_splits(expression: str) -> tuple[str, ...]:
    """Parse 'DIS-TE1..4', 'DIS-VD', 'DIS-TE1,DIS-TE3' or 'all' (all but DIS-TR) into splits, in DIS5K's order.

    Raises InputError for an unknown split and for an empty list.
    """
    if not isinstance(expression, str):
        raise wrong_type("split", expression, "splits as text, such as 'DIS-TE1..4' or 'DIS-TE1,DIS-VD'")
    selected: set[str] = set()
    parts = [part.strip() for part in expression.split(",")]
    for part in filter(None, parts):
        span = re.fullmatch(r"(?i)DIS-TE([1-4])\.\.(?:DIS-TE)?([1-4])", part)
        if part.lower() == "all":
            selected |= {"DIS-VD", *TEST_SPLITS}
        elif span and span[1] <= span[2]:
            selected |= {f"DIS-TE{k}" for k in range(int(span[1]), int(span[2]) + 1)}
        elif part.upper() in SPLIT_COUNTS:
            selected.add(part.upper())
        else:
            similar = difflib.get_close_matches(part.upper(), SPLIT_COUNTS, n=1)
            hint = f"; did you mean {similar[0]}?" if similar else ""
            raise InputError(f"unknown split {part!r}; known: {', '.join(SPLIT_COUNTS)}, DIS-TE1..4, all{hint}")
    if not selected:
        raise InputError(f"no split given; known: {', '.join(SPLIT_COUNTS)}, DIS-TE1..4, all")
    return tuple(name for name in SPLIT_COUNTS if name in selected)
