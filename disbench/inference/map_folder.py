"""Saved prediction maps in the place of a model."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from disbench.data.dataset import Sample
from disbench.data.hashing import combine_digests, hash_file
from disbench.data.images import read_map
from disbench.data.layouts import match_maps
from disbench.errors import require_utf8
from disbench.inference.resize import resize_map
from disbench.system.environment import describe_environment

MAX_NAME_BYTES = 200  # bytes of a title that name a folder; file systems take 255


class MapFolder:
    """Saved maps in a model's place: `root/<split>/`, or `root` itself for one split; InputError where one is unfit.

    resize: see Protocol; resized: how many maps are of another size than their truths, 0 where `resize` is None.
    """

    device = "cpu"

    def __init__(self, title: str, root: Path, samples: list[Sample], resize: str | None = None):
        self.title = require_utf8(title)
        name = re.sub(r"[^\w.+-]+", "_", title).strip(".") or "maps"  # names a folder under runs/
        self.name = name.encode()[:MAX_NAME_BYTES].decode(errors="ignore")
        self.maps: dict[tuple[str, str], Path] = {}
        self.resize, self.resized = resize, 0
        splits: dict[str, list[Sample]] = {}
        for sample in samples:
            splits.setdefault(sample.split, []).append(sample)
        for split, wanted in splits.items():
            folder = root / split if (root / split).is_dir() or len(splits) > 1 else root
            found, resized = match_maps(wanted, folder, resizes=resize is not None)
            self.resized += resized
            self.maps |= {(split, name): path for name, path in found.items()}

    @property
    def identity(self) -> dict[str, Any]:
        return {"maps": combine_digests((f"{split}/{name}", hash_file(path)) for (split, name), path in self.maps.items())}

    @property
    def environment(self) -> dict[str, Any]:
        return describe_environment(self.device)

    def load(self, sample: Sample) -> tuple[np.ndarray, dict[str, float]]:
        return read_map(self.maps[sample.split, sample.name]), {}

    def compute(self, mask: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
        return mask, {}

    def finish(self, mask: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, dict[str, float]]:
        return mask if mask.shape == size else resize_map(mask, size, self.resize), {}
