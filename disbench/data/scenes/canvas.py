"""A small solid renderer: parts -> colour multiplied by coverage, and coverage.

Everything is drawn far to near with OpenCV's fixed-point polygon filler on a supersampled canvas, then averaged: the
coverage is exact to 1/16, and the same on every machine. Geometry is float64, rounded once, to 1/16 of a sub-pixel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .parts import Ball, Part, Sheet, Tube

SUPERSAMPLE = 4
ROWS = 64  # of pixels; what is computed of so many stays in the processor's cache
SHIFT = 4  # fractional bits of what OpenCV is given
BANDS = 24  # greatest number of bands of different brightness across a bar
SLIMMED = 0.03  # object radii; only this much of the radius of a bar can be slimmed
BEHIND = 0.03  # object radii; discs that round off a joint are drawn behind, so that they do not cover its other bar
RIM = np.linspace(0, 2 * np.pi, 24, endpoint=False)[:, None]


@dataclass(frozen=True)
class Paint:
    """The surface of a part: RGB colour in 0..255, and the strength of its highlights in 0..1."""
    colour: tuple[float, float, float]
    gloss: float


@dataclass(frozen=True, kw_only=True)
class View:
    """A view of the object.

    Attributes:
        yaw: angle about the y axis, radians.
        pitch: angle about the x axis, radians.
        roll: angle about the z axis, radians.
        distance: distance of the camera, in object radii.
        fill: share of the frame that the object fills.
        centre: centre of the object (x, y), as shares of the frame.
        light: unit vector towards the lamp.
        thinnest: least diameter of a bar, as a share of the frame.
        slim: 0..1, how thick bars stay.
    """

    yaw: float
    pitch: float
    roll: float
    distance: float
    fill: float
    centre: tuple[float, float]
    light: np.ndarray
    thinnest: float
    slim: float


@dataclass(frozen=True)
class Stroke:
    """The shapes at one depth: polygons, or discs if there are `radii`, in 1/16 sub-pixels."""

    depth: float
    colours: list[list[int]]
    shapes: Sequence
    radii: Sequence[int] = ()


def fixed(values) -> np.ndarray:
    """Convert sub-pixels to the fixed-point numbers that OpenCV takes."""
    return np.rint(np.asarray(values) * (1 << SHIFT)).astype(np.int32)


def opaque(colours: np.ndarray) -> list:
    """Convert colours, float (..., 3), to lists of integers with full coverage as the fourth."""
    alpha = np.full((*colours.shape[:-1], 1), 255)
    return np.concatenate([np.rint(colours).astype(int), alpha], -1).tolist()


def unit(v: np.ndarray) -> np.ndarray:
    """Scale vectors (..., 3) to length 1."""
    return v / np.sqrt(np.maximum((v * v).sum(-1, keepdims=True), 1e-18))


def rotation(view: View) -> np.ndarray:
    """Return the matrix (3, 3) that turns an object as the view says."""
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (view.yaw, view.pitch, view.roll))
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return roll @ pitch @ yaw


def all_points(parts: Sequence[Part]) -> np.ndarray:
    """Return the points (n, 3) that span an object."""
    groups: list[np.ndarray] = []
    for part in parts:
        match part:
            case Tube():
                groups.append(part.points)
            case Sheet():
                groups.extend(part.outlines)
            case Ball():
                groups.append(part.centre[None])
    return np.concatenate(groups)


def extent(parts: Sequence[Part], view: View) -> np.ndarray:
    """Return the width and height of an object as seen, in its own units."""
    return np.ptp((all_points(parts) @ rotation(view).T)[:, :2], axis=0)


class Camera:
    """Turn, project and light the parts of one object, and fit them into a frame of `size` (h, w) pixels."""

    def __init__(self, parts: Sequence[Part], view: View, size: tuple[int, int], paints: Sequence[Paint]):
        self.view, self.paints, self.turn = view, paints, rotation(view)
        points = all_points(parts)
        self.middle = (points.min(0) + points.max(0)) / 2
        self.reach = np.sqrt(((points - self.middle) ** 2).sum(1).max())
        self.scale, self.shift = 1.0, np.zeros(2)
        flat, _, _ = self.project(points)
        low, high = flat.min(0), flat.max(0)
        frame = np.array(size[::-1], np.float64) * SUPERSAMPLE
        self.scale = (view.fill * frame / np.maximum(high - low, 1e-6)).min()
        self.shift = frame * np.array(view.centre) - self.scale * (low + high) / 2
        self.thinnest = view.thinnest * frame.min() / 2

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Project points (n, 3).

        Returns sub-pixel positions (n, 2), sub-pixels per unit (n,), and turned points (n, 3) in object radii.
        """
        turned = (points - self.middle) @ self.turn.T / self.reach
        zoom = self.scale / (self.view.distance - turned[:, 2])
        return turned[:, :2] * [1, -1] * zoom[:, None] + self.shift, zoom / self.reach, turned

    def shade(self, normal: np.ndarray, part: Part, depth) -> np.ndarray:
        """Light unit normals (..., 3), with ambient, diffuse and specular light that fades with distance.

        Returns colours (..., 3).
        """
        paint, light = self.paints[part.paint], self.view.light
        tone = part.tone * (0.86 + 0.18 * np.asarray(depth)[..., None])
        diffuse = np.maximum(normal @ light, 0)[..., None]
        specular = np.maximum(normal @ unit(light + np.array([0, 0, 1.0])), 0)[..., None] ** 16
        body = np.array(paint.colour) * tone * (0.45 + 0.75 * diffuse)
        return np.clip(body + 255 * paint.gloss * specular, 4, 255)

    def strokes(self, part: Part) -> Iterator[Stroke]:
        """Yield the strokes that draw a part."""
        match part:
            case Tube():
                return self.tube(part)
            case Sheet():
                return self.sheet(part)
            case Ball():
                return self.ball(part)

    def tube(self, part: Tube) -> Iterator[Stroke]:
        """Yield bands along a bar, each lit as the cylinder's surface there. Discs close the ends."""
        flat, zoom, turned = self.project(part.points)
        radius = part.radius - (1 - self.view.slim) * np.minimum(part.radius, SLIMMED * self.reach)
        radius = np.maximum(radius * zoom, self.thinnest)
        step = unit(np.diff(turned, axis=0))
        closed = bool((part.points[0] == part.points[-1]).all())
        before, after = (step[-1:], step[:1]) if closed else (step[:1], step[-1:])
        along = unit(np.concatenate([before, step]) + np.concatenate([step, after]))
        side = unit(along[:, [1, 0, 2]] * [1, -1, 0])
        front = np.stack(
            [side[:, 1] * along[:, 2], -side[:, 0] * along[:, 2], side[:, 0] * along[:, 1] - side[:, 1] * along[:, 0]],
            -1,
        )
        front *= np.where(front[:, 2:] < 0, -1, 1)
        bands = int(np.clip(radius.max() / 3, 1 + (radius.max() > 3), BANDS))
        edges = np.linspace(-1, 1, bands + 1)[:, None, None]
        across = (edges[1:] + edges[:-1]) / 2
        colours = self.shade(across * side + np.sqrt(1 - across**2) * front, part, turned[:, 2])
        rails = flat + edges * (side[:, :2] * [1, -1] * radius[:, None])
        quads = fixed(np.stack([rails[:-1, :-1], rails[:-1, 1:], rails[1:, 1:], rails[1:, :-1]], 2))
        depths = (turned[1:, 2] + turned[:-1, 2]) / 2
        for end, way in () if closed else ((0, -1), (-1, 1)):
            joint = opaque(colours[:, end].mean(0))
            yield Stroke(depths[end] - BEHIND, [joint], fixed(flat[end])[None], [fixed(radius[end])])
            if along[end, 2] * way > 0.1:
                rim = np.cos(RIM) * side[end, :2] + np.sin(RIM) * front[end, :2]
                cap = opaque(self.shade(along[end] * way, part, turned[end, 2]))
                yield Stroke(depths[end], [cap], [[fixed(flat[end] + rim * [1, -1] * radius[end])]])
        colours = opaque((colours[:, 1:] + colours[:, :-1]) / 2)
        for i, depth in enumerate(depths):
            yield Stroke(depth, [row[i] for row in colours], quads[:, i, None])

    def sheet(self, part: Sheet) -> Iterator[Stroke]:
        """Yield a polygon with its holes."""
        flats, _, turneds = zip(*(self.project(outline) for outline in part.outlines), strict=True)
        spokes = turneds[0] - turneds[0][0]
        normal = unit(np.cross(spokes, np.roll(spokes, -1, 0)).sum(0))
        depth = turneds[0][:, 2].mean() + part.lift
        colour = self.shade(normal if normal[2] >= 0 else -normal, part, depth - part.lift)
        yield Stroke(depth, [opaque(colour)], [[fixed(flat) for flat in flats]])

    def ball(self, part: Ball) -> Iterator[Stroke]:
        """Yield discs that shrink towards the light."""
        flat, zoom, turned = self.project(part.centre[None])
        radius, light = max(part.radius * zoom[0], self.thinnest), self.view.light
        share = np.arange(BANDS)[: int(np.clip(radius / 2, 1, BANDS)), None] / BANDS
        normal = unit(light * share + np.array([-light[0], -light[1], 0.4]) * (1 - share))
        centres = flat + light[:2] * [1, -1] * radius * share * 0.6
        colours = opaque(self.shade(normal, part, np.full(len(share), turned[0, 2])))
        yield Stroke(turned[0, 2], colours, fixed(centres), fixed(radius * (1 - share[:, 0])))


def draw(parts: Sequence[Part], view: View, size: tuple[int, int], paints: Sequence[Paint]) -> np.ndarray:
    """Draw parts, far to near. Returns uint8 (h, w, 4): colour multiplied by coverage, and coverage."""
    height, width = size
    camera = Camera(parts, view, size, paints)
    canvas = np.zeros((height * SUPERSAMPLE, width * SUPERSAMPLE, 4), np.uint8)
    strokes = [stroke for part in parts for stroke in camera.strokes(part)]
    # Rounded, so that equal depths stay equal whatever the last bit of a cosine is.
    order = np.argsort(np.round([stroke.depth for stroke in strokes], 6), kind="stable")
    for stroke in (strokes[i] for i in order):
        if len(stroke.radii):
            for colour, centre, radius in zip(stroke.colours, stroke.shapes, stroke.radii, strict=True):
                cv2.circle(canvas, centre.tolist(), int(radius), colour, cv2.FILLED, cv2.LINE_8, SHIFT)
        else:
            for colour, outlines in zip(stroke.colours, stroke.shapes, strict=True):
                cv2.fillPoly(canvas, list(outlines), colour, cv2.LINE_8, SHIFT)
    return shrink(canvas)


def shrink(canvas: np.ndarray) -> np.ndarray:
    """Average squares of 4 x 4 sub-pixels, uint8 (4 h, 4 w, 4), to pixels (h, w, 4), rounded half to even.

    As OpenCV's INTER_AREA does, in about two thirds of its time: a few rows at once, four sums in a number of 64 bits.
    """
    height, width = canvas.shape[0] // SUPERSAMPLE, canvas.shape[1] // SUPERSAMPLE
    pixels = np.empty((height, width, 4), np.uint8)
    for top in range(0, height, ROWS):
        lines = canvas[SUPERSAMPLE * top : SUPERSAMPLE * (top + ROWS)].reshape(-1, SUPERSAMPLE, canvas[0].size)
        columns = sum(lines[:, 1:].swapaxes(0, 1), lines[:, 0].astype(np.uint16)).view(np.uint64)
        sums = sum(columns.reshape(-1, width, SUPERSAMPLE).transpose(2, 0, 1)).view(np.uint16)
        pixels[top : top + ROWS] = ((sums + 7 + (sums >> 4 & 1)) >> 4).reshape(-1, width, 4)
    return pixels
