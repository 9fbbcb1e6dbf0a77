"""A user's own pictures: read as a viewer shows them, their masks or cut-outs written beside nothing of theirs.

What is measured is read otherwise, by `disbench.data.images`: there a rotation by EXIF would move image against truth.
"""

import hashlib
import io
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from disbench.data.hashing import hash_file
from disbench.data.images import EXTENSIONS
from disbench.errors import InputError
from disbench.system.files import write_atomic
from disbench.system.progress import Progress

# .heic, .heif and raw files are taken up to be named as unreadable: a picture that is left out must be told.
SUFFIXES = EXTENSIONS | {".avif", ".gif", ".jfif", ".jp2", ".heic", ".heif", ".dng", ".cr2", ".cr3", ".nef", ".arw"}
MADE = "disbench"  # the PNG text chunk that says what a file was made of and by
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Photo:
    """pixels: uint8 (h, w, 3) RGB, upright; profile: the ICC profile that these colours are in, if the file says."""

    pixels: np.ndarray
    profile: bytes | None


@dataclass(frozen=True)
class Outcome:
    """One picture: `why` it has no file, or None; `new` is False for one that was there already."""

    image: Path
    file: Path
    new: bool = True
    why: str | None = None


def read_photo(path: Path) -> Photo:
    """A picture as a viewer shows it: turned by EXIF, the first frame, transparency on white, 16 bits and CMYK as RGB.

    InputError for what cannot be decoded, and for floats and 32-bit integers, whose black and white no file tells.
    """
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")  # Pillow's about large pictures and odd metadata
            image = ImageOps.exif_transpose(image)
            profile = image.info.get("icc_profile") if image.mode in {"RGB", "RGBA", "P"} else None
            return Photo(_rgb(image, path), profile)
    except (InputError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise InputError(f"{path}: cannot be read, in no format that is known here; save it as JPEG or PNG") from None
    except Exception as error:  # decoders fail on damaged bytes in whatever way these lead them to
        raise InputError(f"{path}: cannot be read ({str(error) or type(error).__name__})") from None


def find_photos(where: Path, out: Path) -> tuple[dict[Path, Path], int]:
    """Every picture of a folder and its folders, or the one picture, -> its file under `out`; and how many are none.

    Pictures of one folder that differ in their suffix alone keep it in the file's name. InputError where there is no
    picture, and where a file would be one of the pictures.
    """
    if not where.exists():
        raise InputError(f"{where}: no such file or folder")
    if (out.suffix.lower() in SUFFIXES or out.exists()) and not out.is_dir():
        raise InputError(f"{out}: --out is a folder; the files in it are called like the pictures")
    if where.is_file():
        found, others = [where], 0
    else:
        files = [p for p in sorted(where.rglob("*")) if p.is_file() and not _hidden(p.relative_to(where))]
        if (inside := out.resolve()) != where.resolve():
            files = [p for p in files if inside not in p.resolve().parents]
        found = [p for p in files if p.suffix.lower() in SUFFIXES]
        others = len(files) - len(found)
    if not found:
        raise InputError(f"{where}: no pictures in it")
    root = where if where.is_dir() else where.parent
    names = {path: out / path.relative_to(root).with_suffix("") for path in found}
    while twins := [name for name, count in Counter(str(n).casefold() for n in names.values()).items() if count > 1]:
        longer = {p: out / p.relative_to(root) for p, name in names.items() if str(name).casefold() in twins}
        if all(names[path] == name for path, name in longer.items()):
            break  # names that differ in case alone
        names |= longer
    outputs = {path: name.with_name(f"{name.name}.png") for path, name in names.items()}
    pictures = {(p.stat().st_dev, p.stat().st_ino): p for p in found}
    for file in (name.resolve() for name in outputs.values()):
        if file.exists() and (own := pictures.get((file.stat().st_dev, file.stat().st_ino))):
            raise InputError(f"{own}: would be overwritten; choose another --out")
    return outputs, others


def predict_photos(
    model, outputs: dict[Path, Path], cutout: bool, again: bool, progress: Progress | None = None
) -> Iterator[Outcome]:
    """Write the mask or the cut-out of every picture, and tell of each; a picture that cannot be read stops no other.

    A file that is there of this picture, model and kind is kept, one of anything else is told, unless `again`.
    """
    for count, (image, file) in enumerate(outputs.items(), 1):
        yield _one(model, image, file, cutout, again)
        if progress:
            progress(count, len(outputs), model.title)


def cut_out(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 4): the picture's own colours, with the mask as alpha, and nothing left where that is 0.

    Colours are not decontaminated: a pixel that object and background share keeps some of the background's colour.
    """
    return np.dstack([pixels * (mask[..., None] > 0), mask])


def _one(model, image: Path, file: Path, cutout: bool, again: bool) -> Outcome:
    try:
        made = _made(model, image, cutout)
        if file.exists() and not again:
            there = _made_of(file)
            if there == made:
                return Outcome(image, file, new=False)
            whose = "disbench's of another picture, model or kind" if there else "not disbench's"
            raise InputError(f"{file}: there already, and {whose}; give --again to replace it, or another --out")
        photo = read_photo(image)
        mask = model.predict(photo.pixels)
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, cut_out(photo.pixels, mask) if cutout else mask, made, photo.profile if cutout else None)
    except InputError as error:
        return Outcome(image, file, why=str(error))
    return Outcome(image, file)


def _made(model, image: Path, cutout: bool) -> str:
    try:
        digest = hash_file(image)
    except OSError as error:
        raise InputError(f"{image}: {error.strerror}") from None
    identity = msgspec.json.encode([model.identity, cutout, digest], order="deterministic")
    return hashlib.sha256(identity).hexdigest()


def _made_of(file: Path) -> str | None:
    try:
        with Image.open(file) as image:
            return image.info.get(MADE)
    except (OSError, SyntaxError):
        return None


def _write(file: Path, pixels: np.ndarray, made: str, profile: bytes | None) -> None:
    text, data = PngImagePlugin.PngInfo(), io.BytesIO()
    text.add_text(MADE, made)
    Image.fromarray(pixels).save(data, "PNG", pnginfo=text, icc_profile=profile, compress_level=3)
    write_atomic(file, data.getvalue())


def _rgb(image: Image.Image, path: Path) -> np.ndarray:
    if image.mode.startswith("I;16"):
        grey = ((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode in {"I", "F"}:
        raise InputError(f"{path}: a picture of {np.asarray(image).dtype} values; save it with 8 or 16 bits")
    if image.has_transparency_data:
        whole = Image.new("RGBA", image.size, (*WHITE, 255))
        image = Image.alpha_composite(whole, image.convert("RGBA"))
    return np.array(image.convert("RGB"))  # a copy: what Pillow hands out cannot be written to


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts) or path.name in {"Thumbs.db", "desktop.ini"}
