"""Is this data set whole and readable, and is it the same as another copy? `disbench data verify` and `data freeze`."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from disbench.data import digest_cache
from disbench.data.dataset import DataSet, Sample, stem_key
from disbench.data.identity import hash_pairs
from disbench.data.images import read_image, read_truth
from disbench.errors import InputError
from disbench.system.cores import count_cores
from disbench.system.files import write_atomic

Frozen = dict[str, dict[str, tuple[str, str]]]  # split -> name -> (digest of the truth, digest of the image)


def find_unreadable(dataset: DataSet, progress: Callable[[int, int, str], None]) -> list[str]:
    """One line for every file that cannot be decoded to its end. Pairing, counts and sizes were checked on finding.

    Kept digests are forgotten: a run after this reads every file, too.
    """
    digest_cache.forget_digests({path.parent for s in dataset.samples for path in (s.truth, s.image) if path})

    def check(sample: Sample) -> list[str]:
        faults = []
        for read, path in ((read_truth, sample.truth), (read_image, sample.image)):
            try:
                read(path)
            except InputError as error:
                faults.append(str(error))
        return faults

    faults = []
    with ThreadPoolExecutor(count_cores()) as pool:
        for done, found in enumerate(pool.map(check, dataset.samples), 1):
            faults += found
            progress(done, len(dataset.samples), "decoding")
    return faults


def freeze_dataset(dataset: DataSet) -> Frozen:
    """The digest of every file, so that another copy can be compared with this one."""
    return {split: {stem_key(n): d for n, d in hash_pairs(s).items()} for split, s in dataset.splits.items()}


def write_frozen(frozen: Frozen, path: Path) -> None:
    write_atomic(path, msgspec.json.format(msgspec.json.encode(frozen, order="sorted"), indent=1))


def read_frozen(path: Path) -> Frozen:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Frozen)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a file that `disbench data freeze` wrote ({error})") from None


def list_differences(frozen: Frozen, here: Frozen) -> list[str]:
    """One line for every file of the splits in `here` that is missing, extra or other than in `frozen`."""
    lines = []
    for split, files in here.items():
        expected = frozen.get(split)
        if expected is None:
            lines.append(f"{split}: not in the frozen list")
            continue
        lines += [f"{split}/{name}: missing" for name in expected.keys() - files.keys()]
        lines += [f"{split}/{name}: extra" for name in files.keys() - expected.keys()]
        for name in expected.keys() & files.keys():
            kinds = ("truth", "image")
            lines += [
                f"{split}/{name}: another {kind}"
                for kind, a, b in zip(kinds, expected[name], files[name], strict=True)
                if a != b
            ]
    return sorted(lines)
