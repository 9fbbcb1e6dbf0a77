"""The files behind a run, compared with its digests: the prediction maps that it saved, and its data set."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from disbench.data.dataset import DataSet
from disbench.data.digest_cache import DigestCache
from disbench.data.hashing import combine_digests
from disbench.data.identity import hash_dataset, identify_splits
from disbench.data.images import read_map
from disbench.errors import InputError
from disbench.runs.pipeline import hash_mask
from disbench.runs.result import Result
from disbench.system.cores import count_cores

UNREADABLE = "unreadable"  # the digest of a file that is not a map
KIND = "-maps"  # of digests in the cache


def find_damaged_maps(expected: Mapping[Path, str]) -> list[Path]:
    """Find saved maps that are not the ones that were measured. Files that did not change are read only once.

    Args:
        expected: file -> digest of its map, as rows have it. Old rows may have none, "".

    Returns:
        The files whose map is another one, or cannot be read.
    """
    cache = DigestCache({path.parent for path in expected}, _hash_map, KIND)
    with ThreadPoolExecutor(count_cores()) as pool:
        digests = dict(zip(expected, pool.map(cache.hash_file, expected), strict=True))
    cache.save()
    return [path for path, digest in expected.items() if digest and digests[path] != digest]


def check_maps(expected: Mapping[Path, str]) -> None:
    """Raise InputError for saved maps that are not the ones that were measured; see `find_damaged_maps`."""
    if damaged := find_damaged_maps(expected):
        more = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
        raise InputError(
            f"{damaged[0]}{more}: not the map that was measured; repeat the command of its run, which recreates it"
        )


def check_data(result: Result, dataset: DataSet) -> None:
    """Check that a data set still has the ground truths, and the images, that a result was measured on.

    Raises:
        InputError: where it does not.
    """
    expected = result.identity.get("data", {})
    for split, digests in identify_splits(hash_dataset(dataset)).items():
        samples = dataset.splits[split]
        without_images = combine_digests((sample.name, None) for sample in samples)  # as of scored maps
        for kind, files in (("truths", "ground truths"), ("images", "images")):
            before = expected.get(split, {}).get(kind)
            if before and before != without_images and before != digests[kind]:
                folder = (samples[0].truth if kind == "truths" else samples[0].require_image()).parent
                raise InputError(
                    f"{folder}: its {files} of {split} are not those that {result.title} was measured on; "
                    "restore them, or run the model again"
                )


def _hash_map(path: Path) -> str:
    try:
        return hash_mask(read_map(path))
    except InputError:
        return UNREADABLE
