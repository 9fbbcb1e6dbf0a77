"""Solid parts that objects are made of, and the curves that they follow.

Coordinates are right-handed, y upwards, z towards the viewer; an object is one to two units tall. `paint` picks one
of its three paints: 0 the body, 1 its fittings, 2 what sets off; `tone` makes the part darker or brighter.
"""

import itertools
from dataclasses import dataclass

import numpy as np

TAU = 2 * np.pi


@dataclass(frozen=True)
class Tube:
    """A bent round bar: `points` (n, 3), `radius` (n,). It is closed if the first point is the last one."""

    points: np.ndarray
    radius: np.ndarray
    paint: int = 0
    tone: float = 1.0


@dataclass(frozen=True)
class Sheet:
    """A flat polygon: one outline (n, 3), then outlines of holes. `lift` draws it later, as if it were nearer."""

    outlines: tuple[np.ndarray, ...]
    paint: int = 0
    tone: float = 1.0
    lift: float = 0.0


@dataclass(frozen=True)
class Ball:
    """A sphere."""
    centre: np.ndarray
    radius: float
    paint: int = 0
    tone: float = 1.0


Part = Tube | Sheet | Ball


def vector(*values) -> np.ndarray:
    """Return a float64 vector."""
    return np.array(values, np.float64)


def mix(a, b, t) -> np.ndarray:
    """Return the point at a share `t` of the way from `a` to `b`."""
    return np.asarray(a) * (1 - t) + np.asarray(b) * t


def spoke(angle) -> np.ndarray:
    """Return the unit vector at an angle in the xy plane, that of a wheel that faces the viewer."""
    return vector(np.cos(angle), np.sin(angle), 0 * angle)


def level(angle) -> np.ndarray:
    """Return the unit vector at an angle in the xz plane, which is level."""
    return vector(np.cos(angle), 0, np.sin(angle))


def tube(points, radius, paint=0, tone=1.0) -> Tube:
    """Build a bar through `points`. `radius` is a number, or several at equal steps along the bar."""
    points, radius = np.asarray(points, np.float64), np.atleast_1d(radius)
    along = np.interp(np.linspace(0, 1, len(points)), np.linspace(0, 1, len(radius)), radius)
    return Tube(points, along, paint, tone)


def rod(a, b, radius, paint=0, tone=1.0, pieces=1) -> Tube:
    """Build a straight bar, of more `pieces` if it passes before some parts and behind others."""
    return tube(np.linspace(a, b, pieces + 1), radius, paint, tone)


def sheet(*outlines, paint=0, tone=1.0, lift=0.0) -> Sheet:
    """Build a polygon from its outline and the outlines of its holes."""
    return Sheet(tuple(np.asarray(outline, np.float64) for outline in outlines), paint, tone, lift)


def ball(centre, radius, paint=0, tone=1.0) -> Ball:
    """Build a sphere."""
    return Ball(np.asarray(centre, np.float64), radius, paint, tone)


def arc(centre, radius, start=0.0, stop=TAU, n=48, u=(1, 0, 0), v=(0, 1, 0)) -> np.ndarray:
    """Return (n + 1, 3) points of a circle in the plane of `u` and `v`, or of an ellipse if `radius` is a pair."""
    angle = np.linspace(start, stop, n + 1)[:, None]
    a, b = np.broadcast_to(radius, 2)
    return np.asarray(centre) + a * np.cos(angle) * np.asarray(u) + b * np.sin(angle) * np.asarray(v)


def ring(centre, radius, n=48) -> np.ndarray:
    """Return the points of a level circle about the y axis."""
    return arc(centre, radius, n=n, v=(0, 0, 1))


def bezier(*controls, n=12) -> np.ndarray:
    """Return (n + 1, 3) points of a Bezier curve of any degree (de Casteljau)."""
    t = np.linspace(0, 1, n + 1)[:, None]
    levels = [np.asarray(c, np.float64) for c in controls]
    while len(levels) > 1:
        levels = [(1 - t) * a + t * b for a, b in itertools.pairwise(levels)]
    return levels[0]


def turn(points, angle, axis="y") -> np.ndarray:
    """Turn `points` (..., 3) about one axis."""
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    points = np.asarray(points, np.float64)
    turned = points.copy()
    turned[..., i] = np.cos(angle) * points[..., i] - np.sin(angle) * points[..., j]
    turned[..., j] = np.sin(angle) * points[..., i] + np.cos(angle) * points[..., j]
    return turned


def box(low, high, paint=0, tone=1.0) -> list[Sheet]:
    """Build the six faces of an upright box."""
    corners = np.array([[(low, high)[i >> k & 1][k] for k in range(3)] for i in range(8)], np.float64)
    faces = ((0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5))
    return [Sheet((corners[list(face)],), paint, tone) for face in faces]
