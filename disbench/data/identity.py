"""Content digests: which pixels a score belongs to, however the files came here."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from disbench.data.dataset import DataSet, Sample
from disbench.data.hashing import combine_digests, hash_file
from disbench.system.cores import count_cores
from disbench.system.progress import Progress


def hash_pairs(
    samples: Sequence[Sample], progress: Callable[[int], None] | None = None, digest: Callable = hash_file
):
    """name -> (digest of the truth file, digest of the image file or None)."""
    digests = {}
    with ThreadPoolExecutor(count_cores()) as pool:  # hashing releases the GIL
        pairs = pool.map(lambda sample: (digest(sample.truth), digest(sample.image)), samples)
        for done, (sample, pair) in enumerate(zip(samples, pairs, strict=True), 1):
            digests[sample.name] = pair
            if progress:
                progress(done)
    return digests


def hash_splits(dataset: DataSet, progress: Progress | None = None) -> dict[str, dict[str, str]]:
    """split -> {"truths": digest, "images": digest}: the identity of what is scored. Files that did not change since
    they were last read are not read again; see disbench.data.known."""
    from disbench.data import digest_cache

    total = len(dataset.samples)
    done = 0
    digests = {}
    with digest_cache.open_digest_cache({path.parent for s in dataset.samples for path in (s.truth, s.image) if path}) as digest:
        for split, samples in dataset.splits.items():
            shown = progress and (lambda k, base=done: progress(base + k, total, "Digesting"))
            pairs = hash_pairs(samples, shown, digest)
            truths, images = (combine_digests((name, pair[i]) for name, pair in pairs.items()) for i in (0, 1))
            digests[split] = {"truths": truths, "images": images}
            done += len(samples)
    return digests
