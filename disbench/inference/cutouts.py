"""What `disbench predict` writes of a photo and its mask: a mask, a cut-out, or the object on another background."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageColor, ImageOps, PngImagePlugin

from disbench.data.pillow import open_picture
from disbench.errors import InputError
from disbench.system.files import require_regular_file
from disbench.system.progress import announce_once

FINGERPRINT = "disbench"  # the PNG text chunk that says from which photo, model and options a file was made
SOFTWARE = 0x0131  # the EXIF tag that says it in other formats
FORMATS = {"png": ".png", "webp": ".webp", "jpeg": ".jpg"}
JPEG_QUALITY = 95


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
class Rendering:
    """What is written of a photo and its mask.

    Attributes:
        cutout: the photo with the mask as alpha. False: the mask, unless there is a background.
        background: uint8 (h, w, 3), RGB: what the object is put on, scaled to cover the photo. None: nothing.
        decontaminate: estimate the colours of the object where the mask is neither 0 nor 255.
        format: a key of FORMATS.
    """

    cutout: bool = False
    background: np.ndarray | None = None
    decontaminate: bool = False
    format: str = "png"

    def __post_init__(self) -> None:
        if self.format == "jpeg" and self.cutout and self.background is None:
            raise InputError("--format jpeg: JPEG has no transparency; give --background, or --format png or webp")
        if self.decontaminate and not self.shows_photo:
            raise InputError("--decontaminate: a mask has no colours; add --cutout or --background")

    @property
    def shows_photo(self) -> bool:
        """Whether the result has the colours of the photo, and not only the mask."""
        return self.cutout or self.background is not None

    def identify(self) -> list[Any]:
        """Return what decides the pixels next to `cutout`, for fingerprints; empty for a plain mask or cut-out."""
        if self.background is None:
            return [None, True] if self.decontaminate else []
        digest = hashlib.sha256(repr(self.background.shape).encode() + self.background.tobytes()).hexdigest()
        return [digest, self.decontaminate]


def parse_background(text: str) -> np.ndarray | None:
    """Return a colour, by name or as #rrggbb, as uint8 (1, 1, 3). None: the text is no colour."""
    try:
        colour = ImageColor.getrgb(text)
    except ValueError:
        return None
    if len(colour) == 4:
        raise InputError(f"--background {text}: a colour with alpha; give #rrggbb")
    return np.array(colour, np.uint8).reshape(1, 1, 3)


def render(photo: Photo, mask: np.ndarray, rendering: Rendering) -> np.ndarray:
    """Render a photo with its mask, uint8 (h, w).

    Returns:
        uint8: the mask (h, w), the cut-out (h, w, 4), or the object on the background (h, w, 3).
    """
    if not rendering.shows_photo:
        return mask
    pixels = _decontaminate(photo.pixels, mask) if rendering.decontaminate else photo.pixels
    if rendering.background is None:
        return cut_out(pixels, mask)
    size = photo.pixels.shape[1::-1]
    background = np.asarray(ImageOps.fit(Image.fromarray(rendering.background), size, Image.Resampling.LANCZOS))
    alpha = mask[..., None].astype(np.uint32)
    return ((pixels * alpha + background * (255 - alpha) + 127) // 255).astype(np.uint8)


def cut_out(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Make a cut-out: uint8 (h, w, 4), the photo's own colours with the mask as alpha, black where that is 0.

    Colours are not decontaminated: a pixel that object and background share keeps some of the background's colour.
    """
    return np.dstack([pixels * (mask[..., None] > 0), mask])


def check_decontamination() -> None:
    """Raise InputError unless the package that estimates colours is installed."""
    announce_once("loading pymatting, which compiles itself when it is first used ...")
    try:
        import pymatting.foreground.estimate_foreground_ml  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(f"--decontaminate needs {error.name}; pip install 'disbench[matting]'") from None


def _decontaminate(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Replace the colours of partly covered pixels by those of the object, by multi-level foreground estimation."""
    from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml

    colours = estimate_foreground_ml(pixels / 255.0, mask / 255.0)
    return np.where(mask[..., None] == 255, pixels, np.rint(colours * 255).astype(np.uint8))


def encode(pixels: np.ndarray, fingerprint: str, profile: bytes | None, format: str) -> bytes:
    """Encode a rendered photo. PNG and WebP are lossless."""
    image, data = Image.fromarray(pixels), io.BytesIO()
    if format == "png":
        text = PngImagePlugin.PngInfo()
        text.add_text(FINGERPRINT, fingerprint)
        image.save(data, "PNG", pnginfo=text, icc_profile=profile, compress_level=3)
        return data.getvalue()
    exif = Image.Exif()
    exif[SOFTWARE] = f"{FINGERPRINT} {fingerprint}"
    options: dict[str, Any] = {"lossless": True} if format == "webp" else {"quality": JPEG_QUALITY, "subsampling": 0}
    try:
        image.save(data, format, exif=exif, icc_profile=profile or b"", **options)
    except (OSError, ValueError) as error:  # larger than the format allows
        height, width = pixels.shape[:2]
        raise InputError(f"--format {format}: cannot hold {width} x {height} pixels ({error}); give png") from None
    return data.getvalue()


def read_fingerprint(file: Path) -> str | None:
    """Return the fingerprint of a file that was written here. None: it is another's file."""
    try:
        with open_picture(require_regular_file(file), ("PNG", "WEBP", "JPEG"), strict=False) as image:
            if image.format == "PNG":
                return image.info.get(FINGERPRINT)
            program, _, fingerprint = str(image.getexif().get(SOFTWARE, "")).partition(" ")
            return fingerprint if program == FINGERPRINT else None
    except Exception:  # a pipe, and damaged files, on which Pillow fails in many ways
        return None
