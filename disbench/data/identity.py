"""The identity of a data set: digests of its content, wherever its files are."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from disbench.data.dataset import DataSet, Sample, SampleInputs
from disbench.data.digest_cache import DigestCache
from disbench.data.hashing import combine_digests, hash_file
from disbench.data.inputs import identify_inputs
from disbench.system.cores import count_cores
from disbench.system.progress import Progress

PairDigests = dict[str, tuple[str, str | None]]  # name -> digest of the truth, digest of the image or None


def hash_pairs(
    samples: Sequence[Sample],
    progress: Callable[[int], None] | None = None,
    digest: Callable[[Path], str] = hash_file,
) -> PairDigests:
    """Hash the truth and the image of every sample.

    Args:
        samples: samples of one split.
        progress: called with the number of samples that are done.
        digest: function that hashes a file.

    Returns:
        (digest of the truth, digest of the image or None) by name.
    """

    def hash_pair(sample: Sample) -> tuple[str, str | None]:
        return digest(sample.truth), digest(sample.image) if sample.image else None

    digests: PairDigests = {}
    with ThreadPoolExecutor(count_cores()) as pool:  # hashing releases the GIL
        pairs = pool.map(hash_pair, samples)
        for done, (sample, pair) in enumerate(zip(samples, pairs, strict=True), 1):
            digests[sample.name] = pair
            if progress:
                progress(done)
    return digests


def hash_dataset(dataset: DataSet, progress: Progress | None = None) -> DataSet:
    """Return the data set with the digests of its files, which its images and truths must then have when they are read.

    Files that did not change since they were last read are not read again; see disbench.data.digest_cache.
    """
    total, hashed = len(dataset.samples), 0

    def report(done: int) -> None:
        if progress:
            progress(hashed + done, total, "Hashing")

    cache = DigestCache(list_folders(dataset))
    splits = {}
    for split, samples in dataset.splits.items():
        pairs = hash_pairs(samples, report, cache.hash_file)
        digests = (pairs[sample.name] for sample in samples)
        splits[split] = tuple(
            replace(
                sample,
                truth_digest=truth,
                image_digest=image,
                trimap_digest=cache.hash_file(sample.trimap) if sample.trimap else None,
                inputs=_hash_inputs(sample.inputs, cache),
            )
            for sample, (truth, image) in zip(samples, digests, strict=True)
        )
        hashed += len(samples)
    cache.save()
    return replace(dataset, splits=splits)


def hash_inputs(dataset: DataSet) -> DataSet:
    """Return the data set with the digests of its depth maps only, as hash_dataset() computes them."""
    cache = DigestCache(list_folders(dataset))
    splits = {
        split: tuple(replace(sample, inputs=_hash_inputs(sample.inputs, cache)) for sample in samples)
        for split, samples in dataset.splits.items()
    }
    cache.save()
    return replace(dataset, splits=splits)


def _hash_inputs(inputs: SampleInputs, cache: DigestCache) -> SampleInputs:
    return replace(inputs, depth_digest=cache.hash_file(inputs.depth)) if inputs.depth else inputs


def identify_splits(dataset: DataSet) -> dict[str, dict[str, str]]:
    """Identify the data of hash_dataset(): split -> {"truths": digest, "images": digest}.

    "trimaps" and the additional inputs are in it where there are any.
    """
    return {
        split: {
            "truths": combine_digests((sample.name, sample.truth_digest) for sample in samples),
            "images": combine_digests((sample.name, sample.image_digest) for sample in samples),
            **(
                {"trimaps": combine_digests((sample.name, sample.trimap_digest) for sample in samples)}
                if dataset.trimaps
                else {}
            ),
            **identify_inputs(samples),
        }
        for split, samples in dataset.splits.items()
    }


def describe_token(dataset: DataSet) -> str:
    """Return the name of a data set in signatures, with the kind of its truths and its trimaps, if not binary."""
    if dataset.truth_kind == "binary":
        return dataset.token
    trimaps = combine_digests((f"{sample.split}/{sample.name}", sample.trimap_digest) for sample in dataset.samples)
    return f"{dataset.token}|gt:{dataset.truth_kind}" + (f"|trimaps:{trimaps[:12]}" if dataset.trimaps else "")


def list_folders(dataset: DataSet) -> set[Path]:
    """List the folders that hold the truths, images, trimaps and depth maps of a data set."""
    files: Iterable[Path | None] = (
        path for s in dataset.samples for path in (s.truth, s.image, s.trimap, s.inputs.depth)
    )
    return {path.parent for path in files if path}
