"""One picture of DIS-Mini: an object, a view of it, paints, a background and light.

A picture is a function of (SEED, stream, index) alone. Random numbers come from `integers`, `uniform` and `random` only:
these are plain arithmetic on PCG64's bits, the same on every machine.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from . import backgrounds
from .canvas import Paint, View, draw
from .families import FAMILIES, GROUPS, Family

SEED = 5470
STREAMS = {"tr": 0, "vd": 1, "te": 2}
ASPECTS = ((1, 1), (4, 3), (3, 4), (16, 9), (3, 2), (2, 3), (9, 16), (5, 4))


@dataclass(frozen=True)
class Scene:
    """image uint8 (h, w, 3) RGB; truth uint8 (h, w), 0 or 255; name as DIS5K's: group, category and number."""

    name: str
    image: np.ndarray
    truth: np.ndarray


def scene_size(rng: np.random.Generator, low: float, high: float) -> tuple[int, int]:
    a, b = ASPECTS[rng.integers(0, len(ASPECTS))]
    side = np.sqrt(rng.uniform(low, high) * 1e6 / (a * b))
    return int(side * b) // 2 * 2, int(side * a) // 2 * 2


def pick_paints(rng: np.random.Generator, palette: str) -> list[Paint]:
    """Three paints: of the body, of its fittings, and one that sets off."""
    hsv, u = backgrounds.hsv, rng.uniform
    bright = u(0.15, 1.0)
    match palette:
        case "wood":
            h = u(0.03, 0.12)
            colours = hsv(h, u(0.2, 0.7), bright), hsv(h, u(0.3, 0.8), 0.8 * bright), hsv(u(0, 1), u(0, 0.3), u(0.1, 0.95))
        case "metal":
            h, s = (u(0.08, 0.15), u(0.4, 0.8)) if rng.random() < 0.3 else (u(0.5, 0.7), u(0, 0.2))
            colours = hsv(h, s, bright), hsv(h, s, 0.85 * bright), hsv(u(0, 1), u(0.4, 0.9), u(0.3, 0.9))
        case "plant":
            h = u(0.17, 0.4) if rng.random() < 0.7 else u(0.0, 0.12)
            colours = hsv(h, u(0.4, 0.9), bright), hsv(u(0.04, 0.15), u(0.1, 0.5), u(0.2, 0.95)), hsv(u(0, 1), u(0.5, 0.9), u(0.3, 0.95))
        case _:
            h = u(0, 1)
            colours = hsv(h, u(0.5, 0.95), 0.2 + 0.8 * bright), hsv(h, u(0, 0.2), u(0.5, 0.95)), hsv(u(0, 1), u(0, 0.4), u(0.1, 0.35))
    gloss = u(0.0, 0.15) if palette in ("wood", "plant") else u(0.2, 0.7)
    return [Paint(tuple(c.tolist()), gloss) for c in colours]


def hide(rng: np.random.Generator, paints: list[Paint], background: np.ndarray) -> list[Paint]:
    """Camouflage: the background's own colours, some way brighter or darker."""
    mean = background.reshape(-1, 3).mean(0)
    shift = rng.uniform(28, 45) * (1 if mean.mean() < 110 else -1)
    return [Paint(tuple((mean + shift + 0.12 * (np.array(p.colour) - mean)).tolist()), p.gloss / 3) for p in paints]


def pick_view(rng: np.random.Generator, family: Family) -> View:
    def turn(low, high):
        return float(np.radians(rng.uniform(low, high)))

    side = 1 if rng.random() < 0.5 else -1
    light = np.array([side * rng.uniform(0.3, 0.8), rng.uniform(0.4, 0.9), rng.uniform(0.5, 1.0)])
    fill = rng.uniform(0.62, 0.98)
    return View(
        yaw=turn(-family.yaw, family.yaw), pitch=turn(*family.pitch), roll=turn(-family.roll, family.roll),
        distance=rng.uniform(3, 8), fill=fill,
        centre=(0.5 + rng.uniform(-0.1, 0.1), 0.5 + rng.uniform(-0.06, 0.06)),
        light=light / np.sqrt(light @ light), thinnest=0.0028,
    )


def cast_shadow(rng, image, alpha, place, light) -> np.ndarray:
    """Darkens the wall behind, or the floor below, by the blurred silhouette."""
    height, width = alpha.shape
    if place == "wall":
        gap = rng.uniform(0.03, 0.09) * min(alpha.shape)
        matrix = np.array([[1, 0, -np.sign(light[0]) * gap], [0, 1, gap]])
    else:
        rows = np.flatnonzero(alpha.any(1))
        foot = rows[-1] if len(rows) else height
        flat, lean = rng.uniform(0.12, 0.3), np.sign(light[0]) * rng.uniform(0.2, 0.7)
        matrix = np.array([[1, lean, -lean * foot], [0, -flat, foot * (1 + flat)]])
        if rng.random() < 0.7:
            matrix = np.array([[1, lean, -lean * foot], [0, flat, foot * (1 - flat)]])
    shadow = cv2.warpAffine(alpha, matrix, (width, height), flags=cv2.INTER_LINEAR)
    shadow = backgrounds.blur(shadow, rng.uniform(2.5, 9)).astype(np.int32) * int(rng.integers(110, 190)) // 255
    return (image * (256 - shadow)[..., None] >> 8).astype(np.uint8)


def compose(rng, layer, background, place, light) -> tuple[np.ndarray, np.ndarray]:
    """Puts the object before its background; both get the light's fall-off and the film's grain."""
    alpha = layer[..., 3]
    height, width = alpha.shape
    small = background.shape[:2]
    if place != "far":
        background = cast_shadow(rng, background, cv2.resize(alpha, small[::-1], interpolation=cv2.INTER_LINEAR_EXACT), place, light)
    background = cv2.resize(background, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    keep = 256 - (alpha.astype(np.uint16) + (alpha >> 7))
    wear = cv2.resize(rng.integers(190, 256, (height // 6, width // 6), np.uint8), (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    image = ((layer[..., :3] * wear[..., None].astype(np.uint16)) >> 8) + ((background * keep[..., None]) >> 8)
    grain = rng.integers(0, 2 * int(rng.integers(2, 9)), (height, width), np.uint8).astype(np.int16)
    image = image.astype(np.int16) + (grain - grain.max() // 2)[..., None]
    return np.clip(image, 0, 255).astype(np.uint8), np.where(alpha >= 128, 255, 0).astype(np.uint8)


def family_of(stream: str, index: int) -> int:
    return (index * 7 + 3 * STREAMS[stream]) % len(FAMILIES)


def scene_name(stream: str, index: int) -> str:
    k = family_of(stream, index)
    family = FAMILIES[k]
    return f"{GROUPS.index(family.group) + 1}#{family.group}#{k + 1}#{family.category}#{stream}{index:04d}"


def render(stream: str, index: int, megapixels: tuple[float, float] | None = None) -> Scene:
    """One picture of "tr", "vd" or "te". `megapixels` is the range that its size is drawn from."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([SEED, STREAMS[stream], index])))
    size = scene_size(rng, *(megapixels or ((0.25, 0.3) if stream == "tr" else (1.0, 4.0))))
    family = FAMILIES[family_of(stream, index)]
    small = tuple(int(n * backgrounds.SHORT / min(size)) for n in size)
    place = ("wall", "floor", "far")[int(np.searchsorted([0.4, 0.55], rng.random()))]
    choice = {"wall": backgrounds.WALLS, "floor": backgrounds.FLOORS, "far": backgrounds.FAR}[place]
    background = choice[rng.integers(0, len(choice))](rng, small)
    paints = pick_paints(rng, family.palette)
    if rng.random() < 0.2:
        paints = hide(rng, paints, background)
    parts = family.build(rng, rng.random())
    view = pick_view(rng, family)
    layer = draw(parts, view, size, paints)
    image, truth = compose(rng, layer, background, place, view.light)
    return Scene(scene_name(stream, index), image, truth)
