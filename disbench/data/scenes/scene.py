"""One picture of DIS-Mini: an object, a view of it, paints, a background and light.

A picture depends only on (SEED, stream, index). Random numbers come only from `integers`, `uniform` and `random`, which
are plain arithmetic on PCG64's bits, the same on every machine.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from . import backgrounds
from .backgrounds import hsv
from .canvas import ROWS, Paint, View, draw, extent
from .families import FAMILIES, GROUPS, Family

SEED = 5470
STREAMS = {"tr": 0, "vd": 1, "te": 2}
ASPECTS = ((1, 1), (4, 3), (3, 4), (16, 9), (3, 2), (2, 3), (9, 16), (5, 4))


@dataclass(frozen=True)
class Scene:
    """A picture of DIS-Mini.

    Attributes:
        name: group, category and number, as in DIS5K.
        image: RGB, uint8 (h, w, 3).
        truth: mask, uint8 (h, w), 0 or 255.
    """

    name: str
    image: np.ndarray
    truth: np.ndarray


def scene_size(rng: np.random.Generator, low: float, high: float) -> tuple[int, int]:
    """Draw (height, width), even numbers, of a random aspect and low to high megapixels."""
    a, b = ASPECTS[rng.integers(0, len(ASPECTS))]
    side = np.sqrt(rng.uniform(low, high) * 1e6 / (a * b))
    return int(side * b) // 2 * 2, int(side * a) // 2 * 2


def brightness(rng: np.random.Generator, behind: float) -> float:
    """Draw a luma, 0.12..0.8, well above or well below the luma `behind` the object."""
    below, above = (0.12, behind - 0.2), (behind + 0.25, 0.8)
    if below[1] <= below[0] or (above[1] > above[0] and rng.random() < 0.5):
        return rng.uniform(min(above[0], 0.7), 0.8)
    return rng.uniform(*below)


def with_luma(colour: np.ndarray, target: float) -> np.ndarray:
    """Mix a colour with black or white until it has a luma, 0..1."""
    luma = colour @ [0.299, 0.587, 0.114] / 255
    return colour * target / luma if luma > target else colour + (255 - colour) * (target - luma) / (1.001 - luma)


def pick_paints(rng: np.random.Generator, palette: str, bright: float) -> list[Paint]:
    """Draw three paints: for the body and its fittings, both of a luma near `bright` (0..1), and a contrasting one."""
    u = rng.uniform
    gloss, accent = u(0.0, 0.15), u(0.1, 0.9)
    match palette:
        case "wood":
            hue = u(0.03, 0.12)
            tints = (hue, u(0.2, 0.7)), (hue, u(0.3, 0.8)), (u(0, 1), u(0, 0.3))
        case "metal":
            gloss = u(0.2, 0.7)
            hue, full = (u(0.08, 0.15), u(0.4, 0.8)) if rng.random() < 0.3 else (u(0.5, 0.7), u(0, 0.2))
            tints = (hue, full), (hue, full), (u(0, 1), u(0.4, 0.9))
        case "plant":
            hue = u(0.17, 0.4) if rng.random() < 0.7 else u(0.0, 0.12)
            tints = (hue, u(0.4, 0.9)), (u(0.04, 0.15), u(0.1, 0.5)), (u(0, 1), u(0.5, 0.9))
        case "paint":
            gloss, accent, hue = u(0.2, 0.7), u(0.05, 0.35), u(0, 1)
            tints = (hue, u(0.5, 0.95)), (hue, u(0, 0.2)), (u(0, 1), u(0, 0.4))
    lumas = bright, min(bright * u(0.75, 1.1), 1), accent
    colours = (with_luma(hsv(*tint, 1), luma) for tint, luma in zip(tints, lumas, strict=True))
    return [Paint(tuple(colour.tolist()), gloss) for colour in colours]


def hide(rng: np.random.Generator, paints: list[Paint], background: np.ndarray) -> list[Paint]:
    """Camouflage an object: give it the background's own colours, somewhat brighter or darker."""
    mean = background.reshape(-1, 3).mean(0)
    shift = rng.uniform(28, 45) * (1 if mean.mean() < 110 else -1)
    return [Paint(tuple((mean + shift + 0.12 * (np.array(p.colour) - mean)).tolist()), p.gloss / 3) for p in paints]


def pick_view(rng: np.random.Generator, family: Family) -> View:
    """Draw a view that suits the family of the object."""
    def turn(low, high):
        return float(np.radians(rng.uniform(low, high)))

    side = 1 if rng.random() < 0.5 else -1
    light = np.array([side * rng.uniform(0.3, 0.8), rng.uniform(0.4, 0.9), rng.uniform(0.5, 1.0)])
    fill = rng.uniform(0.7, 1.04)  # drawn before the angles: the order of the draws is part of the picture
    return View(
        yaw=turn(-family.yaw, family.yaw),
        pitch=turn(*family.pitch),
        roll=turn(-family.roll, family.roll),
        distance=rng.uniform(3, 8),
        fill=fill,
        centre=(0.5 + rng.uniform(-0.1, 0.1), 0.5 + rng.uniform(-0.06, 0.06)),
        light=light / np.sqrt(light @ light),
        thinnest=0.0026,
        slim=rng.uniform(family.slim, 1),
    )


def cast_shadow(rng, image, alpha, place, light) -> np.ndarray:
    """Darken the wall behind, or the floor below, by the blurred silhouette."""
    height, width = alpha.shape
    y, x = np.mgrid[:height, :width]
    side = np.sign(light[0])
    if place == "wall":
        gap = rng.uniform(0.03, 0.09) * min(alpha.shape)
        x, y = x + side * gap, y - gap
    else:
        foot = np.flatnonzero(alpha.any(1)).max(initial=0)
        up = (foot - y) / rng.uniform(0.12, 0.3)
        x, y = x + side * rng.uniform(0.2, 0.7) * up, foot - up
    x, y = np.rint(x).astype(int), np.rint(y).astype(int)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    shadow = np.where(inside, alpha[np.where(inside, y, 0), np.where(inside, x, 0)], 0).astype(np.uint8)
    shadow = backgrounds.blur(shadow, rng.uniform(2.5, 9)).astype(np.int32) * int(rng.integers(110, 190)) // 255
    return (image * (256 - shadow)[..., None] >> 8).astype(np.uint8)


def distant(rng, background) -> np.ndarray:
    """Put a second object into the background, far out of focus."""
    family = FAMILIES[rng.integers(0, len(FAMILIES))]
    paints = pick_paints(rng, family.palette, rng.uniform(0.2, 1))
    layer = draw(family.build(rng, rng.random()), pick_view(rng, family), background.shape[:2], paints)
    layer = backgrounds.blur(layer, rng.uniform(11, 18)).astype(np.int32)
    return backgrounds.limit(layer[..., :3] + (background * (255 - layer[..., 3:]) + 127) // 255)


def blend(layer, background, wear, grain) -> np.ndarray:
    """Cover a background, uint8 (h, w, 3), by a worn layer, (h, w, 4), and add grain, (h, w).

    A few rows of one channel at a time, which stay in the processor's cache.
    """
    image, middle = np.empty_like(background), int(grain.max()) // 2
    for top in range(0, len(image), ROWS):
        rows = slice(top, top + ROWS)
        alpha = layer[rows, :, 3]
        share, keep = wear[rows].astype(np.uint16), 256 - (alpha.astype(np.uint16) + (alpha >> 7))
        shift = grain[rows].astype(np.int16) - middle
        for k in range(3):
            mixed = ((layer[rows, :, k] * share) >> 8) + ((background[rows, :, k] * keep) >> 8)
            image[rows, :, k] = backgrounds.limit(mixed.view(np.int16) + shift)
    return image


def compose(rng, layer, background, place, light) -> tuple[np.ndarray, np.ndarray]:
    """Put the object before its background, with its shadow, some wear on it, and grain over all."""
    alpha = layer[..., 3]
    height, width = alpha.shape
    small = background.shape[:2]
    if place != "far":
        silhouette = cv2.resize(alpha, small[::-1], interpolation=cv2.INTER_LINEAR_EXACT)
        background = cast_shadow(rng, background, silhouette, place, light)
    background = cv2.resize(background, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    wear = (backgrounds.noise(rng, small, 4, 3) // 6 + 213).astype(np.uint8)
    wear = cv2.resize(wear, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    grain = rng.integers(0, 2 * int(rng.integers(2, 9)), (height, width), np.uint8)
    return blend(layer, background, wear, grain), np.where(alpha >= 128, 255, 0).astype(np.uint8)


def family_of(stream: str, index: int) -> int:
    """Return the index of the family that a scene shows."""
    return (index * 7 + 3 * STREAMS[stream]) % len(FAMILIES)


def scene_name(stream: str, index: int) -> str:
    """Return the name of a scene, in the form of DIS5K's."""
    k = family_of(stream, index)
    family = FAMILIES[k]
    return f"{GROUPS.index(family.group) + 1}#{family.group}#{k + 1}#{family.category}#{stream}{index:04d}"


def render(stream: str, index: int, megapixels: tuple[float, float] | None = None) -> Scene:
    """Render one scene of "tr", "vd" or "te". Its size is drawn from the range `megapixels`."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([SEED, STREAMS[stream], index])))
    size = scene_size(rng, *(megapixels or ((0.25, 0.3) if stream == "tr" else (1.0, 4.0))))
    family = FAMILIES[family_of(stream, index)]
    parts, view = family.build(rng, rng.random()), pick_view(rng, family)
    width, height = extent(parts, view)
    if (width > height) != (size[1] > size[0]) and rng.random() < 0.8:
        size = size[::-1]
    scenery = family.scenery[rng.integers(0, len(family.scenery))]
    background = scenery(rng, tuple(int(n * backgrounds.SHORT / min(size)) for n in size))
    place = "wall" if scenery in backgrounds.WALLS else "floor" if scenery in backgrounds.FLOORS else "far"
    if place == "far" and rng.random() < 0.4:
        background = distant(rng, background)
    background = backgrounds.dapple(rng, background)
    paints = pick_paints(rng, family.palette, brightness(rng, background.mean() / 255))
    if rng.random() < 0.2:
        paints = hide(rng, paints, background)
    image, truth = compose(rng, draw(parts, view, size, paints), background, place, view.light)
    return Scene(scene_name(stream, index), image, truth)
