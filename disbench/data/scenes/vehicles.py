"""Things on wheels, and their wheels."""
# ruff: noqa: RUF005 - `point + (x, y, z)` moves a point, an array

import numpy as np

from .parts import Part, arc, ball, bezier, mix, rod, sheet, spoke, tube, turn, vector


def spoked_wheel(centre, radius, spokes, thick, width=0.03) -> list[Part]:
    """Build a bicycle wheel in the xy plane: tyre, rim, hub and crossed spokes from both flanges."""
    centre = np.asarray(centre, np.float64)
    parts: list[Part] = [tube(arc(centre, radius), thick, 2), tube(arc(centre, radius - 1.6 * thick), thick * 0.6, 1)]
    for k in range(spokes):
        angle = 2 * np.pi * k / spokes
        flange = centre + vector(0, 0, width if k % 2 else -width)
        lean = 0.9 if k % 4 < 2 else -0.9
        a = flange + 0.1 * radius * spoke(angle + lean)
        b = centre + (radius - 2 * thick) * spoke(angle)
        parts.append(rod(a, b, thick * 0.13, 1))
    return [*parts, rod(centre - (0, 0, width), centre + (0, 0, width), 0.06 * radius, 1)]


def bicycle(rng, detail) -> list[Part]:
    """Build a bicycle."""
    r = rng.uniform(0.33, 0.38)
    thick = rng.uniform(0.012, 0.018)
    rear, front, pedal = vector(-0.52, 0, 0), vector(0.56, 0, 0), vector(-0.09, -0.03, 0)
    seat, high, low = vector(-0.22, 0.44, 0), vector(0.36, rng.uniform(0.42, 0.54), 0), vector(0.4, 0.36, 0)
    spokes = 16 + 4 * int(5 * detail)
    parts = spoked_wheel(rear, r, spokes, thick * 1.15) + spoked_wheel(front, r, spokes, thick * 1.15)
    for a, b in ((pedal, seat), (seat, high), (pedal, low), (low, high)):
        parts.append(rod(a, b, thick))
    for z in (-0.045, 0.045):
        side = vector(0, 0, z)
        parts += [rod(rear + side, pedal, thick * 0.6), rod(rear + side, seat, thick * 0.5)]
        parts.append(tube(bezier(low, low + side + (0.03, -0.15, 0), front + side), thick * 0.75))
    post = seat + (-0.035, 0.1, 0)
    parts += [
        rod(seat, post, thick * 0.7, 1),
        tube(bezier(post + (-0.13, 0.04, 0), post, post + (0.15, 0.02, 0)), (0.035, 0.012), 2),
    ]
    stem = high + (-0.03, 0.12, 0)
    parts.append(rod(high, stem, thick * 0.8, 1))
    drop = rng.uniform(-0.16, 0.08)
    for z in (-1, 1):
        grip = bezier(
            stem,
            stem + (0.02, 0.02, 0.14 * z),
            stem + (0.16, 0.02, 0.2 * z),
            stem + (0.12, drop, 0.22 * z),
            stem + (-0.04, drop, 0.22 * z),
        )
        parts += [tube(grip[:8], thick * 0.7, 1), tube(grip[7:], thick, 2)]
    near = pedal + (0, 0, 0.06)
    angle = rng.uniform(0, np.pi)
    parts += [
        tube(arc(near, 0.095), 0.009, 1),
        *(rod(near, near + 0.095 * spoke(a), 0.008, 1) for a in angle + np.arange(5) * 1.2566),
    ]
    for side in (-1, 1):
        crank = pedal + side * vector(0.16 * np.cos(angle), 0.16 * np.sin(angle), 0.07)
        parts += [
            rod(pedal + (0, 0, 0.07 * side), crank, 0.011, 1),
            rod(crank + (-0.035, 0, 0), crank + (0.035, 0, 0), 0.018, 2),
        ]
    for y in (-1, 1):
        parts.append(rod(near + (0, 0.092 * y, 0), rear + (0, 0.035 * y, 0.06), 0.006, 2, pieces=6))
    return parts


def wagon_wheel(rng, detail) -> list[Part]:
    """Build a wooden wheel."""
    spokes = 8 + 2 * int(5 * detail)
    width, felloe = rng.uniform(0.03, 0.06), rng.uniform(0.03, 0.05)
    waist = rng.uniform(0.015, 0.022)
    parts: list[Part] = []
    for z in (-width, 0, width):
        parts.append(tube(arc((0, 0, z), 1.0), felloe))
    parts.append(tube(arc((0, 0, 0), 1.0 + 0.9 * felloe), felloe * 0.8, 2))
    for k in range(spokes):
        a = 2 * np.pi * k / spokes
        way = spoke(a)
        turned = np.array([1.6, 1.6, 0.9, 1.1, 1.9, 1.1, 0.9, 1.3, 1.5, 1.2]) * waist
        parts.append(tube(np.linspace(0.1, 1, 28)[:, None] * way, turned))
    parts += [
        rod((0, 0, -0.14), (0, 0, 0.14), 0.13, 0),
        tube(arc((0, 0, 0.14), 0.12), 0.02, 2),
        ball((0, 0, 0.16), 0.06, 2),
    ]
    return parts


def ferris_wheel(rng, detail) -> list[Part]:
    """Build a Ferris wheel with gondolas on its supports."""
    cabins = 10 + 2 * int(4 * detail)
    thick, depth = rng.uniform(0.008, 0.012), 0.12
    parts: list[Part] = []
    for z in (-depth, depth):
        parts += [
            tube(arc((0, 0, z), 1.0, n=72), thick, 1),
            tube(arc((0, 0, z), 0.88, n=72), thick * 0.7, 1),
            tube(arc((0, 0, z), 0.3), thick * 0.7, 1),
        ]
        parts += [rod((0, 0, z * 1.3), (x, -1.35, z * 2), thick * 2.2, 0, pieces=4) for x in (-0.55, 0.55)]
    for k in range(2 * cabins):
        a = np.pi * k / cabins
        way, after = spoke(a), spoke(a + np.pi / cabins)
        for z in (-depth, depth):
            parts += [
                rod((0, 0, z), way + (0, 0, z), thick * 0.5, 1),
                rod(way + (0, 0, z), 0.88 * after + (0, 0, z), thick * 0.4, 1),
                rod(0.88 * way + (0, 0, z), after + (0, 0, z), thick * 0.4, 1),
            ]
        if k % 2:
            hook = way + (0, -0.06, 0)
            parts += [
                rod(way + (0, 0, -depth), way + (0, 0, depth), thick, 1),
                tube(arc(hook + (0, -0.05, 0), 0.085, 0, np.pi, 8), thick * 0.8, 0),
            ]
            barrel = (0.05, 0.078, 0.08, 0.07, 0.03)
            parts.append(rod(hook + (0, -0.03, 0), hook + (0, -0.17, 0), barrel, 2 * (k // 2 % 2), pieces=8))
    parts.append(rod((0, 0, -0.2), (0, 0, 0.2), 0.06, 0))
    return parts


def sailing_ship(rng, detail) -> list[Part]:
    """Build a sailing ship with masts, sails and rigging."""
    masts = 1 + int(2.99 * detail)
    parts: list[Part] = []
    deck = bezier((-1.0, 0.12, 0), (-0.4, -0.08, 0), (0.5, -0.06, 0), (1.05, 0.16, 0), n=16)
    keel = bezier((0.85, -0.22, 0), (0.2, -0.32, 0), (-0.5, -0.32, 0), (-0.88, -0.2, 0), n=16)
    parts += [sheet(np.concatenate([deck, keel])), tube(deck, 0.016, 2), tube(deck - (0, 0.06, 0), 0.008, 2)]
    bow = vector(1.45, 0.4, 0)
    parts.append(rod((0.9, 0.1, 0), bow, (0.016, 0.008), 2))
    tops = []
    for x in (0.0,) if masts == 1 else np.linspace(-0.6, 0.55, masts):
        foot, height = vector(x, 0, 0), rng.uniform(1.1, 1.45)
        top = foot + (0, height, 0)
        tops.append(top)
        parts.append(rod(foot, top, (0.022, 0.009), 2, pieces=3))
        for share, half in ((0.45, 0.3), (0.68, 0.23), (0.88, 0.16)):
            y = height * share
            ends = [foot + (-half, y, 0.03), foot + (half, y, 0.03)]
            parts.append(rod(*ends, 0.009, 2))
            parts += [rod(e, top, 0.0035, 2) for e in ends]
            if rng.random() < 0.35:
                low = [foot + (s * half * 1.15, y - 0.2 * height, 0.04) for s in (1, -1)]
                hem = bezier(low[0], foot + (0, y - 0.13 * height, 0.04), low[1], n=8)
                parts.append(sheet(np.concatenate([bezier(*ends, n=4), hem]), paint=1))
        for side in (-1, 1):
            lines = [(foot + (side * s, 0.02, 0.06), foot + (0, height * 0.7, 0)) for s in np.linspace(0.12, 0.3, 4)]
            parts += [rod(a, b, 0.0035, 2) for a, b in lines]
            for t in np.linspace(0.08, 0.85, 6 + int(8 * detail)):
                parts.append(rod(mix(*lines[0], t), mix(*lines[-1], t), 0.003, 2))
    for a, b in zip([vector(-1, 0.12, 0), *tops], [*tops, bow], strict=True):
        parts += [tube(bezier(a, (a + b) / 2 - (0, 0.03, 0), b), 0.004, 2), rod(a, b * 0.75 + a * 0.25, 0.0035, 2)]
    return parts


def trolley(rng, detail) -> list[Part]:
    """Build a wire trolley: a tapering basket of thin bars on a frame with four castors."""
    bars = 7 + int(8 * detail)
    thick = rng.uniform(0.011, 0.016)
    low = [vector(x, 0, z) for x, z in ((-0.42, -0.22), (0.42, -0.22), (0.42, 0.22), (-0.42, 0.22))]
    high = [vector(x, 0.62 if x < 0 else 0.52, z) for x, z in ((-0.56, -0.3), (0.6, -0.27), (0.6, 0.27), (-0.56, 0.3))]
    parts: list[Part] = []
    for k in range(4):
        a, b, c, d = low[k], low[(k + 1) % 4], high[k], high[(k + 1) % 4]
        parts += [rod(a, b, thick, pieces=4), rod(c, d, thick, pieces=4), rod(a, c, thick)]
        for t in np.linspace(0, 1, bars)[1:-1]:
            parts.append(rod(mix(a, b, t), mix(c, d, t), thick * 0.4, pieces=2))
        for t in np.linspace(0, 1, 6)[1:-1]:
            parts.append(rod(mix(a, c, t), mix(b, d, t), thick * 0.4, pieces=4))
    for t in np.linspace(0, 1, bars)[1:-1]:
        parts.append(rod(mix(low[0], low[1], t), mix(low[3], low[2], t), thick * 0.4, pieces=2))
    for z in (-0.22, 0.22):
        leg = bezier((-0.62, 0.75, z), (-0.5, 0.1, z), (-0.55, -0.5, z), (0.1, -0.35, z), (0.55, -0.42, z), n=16)
        parts += [tube(leg, thick * 1.2), rod((-0.35, -0.33, z), (-0.3, 0, z), thick)]
        for x in (-0.42, 0.5):
            hub = vector(x, -0.52, z)
            parts += [
                rod(hub - (0, 0, 0.012), hub + (0, 0, 0.012), 0.06, 2),
                tube(arc(hub, 0.07, n=24), 0.022, 2),
                rod(hub, hub + (0, 0.15, 0), thick, 1),
            ]
    parts.append(rod((-0.62, 0.75, -0.25), (-0.62, 0.75, 0.25), thick * 1.8, 2, pieces=4))
    return parts


def windmill(rng, detail) -> list[Part]:
    """Build a farm wind pump: a lattice tower with a many-bladed wheel and a vane."""
    blades = 12 + int(10 * detail)
    parts: list[Part] = []
    feet = [vector(x, -1.5, z) for x in (-0.42, 0.42) for z in (-0.42, 0.42)]
    tops = [vector(x, 0, z) for x in (-0.07, 0.07) for z in (-0.07, 0.07)]
    for a, b in zip(feet, tops, strict=True):
        parts.append(rod(a, b, 0.02, 1, pieces=6))
    for lo, hi in ((0.0, 0.28), (0.28, 0.5), (0.5, 0.7), (0.7, 0.86)):
        for i, j in ((0, 1), (1, 3), (3, 2), (2, 0)):
            a, b, c, d = (mix(feet[p], tops[p], t) for p, t in ((i, lo), (j, hi), (j, lo), (i, hi)))
            parts += [rod(a, b, 0.008, 1), rod(c, d, 0.008, 1), rod(d, b, 0.011, 1)]
    hub = vector(0, 0.12, 0.2)
    for k in range(blades):
        a = 2 * np.pi * k / blades
        blade = [(0.2, -0.025, 0), (0.62, -0.07, 0.02), (0.62, 0.07, -0.03), (0.2, 0.025, -0.01)]
        parts.append(sheet(hub + turn(blade, a, "z"), paint=0, tone=0.9 + 0.2 * (k % 2)))
        parts.append(rod(hub, hub + turn(vector(0.62, 0, 0), a, "z"), 0.006, 1))
    parts += [
        tube(arc(hub, 0.36), 0.008, 1),
        tube(arc(hub, 0.56), 0.008, 1),
        rod(hub - (0, 0, 0.2), hub + (0, 0, 0.05), 0.05, 1),
    ]
    vane = [(-0.2, 0.12, -0.4), (-0.5, 0.3, -0.8), (-0.5, -0.06, -0.8)]
    return [*parts, rod(hub - (0, 0, 0.2), vane[0], 0.012, 1), sheet(vane, paint=2)]
