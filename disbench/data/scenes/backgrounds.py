"""Backgrounds: surfaces, gardens, skies, rooms.

A background is drawn at a fixed small size and then enlarged, so that it is softer than the object before it, as in a
photograph. Only integer arithmetic and the 8-bit paths of OpenCV are used, which are exact on every machine.
"""

import colorsys
import itertools

import cv2
import numpy as np

SHORT = 480
AA = cv2.LINE_AA


def hsv(h, s, v) -> np.ndarray:
    """Convert hue, saturation and value, 0..1 each, to RGB, int32 (3,) in 0..255. Hues repeat."""
    return np.rint(255 * np.array(colorsys.hsv_to_rgb(h % 1, s, v))).astype(np.int32)


def noise(rng, size, cell, octaves=3, stretch=(1, 1)) -> np.ndarray:
    """Return value noise, int32 (h, w) in 0..255.

    Blobs have about `cell` pixels. Each octave has blobs half as large and half as strong as the one before.
    """
    total, weight = np.zeros(size, np.int32), 0
    for k in range(octaves):
        grid = [max(2, int(n * f / cell * 2**k) + 2) for n, f in zip(size, stretch, strict=True)]
        small = rng.integers(0, 256, grid, np.uint8)
        strength = 1 << (octaves - 1 - k)
        total += cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR_EXACT).astype(np.int32) * strength
        weight += strength
    return np.clip((total // weight - 128) * 3 // 2 + 128, 0, 255)


def limit(values) -> np.ndarray:
    """Clip to 0..255 and convert to uint8."""
    return np.clip(values, 0, 255).astype(np.uint8)


def ramp(values, low, high) -> np.ndarray:
    """Map int (h, w) in 0..255 to uint8 (h, w, 3), from one colour to the other."""
    low, high = np.asarray(low, np.int32), np.asarray(high, np.int32)
    return limit(low + (high - low) * np.arange(256)[:, None] // 255)[values]


def blur(image, sigma) -> np.ndarray:
    """Blur by a Gaussian of sigma pixels. Below 0.3 pixels the image is returned unchanged."""
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0.3 else image


def down(size, share=1.0) -> np.ndarray:
    """Return int (h, w), 0 at the top to 255 at `share` of the height."""
    rows = np.minimum(np.arange(size[0]) * 255 // max(1, int(size[0] * share)), 255)
    return np.broadcast_to(rows[:, None], size)


def jitter(rng, colour, spread) -> tuple[int, int, int]:
    """Return a random colour near another one, brighter or darker by up to `spread`."""
    shift = int(rng.integers(-spread, spread + 1))
    return tuple(int(np.clip(c + shift + int(rng.integers(-spread // 4, spread // 4 + 1)), 0, 255)) for c in colour)


def dapple(rng, image) -> np.ndarray:
    """Spread light and shade over a background."""
    height, width = image.shape[:2]
    small = blur(noise(rng, (height // 8, width // 8), 32, 2).astype(np.uint8), 4)
    light = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR_EXACT) + rng.integers(110, 230)
    return limit(image * light[..., None] // 290)


def studio(rng, size):
    """Draw a paper backdrop and a spotlight."""
    h = rng.random()
    wall = hsv(h, rng.uniform(0.05, 0.5), rng.uniform(0.2, 0.9))
    floor = hsv(h + rng.uniform(-0.1, 0.1), rng.uniform(0.05, 0.5), rng.uniform(0.2, 0.9))
    image = ramp(down(size), wall * 3 // 4, wall)
    seam = int(size[0] * rng.uniform(0.62, 0.85))
    image[seam:] = ramp(down((size[0] - seam, size[1])), floor, floor * 3 // 5)
    height, width = size[0] // 8, size[1] // 8
    spot, centre = np.zeros((height, width), np.uint8), (int(width * rng.uniform(0.2, 0.8)), height * 2 // 5)
    cv2.circle(spot, centre, int(min(height, width) * rng.uniform(0.25, 0.5)), 255, -1)
    spot = cv2.resize(blur(spot, 9), size[::-1], interpolation=cv2.INTER_LINEAR_EXACT)
    light = 150 + spot[..., None].astype(np.int32) * 3 // 4
    return limit(blur(image, rng.uniform(2, 12)) * light // 200)


def planks(rng, size):
    """Draw planks with grain, upright or lying."""
    base = hsv(rng.uniform(0.04, 0.12), rng.uniform(0.15, 0.6), rng.uniform(0.3, 0.85))
    count = int(rng.integers(5, 11))
    image = np.zeros((*size, 3), np.uint8)
    edges = np.linspace(0, size[1], count + 1).astype(int)
    for a, b in itertools.pairwise(edges):
        grain = noise(rng, (size[0], b - a), 14, 3, (0.12, 2.5))
        colour = np.array(jitter(rng, base, 26))
        image[:, a:b] = ramp(grain, colour * 7 // 10, colour * 11 // 10)
        image[:, a : a + 2] = image[:, a : a + 2] // 3
    lying = size[0] == size[1] and rng.random() < 0.5
    return cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE) if lying else image


def bricks(rng, size):
    """Draw a brick wall."""
    base = hsv(rng.uniform(0.0, 0.09), rng.uniform(0.1, 0.65), rng.uniform(0.3, 0.85))
    image = ramp(noise(rng, size, 6, 2), base // 3 + 60, base // 3 + 110)
    high = int(rng.integers(28, 54))
    wide = high * 5 // 2
    for j, y in enumerate(range(0, size[0], high)):
        for x in range(-wide // 2 * (j % 2), size[1], wide):
            cv2.rectangle(image, (x + 2, y + 2), (x + wide - 3, y + high - 3), jitter(rng, base, 30), -1)
    return limit(image * (160 + noise(rng, size, 20, 4)[..., None] * 3 // 4) // 256)


def checkers(rng, size):
    """Draw a chequered floor that runs away from the viewer, under a wall."""
    h, cells = rng.random(), int(rng.integers(8, 14))
    light = hsv(h, rng.uniform(0, 0.4), rng.uniform(0.65, 0.95))
    dark = hsv(h + rng.uniform(0, 0.5), rng.uniform(0, 0.6), rng.uniform(0.1, 0.4))
    wall = hsv(h + 0.5, rng.uniform(0.05, 0.35), rng.uniform(0.3, 0.85))
    image = ramp(noise(rng, size, 90, 2), wall * 4 // 5, wall)
    across = np.linspace(-1, 1, size[1])
    horizon = rng.uniform(0.3, 0.5) + rng.uniform(-0.06, 0.06) * across
    below = np.linspace(0, 1, size[0])[:, None] - horizon
    far = 1 / np.maximum(below, 1e-3)
    odd = (np.floor(far * cells / 12) + np.floor(far * (across + rng.uniform(-1, 1)) * cells / 8)) % 2 == 0
    floor = np.where(odd[..., None], light, dark).astype(np.uint8)
    return blur(np.where(below[..., None] > 0.09, floor, image), 0.8)


def foliage(rng, size):
    """Draw layers of leaves, the nearer ones brighter."""
    h, v = rng.uniform(0.15, 0.42), rng.uniform(0.4, 1.0)
    if rng.random() < 0.25:
        h = rng.uniform(0.0, 0.12)
    image = ramp(noise(rng, size, 120, 2), hsv(h, 0.6, 0.15 * v), hsv(h, 0.5, 0.5 * v))
    for k in range(420):
        light = 0.25 + 0.75 * k / 420
        colour = hsv(h + rng.uniform(-0.04, 0.04), rng.uniform(0.3, 0.75), min(v * light * rng.uniform(0.7, 1.1), 1.0))
        centre = (int(rng.integers(0, size[1])), int(rng.integers(0, size[0])))
        axes = (int(rng.integers(12, 34)), int(rng.integers(6, 15)))
        cv2.ellipse(image, centre, axes, float(rng.integers(0, 180)), 0, 360, colour.tolist(), -1, AA)
    return blur(image, rng.uniform(1.5, 6))


def grass(rng, size):
    """Draw blades of grass, the nearer ones taller."""
    h, v = rng.uniform(0.14, 0.36), rng.uniform(0.4, 0.85)
    image = ramp(down(size), hsv(h, 0.4, 0.7 * v), hsv(h, 0.7, 0.25))
    image = blur(np.clip(image * (0.6 + noise(rng, size, 60, 3) / 300)[..., None], 0, 255).astype(np.uint8), 2)
    for k in range(900):
        y = int(size[0] * (0.1 + 1.1 * k / 900))
        x, lean, tall = (
            int(rng.integers(0, size[1])),
            int(rng.integers(-30, 31)),
            int(rng.integers(30, 60)) * (60 + y) // 300,
        )
        colour = hsv(h + rng.uniform(-0.05, 0.05), rng.uniform(0.4, 0.8), v * rng.uniform(0.35, 1.05))
        w = 2 + y // 160
        blade = [
            (x - w, y),
            (x + lean // 4 - w, y - tall // 2),
            (x + lean, y - tall),
            (x + lean // 4 + w, y - tall // 2),
            (x + w, y),
        ]
        cv2.fillPoly(image, [np.array(blade, np.int32)], np.minimum(colour, 255).tolist(), AA)
    return blur(image, rng.uniform(1.6, 4))


def bokeh(rng, size):
    """Draw discs of light far out of focus."""
    h = rng.random()
    image = ramp(
        noise(rng, size, 220, 2),
        hsv(h, 0.6, rng.uniform(0.1, 0.6)),
        hsv(h + 0.1, rng.uniform(0.2, 0.6), rng.uniform(0.3, 0.95)),
    )
    hues = h + rng.uniform(-0.15, 0.5, 3)
    for _ in range(int(rng.integers(25, 70))):
        layer, r = image.copy(), int(rng.integers(10, 52))
        centre = (int(rng.integers(0, size[1])), int(rng.integers(0, size[0])))
        colour = hsv(hues[rng.integers(0, 3)], rng.uniform(0.1, 0.7), rng.uniform(0.5, 1.0)).tolist()
        cv2.circle(layer, centre, r, colour, -1, AA)
        strength = int(rng.integers(50, 150))
        box = np.s_[max(0, centre[1] - r - 2) : centre[1] + r + 3, max(0, centre[0] - r - 2) : centre[0] + r + 3]
        image[box] = (image[box] * np.int32(256 - strength) + layer[box] * np.int32(strength)) >> 8
    return blur(image, rng.uniform(1, 3))


def landscape(rng, size):
    """Draw hills under a sky with clouds."""
    h = rng.uniform(0.52, 0.64) if rng.random() < 0.7 else rng.uniform(0.0, 0.1)
    v = rng.uniform(0.45, 1.0)
    sky = ramp(down(size, 0.7), hsv(h, rng.uniform(0.3, 0.7), 0.8 * v), hsv(h + 0.03, 0.12, v)).astype(np.int32)
    cloud = np.maximum(noise(rng, size, 160, 5, (1.8, 0.8)) - 120, 0)[..., None]
    image = limit(sky + (255 * v - sky).astype(np.int32) * cloud // 160)
    ground = rng.uniform(0.18, 0.45)
    for k in range(5):
        y = size[0] * (0.55 + 0.12 * k) + size[0] * rng.uniform(-0.05, 0.05)
        line = noise(rng, (2, size[1]), 150, 4, (1, 1))[0] * 60 // 255
        far = k / 4
        colour = hsv(ground, 0.15 + 0.45 * far, v * (0.7 - 0.4 * far))
        ridge = np.stack([np.arange(size[1]), np.rint(y - line).astype(int)], -1)
        hill = np.concatenate([ridge, [(size[1], size[0]), (0, size[0])]]).astype(np.int32)
        cv2.fillPoly(image, [hill], colour.tolist())
    return blur(image, rng.uniform(2, 6))


def city(rng, size):
    """Draw a skyline with lit windows."""
    h, v = rng.random(), rng.uniform(0.25, 0.9)
    image = ramp(down(size), hsv(h, 0.4, 0.6 * v), hsv(h + 0.1, 0.3, v))
    for k in range(26):
        far = k / 25
        wide, tall = int(rng.integers(30, 100)), int(size[0] * rng.uniform(0.2, 0.75) * (1.15 - 0.5 * far))
        x = int(rng.integers(-30, size[1]))
        colour = hsv(h + rng.uniform(-0.08, 0.08), 0.25, v * (0.85 - 0.6 * far))
        cv2.rectangle(image, (x, size[0] - tall), (x + wide, size[0]), colour.tolist(), -1)
        lit = hsv(0.12, 0.5, min(1.0, v + 0.3)).tolist()
        for y in range(size[0] - tall + 8, size[0], 15):
            for u in range(x + 5, x + wide - 7, 13):
                if rng.random() < 0.4:
                    cv2.rectangle(image, (u, y), (u + 6, y + 8), lit, -1)
    return blur(image, rng.uniform(2.5, 7))


def plaster(rng, size):
    """Draw a stained plaster wall."""
    base = hsv(rng.random(), rng.uniform(0.03, 0.4), rng.uniform(0.25, 0.9))
    image = ramp(noise(rng, size, 90, 5), base * 6 // 10, base * 11 // 10)
    stain = np.maximum(noise(rng, size, 200, 4, (0.6, 1.6)) - 150, 0)[..., None]
    other = hsv(rng.random(), 0.4, rng.uniform(0.2, 0.8))
    return limit(image + (other - image) * stain // 150)


def pebbles(rng, size):
    """Draw pebbles, lit from above."""
    h, v = rng.uniform(0.03, 0.6), rng.uniform(0.45, 0.95)
    image = ramp(noise(rng, size, 40, 2), hsv(h, 0.3, 0.1), hsv(h, 0.3, 0.25))
    for _ in range(700):
        colour = hsv(h + rng.uniform(-0.05, 0.05), rng.uniform(0.02, 0.3), v * rng.uniform(0.4, 1.0))
        x, y, a = (int(rng.integers(0, n)) for n in (size[1], size[0], 180))
        r, q = int(rng.integers(12, 30)), int(rng.integers(9, 18))
        for k, (shift, tone) in enumerate(((4, 30), (0, 80), (-2, 100), (-4, 115))):
            axes = (r - 3 * k + (k == 0) * 2, max(2, q - 3 * k))
            lit = np.minimum(colour * tone // 100, 255).tolist()
            cv2.ellipse(image, (x + shift, y + shift), axes, a, 0, 360, lit, -1, AA)
    return blur(image, rng.uniform(0.8, 3.5))


def water(rng, size):
    """Draw waves with glints."""
    h, v = rng.uniform(0.45, 0.65), rng.uniform(0.35, 0.85)
    waves = noise(rng, size, 70, 4, (4.0, 0.8))
    image = ramp(waves, hsv(h, 0.8, 0.35 * v), hsv(h + 0.02, 0.4, v))
    glint = np.maximum(noise(rng, size, 40, 3, (5.0, 0.9)) - 185, 0)[..., None] * 3
    return blur(limit(image + glint * int(140 * v) // 100), rng.uniform(0.8, 4))


def fabric(rng, size):
    """Draw tartan: bands of threads in both directions."""
    h = rng.random()
    colours = [hsv(h + rng.uniform(-0.2, 0.5), rng.uniform(0.05, 0.55), rng.uniform(0.15, 0.9)) for _ in range(4)]
    period = int(rng.integers(60, 170))
    stops = np.sort(rng.integers(0, period, 6))
    stripes = np.array([colours[int(np.searchsorted(stops, k)) % 4] for k in range(period)])
    y, x = np.arange(size[0])[:, None], np.arange(size[1])[None]
    weave = ((y + x) // 2 % 2)[..., None]
    image = (stripes[y % period] * (5 + 2 * weave) + stripes[x % period] * (7 - 2 * weave)) // 12
    folds = 150 + noise(rng, size, 200, 2)[..., None] * 2 // 5
    return blur(limit(image * folds // 210), rng.uniform(0.8, 4))


def shelf(rng, size):
    """Draw spines of books, out of focus."""
    image = np.full((*size, 3), 20, np.uint8)
    rows = int(rng.integers(2, 4))
    high = size[0] // rows
    wood, h = hsv(0.08, 0.5, rng.uniform(0.15, 0.5)), rng.random()
    for row in range(rows + 1):
        x, y = 0, row * high
        while x < size[1]:
            wide, tall = int(rng.integers(14, 40)), int(high * rng.uniform(0.55, 0.88))
            colour = hsv(h + rng.uniform(0, 0.6), rng.uniform(0.1, 0.7), rng.uniform(0.15, 0.9))
            foot, label = y + high, (colour // 2 + 90).tolist()
            cv2.rectangle(image, (x, foot - tall), (x + wide - 2, foot), colour.tolist(), -1)
            cv2.rectangle(image, (x + 3, foot - tall * 3 // 4), (x + wide - 5, foot - tall * 2 // 3), label, -1)
            x += wide
        cv2.rectangle(image, (0, y), (size[1], y + 14), wood.tolist(), -1)
    return blur(image, rng.uniform(3, 7))


WALLS = {planks, bricks, plaster, fabric, pebbles}  # shadows fall on them right behind the object
FLOORS = {studio, checkers}
