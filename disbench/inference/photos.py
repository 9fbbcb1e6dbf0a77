"""A user's own photos: read as a viewer shows them; masks and cut-outs are written and never overwrite a photo.

Images that are measured are read by disbench.data.images instead: there, EXIF rotation would move an image against its
ground truth.
"""

import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from disbench.data.dataset import TRUTH, Sample
from disbench.data.hashing import ChangedFileError, hash_file
from disbench.data.headers import EXTENSIONS
from disbench.data.images import check_photo
from disbench.data.input_values import check_size, parse_box, read_inputs
from disbench.data.inputs import pair_photos
from disbench.data.pillow import PHOTO_FORMATS, open_picture
from disbench.errors import InputError
from disbench.inference.model import Model
from disbench.system.files import require_regular_file, write_atomic
from disbench.system.progress import Progress

# .heic, .heif and raw files are listed so that they are reported as unreadable: a skipped photo must be reported.
SUFFIXES = EXTENSIONS | {".avif", ".gif", ".jfif", ".jp2", ".heic", ".heif", ".dng", ".cr2", ".cr3", ".nef", ".arw"}
FINGERPRINT = "disbench"  # the PNG text chunk that says from which photo, model and options a file was made
WHITE = (255, 255, 255)


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photo as a viewer shows it.

    Attributes:
        pixels: uint8 (h, w, 3), RGB, upright.
        profile: the ICC profile of these colours, if the file has one.
    """

    pixels: np.ndarray
    profile: bytes | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of one photo.

    Attributes:
        image: the photo.
        file: its mask or cut-out.
        new: False where the file existed already.
        fault: why there is no file, or None.
    """

    image: Path
    file: Path
    new: bool = True
    fault: str | None = None


def read_photo(path: Path) -> Photo:
    """Read a photo as a viewer shows it, as 8-bit RGB.

    It is rotated by EXIF, an animation gives its first frame, transparency is white, 16 bits are rounded to 8.

    Raises:
        InputError: for what cannot be decoded, and for floats and 32-bit integers, whose black and white are unknown.
    """
    try:
        check_photo(path)
        with open_picture(path, PHOTO_FORMATS, strict=False) as file:  # Pillow warns of odd metadata
            image = ImageOps.exif_transpose(file)
            profile = image.info.get("icc_profile") if image.mode in {"RGB", "RGBA", "P"} else None
            return Photo(pixels=_to_rgb(image, path), profile=profile)
    except (InputError, MemoryError):
        raise
    except UnidentifiedImageError:
        formats = ", ".join(PHOTO_FORMATS)
        raise InputError(f"{path}: cannot be read, as it is none of {formats}; save it as JPEG or PNG") from None
    except Exception as error:  # decoders fail on damaged bytes in many ways
        raise InputError(f"{path}: cannot be read ({str(error) or type(error).__name__})") from None


def find_photos(location: Path, out: Path) -> tuple[dict[Path, Path], int]:
    """Find the photos of a folder and its subfolders, or the single photo, and name their outputs.

    Photos of one folder that differ in their suffix only keep the suffix in the name of the output.

    Args:
        location: a photo or a folder.
        out: the folder of the outputs.

    Returns:
        photo -> output file, and the number of files that are not photos.

    Raises:
        InputError: if there is no photo, and if an output would overwrite a photo.
    """
    if not require_regular_file(location).exists():
        raise InputError(f"{location}: no such file or folder")
    if (out.suffix.lower() in SUFFIXES or out.exists()) and not out.is_dir():
        raise InputError(f"{out}: --out is a folder; its files get the names of the photos")
    if location.is_file():
        photos, others, root = [location], 0, location.parent
    else:
        files = [p for p in sorted(location.rglob("*")) if not p.is_dir() and not _is_hidden(p.relative_to(location))]
        inside = out.resolve()
        if inside != location.resolve():  # outputs of an earlier call are not photos
            files = [p for p in files if inside not in p.resolve().parents]
        # A broken link is reported, whatever its name.
        photos = [p for p in files if p.suffix.lower() in SUFFIXES or not p.exists()]
        others, root = len(files) - len(photos), location
    if not photos:
        raise InputError(f"{location}: no photos in it")
    outputs = _name_outputs(photos, root, out)
    by_inode = {(p.stat().st_dev, p.stat().st_ino): p for p in photos if p.exists()}
    for file in (name.resolve() for name in outputs.values()):
        if file.exists() and (photo := by_inode.get((file.stat().st_dev, file.stat().st_ino))):
            raise InputError(f"{photo}: would be overwritten; choose another --out")
    return outputs, others


def predict_photos(
    model: Model,
    outputs: Mapping[Path, Path],
    *,
    cutout: bool,
    overwrite: bool,
    inputs: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Iterator[Outcome]:
    """Write the mask or the cut-out of every photo. An unreadable photo does not stop the others.

    Args:
        model: the model that predicts.
        outputs: photo -> output file, from `find_photos`.
        cutout: write the photo with the mask as alpha, not the mask.
        overwrite: replace existing files. Otherwise a file of the same photo, model and kind is kept, and any other
            file is a fault.
        inputs: name of an additional input -> its folder or file.
        progress: is called with (done, total, label).

    Yields:
        The outcome of each photo.

    Raises:
        InputError: before any photo is predicted, for additional inputs that are not those of the photos, and for a
            model that needs ground truths.
    """
    if TRUTH in model.arguments:
        raise InputError(
            f"{model.title} needs ground truths, which photos do not have; choose other options (see `disbench models`)"
        )
    paired = pair_photos(model.title, model.inputs, inputs or {}, list(outputs))
    for count, (image, file) in enumerate(outputs.items(), 1):
        sample = Sample("", image.stem, image, image, inputs=paired[image])
        yield _predict_photo(model, sample, file, cutout=cutout, overwrite=overwrite)
        if progress:
            progress(count, len(outputs), model.title)


def cut_out(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Make a cut-out: uint8 (h, w, 4), the photo's own colours with the mask as alpha, black where that is 0.

    Colours are not decontaminated: a pixel that object and background share keeps some of the background's colour.
    """
    return np.dstack([pixels * (mask[..., None] > 0), mask])


def _name_outputs(photos: list[Path], root: Path, out: Path) -> dict[Path, Path]:
    names = {path: out / path.relative_to(root).with_suffix("") for path in photos}
    while True:
        counts = Counter(str(name).casefold() for name in names.values())
        # Photos whose outputs would collide keep their suffix. That may make new collisions, so look again.
        collided = [path for path, name in names.items() if counts[str(name).casefold()] > 1]
        longer = {path: out / path.relative_to(root) for path in collided}
        if all(names[path] == name for path, name in longer.items()):
            return {path: name.with_name(f"{name.name}.png") for path, name in names.items()}
        names |= longer


def _predict_photo(model: Model, sample: Sample, file: Path, *, cutout: bool, overwrite: bool) -> Outcome:
    image = sample.require_image()
    try:
        fingerprint = _make_fingerprint(model, sample, cutout=cutout)
        if file.exists() and not overwrite:
            existing = _read_fingerprint(file)
            if existing == fingerprint:
                return Outcome(image=image, file=file, new=False)
            origin = "disbench's of another picture, model or kind" if existing else "not disbench's"
            raise InputError(f"{file}: exists already, and is {origin}; give --again to replace it, or another --out")
        photo = read_photo(image)
        inputs = read_inputs(sample)
        if _make_fingerprint(model, sample, cutout=cutout) != fingerprint:
            raise ChangedFileError(image)
        if "depth" in inputs:
            check_size(f"{sample.inputs.depth}", inputs["depth"], photo.pixels.shape[:2])
        if "box" in inputs:
            parse_box(f"{image}: its box", inputs["box"], photo.pixels.shape[:2])
        mask = model.predict(photo.pixels, **inputs)
        file.parent.mkdir(parents=True, exist_ok=True)
        if cutout:
            _write_png(file, cut_out(photo.pixels, mask), fingerprint, photo.profile)
        else:
            _write_png(file, mask, fingerprint, None)
    except InputError as error:
        return Outcome(image=image, file=file, fault=str(error))
    return Outcome(image=image, file=file)


def _make_fingerprint(model: Model, sample: Sample, *, cutout: bool) -> str:
    inputs = sample.inputs
    files = [path for path in (sample.image, inputs.depth) if path]
    try:
        digests = [hash_file(path) for path in files]
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from None
    values = [value for value in (inputs.prompt, inputs.box) if value is not None]
    identity = msgspec.json.encode([model.identity, cutout, *digests, *values], order="deterministic")
    return hashlib.sha256(identity).hexdigest()


def _read_fingerprint(file: Path) -> str | None:
    try:
        with open_picture(require_regular_file(file), ("PNG",), strict=False) as image:
            return image.info.get(FINGERPRINT)
    except (OSError, SyntaxError):
        return None


def _write_png(file: Path, pixels: np.ndarray, fingerprint: str, profile: bytes | None) -> None:
    text, data = PngImagePlugin.PngInfo(), io.BytesIO()
    text.add_text(FINGERPRINT, fingerprint)
    Image.fromarray(pixels).save(data, "PNG", pnginfo=text, icc_profile=profile, compress_level=3)
    write_atomic(file, data.getvalue())


def _to_rgb(image: Image.Image, path: Path) -> np.ndarray:
    if image.mode.startswith("I;16"):
        grey = ((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode in {"I", "F"}:
        raise InputError(f"{path}: a picture of {np.asarray(image).dtype} values; save it with 8 or 16 bits")
    if image.has_transparency_data:
        background = Image.new("RGBA", image.size, (*WHITE, 255))
        image = Image.alpha_composite(background, image.convert("RGBA"))
    return np.array(image.convert("RGB"))  # a copy: Pillow's own array is read-only


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts) or path.name in {"Thumbs.db", "desktop.ini"}
