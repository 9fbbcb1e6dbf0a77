"""Things that stand or hang in a house."""
# ruff: noqa: RUF005 - `point + (x, y, z)` moves a point, an array

import itertools

import numpy as np

from .parts import TAU, Part, arc, ball, bezier, level, mix, ring, rod, sheet, tube, vector


def chair(rng, detail) -> list[Part]:
    """Build a Windsor chair: turned legs, a saddle seat, a bow with spindles."""
    spindles, thick = 5 + 2 * int(3 * detail), rng.uniform(0.018, 0.026)
    high, splay = rng.uniform(0.75, 1.0), rng.uniform(0.08, 0.16)
    parts: list[Part] = []
    braces = {}
    for x in (-1, 1):
        for z in (-1, 1):
            top, foot = vector(0.27 * x, 0, 0.24 * z), vector((0.27 + splay) * x, -0.8, (0.24 + splay) * z)
            braces[x, z] = mix(top, foot, 0.6)
            turned = thick * np.array([1.1, 1.3, 0.8, 1.7, 0.8, 1.2, 1.5, 1.2, 1.0, 0.8])
            parts.append(rod(top, foot, turned, pieces=18))
    for x in (-1, 1):
        parts.append(rod(braces[x, -1], braces[x, 1], thick * 0.8, pieces=3))
    ends = ((braces[x, -1] + braces[x, 1]) / 2 for x in (-1, 1))
    parts.append(rod(*ends, thick * 0.8, pieces=3))
    seat = ring((0, 0.03, 0), (0.4, 0.37))
    parts += [sheet(seat[:-1] - (0, 0.05, 0), tone=0.8), sheet(seat[:-1]), tube(seat - (0, 0.025, 0), 0.028)]
    bow = bezier((-0.33, 0.03, -0.26), (-0.5, high * 1.25, -0.5), (0.5, high * 1.25, -0.5), (0.33, 0.03, -0.26), n=24)
    parts.append(tube(bow, thick))
    for t in np.linspace(-1, 1, spindles + 2)[1:-1]:
        top = bow[12 + int(np.rint(t * 6.5))]
        parts.append(rod((0.24 * t, 0.03, -0.3), top, (thick * 0.6, thick * 0.45), pieces=3))
    if rng.random() < 0.5:
        arm = bezier((-0.42, 0.38, 0.2), (-0.5, 0.4, -0.6), (0.5, 0.4, -0.6), (0.42, 0.38, 0.2), n=16)
        parts.append(tube(arm, thick))
        for x, z in ((-0.36, 0.1), (-0.37, -0.05), (0.36, 0.1), (0.37, -0.05)):
            parts.append(rod((x, 0.03, z), (x * 1.08, 0.38, z), thick * 0.6))
    return parts


def bird_cage(rng, detail) -> list[Part]:
    """Build a bird cage of bars under a dome."""
    bars, thick = 16 + 2 * int(7 * detail), rng.uniform(0.008, 0.012)
    high, r = rng.uniform(0.5, 0.8), 0.5
    hoops = (-0.75, 2), (-0.68, 1.2), (-0.1, 1.1), (high - 0.35, 1.4)
    parts: list[Part] = [tube(ring((0, y, 0), r), thick * w, 1) for y, w in hoops]
    for k in range(bars):
        way = level(TAU * k / bars)
        bend = way * r + (0, high, 0), way * 0.3 + (0, high + 0.12, 0)
        dome = bezier(way * r + (0, high - 0.35, 0), *bend, (0, high + 0.15, 0), n=8)
        parts.append(tube(np.concatenate([[way * r + (0, y, 0) for y in (-0.75, -0.4, -0.05)], dome]), thick * 0.62))
    base = ring((0, -0.78, 0), r * 1.06)
    parts += [
        sheet(base[:-1], paint=1),
        tube(base, thick * 2.4, 1),
        ball((0, high + 0.17, 0), 0.035, 1),
        tube(arc((0, high + 0.26, 0), 0.07), thick, 1),
    ]
    swing = [(-0.16, high - 0.05, 0), (-0.16, -0.15, 0), (0.16, -0.15, 0), (0.16, high - 0.05, 0)]
    parts += [rod(a, b, 0.006 if k != 1 else 0.014, 1) for k, (a, b) in enumerate(itertools.pairwise(swing))]
    bird = [
        ball((0.0, -0.02, 0), 0.1, 2),
        ball((0.07, 0.1, 0), 0.062, 2),
        tube([(0, -0.02, 0), (-0.24, -0.16, 0)], (0.07, 0.012), 2),
    ]
    return parts + bird + [tube([(0.11, 0.1, 0), (0.18, 0.085, 0)], (0.025, 0.003), 1)]


def umbrella(rng, detail) -> list[Part]:
    """Build an umbrella of ribs and stretchers. A few of its panels still carry their cloth."""
    ribs, thick = 8 + 2 * int(3 * detail), rng.uniform(0.012, 0.016)
    drop = rng.uniform(0.35, 0.6)
    parts: list[Part] = [rod((0, -0.85, 0), (0, 0.62, 0), 0.016, 1, pieces=10)]
    arms = []
    for k in range(ribs):
        way = level(TAU * k / ribs)
        rib = bezier((0, 0.5, 0), way * 0.55 + (0, 0.5, 0), way * 0.9 + (0, 0.5 - drop, 0), n=10)
        arms.append(rib)
        parts += [tube(rib, (thick, thick * 0.6)), rod((0, 0.0, 0), rib[5], thick * 0.5, 1), ball(rib[-1], 0.016, 2)]
    cloth = rng.integers(0, 3)
    for k in range(ribs):
        a, b = arms[k], arms[(k + 1) % ribs]
        hem = bezier(a[-1], (a[-1] + b[-1]) * 0.46 + (0, 0.05, 0), b[-1], n=6)
        parts.append(tube(hem, thick * 0.45))
        if cloth and k % (4 - cloth) == 0:
            parts.append(sheet(np.concatenate([a, hem[1:-1], b[::-1]]), paint=2))
        elif detail > 0.3:
            for i in (3, 5, 7, 9):
                parts.append(tube(bezier(a[i], (a[i] + b[i]) / 2 * vector(0.95, 1, 0.95), b[i], n=4), thick * 0.35))
    parts += [rod((0, -0.02, 0), (0, 0.05, 0), 0.035, 1), tube([(0, 0.5, 0), (0, 0.68, 0)], (0.03, 0.008), 1)]
    return [*parts, tube(bezier((0, -0.8, 0), (0, -1.12, 0), (0.2, -1.12, 0), (0.19, -0.88, 0)), 0.028, 2)]


def chandelier(rng, detail) -> list[Part]:
    """Build a chandelier of curved arms with candles."""
    arms, thick = 6 + 2 * int(2.5 * detail), rng.uniform(0.013, 0.018)
    parts: list[Part] = [
        rod((0, -0.35, 0), (0, 0.9, 0), 0.018, pieces=8),
        ball((0, -0.4, 0), 0.07),
        ball((0, 0.15, 0), 0.055),
        ball((0, -0.12, 0), 0.09),
        tube(arc((0, 0.95, 0), 0.05, n=20), thick * 0.7),
    ]
    for tier, (reach, y) in enumerate(((0.8, -0.1), (0.45, 0.32))[: 1 + (detail > 0.35)]):
        for k in range(arms >> tier):
            way = level(TAU * k / (arms >> tier) + 0.3 * tier)
            tip = way * reach + (0, y + 0.08, 0)
            bend = way * reach * 0.5 + (0, y - 0.45, 0), way * reach * 1.15 + (0, y - 0.35, 0)
            parts.append(tube(bezier((0, y, 0), *bend, tip, n=14), thick))
            parts += [
                tube([tip, tip + (0, 0.03, 0)], (0.03, 0.07), 0),
                rod(tip, tip + (0, 0.16, 0), 0.022, 1),
                tube(bezier(tip + (0, 0.16, 0), tip + (0.03, 0.2, 0), tip + (0, 0.27, 0), n=4), (0.022, 0.003), 2),
            ]
            parts += [ball(tip - (0, 0.035 + 0.035 * n, 0), 0.014 + 0.002 * n, 1) for n in range(4)]
            swag = bezier(tip, way * reach * 0.5 + (0, y + 0.02, 0), (0, 0.75, 0), n=14)
            parts += [ball(p, 0.011, 1) for p in swag[1:-1]] if detail > 0.2 else []
            parts.append(tube(swag, 0.004, 1))
    return parts
