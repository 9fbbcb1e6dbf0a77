"""Write the masks or cut-outs of a user's own photos. An unreadable photo does not stop the others."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from disbench.data.dataset import TRUTH, Sample, SampleInputs
from disbench.data.hashing import ChangedFileError, hash_file
from disbench.data.input_values import check_size, parse_box, read_inputs
from disbench.data.inputs import pair_photos
from disbench.errors import DeviceMemoryError, InputError
from disbench.inference import photos
from disbench.inference.cutouts import Photo, Rendering, encode, read_fingerprint, render
from disbench.inference.model import Model
from disbench.system.files import write_atomic
from disbench.system.progress import Progress


@dataclass(frozen=True, kw_only=True)
class PhotoRequest:
    """What is written of photos, and how.

    Attributes:
        rendering: what is written of a photo and its mask.
        overwrite: replace existing files. False: a file of the same photo, model and kind is kept, and any other file
            is a fault.
        inputs: name of an additional input -> its folder or file.
        batch: most photos that the model takes at a time.
    """

    rendering: Rendering = field(default_factory=Rendering)
    overwrite: bool = False
    inputs: Mapping[str, str] = field(default_factory=dict)
    batch: int = 1


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of one photo.

    Attributes:
        image: the photo.
        file: what was written of it.
        new: False where the file existed already.
        fault: why there is no file, or None.
    """

    image: Path
    file: Path
    new: bool = True
    fault: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A photo that was read, with its additional inputs, and the fingerprint of its file."""

    image: Path
    file: Path
    photo: Photo
    inputs: dict[str, Any]
    fingerprint: str


def predict_photos(
    model: Model, outputs: Mapping[Path, Path], request: PhotoRequest, progress: Progress | None = None
) -> Iterator[Outcome]:
    """Write what is requested of every photo.

    Args:
        model: the model that predicts.
        outputs: photo -> output file, from `find_photos`.
        request: what is written.
        progress: is called with (done, total, label).

    Yields:
        The outcome of each photo, in their order.

    Raises:
        InputError: before any photo is predicted, for additional inputs that are not those of the photos, and for a
            model that needs ground truths; for a batch that does not fit into the memory of the device.
    """
    if TRUTH in model.arguments:
        raise InputError(
            f"{model.title} needs ground truths, which photos do not have; choose other options (see `disbench models`)"
        )
    paired = pair_photos(model.title, model.inputs, request.inputs, list(outputs))
    pending: list[_Job | Outcome] = []
    for count, (image, file) in enumerate(outputs.items(), 1):
        pending.append(_read_job(model, image, file, paired[image], request))
        if sum(isinstance(entry, _Job) for entry in pending) == request.batch or count == len(outputs):
            yield from _finish(model, pending, request.rendering)
            pending = []
        if progress:
            progress(count - len(pending), len(outputs), model.title)


def _read_job(model: Model, image: Path, file: Path, inputs: SampleInputs, request: PhotoRequest) -> _Job | Outcome:
    sample = Sample("", image.stem, image, image, inputs=inputs)
    try:
        fingerprint = _make_fingerprint(model, sample, request.rendering)
        if file.exists() and not request.overwrite:
            existing = read_fingerprint(file)
            if existing == fingerprint:
                return Outcome(image=image, file=file, new=False)
            origin = "disbench's of another picture, model or kind" if existing else "not disbench's"
            raise InputError(f"{file}: exists already, and is {origin}; give --again to replace it, or another --out")
        photo = photos.read_photo(image)
        values = read_inputs(sample)
        if _make_fingerprint(model, sample, request.rendering) != fingerprint:
            raise ChangedFileError(image)
        if "depth" in values:
            check_size(f"{sample.inputs.depth}", values["depth"], photo.pixels.shape[:2])
        if "box" in values:
            parse_box(f"{image}: its box", values["box"], photo.pixels.shape[:2])
    except InputError as error:
        return Outcome(image=image, file=file, fault=str(error))
    return _Job(image=image, file=file, photo=photo, inputs=values, fingerprint=fingerprint)


def _finish(model: Model, pending: list[_Job | Outcome], rendering: Rendering) -> Iterator[Outcome]:
    """Predict and write the photos that were read."""
    jobs = [entry for entry in pending if isinstance(entry, _Job)]
    fault = None
    try:
        masks = iter(model.predict_batch([job.photo.pixels for job in jobs], [job.inputs for job in jobs]))
    except InputError as error:
        if len(jobs) > 1 and isinstance(error, DeviceMemoryError):
            raise InputError(f"--batch {len(jobs)} is too large: {error}") from None
        if len(jobs) > 1:  # the others shall not fail with it
            for entry in pending:
                yield from _finish(model, [entry], rendering)
            return
        fault = str(error)
    for entry in pending:
        if isinstance(entry, Outcome):
            yield entry
        elif fault:
            yield Outcome(image=entry.image, file=entry.file, fault=fault)
        else:
            yield _write(entry, next(masks), rendering)


def _write(job: _Job, mask: Any, rendering: Rendering) -> Outcome:
    profile = job.photo.profile if rendering.shows_photo else None
    try:
        data = encode(render(job.photo, mask, rendering), job.fingerprint, profile, rendering.format)
    except InputError as error:
        return Outcome(image=job.image, file=job.file, fault=str(error))
    job.file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(job.file, data)
    return Outcome(image=job.image, file=job.file)


def _make_fingerprint(model: Model, sample: Sample, rendering: Rendering) -> str:
    inputs = sample.inputs
    files = [path for path in (sample.image, inputs.depth) if path]
    try:
        digests = [hash_file(path) for path in files]
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from None
    values = [value for value in (inputs.prompt, inputs.box) if value is not None]
    # With a background, a cut-out is the same with and without `cutout`.
    is_alpha = rendering.cutout and rendering.background is None
    content = [model.identity, is_alpha, *digests, *values, *rendering.identify()]
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()
