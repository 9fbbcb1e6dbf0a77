"""Check that a data set is readable, and that it equals another copy: `disbench data verify` and `data freeze`."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec

from disbench.data.dataset import DataSet, Sample, stem_key
from disbench.data.digest_cache import forget_digests
from disbench.data.identity import hash_pairs, list_folders
from disbench.data.images import read_image, read_truth
from disbench.errors import InputError
from disbench.system.cores import count_cores
from disbench.system.documents import read_json
from disbench.system.files import write_atomic
from disbench.system.progress import Progress

Frozen = dict[str, dict[str, tuple[str, str | None]]]  # split -> name -> digests of the truth and of the image


def find_unreadable(dataset: DataSet, progress: Progress) -> list[str]:
    """Decode every file of a data set, and return one line for each that cannot be decoded.

    Pairing, counts and sizes were checked by find_dataset(). The cached digests are removed, so that the next run
    reads every file as well.
    """
    forget_digests(list_folders(dataset))
    faults: list[str] = []
    with ThreadPoolExecutor(count_cores()) as pool:
        for done, lines in enumerate(pool.map(_decode, dataset.samples), 1):
            faults += lines
            progress(done, len(dataset.samples), "Decoding")
    return faults


def _decode(sample: Sample) -> list[str]:
    faults = []
    for read, path in ((partial(read_truth, kind=sample.truth_kind), sample.truth), (read_image, sample.image)):
        if path is None:
            continue
        try:
            read(path)
        except InputError as error:
            faults.append(str(error))
    return faults


def freeze_dataset(dataset: DataSet) -> Frozen:
    """Hash every file of a data set with images, to compare it with another copy."""
    frozen: Frozen = {}
    for split, samples in dataset.splits.items():
        frozen[split] = {stem_key(name): digests for name, digests in hash_pairs(samples).items()}
    return frozen


def write_frozen(frozen: Frozen, path: Path) -> None:
    """Write the result of freeze_dataset() as JSON."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(frozen, order="sorted"), indent=1))


def read_frozen(path: Path) -> Frozen:
    """Read a file of write_frozen(). Raises InputError if it is missing or no such file."""
    return read_json(path, Frozen, fault="not a file of `disbench data freeze`")


def list_differences(frozen: Frozen, current: Frozen) -> list[str]:
    """Return one line for every file that is missing, extra or different.

    Args:
        frozen: the expected files.
        current: the files to compare. Only its splits are compared.

    Returns:
        Lines, sorted. Empty if the files are the same.
    """
    lines = []
    for split, files in current.items():
        expected = frozen.get(split)
        if expected is None:
            lines.append(f"{split}: not in the frozen list")
            continue
        lines += [f"{split}/{name}: missing" for name in expected.keys() - files.keys()]
        lines += [f"{split}/{name}: extra" for name in files.keys() - expected.keys()]
        for name in expected.keys() & files.keys():
            for kind, before, now in zip(("truth", "image"), expected[name], files[name], strict=True):
                if before != now:
                    lines.append(f"{split}/{name}: another {kind}")
    return sorted(lines)
