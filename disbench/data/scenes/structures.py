"""Things that are built: ladders, gates, towers, cranes, bridges, stairs."""
# ruff: noqa: RUF005 - `point + (x, y, z)` moves a point, an array

import itertools

import numpy as np

from .parts import Part, arc, ball, bezier, box, level, mix, rod, sheet, tube, vector


def ladder(rng, detail) -> list[Part]:
    """Build a stepladder."""
    rungs, thick = 7 + int(9 * detail), rng.uniform(0.016, 0.026)
    spread = rng.uniform(0.2, 0.45)
    parts: list[Part] = []
    for lean in (spread, -spread):
        foot, top = [vector(s * 0.36, -1, lean) for s in (-1, 1)], [vector(s * 0.2, 1, 0) for s in (-1, 1)]
        back = lean < 0
        parts += [rod(a, b, thick * (0.8 if back else 1.2), 0, pieces=8) for a, b in zip(foot, top, strict=True)]
        for t in np.linspace(0.06, 0.94, rungs if not back else 4):
            rung = mix(foot[0], top[0], t), mix(foot[1], top[1], t)
            parts.append(rod(*rung, thick * (0.5 if back else 0.75), 1, pieces=2))
    parts += [rod((s * 0.29, -0.1, -spread * 0.5), (s * 0.29, -0.1, spread * 0.5), 0.007, 2) for s in (-1, 1)]
    return [*parts, rod((-0.23, 1, 0), (0.23, 1, 0), thick * 1.6, 2)]


def scroll(centre, radius, turns, sign, n=40) -> np.ndarray:
    """Return the points of a spiral."""
    angle = np.linspace(0, turns * 2 * np.pi, n + 1)
    r = radius * (1 - 0.85 * np.linspace(0, 1, n + 1))
    return np.asarray(centre) + np.stack([sign * r * np.cos(angle), r * np.sin(angle), 0 * angle], -1)


def gate(rng, detail) -> list[Part]:
    """Build a wrought-iron gate with scrolls."""
    bars, thick = 7 + 2 * int(5 * detail), rng.uniform(0.014, 0.02)
    half, rise = rng.uniform(0.65, 0.95), rng.uniform(0.1, 0.4)
    xs = np.linspace(-half, half, bars)
    top = 0.75 + rise * (1 - (xs / half) ** 2)
    parts: list[Part] = [rod((s * half, -1, 0), (s * half, 1.0, 0), thick * 2) for s in (-1, 1)]
    parts += [ball((s * half, 1.03, 0), thick * 3.4, 1) for s in (-1, 1)]
    parts.append(tube([(half * x, 0.75 + rise * (1 - x**2), 0) for x in np.linspace(-1, 1, 25)], thick))
    parts += [rod((-half, y, 0), (half, y, 0), thick * 1.1) for y in (-0.9, -0.35, 0.62)]
    gap = xs[1] - xs[0]
    for k, x in enumerate(xs[1:-1], 1):
        parts += [
            rod((x, -0.9, 0), (x, top[k] + 0.08, 0), thick * 0.75),
            tube([(x, top[k] + 0.06, 0), (x, top[k] + 0.2, 0)], (thick * 2.2, thick * 0.3), 1),
        ]
    for x in (xs[:-1] + xs[1:]) / 2:
        parts.append(tube(arc((x, -0.22, 0), gap * 0.36, n=24), thick * 0.5))
        for sign in (-1, 1):
            parts.append(tube(scroll((x + sign * gap * 0.08, -0.62, 0), gap * 0.3, 1.4, sign), thick * 0.4))
        if detail > 0.4:
            parts.append(tube(arc((x, 0.5, 0), (gap * 0.36, 0.08), n=20), thick * 0.4))
    return parts


def fence(rng, detail) -> list[Part]:
    """Build a chain-link fence: a diagonal wire mesh in a frame of pipes."""
    cells, thick = 8 + int(12 * detail), rng.uniform(0.02, 0.03)
    half, high = rng.uniform(0.8, 1.25), 0.75
    step = 2 * high / cells
    parts: list[Part] = [rod((s * half, -high - 0.1, 0), (s * half, high + 0.12, 0), thick) for s in (-1, 1)]
    parts += [rod((-half, y, 0), (half, y, 0), thick * 0.8) for y in (-high, high)]
    parts += [ball((s * half, high + 0.14, 0), thick * 1.3, 2) for s in (-1, 1)]
    for lean in (-1, 1):
        for start in np.arange(-half - 2 * high, half, step):
            t0, t1 = max(0, -half - start), min(2 * high, half - start)
            if t1 - t0 > 0.01:
                wire = [(lean * (start + t), -high + t, 0.006 * lean) for t in np.linspace(t0, t1, 3)]
                parts.append(tube(wire, thick * rng.uniform(0.22, 0.24), 1))
    return parts


def lattice(low, high, thick, cross=True) -> list[Part]:
    """Build one bay between two squares of four corners: posts, rails and diagonals."""
    parts: list[Part] = []
    for k in range(4):
        a, b, c, d = low[k], low[(k + 1) % 4], high[k], high[(k + 1) % 4]
        parts += [rod(a, c, thick), rod(c, d, thick * 0.6), rod(a, d, thick * 0.5)]
        if cross:
            parts.append(rod(b, c, thick * 0.5))
    return parts


def square(y, half) -> list[np.ndarray]:
    """Return the corners of a level square."""
    return [vector(x * half, y, z * half) for x, z in ((-1, -1), (1, -1), (1, 1), (-1, 1))]


def tower(rng, detail) -> list[Part]:
    """Build an iron tower with the flare of an exponential, platforms and a mast."""
    bays, thick = 9 + int(8 * detail), rng.uniform(0.014, 0.02)
    flare = rng.uniform(2.0, 3.2)
    ys = -1 + 2 * (1 - (1 - np.linspace(0, 1, bays + 1)) ** 1.35)
    half = 0.05 + 0.5 * np.exp(-flare * (ys + 1) / 2) - 0.5 * np.exp(-flare)
    parts: list[Part] = []
    for k in range(bays):
        low, high = square(ys[k], half[k]), square(ys[k + 1], half[k + 1])
        parts += lattice(low, high, thick * (1 - 0.5 * k / bays), cross=k % 2 == 0 or detail > 0.5)
    for k in (2, bays // 2):
        edge = half[k] * 1.15
        parts += box((-edge, ys[k] - 0.012, -edge), (edge, ys[k] + 0.018, edge), 1)
    feet = square(ys[0], half[0])
    for a, b in zip(feet, feet[1:] + feet[:1], strict=True):
        arch = bezier(a, mix(a, b, 0.2) + (0, 0.5, 0), mix(a, b, 0.8) + (0, 0.5, 0), b)
        parts.append(tube(arch, thick * 0.8))
    return [*parts, rod((0, 1, 0), (0, 1.3, 0), (0.014, 0.006), 2), ball((0, 1.3, 0), 0.014, 2)]


def pylon(rng, detail) -> list[Part]:
    """Build a power line's tower with three pairs of arms, insulators and cables."""
    thick = rng.uniform(0.012, 0.017)
    ys = np.linspace(-1, 1, 9 + int(4 * detail))
    half = np.maximum(0.36 - 0.29 * (ys + 1) / 1.3, 0.07)
    parts: list[Part] = []
    for k in range(len(ys) - 1):
        parts += lattice(square(ys[k], half[k]), square(ys[k + 1], half[k + 1]), thick)
    sag = rng.uniform(0.08, 0.2)
    for y, reach in ((0.35, 0.55), (0.62, 0.7), (0.88, 0.5)):
        for side in (-1, 1):
            tip = vector(side * reach, y + 0.04, 0)
            roots = [vector(side * 0.07, y + dy, dz) for dy in (0, 0.1) for dz in (-0.07, 0.07)]
            parts += [rod(root, tip, thick * 0.7) for root in roots]
            for t in np.linspace(0, 0.85, 5):
                parts.append(rod(mix(roots[0], tip, t), mix(roots[3], tip, t), thick * 0.45))
                parts.append(rod(mix(roots[1], tip, t), mix(roots[2], tip, t + 0.1), thick * 0.45))
            parts += [ball(tip - (0, 0.02 * n, 0), 0.018, 2) for n in range(1, 6)]
            low = tip - (0, 0.12, 0)
            parts.append(tube(bezier(low, low + (0, -sag, -0.6), low + (0.2 * side, 0, -1.3)), 0.0045, 2))
    return [*parts, rod((0, 1, 0), (0, 1.15, 0), 0.008)]


def crane(rng, detail) -> list[Part]:
    """Build a tower crane: mast, jib, counterweight, stays, hook."""
    thick, h = rng.uniform(0.011, 0.015), 0.055
    bays = 10 + int(6 * detail)
    parts: list[Part] = []
    ys = np.linspace(-1.2, 0.55, bays + 1)
    for a, b in itertools.pairwise(ys):
        parts += lattice(square(a, h), square(b, h), thick, cross=detail > 0.6)
    xs = np.linspace(-0.55, 1.3, bays + 5)
    for a, b in itertools.pairwise(xs):
        near, far = ([vector(x, 0.6, -h), vector(x, 0.6, h), vector(x, 0.6 + 1.9 * h, 0)] for x in (a, b))
        for k in range(3):
            after = (k + 1) % 3
            parts.append(rod(near[k], far[k], thick * 0.8))
            parts += [rod(near[k], far[after], thick * 0.5), rod(near[k], near[after], thick * 0.5)]
    peak = vector(0, 1.0, 0)
    parts += [rod((x, 0.6, z), peak, thick) for x in (-h, h) for z in (-h, h)]
    parts += [rod(peak, (x, 0.7, 0), 0.006, 2) for x in (-0.5, 0.5, 1.0)]
    parts += box((-0.55, 0.38, -0.07), (-0.36, 0.6, 0.07), 1) + box((h, 0.42, -0.06), (h + 0.13, 0.6, 0.06), 1)
    x, drop = rng.uniform(0.5, 1.15), rng.uniform(-0.6, 0.1)
    parts += [rod((x + s, 0.6, 0), (x + s / 2, drop, 0), 0.004, 2) for s in (-0.03, 0.03)]
    parts += [tube(arc((x, drop - 0.07, 0), 0.04, np.pi * 0.6, np.pi * 2, 12), 0.012, 2)]
    parts += box((x - 0.035, drop - 0.03, -0.03), (x + 0.035, drop + 0.03, 0.03), 1)
    return parts + box((-0.2, -1.27, -0.2), (0.2, -1.2, 0.2), 1)


def bridge(rng, detail) -> list[Part]:
    """Build a suspension bridge: two portals, main cables, hangers and a trussed deck."""
    thick, hangers = rng.uniform(0.014, 0.02), 22 + int(26 * detail)
    sag = rng.uniform(0.08, 0.16)
    parts: list[Part] = []
    xs = np.linspace(-1.6, 1.6, hangers + 1)

    def cable(x):
        return sag + 0.62 * (x / 0.8) ** 2 if abs(x) < 0.8 else 0.05 + (sag + 0.57) * ((1.6 - abs(x)) / 0.8) ** 1.3

    for z in (-0.14, 0.14):
        parts.append(tube([(x, cable(x), z) for x in np.linspace(-1.6, 1.6, 61)], thick * 0.75))
        parts += [rod((x, 0, z), (x, cable(x), z), thick * 0.3) for x in xs[1:-1]]
        parts += [rod((-1.6, y, z), (1.6, y, z), thick * w, pieces=16) for y, w in ((0, 0.9), (-0.09, 0.6))]
        for a, b in itertools.pairwise(xs):
            parts.append(rod((a, -0.09, z), (b, 0, z), thick * 0.4))
        for x in (-0.8, 0.8):
            parts.append(rod((x, -0.55, z), (x, 0.78, z), thick * 2, 1, pieces=6))
    for x in (-0.8, 0.8):
        parts += [rod((x, y, -0.14), (x, y, 0.14), thick * 1.4, 1) for y in (-0.2, 0.3, 0.55, 0.76)]
        parts += box((x - 0.09, -0.66, -0.2), (x + 0.09, -0.55, 0.2), 2)
    deck = [(-1.6, -0.02, -0.14), (1.6, -0.02, -0.14), (1.6, -0.02, 0.14), (-1.6, -0.02, 0.14)]
    return [*parts, sheet(deck, paint=2)]


def staircase(rng, detail) -> list[Part]:
    """Build a spiral stair: treads about a post, balusters and a helical rail."""
    steps, twist = 14 + int(10 * detail), rng.uniform(1.1, 1.8)
    thick = rng.uniform(0.012, 0.018)
    parts: list[Part] = [rod((0, -1, 0), (0, 1.25, 0), 0.045, 1, pieces=30), ball((0, 1.27, 0), 0.06, 1)]
    rail = []
    for k in range(steps):
        a, da = twist * 2 * np.pi * k / steps, 0.85 * twist * 2 * np.pi / steps
        y = -1 + 1.7 * k / steps
        corners = (0.04, a), (0.62, a), (0.62, a + da), (0.04, a + da)
        tread = [r * level(b) + (0, y, 0) for r, b in corners]
        parts += [sheet(tread), rod(tread[1], tread[2], 0.016), rod(tread[0], tread[1], 0.014)]
        for b in (a, a + da / 2):
            foot = 0.6 * level(b) + (0, y, 0)
            lift = 0.5 + 1.7 * (b - a) / (twist * 2 * np.pi)
            parts.append(rod(foot, foot + (0, lift, 0), thick * 0.6, 1, pieces=2))
            rail.append(foot + (0, lift, 0))
    return [*parts, tube(rail, thick * 1.5, 2)]
