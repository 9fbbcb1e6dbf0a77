"""The value objects of data: a sample, a data set, and the splits of DIS5K (Qin et al., ECCV 2022)."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from disbench.errors import InputError

DataLocation = str | Path | tuple[Path | None, Path] | None  # where a data set is; see disbench.data.location
SPLIT_COUNTS = {"DIS-TR": 3000, "DIS-VD": 470, "DIS-TE1": 500, "DIS-TE2": 500, "DIS-TE3": 500, "DIS-TE4": 500}
TEST_SPLITS = ("DIS-TE1", "DIS-TE2", "DIS-TE3", "DIS-TE4")
OVERALL = "Overall"  # all images of TEST_SPLITS together, in reports


@dataclass(frozen=True)
class Sample:
    """One image with its ground truth; `image` is None where only maps are scored."""

    split: str
    name: str
    image: Path | None
    truth: Path

    @property
    def key(self) -> tuple[str, str]:
        """(split, name), which is unique in a data set."""
        return self.split, self.name

    @property
    def category(self) -> str | None:
        return parse_category(self.name)


def parse_category(name: str) -> str | None:
    """Of an image that DIS5K named group#Group#category#Category#id; None for other names."""
    parts = name.split("#")
    return parts[3] if len(parts) >= 5 else None


def stem_key(stem: str) -> str:
    """Names are compared without case, and in one Unicode form (archives made on macOS decompose accents)."""
    return unicodedata.normalize("NFC", stem).casefold()



@dataclass(frozen=True)
class DataSet:
    """Samples of some splits of one data set.

    `title` heads every report ("DIS5K", "DIS-Mini (synthetic, not DIS5K)", "my-images"), `token` names it in
    signatures, `location` finds it again; `splits` maps split -> samples sorted by name.
    """

    title: str
    token: str
    location: DataLocation
    splits: dict[str, tuple[Sample, ...]]

    @property
    def samples(self) -> list[Sample]:
        return [sample for samples in self.splits.values() for sample in samples]

    @property
    def is_mini(self) -> bool:
        return self.token.startswith("dis-mini-")


def parse_splits(expression: str) -> tuple[str, ...]:
    """The splits that 'DIS-TE1..4', 'DIS-VD', 'DIS-TE1,DIS-TE3' or 'all' (all but DIS-TR) means, in DIS5K's order."""
    wanted: set[str] = set()
    for part in filter(None, (p.strip() for p in expression.split(","))):
        span = re.fullmatch(r"(?i)DIS-TE([1-4])\.\.(?:DIS-TE)?([1-4])", part)
        if part.lower() == "all":
            wanted |= {"DIS-VD", *TEST_SPLITS}
        elif span and span[1] <= span[2]:
            wanted |= {f"DIS-TE{k}" for k in range(int(span[1]), int(span[2]) + 1)}
        elif part.upper() in SPLIT_COUNTS:
            wanted.add(part.upper())
        else:
            raise InputError(f"unknown split {part!r}; known: {', '.join(SPLIT_COUNTS)}, DIS-TE1..4, all")
    if not wanted:
        raise InputError(f"no split given; known: {', '.join(SPLIT_COUNTS)}, DIS-TE1..4, all")
    return tuple(name for name in SPLIT_COUNTS if name in wanted)
