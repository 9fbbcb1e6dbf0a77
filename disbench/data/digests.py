"""Content digests: which pixels a score belongs to, however the files came here."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from disbench.data import DataSet, Sample
from disbench.data.dis5k import stem_key
from disbench.environment import cores

Progress = Callable[[int, int, str], None]  # done, total, what


def file_digest(path: Path | None) -> str | None:
    """SHA-256 of a file's bytes; None for no file."""
    if path is None:
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pair_digests(
    samples: Sequence[Sample], progress: Callable[[int], None] | None = None, digest: Callable = file_digest
):
    """name -> (digest of the truth file, digest of the image file or None)."""
    digests = {}
    with ThreadPoolExecutor(cores()) as pool:  # hashing releases the GIL
        pairs = pool.map(lambda sample: (digest(sample.truth), digest(sample.image)), samples)
        for done, (sample, pair) in enumerate(zip(samples, pairs, strict=True), 1):
            digests[sample.name] = pair
            if progress:
                progress(done)
    return digests


def combine(digests: Iterable[tuple[str, str | None]]) -> str:
    """One digest of a split from (name, digest of its file), whatever their order."""
    lines = sorted(f"{stem_key(name)}\t{digest}\n" for name, digest in digests)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def split_digests(dataset: DataSet, progress: Progress | None = None) -> dict[str, dict[str, str]]:
    """split -> {"truths": digest, "images": digest}: the identity of what is scored. Files that did not change since
    they were last read are not read again; see disbench.data.known."""
    from disbench.data import known

    total = len(dataset.samples)
    done = 0
    digests = {}
    with known.digests({path.parent for s in dataset.samples for path in (s.truth, s.image) if path}) as digest:
        for split, samples in dataset.splits.items():
            shown = progress and (lambda k, base=done: progress(base + k, total, "Digesting"))
            pairs = pair_digests(samples, shown, digest)
            truths, images = (combine((name, pair[i]) for name, pair in pairs.items()) for i in (0, 1))
            digests[split] = {"truths": truths, "images": images}
            done += len(samples)
    return digests
