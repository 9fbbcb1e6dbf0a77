"""A user's own photos: read as a viewer shows them, and the names of what is written of them.

Images that are measured are read by disbench.data.images instead: there, EXIF rotation would move an image against its
ground truth.
"""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from disbench.data.headers import EXTENSIONS
from disbench.data.images import check_photo
from disbench.data.pillow import PHOTO_FORMATS, open_picture
from disbench.errors import InputError
from disbench.inference.cutouts import Photo, read_fingerprint
from disbench.system.files import require_regular_file

# .heic, .heif and raw files are listed so that they are reported as unreadable: a skipped photo must be reported.
SUFFIXES = EXTENSIONS | {".avif", ".gif", ".jfif", ".jp2", ".heic", ".heif", ".dng", ".cr2", ".cr3", ".nef", ".arw"}
WHITE = (255, 255, 255)


def read_photo(path: Path) -> Photo:
    """Read a photo as a viewer shows it, as 8-bit RGB.

    It is rotated by EXIF, an animation gives its first frame, transparency is white, 16 bits are rounded to 8.

    Raises:
        InputError: for what cannot be decoded, and for floats and 32-bit integers, whose black and white are unknown.
    """
    try:
        check_photo(path)
        with open_picture(path, PHOTO_FORMATS, strict=False) as file:  # Pillow warns of odd metadata
            image = ImageOps.exif_transpose(file) if _has_readable_exif(file) else file
            profile = image.info.get("icc_profile") if image.mode in {"RGB", "RGBA", "P"} else None
            return Photo(pixels=_to_rgb(image, path), profile=profile)
    except (InputError, MemoryError):
        raise
    except UnidentifiedImageError:
        formats = ", ".join(PHOTO_FORMATS)
        raise InputError(f"{path}: cannot be read, as it is none of {formats}; save it as JPEG or PNG") from None
    except Exception as error:  # decoders fail on damaged bytes in many ways
        raise InputError(f"{path}: cannot be read ({str(error) or type(error).__name__})") from None


def find_photos(locations: Sequence[Path], out: Path, suffix: str = ".png") -> tuple[dict[Path, Path], int]:
    """Find the photos, also in folders and their subfolders, and name their outputs.

    Photos of one folder that differ in their suffix only keep the suffix in the name of the output.

    Args:
        locations: photos and folders.
        out: the folder of the outputs; for a single photo, a file, if it has the suffix of a picture.
        suffix: the suffix of the outputs.

    Returns:
        photo -> output file, and the number of other files in the folders: no pictures, or disbench's own.

    Raises:
        InputError: if there is no photo, if an output would overwrite a photo, and if two would have one output.
    """
    is_file = out.suffix.lower() in SUFFIXES and not out.is_dir()
    single = len(locations) == 1 and not locations[0].is_dir()
    if (is_file and not single) or (out.exists() and not is_file and not out.is_dir()):
        raise InputError(f"{out}: the output is a folder; its files get the names of the photos")
    names: dict[Path, Path] = {}  # photo -> output without its suffix
    others = 0
    for location in locations:
        photos, no_photos = _list_photos(location, out)
        root = location if location.is_dir() else location.parent
        names |= _name_outputs(photos, root, out)
        others += no_photos
    outputs = {photo: name.with_name(f"{name.name}{suffix}") for photo, name in names.items()}
    if is_file:
        outputs = dict.fromkeys(outputs, out)
    _check_distinct(outputs)
    by_inode = {(p.stat().st_dev, p.stat().st_ino): p for p in outputs if p.exists()}
    for file in (name.resolve() for name in outputs.values()):
        if file.exists() and (photo := by_inode.get((file.stat().st_dev, file.stat().st_ino))):
            raise InputError(f"{photo}: would be overwritten; choose another --out")
    return outputs, others


def _list_photos(location: Path, out: Path) -> tuple[list[Path], int]:
    """List the photos of a place, and count its other files."""
    if not require_regular_file(location).exists():
        raise InputError(f"{location}: no such file or folder")
    if location.is_file():
        return [location], 0
    files = [path for path in _walk(location) if not _is_hidden(path.relative_to(location))]
    inside = out.resolve()
    if location.resolve() in inside.parents:
        files = [path for path in files if inside not in path.resolve().parents]
    # A broken link is reported, whatever its name.
    pictures = [path for path in files if path.suffix.lower() in SUFFIXES or not path.exists()]
    photos = [path for path in pictures if read_fingerprint(path) is None]  # no masks and cut-outs of earlier calls
    if not photos:
        own = "; its pictures are masks or cut-outs of disbench, which must be named one by one" if pictures else ""
        raise InputError(f"{location}: no photos in it{own}")
    return photos, len(files) - len(photos)


def _walk(folder: Path) -> list[Path]:
    """List the files in a folder and its subfolders, each folder once: by a link only if it is nowhere else."""
    files: list[Path] = []
    seen: set[str] = set()
    places = [folder]
    for place in places:  # which grows by the folders that are links
        for parent, folders, names in os.walk(place):
            real = os.path.realpath(parent)
            folders[:] = [] if real in seen else sorted(name for name in folders if not name.startswith("."))
            files += [Path(parent, name) for name in names if real not in seen]
            places += [path for name in folders if (path := Path(parent, name)).is_symlink()]
            seen.add(real)
    return sorted(files)


def _check_distinct(outputs: dict[Path, Path]) -> None:
    """Raise InputError if two photos, of different places, have one output."""
    photos: dict[Path, Path] = {}
    for photo, file in outputs.items():
        other = photos.setdefault(file, photo)
        if other != photo:
            raise InputError(f"{photo}: would be written to {file}, as {other}; give their common folder, or rename it")


def _name_outputs(photos: list[Path], root: Path, out: Path) -> dict[Path, Path]:
    names = {path: out / path.relative_to(root) for path in photos}
    # A name of dots, such as ..jpg, is no name without its suffix.
    names = {path: name.with_suffix("") if name.stem.strip(".") else name for path, name in names.items()}
    while True:
        counts = Counter(str(name).casefold() for name in names.values())
        # Photos whose outputs would collide keep their suffix. That may make new collisions, so look again.
        collided = [path for path, name in names.items() if counts[str(name).casefold()] > 1]
        longer = {path: out / path.relative_to(root) for path in collided}
        if all(names[path] == name for path, name in longer.items()):
            return names
        names |= longer


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


def _has_readable_exif(image: Image.Image) -> bool:
    """Return whether metadata can be parsed, which may be damaged where the pixels are not."""
    try:
        image.getexif()
    except Exception:  # Pillow's parser fails in many ways
        return False
    return True


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts) or path.name in {"Thumbs.db", "desktop.ini"}
