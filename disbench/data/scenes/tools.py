"""Instruments, machines and tools."""
# ruff: noqa: RUF005 - `point + (x, y, z)` moves a point, an array

import itertools

import numpy as np

from .parts import TAU, Part, arc, ball, bezier, level, mix, rod, sheet, spoke, tube, turn, vector


def harp(rng, detail) -> list[Part]:
    """Build a harp: a column, a neck, a sound box and strings."""
    strings, thick = 14 + int(16 * detail), rng.uniform(0.032, 0.045)
    pillar = bezier((-0.62, -0.95, 0), (-0.66, 0, 0), (-0.72, 0.7, 0), (-0.62, 1.02, 0), n=20)
    neck = bezier((-0.62, 1.02, 0), (-0.35, 1.15, 0), (-0.1, 0.4, 0), (0.3, 0.55, 0), (0.56, 0.72, 0), n=24)
    body = bezier((-0.55, -0.95, 0), (0.1, -0.5, 0), (0.56, 0.72, 0), n=24)
    parts: list[Part] = [
        tube(pillar, thick),
        tube(neck, thick * 0.9),
        tube(body, (thick * 2.4, thick * 0.9)),
        ball((-0.62, 1.06, 0), thick * 1.7, 1),
    ]
    scrolls = arc((-0.62, 0.98, 0.03), 0.08), arc((0.56, 0.72, 0.03), 0.06)
    parts += [tube(scroll, thick * 0.35, 1) for scroll in scrolls]
    for t in np.linspace(0.09, 0.93, strings):
        k, f = int(t * 24), t * 24 % 1
        a, b = mix(neck[k], neck[k + 1], f), mix(body[k], body[k + 1], f)
        parts += [rod(a + (0, 0, 0.02), b + (0, 0, 0.02), 0.0055, 2), ball(a + (0, 0, 0.03), 0.013, 1)]
    return [*parts, rod((-0.75, -1.0, 0), (-0.3, -1.0, 0), 0.06), rod((-0.75, -1.02, 0.12), (-0.3, -1.02, 0.12), 0.03)]


def lyre(rng, detail) -> list[Part]:
    """Build a lyre: two curved arms over a sound box, a yoke and strings."""
    strings, thick = 5 + int(7 * detail), rng.uniform(0.03, 0.042)
    parts: list[Part] = []
    for s in (-1, 1):
        arm = bezier((s * 0.3, -0.45, 0), (s * 0.9, -0.1, 0), (s * 0.25, 0.4, 0), (s * 0.75, 0.9, 0), n=24)
        parts.append(tube(arm, (thick * 1.3, thick * 0.8)))
        parts.append(tube(arc((s * 0.68, 0.92, 0), 0.08, 0, TAU * 0.8, 20), thick * 0.5, 1))
    parts.append(rod((-0.6, 0.62, 0.02), (0.6, 0.62, 0.02), thick * 0.8, 1))
    shell = arc((0, -0.58, 0), (0.46, 0.38))
    hole = arc((0, -0.5, 0), 0.1, n=24)
    parts += [
        sheet(shell[:-1], hole[:-1]),
        tube(shell, thick * 0.8, 1),
        tube(hole, thick * 0.3, 1),
        rod((-0.2, -0.78, 0.03), (0.2, -0.78, 0.03), 0.022, 2),
    ]
    for t in np.linspace(-1, 1, strings):
        parts += [
            rod((0.17 * t, -0.78, 0.04), (0.36 * t, 0.64, 0.05), 0.006, 2),
            rod((0.36 * t, 0.58, 0.03), (0.36 * t, 0.72, 0.03), 0.014, 1),
        ]
    return parts


def gear_wheel(teeth, radius, arms, centre, phase) -> list[Part]:
    """Build an extruded toothed disc with a rim, arms and a bore, turned by `phase`."""
    pitch = np.arange(teeth * 4) * TAU / (teeth * 4)
    depth = 2.6 * radius / teeth
    edge = radius + depth * np.array([-0.5, 0.5, 0.5, -0.5])[np.arange(teeth * 4) % 4]
    loops = [edge[:, None] * spoke(pitch).T]
    for k in range(arms):
        a = np.linspace(TAU * (k + 0.12) / arms, TAU * (k + 0.88) / arms, 10)
        b = (a - a.mean()) * 0.78 + a.mean()
        outer, inner = (radius - depth - 0.1 * radius) * spoke(a).T, 0.28 * radius * spoke(b).T
        loops.append(np.concatenate([outer, inner[::-1]]))
    loops = [turn(loop, phase, "z") + centre for loop in loops]
    bore = arc(centre, 0.1 * radius, phase, phase + TAU, n=20)[:-1]
    half = vector(0, 0, 0.07)
    parts: list[Part] = [sheet(*(loop + side * half for loop in (*loops, bore)), lift=2 * side) for side in (-1.0, 1.0)]
    for loop in loops:
        for a, b in zip(loop, np.roll(loop, -1, 0), strict=True):
            parts.append(sheet([a - half, b - half, b + half, a + half], paint=1))
    return parts


def gears(rng, detail) -> list[Part]:
    """Build a train of meshing gears."""
    module = rng.uniform(0.04, 0.055)
    parts: list[Part] = []
    at, way = vector(0, 0, 0), rng.uniform(-0.6, 0.6)
    phase, last = 0.0, 0
    for _ in range(2 + int(1.99 * detail)):
        teeth = int(rng.integers(12, 30))
        if last:
            at = at + spoke(way) * module * (last + teeth) / 2
            phase = way + np.pi + np.pi / teeth - (phase - way) * last / teeth
        middle = TAU * 1.5 / (teeth * 4)  # of a tooth, in the outline
        parts += gear_wheel(teeth, module * teeth / 2, 4 + int(rng.integers(0, 3)), at, phase - middle)
        last, way = teeth, way + rng.uniform(0.7, 1.7)
    return parts


def chain(rng, detail) -> list[Part]:
    """Build links along a curve that hangs or coils, every second one turned."""
    count = 12 + int(12 * detail)
    curl = rng.uniform(0.6, 1.5)
    t = np.linspace(0, 1, 400)
    wave = TAU * curl * t
    path = np.stack([1.2 * (t - 0.5) * 2, 0.5 * np.cos(wave) * (1 - 0.4 * t), 0.25 * np.sin(wave)], -1)
    walk = np.concatenate([[0], np.cumsum(np.sqrt((np.diff(path, axis=0) ** 2).sum(1)))])
    at = np.stack([np.interp(np.linspace(0, walk[-1], count + 1), walk, path[:, k]) for k in range(3)], -1)
    parts: list[Part] = []
    for k, (a, b) in enumerate(itertools.pairwise(at)):
        u = b - a
        length = np.sqrt(u @ u)
        u /= length
        v = np.cross(u, (0, 0, 1) if k % 2 else (0, 1, 0.0))
        v /= np.sqrt(v @ v)
        thick, half = length * 0.14, length * 0.36
        middle = (a + b) / 2
        right = arc(middle + half * u, 0.3 * length, -np.pi / 2, np.pi / 2, 10, u, v)
        left = arc(middle - half * u, 0.3 * length, np.pi / 2, np.pi * 1.5, 10, u, v)
        parts.append(tube(np.concatenate([right, left, right[:1]]), thick, k % 2))
    return parts


def rope(rng, detail) -> list[Part]:
    """Build a knotted rope of twisted strands: the trefoil or one of its relatives."""
    lobes, strands = 2 + int(rng.integers(0, 3)), 3
    t = np.linspace(0, TAU, 241)
    p, q = 2, 2 * lobes + 1
    wide = 0.62 + 0.28 * np.cos(q * t)
    core = np.stack([wide * np.cos(p * t), wide * np.sin(p * t), 0.22 * np.sin(q * t)], -1)
    along = np.roll(core[:-1], -1, 0) - np.roll(core[:-1], 1, 0)
    along = np.concatenate([along, along[:1]])
    along /= np.sqrt((along**2).sum(1, keepdims=True))
    side = np.cross(along, (0, 0, 1.0))
    side /= np.sqrt((side**2).sum(1, keepdims=True))
    up = np.cross(side, along)
    parts: list[Part] = []
    r, twists = 0.05 - 0.02 * detail, 22 + int(20 * detail)
    for k in range(strands):
        a = (twists * t + TAU * k / strands)[:, None]
        parts.append(tube(core + r * 0.62 * (np.cos(a) * side + np.sin(a) * up), r * 0.55, 0, 0.92 + 0.08 * k))
    return parts


def spectacles(rng, detail) -> list[Part]:
    """Build a pair of spectacles."""
    thick, r = rng.uniform(0.025, 0.045), rng.uniform(0.34, 0.4)
    squash = rng.uniform(0.75, 1.0)
    bridge = bezier((-0.14, 0.06, 0), (-0.08, 0.2, 0.04), (0.08, 0.2, 0.04), (0.14, 0.06, 0))
    parts: list[Part] = [tube(bridge, thick * 0.7, 1)]
    for s in (-1, 1):
        pad = bezier((s * 0.16, -0.02, 0), (s * 0.2, -0.12, -0.08), (s * 0.16, -0.2, -0.08), n=6)
        parts += [tube(arc((s * 0.52, 0, 0), (r, r * squash)), thick), tube(pad, thick * 0.5, 1)]
        hinge = vector(s * (0.52 + r), 0.1, 0)
        arm = bezier(
            hinge,
            hinge + (0.04 * s, 0.02, -0.4),
            hinge + (0.0, 0.02, -0.9),
            hinge + (-0.02 * s, 0.0, -1.0),
            hinge + (-0.06 * s, -0.3, -1.15),
            n=18,
        )
        parts += [tube(arm, (thick * 0.7, thick * 0.9), 2), ball(hinge, thick * 1.2, 1)]
    return parts


def whisk(rng, detail) -> list[Part]:
    """Build a whisk of wire loops."""
    wires = 5 + int(6 * detail)
    parts: list[Part] = [
        rod((0, -1.32, 0), (0, -0.45, 0), (0.03, 0.065, 0.07, 0.06, 0.05, 0.045, 0.04), 1, pieces=18),
        rod((0, -0.46, 0), (0, -0.38, 0), 0.055, 2),
    ]
    for k in range(wires):
        side, wide = level(np.pi * k / wires), rng.uniform(0.52, 0.6)
        controls = (0.035, -0.4), (wide, 0.25), (wide, 1.05), (-wide, 1.05), (-wide, 0.25), (-0.035, -0.4)
        parts.append(tube(bezier(*(side * x + (0, y, 0) for x, y in controls), n=28), 0.012))
    return [*parts, tube(arc((0, -1.37, 0), 0.06, n=20), 0.014, 2)]
