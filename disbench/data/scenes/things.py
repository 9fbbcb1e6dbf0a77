"""Furniture, instruments, machines and other made things."""

import numpy as np

from .parts import TAU, Part, arc, ball, bezier, moved, ring, rod, sheet, tube, vector


def chair(rng, detail) -> list[Part]:
    """A Windsor chair: turned legs, a saddle seat, a bow with spindles."""
    spindles, thick = 5 + 2 * int(3 * detail), rng.uniform(0.018, 0.026)
    high, splay = rng.uniform(0.75, 1.0), rng.uniform(0.08, 0.16)
    parts: list[Part] = []
    feet = {}
    for x in (-1, 1):
        for z in (-1, 1):
            top, foot = vector(0.27 * x, 0, 0.24 * z), vector((0.27 + splay) * x, -0.8, (0.24 + splay) * z)
            feet[x, z] = lambda t, a=top, b=foot: a * (1 - t) + b * t
            turned = thick * np.array([1.1, 1.3, 0.8, 1.7, 0.8, 1.2, 1.5, 1.2, 1.0, 0.8])
            parts.append(rod(top, foot, turned, pieces=18))
    for x in (-1, 1):
        parts.append(rod(feet[x, -1](0.6), feet[x, 1](0.6), thick * 0.8, pieces=3))
    parts += [rod((feet[-1, -1](0.6) + feet[-1, 1](0.6)) / 2, (feet[1, -1](0.6) + feet[1, 1](0.6)) / 2, thick * 0.8, pieces=3)]
    seat = ring((0, 0.03, 0), (0.4, 0.37))
    parts += [sheet(seat[:-1] - (0, 0.05, 0), tone=0.8), sheet(seat[:-1]), tube(seat - (0, 0.025, 0), 0.028)]
    bow = bezier((-0.33, 0.03, -0.26), (-0.5, high * 1.25, -0.5), (0.5, high * 1.25, -0.5), (0.33, 0.03, -0.26), n=24)
    parts.append(tube(bow, thick))
    for t in np.linspace(-1, 1, spindles + 2)[1:-1]:
        top = bow[12 + int(np.rint(t * 6.5))]
        parts.append(rod((0.24 * t, 0.03, -0.3), top, (thick * 0.6, thick * 0.45), pieces=3))
    if rng.random() < 0.5:
        parts.append(tube(bezier((-0.42, 0.38, 0.2), (-0.5, 0.4, -0.6), (0.5, 0.4, -0.6), (0.42, 0.38, 0.2), n=16), thick))
        parts += [rod((s * x, 0.03, z), (s * x * 1.08, 0.38, z), thick * 0.6) for s in (-1, 1) for x, z in ((0.36, 0.1), (0.37, -0.05))]
    return parts


def bird_cage(rng, detail) -> list[Part]:
    bars, thick = 16 + 2 * int(7 * detail), rng.uniform(0.008, 0.012)
    high, r = rng.uniform(0.5, 0.8), 0.5
    parts: list[Part] = [tube(ring((0, y, 0), r), thick * w, 1) for y, w in ((-0.75, 2), (-0.68, 1.2), (-0.1, 1.1), (high - 0.35, 1.4))]
    for k in range(bars):
        a = TAU * k / bars
        way = vector(np.cos(a), 0, np.sin(a))
        dome = bezier(way * r + (0, high - 0.35, 0), way * r + (0, high, 0), way * 0.3 + (0, high + 0.12, 0), (0, high + 0.15, 0), n=8)
        parts.append(tube(np.concatenate([[way * r + (0, y, 0) for y in (-0.75, -0.4, -0.05)], dome]), thick * 0.62))
    base = ring((0, -0.78, 0), r * 1.06)
    parts += [sheet(base[:-1], paint=1), tube(base, thick * 2.4, 1), ball((0, high + 0.17, 0), 0.035, 1), tube(arc((0, high + 0.26, 0), 0.07), thick, 1)]
    swing = [(-0.16, high - 0.05, 0), (-0.16, -0.15, 0), (0.16, -0.15, 0), (0.16, high - 0.05, 0)]
    parts += [rod(a, b, 0.006 if k != 1 else 0.014, 1) for k, (a, b) in enumerate(zip(swing, swing[1:], strict=False))]
    bird = [ball((0.0, -0.02, 0), 0.1, 2), ball((0.07, 0.1, 0), 0.062, 2), tube([(0, -0.02, 0), (-0.24, -0.16, 0)], (0.07, 0.012), 2)]
    return parts + bird + [tube([(0.11, 0.1, 0), (0.18, 0.085, 0)], (0.025, 0.003), 1)]


def umbrella(rng, detail) -> list[Part]:
    """Ribs and stretchers; a few of the panels still carry their cloth."""
    ribs, thick = 8 + 2 * int(3 * detail), rng.uniform(0.012, 0.016)
    drop = rng.uniform(0.35, 0.6)
    parts: list[Part] = [rod((0, -0.85, 0), (0, 0.62, 0), 0.016, 1, pieces=10)]
    arms = []
    for k in range(ribs):
        a = TAU * k / ribs
        way = vector(np.cos(a), 0, np.sin(a))
        rib = bezier((0, 0.5, 0), way * 0.55 + (0, 0.5, 0), way * 0.9 + (0, 0.5 - drop, 0), n=10)
        arms.append(rib)
        parts += [tube(rib, (thick, thick * 0.6)), rod((0, 0.0, 0), rib[5], thick * 0.5, 1), ball(rib[-1], 0.016, 2)]
    cloth = rng.integers(0, 3)
    for k in range(ribs):
        a, b = arms[k], arms[(k + 1) % ribs]
        hem = bezier(a[-1], (a[-1] + b[-1]) * 0.46 + (0, 0.05, 0), b[-1], n=6)
        parts.append(tube(hem, thick * 0.45))
        if cloth and k % (4 - cloth) == 0:
            parts.append(sheet(np.concatenate([a, hem[1:-1], b[::-1]]), paint=2, tone=1.0))
        elif detail > 0.3:
            for i in (3, 5, 7, 9):
                parts.append(tube(bezier(a[i], (a[i] + b[i]) / 2 * vector(0.95, 1, 0.95), b[i], n=4), thick * 0.35))
    parts += [rod((0, -0.02, 0), (0, 0.05, 0), 0.035, 1), tube([(0, 0.5, 0), (0, 0.68, 0)], (0.03, 0.008), 1)]
    return [*parts, tube(bezier((0, -0.8, 0), (0, -1.12, 0), (0.2, -1.12, 0), (0.19, -0.88, 0)), 0.028, 2)]


def harp(rng, detail) -> list[Part]:
    strings, thick = 14 + int(16 * detail), rng.uniform(0.032, 0.045)
    pillar = bezier((-0.62, -0.95, 0), (-0.66, 0, 0), (-0.72, 0.7, 0), (-0.62, 1.02, 0), n=20)
    neck = bezier((-0.62, 1.02, 0), (-0.35, 1.15, 0), (-0.1, 0.4, 0), (0.3, 0.55, 0), (0.56, 0.72, 0), n=24)
    body = bezier((-0.55, -0.95, 0), (0.1, -0.5, 0), (0.56, 0.72, 0), n=24)
    parts: list[Part] = [tube(pillar, thick), tube(neck, thick * 0.9), tube(body, (thick * 2.4, thick * 0.9)), ball((-0.62, 1.06, 0), thick * 1.7, 1)]
    parts += [tube(scroll, thick * 0.35, 1) for scroll in (arc((-0.62, 0.98, 0.03), 0.08), arc((0.56, 0.72, 0.03), 0.06))]
    for t in np.linspace(0.09, 0.93, strings):
        i = t * 24
        k, f = int(i), i - int(i)
        a, b = neck[k] * (1 - f) + neck[k + 1] * f, body[k] * (1 - f) + body[k + 1] * f
        parts += [rod(a + (0, 0, 0.02), b + (0, 0, 0.02), 0.0055, 2, 1.0), ball(a + (0, 0, 0.03), 0.013, 1)]
    return [*parts, rod((-0.75, -1.0, 0), (-0.3, -1.0, 0), 0.06), rod((-0.75, -1.02, 0.12), (-0.3, -1.02, 0.12), 0.03)]


def lyre(rng, detail) -> list[Part]:
    """Two curved arms over a sound box, a yoke and strings."""
    strings, thick = 5 + int(7 * detail), rng.uniform(0.03, 0.042)
    parts: list[Part] = []
    for s in (-1, 1):
        parts.append(tube(bezier((s * 0.3, -0.45, 0), (s * 0.9, -0.1, 0), (s * 0.25, 0.4, 0), (s * 0.75, 0.9, 0), n=24), (thick * 1.3, thick * 0.8)))
        parts += [tube(arc((s * 0.68, 0.92, 0), 0.08, 0, TAU * 0.8, 20), thick * 0.5, 1)]
    parts.append(rod((-0.6, 0.62, 0.02), (0.6, 0.62, 0.02), thick * 0.8, 1))
    shell = arc((0, -0.58, 0), (0.46, 0.38))
    hole = arc((0, -0.5, 0), 0.1, n=24)
    parts += [sheet(shell[:-1], hole[:-1]), tube(shell, thick * 0.8, 1), tube(hole, thick * 0.3, 1), rod((-0.2, -0.78, 0.03), (0.2, -0.78, 0.03), 0.022, 2)]
    for t in np.linspace(-1, 1, strings):
        parts += [rod((0.17 * t, -0.78, 0.04), (0.36 * t, 0.64, 0.05), 0.006, 2), rod((0.36 * t, 0.58, 0.03), (0.36 * t, 0.72, 0.03), 0.014, 1)]
    return parts


def gear_wheel(teeth, radius, rng) -> list[Part]:
    """An extruded toothed disc with a rim, arms and a bore."""
    pitch = np.arange(teeth * 4) * TAU / (teeth * 4)
    depth = 2.6 * radius / teeth
    edge = radius + depth * np.array([-0.5, 0.5, 0.5, -0.5])[np.arange(teeth * 4) % 4]
    outline = np.stack([edge * np.cos(pitch), edge * np.sin(pitch), 0 * pitch], -1)
    arms = 4 + int(rng.integers(0, 3))
    holes = []
    for k in range(arms):
        a = np.linspace(TAU * (k + 0.12) / arms, TAU * (k + 0.88) / arms, 10)
        inner, outer = 0.28 * radius, radius - depth - 0.1 * radius
        mid = (a - a.mean()) * 0.78 + a.mean()
        way = np.concatenate([outer * np.stack([np.cos(a), np.sin(a)], -1), inner * np.stack([np.cos(mid), np.sin(mid)], -1)[::-1]])
        holes.append(np.concatenate([way, 0 * way[:, :1]], 1))
    bore = arc((0, 0, 0), 0.1 * radius, n=20)[:-1]
    parts: list[Part] = []
    thick = 0.07
    for z in (-thick, thick):
        parts.append(sheet(outline + (0, 0, z), *(h + (0, 0, z) for h in holes), bore + (0, 0, z), lift=2 * np.sign(z)))
    for loop in (outline, *holes):
        for a, b in zip(loop, np.roll(loop, -1, 0), strict=True):
            parts.append(sheet([a - (0, 0, thick), b - (0, 0, thick), b + (0, 0, thick), a + (0, 0, thick)], paint=1))
    return parts


def gears(rng, detail) -> list[Part]:
    """A train of meshing gears, teeth between teeth."""
    module = rng.uniform(0.04, 0.055)
    parts: list[Part] = []
    at, way = vector(0, 0, 0), rng.uniform(-0.6, 0.6)
    phase, last = 0.0, 0
    for _ in range(2 + int(1.99 * detail)):
        teeth = int(rng.integers(12, 30))
        radius = module * teeth / 2 * 1.0
        if last:
            at = at + vector(np.cos(way), np.sin(way), 0) * module * (last + teeth) / 2
            phase = way + np.pi + np.pi / teeth - (phase - way) * last / teeth
        middle = TAU * 1.5 / (teeth * 4)
        parts += moved(gear_wheel(teeth, radius, rng), at, phase - middle, "z")
        last, way = teeth, way + rng.uniform(0.7, 1.7)
    return parts


def chain(rng, detail) -> list[Part]:
    """Links, every second one turned, along a curve that hangs or coils."""
    count = 12 + int(12 * detail)
    curl = rng.uniform(0.6, 1.5)
    t = np.linspace(0, 1, 400)
    path = np.stack([1.2 * (t - 0.5) * 2, 0.5 * np.cos(TAU * curl * t) * (1 - 0.4 * t), 0.25 * np.sin(TAU * curl * t)], -1)
    walk = np.concatenate([[0], np.cumsum(np.sqrt((np.diff(path, axis=0) ** 2).sum(1)))])
    at = np.stack([np.interp(np.linspace(0, walk[-1], count + 1), walk, path[:, k]) for k in range(3)], -1)
    parts: list[Part] = []
    for k, (a, b) in enumerate(zip(at, at[1:], strict=False)):
        u = b - a
        length = np.sqrt(u @ u)
        u /= length
        v = np.cross(u, (0, 0, 1) if k % 2 else (0, 1, 0.0))
        v /= np.sqrt(v @ v)
        thick, half = length * 0.14, length * 0.36
        c = (a + b) / 2
        bend = [arc(c + s * half * u, 0.3 * length, s0, s0 + np.pi, 10, u, v) for s, s0 in ((1, -np.pi / 2), (-1, np.pi / 2))]
        parts.append(tube(np.concatenate([*bend, bend[0][:1]]), thick, k % 2))
    return parts


def rope(rng, detail) -> list[Part]:
    """A knotted rope of twisted strands: the trefoil or one of its relatives."""
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


def chandelier(rng, detail) -> list[Part]:
    arms, thick = 6 + 2 * int(2.5 * detail), rng.uniform(0.013, 0.018)
    parts: list[Part] = [rod((0, -0.35, 0), (0, 0.9, 0), 0.018, pieces=8), ball((0, -0.4, 0), 0.07), ball((0, 0.15, 0), 0.055), ball((0, -0.12, 0), 0.09), tube(arc((0, 0.95, 0), 0.05, n=20), thick * 0.7)]
    for level, (reach, y) in enumerate(((0.8, -0.1), (0.45, 0.32))[: 1 + (detail > 0.35)]):
        for k in range(arms >> level):
            a = TAU * k / (arms >> level) + 0.3 * level
            way = vector(np.cos(a), 0, np.sin(a))
            tip = way * reach + (0, y + 0.08, 0)
            parts.append(tube(bezier((0, y, 0), way * reach * 0.5 + (0, y - 0.45, 0), way * reach * 1.15 + (0, y - 0.35, 0), tip, n=14), thick))
            parts += [tube([tip, tip + (0, 0.03, 0)], (0.03, 0.07), 0), rod(tip, tip + (0, 0.16, 0), 0.022, 1), tube(bezier(tip + (0, 0.16, 0), tip + (0.03, 0.2, 0), tip + (0, 0.27, 0), n=4), (0.022, 0.003), 2)]
            parts += [ball(tip - (0, 0.035 + 0.035 * n, 0), 0.014 + 0.002 * n, 1) for n in range(4)]
            swag = bezier(tip, way * reach * 0.5 + (0, y + 0.02, 0), (0, 0.75, 0), n=14)
            parts += [ball(p, 0.011, 1) for p in swag[1:-1]] if detail > 0.2 else []
            parts.append(tube(swag, 0.004, 1))
    return parts


def spectacles(rng, detail) -> list[Part]:
    thick, r = rng.uniform(0.025, 0.045), rng.uniform(0.34, 0.4)
    squash = rng.uniform(0.75, 1.0)
    parts: list[Part] = [tube(bezier((-0.14, 0.06, 0), (-0.08, 0.2, 0.04), (0.08, 0.2, 0.04), (0.14, 0.06, 0)), thick * 0.7, 1)]
    for s in (-1, 1):
        lens = arc((s * 0.52, 0, 0), (r, r * squash))
        parts += [tube(lens, thick), tube(bezier((s * 0.16, -0.02, 0), (s * 0.2, -0.12, -0.08), (s * 0.16, -0.2, -0.08), n=6), thick * 0.5, 1)]
        hinge = vector(s * (0.52 + r), 0.1, 0)
        arm = bezier(hinge, hinge + (0.04 * s, 0.02, -0.4), hinge + (0.0, 0.02, -0.9), hinge + (-0.02 * s, 0.0, -1.0), hinge + (-0.06 * s, -0.3, -1.15), n=18)
        parts += [tube(arm, (thick * 0.7, thick * 0.9), 2), ball(hinge, thick * 1.2, 1)]
    return parts


def whisk(rng, detail) -> list[Part]:
    wires = 5 + int(6 * detail)
    parts: list[Part] = [rod((0, -1.32, 0), (0, -0.45, 0), (0.03, 0.065, 0.07, 0.06, 0.05, 0.045, 0.04), 1, pieces=18), rod((0, -0.46, 0), (0, -0.38, 0), 0.055, 2)]
    for k in range(wires):
        a = np.pi * k / wires
        side = vector(np.cos(a), 0, np.sin(a))
        wide = rng.uniform(0.52, 0.6)
        loop = bezier(side * 0.035 + (0, -0.4, 0), side * wide + (0, 0.25, 0), side * wide + (0, 1.05, 0), side * -wide + (0, 1.05, 0), side * -wide + (0, 0.25, 0), side * -0.035 + (0, -0.4, 0), n=28)
        parts.append(tube(loop, 0.012))
    return [*parts, tube(arc((0, -1.37, 0), 0.06, n=20), 0.014, 2)]
