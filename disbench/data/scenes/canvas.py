"""A small solid renderer: parts -> premultiplied colour and coverage.

Everything is drawn far to near with OpenCV's fixed-point polygon filler on a supersampled canvas, then averaged, so
that the mask is exact and the same on every machine. Geometry is float64 and is rounded once, to 1/16 of a sub-pixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .parts import Ball, Part, Sheet, Tube

SUPERSAMPLE = 4
SHIFT = 4


@dataclass(frozen=True)
class Paint:
    colour: tuple[float, float, float]
    gloss: float


@dataclass(frozen=True)
class View:
    """Where the viewer stands. Angles in radians; `distance` in object radii; the rest as shares of the frame."""

    yaw: float
    pitch: float
    roll: float
    distance: float
    fill: float
    centre: tuple[float, float]
    light: np.ndarray
    thinnest: float


@dataclass(frozen=True)
class Stroke:
    """One polygon (or circle, where `radius` is not zero) in sub-pixels, with its depth and colour."""

    depth: float
    colour: tuple[int, int, int, int]
    outlines: tuple[np.ndarray, ...]
    radius: float = 0.0


def rotation(view: View) -> np.ndarray:
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (view.yaw, view.pitch, view.roll))
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return roll @ pitch @ yaw


def points_of(part: Part) -> np.ndarray:
    match part:
        case Tube():
            return part.points
        case Sheet():
            return np.concatenate(part.outlines)
        case Ball():
            return part.centre[None]


def shade(normal: np.ndarray, paint: Paint, light: np.ndarray, tone) -> np.ndarray:
    """Ambient, diffuse and specular light on (..., 3) unit normals -> (..., 3) colour in 0..255."""
    diffuse = np.maximum(normal @ light, 0)[..., None]
    half = light + np.array([0, 0, 1.0])
    specular = np.maximum(normal @ (half / np.sqrt(half @ half)), 0)[..., None] ** 16
    body = np.array(paint.colour) * np.asarray(tone)[..., None] * (0.42 + 0.72 * diffuse)
    return np.clip(body + 255 * paint.gloss * specular, 4, 255)


def unit(v: np.ndarray) -> np.ndarray:
    return v / np.sqrt(np.maximum((v * v).sum(-1, keepdims=True), 1e-18))


def rgba(colour: np.ndarray) -> tuple[int, int, int, int]:
    return (*(int(c) for c in np.rint(colour)), 255)


class Camera:
    """Turns, projects and fits the parts of one object into a frame of `size` (h, w) pixels."""

    def __init__(self, parts: Sequence[Part], view: View, size: tuple[int, int], paints: Sequence[Paint]):
        self.view, self.paints, self.turn = view, paints, rotation(view)
        every = np.concatenate([points_of(part) for part in parts])
        self.middle = (every.min(0) + every.max(0)) / 2
        self.reach = np.sqrt(((every - self.middle) ** 2).sum(1).max())
        self.scale, self.shift = 1.0, np.zeros(2)
        flat, _, _ = self.project(every)
        low, high = flat.min(0), flat.max(0)
        frame = np.array(size[::-1], np.float64) * SUPERSAMPLE
        self.scale = (view.fill * frame / np.maximum(high - low, 1e-6)).min()
        self.shift = frame * np.array(view.centre) - self.scale * (low + high) / 2
        self.thinnest = view.thinnest * frame.min() / 2

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(n, 3) -> sub-pixel positions (n, 2), sub-pixels per unit (n,), turned points (n, 3) in object radii."""
        turned = (points - self.middle) @ self.turn.T / self.reach
        zoom = self.scale / (self.view.distance - turned[:, 2])
        return turned[:, :2] * [1, -1] * zoom[:, None] + self.shift, zoom / self.reach, turned

    def tone(self, part: Part, depth):
        """Far parts get less light, which tells near from far."""
        return part.tone * (0.86 + 0.18 * np.asarray(depth))

    def strokes(self, part: Part) -> list[Stroke]:
        match part:
            case Tube():
                return self.tube(part)
            case Sheet():
                return self.sheet(part)
            case Ball():
                return self.ball(part.centre, part.radius, part)

    def tube(self, part: Tube) -> list[Stroke]:
        flat, zoom, turned = self.project(part.points)
        radius = np.maximum(part.radius * zoom, self.thinnest)
        step = np.diff(turned, axis=0)
        closed = bool((part.points[0] == part.points[-1]).all())
        before = np.concatenate([step[-1:] if closed else step[:1], step])
        after = np.concatenate([step, step[:1] if closed else step[-1:]])
        tangent = unit(unit(before) + unit(after))
        side = unit(np.stack([tangent[:, 1], -tangent[:, 0], np.zeros(len(tangent))], -1))
        front = np.cross(side, tangent)
        front *= np.where(front[:, 2:] < 0, -1, 1)
        bands = int(np.clip(radius.max() * 2 / 3, 1, 9))
        edges = np.linspace(-1, 1, bands + 1)
        across = (edges[1:] + edges[:-1])[:, None, None] / 2
        colours = shade(across * side + np.sqrt(1 - across**2) * front, self.paints[part.paint], self.view.light,
                        self.tone(part, turned[:, 2]))
        rails = flat + edges[:, None, None] * (side[:, :2] * [1, -1] * radius[:, None])
        strokes = []
        for i in range(len(step)):
            depth = (turned[i, 2] + turned[i + 1, 2]) / 2
            for k in range(bands):
                quad = np.stack([rails[k, i], rails[k, i + 1], rails[k + 1, i + 1], rails[k + 1, i]])
                strokes.append(Stroke(depth, rgba((colours[k, i] + colours[k, i + 1]) / 2), (quad,)))
        if not closed:
            for i in (0, -1):
                middle = colours[bands // 2, i] * 0.9
                strokes.insert(0, Stroke(turned[i, 2], rgba(middle), (flat[i][None],), radius[i]))
        return strokes

    def sheet(self, part: Sheet) -> list[Stroke]:
        flats = [self.project(outline) for outline in part.outlines]
        turned = flats[0][2]
        after = np.roll(turned, -1, 0)
        normal = unit(np.cross(turned - turned[0], after - turned[0]).sum(0))
        normal = normal if normal[2] >= 0 else -normal
        depth = turned[:, 2].mean()
        colour = shade(normal, self.paints[part.paint], self.view.light, self.tone(part, depth))
        return [Stroke(depth, rgba(colour), tuple(flat for flat, _, _ in flats))]

    def ball(self, centre, radius: float, part: Ball) -> list[Stroke]:
        flat, zoom, turned = self.project(centre[None])
        radius = max(radius * zoom[0], self.thinnest)
        light = self.view.light
        bands = int(np.clip(radius / 2, 1, 9))
        strokes = []
        for k in range(bands):
            share = k / bands
            normal = unit(light * share + np.array([-light[0], -light[1], 0.4]) * (1 - share))
            colour = shade(normal, self.paints[part.paint], light, self.tone(part, turned[0, 2]))
            shift = light[:2] * [1, -1] * radius * share * 0.6
            strokes.append(Stroke(turned[0, 2], rgba(colour), (flat + shift,), radius * (1 - share)))
        return strokes


def fixed(points: np.ndarray) -> np.ndarray:
    return np.rint(points * (1 << SHIFT)).astype(np.int32)


def draw(parts: Sequence[Part], view: View, size: tuple[int, int], paints: Sequence[Paint]) -> np.ndarray:
    """-> uint8 (h, w, 4): colour multiplied by coverage, and coverage."""
    height, width = size
    camera = Camera(parts, view, size, paints)
    canvas = np.zeros((height * SUPERSAMPLE, width * SUPERSAMPLE, 4), np.uint8)
    strokes = [stroke for part in parts for stroke in camera.strokes(part)]
    # Rounded, so that equal depths stay equal whatever the last bit of a cosine is.
    order = np.argsort(np.round([stroke.depth for stroke in strokes], 6), kind="stable")
    for i in order:
        stroke = strokes[i]
        if stroke.radius:
            centre, radius = fixed(stroke.outlines[0][0]), int(np.rint(stroke.radius * (1 << SHIFT)))
            cv2.circle(canvas, centre.tolist(), radius, stroke.colour, cv2.FILLED, cv2.LINE_8, SHIFT)
        else:
            cv2.fillPoly(canvas, [fixed(o) for o in stroke.outlines], stroke.colour, cv2.LINE_8, SHIFT)
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
