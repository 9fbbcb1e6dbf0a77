"""Changes of training pictures and of the inputs next to them: crops, rotations, mirroring and colours."""

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from msgspec import Meta

from disbench.models._training.inputs import Values
from disbench.models._training.recipes import Cut, Share


@dataclass(frozen=True)
class Augment:
    """The limits of the changes of a picture. Probabilities and shares are in 0..1."""

    flip: Share = 0.5  # probability
    crop: tuple[Cut, Cut] = (0.75, 1.0)  # side of the crop, as a share of the picture's side
    rotation: Share = 0.2  # probability
    degrees: Annotated[float, Meta(ge=0, le=180)] = 15.0  # largest rotation
    colour: Share = 0.4  # brightness, contrast and saturation change by up to this share
    cutmix: Share = 0.5  # probability


@dataclass(frozen=True, kw_only=True)
class Change:
    """The changes of one picture."""

    crop: float  # side, as a share of the picture's side
    angle: float  # radians
    mirrored: bool
    offset: np.ndarray  # (2,) in -1..1: of the crop's centre, as a share of the room that it has
    factors: np.ndarray  # (3,): of brightness, contrast and saturation


def draw_change(augment: Augment, rng: np.random.Generator) -> Change:
    """Draw how one picture is changed. The number of drawn values does not depend on their outcome."""
    crop = rng.uniform(*augment.crop)
    rotated = rng.random() < augment.rotation
    angle = np.deg2rad(rng.uniform(-augment.degrees, augment.degrees)) * rotated
    mirrored = rng.random() < augment.flip
    offset = rng.uniform(-1, 1, 2)
    factors = rng.uniform(1 - augment.colour, 1 + augment.colour, 3).astype(np.float32)
    return Change(crop=crop, angle=angle, mirrored=mirrored, offset=offset, factors=factors)


def change_inputs(values: Values, size: int, change: Change) -> Values:
    """Change the inputs of a picture of `size` pixels a side as the picture itself is changed.

    A box becomes the smallest box that holds its changed corners, at least a pixel within the picture.
    """
    changed = dict(values)
    if "depth" in values:
        changed["depth"] = _warp(values["depth"], size, change)
    if "box" in values:
        rotation, shift = np.split(_make_matrix(size, size, change), [2], axis=1)
        corners = values["box"][[[0, 2, 0, 2], [1, 1, 3, 3]]] - 0.5  # from pixel centres
        low, high = (f(np.linalg.solve(rotation, corners - shift), axis=1) + 0.5 for f in (np.min, np.max))
        low, high = low.clip(0, size - 1), high.clip(1, size)
        changed["box"] = np.concatenate([low, np.maximum(high, low + 1)])
    return changed


def change_pair(
    image: np.ndarray, truth: np.ndarray, size: int, change: Change
) -> tuple[np.ndarray, np.ndarray]:
    """Change uint8 (s, s, 3) and (s, s) to float32 (size, size, 3) and (size, size) in [0, 1]."""
    image, truth = (_warp(x, size, change) for x in (image, truth))
    return recolour(image.astype(np.float32) / 255, change.factors), truth.astype(np.float32) / 255


def _warp(x: np.ndarray, size: int, change: Change) -> np.ndarray:
    """Crop, rotate and mirror uint8 (s, s, ...) to (size, size, ...)."""
    matrix = _make_matrix(x.shape[0], size, change)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(x, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT_101)


def _make_matrix(side: int, size: int, change: Change) -> np.ndarray:
    """Make the matrix (2, 3) that maps a pixel of the result to one of the original, both from pixel centres."""
    crop = change.crop * side
    mirror = -1 if change.mirrored else 1
    scale = crop / size
    cos, sin = np.cos(change.angle) * scale, np.sin(change.angle) * scale
    rotation = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    centre = side / 2 + change.offset * (side - crop) / 2 - 0.5
    return np.column_stack([rotation, centre - rotation @ np.full(2, (size - 1) / 2)])


def recolour(image: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Multiply brightness, contrast and saturation of a float image (h, w, 3) in [0, 1] by three factors."""
    brightness, contrast, saturation = factors
    image = image * brightness
    grey = image.mean(axis=2, keepdims=True)
    image = grey + saturation * (image - grey)
    mean = image.mean()
    return np.clip(mean + contrast * (image - mean), 0, 1)
