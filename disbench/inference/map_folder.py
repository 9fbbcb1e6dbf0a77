"""Saved prediction maps in the place of a model."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from disbench.data.dataset import Sample, stem_key
from disbench.data.file_lists import is_ignored, list_names
from disbench.data.float_maps import read_prediction
from disbench.data.hashing import combine_digests, hash_file
from disbench.data.map_files import match_maps
from disbench.errors import InputError, require_utf8
from disbench.metrics.resize import resize_map
from disbench.system.environment import describe_environment

MAX_NAME_BYTES = 200  # of a title that names a folder; file systems take 255


class MapFolder:
    """The maps of some samples, in `root/<split>/`, or all in `root` itself.

    Args:
        title: the name of the method.
        root: the folder of the maps.
        samples: the samples that there must be a map of, and no other.
        resize: how maps of another size than their ground truth are resized. None: they are refused.
        place: where the user has the maps. Default: `root`; of an archive, `root` is where it was extracted.

    Attributes:
        resized: the number of maps of another size; 0 where `resize` is None.

    Raises:
        InputError: for missing, extra, unreadable or wrongly sized maps, and for one folder of several splits in which
            a name stands for two images.
    """

    device = "cpu"

    def __init__(
        self,
        title: str,
        root: Path,
        samples: Sequence[Sample],
        resize: str | None = None,
        place: Path | None = None,
    ):
        self.place = place or root
        self.title = require_utf8(title)
        name = re.sub(r"[^\w.+-]+", "_", title).strip(".") or "maps"  # names a folder under runs/
        self.name = name.encode()[:MAX_NAME_BYTES].decode(errors="ignore")
        self.maps: dict[tuple[str, str], Path] = {}
        self.resize, self.resized = resize, 0
        for folder, members in _group_samples(root, samples):
            maps, resized = match_maps(members, folder, resize=resize)
            self.resized += resized
            self.maps |= {sample.key: maps[sample.name] for sample in members}

    @property
    def identity(self) -> dict[str, Any]:
        """The digest of all maps."""
        return {"maps": combine_digests((f"{split}/{name}", digest) for (split, name), digest in self.digests.items())}

    @cached_property
    def digests(self) -> dict[tuple[str, str], str]:
        """The digests of the map files, which the files must still have when they are scored."""
        return {key: hash_file(path) for key, path in self.maps.items()}

    @property
    def environment(self) -> dict[str, Any]:
        """The environment that the maps are scored in."""
        return describe_environment(self.device)

    def load(self, sample: Sample) -> tuple[np.ndarray, dict[str, float]]:
        """Read the map of a sample; there are no seconds, since nothing is predicted."""
        return read_prediction(self.maps[sample.key], self.digests[sample.key]), {}

    def compute(self, mask: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
        """Return the map as it is."""
        return mask, {}

    def finish(self, mask: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, dict[str, float]]:
        """Resize the map where it has another size than its ground truth."""
        # A map that was replaced since its size was checked is refused.
        if mask.shape == size or self.resize is None or not self.resized:
            return mask, {}
        return resize_map(mask, size, self.resize), {}


def _group_samples(root: Path, samples: Sequence[Sample]) -> list[tuple[Path, list[Sample]]]:
    """Group samples by the folder that has their maps: that of their split, or `root` for all of them."""
    splits: dict[str, list[Sample]] = {}
    for sample in samples:
        splits.setdefault(sample.split, []).append(sample)
    has_folders = any((root / split).is_dir() for split in splits)
    if len(splits) == 1 or has_folders or not _has_files(root):
        return [
            (root / split if (root / split).is_dir() or len(splits) > 1 else root, members)
            for split, members in splits.items()
        ]
    counts = Counter(stem_key(sample.name) for sample in samples)
    if shared := sorted({sample.name for sample in samples if counts[stem_key(sample.name)] > 1}):
        raise InputError(
            f"{root}: one folder of maps for {', '.join(splits)}, but {len(shared)} names are in more than one of them "
            f"({list_names(shared)}); put the maps into a folder for each"
        )
    return [(root, list(samples))]


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(path.is_file() and not is_ignored(path.name) for path in folder.iterdir())
