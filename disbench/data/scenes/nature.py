"""Things that grow, or are spun."""
# ruff: noqa: RUF005 - `point + (x, y, z)` moves a point, an array

import numpy as np

from .parts import Part, ball, bezier, level, mix, ring, rod, sheet, tube, turn, vector


def leaf(base, way, length, width, rng, paint=0) -> list[Part]:
    """Build a pointed leaf in two halves, folded along its rib."""
    way = np.asarray(way) / np.sqrt(np.dot(way, way))
    side = np.cross(way, vector(rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4), 1))
    side /= np.sqrt(side @ side)
    up = np.cross(side, way)
    t = np.linspace(0, 1, 9)
    swell = width * np.sin(np.pi * t**0.8)
    rib = base + np.outer(t * length, way) - np.outer(0.25 * length * t**2, (0, 1, 0))
    tone = rng.uniform(0.8, 1.15)
    halves = []
    for s in (-1, 1):
        edge = rib + s * np.outer(swell, side) + 0.3 * np.outer(swell, up)
        halves.append(sheet(np.concatenate([rib, edge[::-1]]), paint=paint, tone=tone * (1 + 0.07 * s)))
    return halves


def tree(rng, detail) -> list[Part]:
    """Build a tree of ever thinner branches."""
    parts: list[Part] = []
    depth = 5 + int(1.99 * detail)
    leafy = rng.random() < 0.6

    def grow(foot, way, length, radius, level):
        bend = rng.uniform(-0.12, 0.12, 3)
        tip = foot + way * length
        parts.append(tube(bezier(foot, (foot + tip) / 2 + bend * length, tip, n=3), (radius, radius * 0.7), 1))
        if level == depth:
            if leafy:
                for _ in range(2):
                    parts.extend(leaf(tip, way + rng.uniform(-0.9, 0.9, 3), rng.uniform(0.06, 0.1), 0.022, rng))
            return
        for k in range(3 if level < 2 else 2):
            fork = turn(way, rng.uniform(0.3, 0.75) * (-1) ** k, "z")
            fork = turn(fork, rng.uniform(-0.8, 0.8), "x" if k == 2 else "y")
            grow(tip, fork + (0, 0.08, 0), length * rng.uniform(0.68, 0.84), radius * 0.66, level + 1)

    grow(vector(0, -1, 0), vector(rng.uniform(-0.1, 0.1), 1, 0), 0.5, rng.uniform(0.06, 0.085), 0)
    for x, _, z in map(level, np.linspace(0, 5.2, 6)):
        root = bezier((0, -0.92, 0), (0.06 * x, -1, 0.06 * z), (0.22 * x, -1.03, 0.2 * z), n=4)
        parts.append(tube(root, (0.045, 0.01), 1))
    return parts


def fern(rng, detail) -> list[Part]:
    """Build a fern: fronds from one root, each a rib with pairs of leaflets, in a pot."""
    fronds, pairs = 5 + int(4 * detail), 9 + int(8 * detail)
    parts: list[Part] = []
    for k in range(fronds):
        a = np.pi * (k + 0.5) / fronds + rng.uniform(-0.15, 0.15)
        reach, rise = rng.uniform(0.6, 0.9), rng.uniform(0.7, 1.2)
        tip = vector(reach * np.cos(a), rise * (0.35 + 0.65 * np.sin(a)) - 0.1, rng.uniform(-0.4, 0.4))
        bend = (0.15 * tip[0], 0.5 * rise, 0), (0.8 * tip[0], tip[1] + 0.25, tip[2])
        rib = bezier((0, -0.35, 0), *bend, tip, n=pairs + 3)
        parts.append(tube(rib, (0.012, 0.004), 1))
        for i in range(3, len(rib)):
            along = rib[i] - rib[i - 1]
            size = 0.24 * np.sin(np.pi * (0.12 + 0.86 * (i - 2) / pairs)) + 0.02
            for s in (-1, 1):
                way = turn(along, 1.0 * s, "z") + (0, 0, rng.uniform(-0.01, 0.01))
                parts += leaf(rib[i], way, size, 0.028, rng)
    pot = rod((0, -0.9, 0), (0, -0.4, 0), (0.13, 0.18, 0.2, 0.215, 0.23, 0.245), 2, pieces=12)
    return [*parts, pot, tube(ring((0, -0.4, 0), 0.25), 0.035, 2)]


def flower(rng, detail) -> list[Part]:
    """Build a bunch of umbels: thin stalks that fan out into many small heads."""
    parts: list[Part] = []
    for _ in range(2 + int(3 * detail)):
        top = vector(rng.uniform(-0.6, 0.6), rng.uniform(0.2, 0.8), rng.uniform(-0.3, 0.3))
        stem = bezier((rng.uniform(-0.08, 0.08), -1.1, 0), (0.1 * top[0], -0.4, 0), top - (0, 0.4, 0), top)
        parts.append(tube(stem, (0.022, 0.013), 0))
        for i in (3, 5, 7):
            parts += leaf(stem[i], (rng.uniform(-1, 1), rng.uniform(0.3, 0.8), 0.2), rng.uniform(0.25, 0.4), 0.035, rng)
        rays = 9 + int(8 * detail)
        for k in range(rays):
            a, lean = 2.4 * k, 1.15 * np.sqrt((k + 0.5) / rays)
            way = vector(np.cos(a) * np.sin(lean), np.cos(lean), np.sin(a) * np.sin(lean))
            head = top + 0.34 * way
            parts.append(tube(bezier(top, top + 0.16 * way + (0, 0.03, 0), head, n=4), 0.006, 0))
            for j in range(6):
                b = j * 1.05
                dot = head + 0.05 * vector(np.cos(b), 0.5, np.sin(b))
                parts += [rod(head, dot, 0.003, 0), ball(dot, rng.uniform(0.013, 0.02), 2)]
            parts.append(ball(head + (0, 0.04, 0), 0.018, 2))
    return parts


def spider_web(rng, detail) -> list[Part]:
    """Build sagging threads between radii, in a fork of two twigs, with drops of dew and the spider."""
    spokes, turns = 12 + int(8 * detail), 9 + int(9 * detail)
    angle = (np.arange(spokes) + rng.uniform(-0.2, 0.2, spokes)) * 2 * np.pi / spokes
    reach = rng.uniform(0.82, 1.0, spokes)
    way = np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1)
    parts: list[Part] = [rod((0, 0, 0), w * r * 1.12, 0.0065, 1) for w, r in zip(way, reach, strict=True)]
    for share in np.linspace(0.12, 1, turns) ** 0.9:
        for k in range(spokes):
            a, b = way[k] * reach[k] * share, way[(k + 1) % spokes] * reach[(k + 1) % spokes] * share
            parts.append(tube(bezier(a, (a + b) * 0.46, b, n=4), 0.0048, 1))
            if rng.random() < 0.12:
                parts.append(ball(a, rng.uniform(0.01, 0.018), 1))
    for side in (-1, 1):
        bend = (side * 1.0, -0.6, 0.05), (side * 1.25, 0.2, 0)
        twig = bezier((side * 0.5, -1.35, 0), *bend, (side * 0.7, 1.35, 0), n=16)
        parts.append(tube(twig, (0.05, 0.022), 0))
        for i in (5, 9, 12):
            tip = twig[i] + (side * rng.uniform(0.15, 0.35), rng.uniform(0.1, 0.3), 0)
            parts.append(tube([twig[i], tip], (0.02, 0.008), 0))
            parts += leaf(tip, (side, rng.uniform(-0.5, 0.8), 0), 0.2, 0.06, rng, 2)
    at = rng.uniform(-0.3, 0.3, 2)
    body = vector(at[0], at[1], 0.03)
    for side in (-1, 1):
        for a in (0.9, 0.3, -0.3, -0.9):
            knee = body + 0.12 * vector(side * np.cos(a), np.sin(a) + 0.1, 0.1)
            foot = knee + 0.1 * vector(side * 0.6 * np.cos(a), 1.5 * np.sin(a), -0.2)
            parts.append(tube([body, knee, foot], (0.009, 0.005), 2))
    return [*parts, ball(body - (0, 0.04, 0), 0.05, 2), ball(body + (0, 0.025, 0.02), 0.03, 2)]


def dragonfly(rng, detail) -> list[Part]:
    """Build an insect with veined wings."""
    parts: list[Part] = []
    veins, t = 6 + int(8 * detail), np.linspace(0, 1, 15)
    for side in (-1, 1):
        for lean, length, width in ((0.28, 1.0, 0.13), (-0.25, 0.92, 0.18)):
            root = vector(0.05 * side, 0.25 + 0.12 * np.sign(lean), 0.03)
            edges = np.sin(np.pi * t**0.7), -0.35 * np.sin(np.pi * t**0.6)
            a, b = (
                turn(np.stack([length * t, width * edge, 0 * t], -1), lean, "z") * (side, 1, 1) + root for edge in edges
            )
            parts += [tube(mix(a, b, s), r, 1) for s, r in ((0, 0.011), (1, 0.009), (0.5, 0.006), (0.25, 0.005))]
            for share in np.linspace(0.12, 0.94, veins):
                i = int(share * 14)
                j = min(i + 1, 14)
                parts.append(tube([a[i], (a[i] + b[j]) / 2, b[j]], 0.0045, 1))
            parts.append(tube(mix(a, b, 0.1)[11:13], 0.02, 2))
    tail = bezier((0, 0.2, 0), (0.02, -0.4, 0), (rng.uniform(-0.3, 0.3), -1.0, 0), n=10)
    parts += [
        tube(tail, (0.035, 0.016), 0),
        *(ball(p, 0.034 - 0.0018 * k, 0, 0.8 + 0.35 * (k % 2)) for k, p in enumerate(tail)),
    ]
    parts += [tube([(0, 0.1, 0), (0, 0.25, 0.02), (0, 0.42, 0)], 0.075, 0), ball((0, 0.5, 0.02), 0.06, 2)]
    parts += [ball((s * 0.055, 0.53, 0.05), 0.05, 2) for s in (-1, 1)]
    for s in (-1, 1):
        for k in range(3):
            knee = vector(0.2 * s, 0.42 - 0.12 * k, 0.1)
            parts.append(
                tube([(0.03 * s, 0.35 - 0.08 * k, 0), knee, knee + (0.1 * s, 0.16 - 0.16 * k, -0.1)], (0.012, 0.006), 2)
            )
    return parts
