"""Pairs for the benchmarks: ground truths with thin structures, and maps as networks of several kinds predict them."""

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np

NETWORK = (1024, 1024)  # size at which maps are generated before they are resized to the ground truth's
# Blur of the ground truth, gain, amount of errors, noise, lowest and highest level.
FLAVOURS = {
    "typical": (0.9, 13.0, 1.5, 0.0, 0, 255),
    "noisy": (1.1, 7.0, 1.3, 0.8, 3, 248),  # no pixel is certain, so each needs its distance
    "sharp": (0.4, 30.0, 0.8, 0.0, 0, 255),
    "poor": (2.0, 7.0, 2.5, 0.0, 0, 255),
}


def _line(truth: np.ndarray, start: np.ndarray, end: np.ndarray, width: float) -> None:
    cv2.line(truth, np.rint(start).astype(int).tolist(), np.rint(end).astype(int).tolist(), 255, max(1, int(width)))


def _circle(truth: np.ndarray, centre: np.ndarray, radius: float, level: int, width: int) -> None:
    cv2.circle(truth, np.rint(centre).astype(int).tolist(), max(1, int(radius)), level, width)


def _towards(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)])


def _wheels(truth: np.ndarray, size: np.ndarray, rng: np.random.Generator) -> None:
    """Draw wheels with spokes on a frame."""
    scale = size.min()
    for _ in range(3):
        centre, radius = rng.uniform(0.2, 0.8, 2) * size, rng.uniform(0.15, 0.32) * scale
        _circle(truth, centre, radius, 255, max(2, scale // 90))
        _circle(truth, centre, 0.08 * radius, 255, -1)
        for angle in np.linspace(0, 2 * np.pi, int(rng.integers(20, 56)), endpoint=False):
            _line(truth, centre, centre + radius * _towards(angle), scale / rng.integers(500, 2000))
    for _ in range(5):
        _line(truth, *(rng.uniform(0.1, 0.9, (2, 2)) * size), scale / 120)


def _mesh(truth: np.ndarray, size: np.ndarray, rng: np.random.Generator) -> None:
    """Draw a net of crossing threads within a frame."""
    scale, tilt = size.min(), rng.uniform(0.3, 1.2)
    step, width = rng.uniform(0.012, 0.03) * scale, scale / rng.integers(600, 2000)
    for angle in (tilt, -tilt):
        along, across = _towards(angle) * size.sum(), _towards(angle + np.pi / 2)
        for shift in np.arange(-scale, scale, step):
            middle = size / 2 + shift * across
            _line(truth, middle - along, middle + along, width)
    frame = ((size / 2).astype(int).tolist(), (0.36 * size).astype(int).tolist(), 0, 0, 360, 255)
    truth &= cv2.ellipse(np.zeros_like(truth), *frame, -1)
    cv2.ellipse(truth, *frame, max(2, scale // 150))


def _tree(truth: np.ndarray, size: np.ndarray, rng: np.random.Generator) -> None:
    """Draw a tree whose branches fork down to twigs of one pixel."""
    scale = size.min()
    branches = [(size * (0.5, 0.97), -np.pi / 2, 0.2 * scale, 0.022 * scale)]
    for _ in range(9000):
        if not branches:
            break
        start, angle, length, width = branches.pop()
        end = start + length * _towards(angle)
        _line(truth, start, end, width)
        if length > 0.008 * scale:
            for _ in range(rng.integers(2, 4)):
                branches.append((end, angle + rng.uniform(-0.65, 0.65), length * rng.uniform(0.62, 0.82), 0.66 * width))


def _lattice(truth: np.ndarray, size: np.ndarray, rng: np.random.Generator) -> None:
    """Draw a scaffold of bars with thinner braces across its cells."""
    scale, (columns, rows) = size.min(), (int(rng.integers(8, 18)), int(rng.integers(12, 30)))
    corners = np.stack(np.meshgrid(np.linspace(0.2, 0.8, columns), np.linspace(0.08, 0.92, rows)), -1) * size
    for row, below in pairwise(corners):
        for i in range(columns - 1):
            _line(truth, row[i], row[i + 1], scale / 200)
            _line(truth, row[i], below[i], scale / 200)
            _line(truth, row[i], below[i + 1], scale / 400)
            if rng.random() < 0.6:
                _line(truth, row[i + 1], below[i], 1)


def _mixed(truth: np.ndarray, size: np.ndarray, rng: np.random.Generator) -> None:
    """Draw a tree, a scaffold, bodies with holes, and hairs."""
    scale = size.min()
    _tree(truth, size, rng)
    _lattice(truth, size, rng)
    for _ in range(6):
        centre, radius = rng.uniform(0.2, 0.8, 2) * size, rng.uniform(0.05, 0.16) * scale
        _circle(truth, centre, radius, 255, -1)
        for hole in centre + rng.uniform(-0.7, 0.7, (12, 2)) * radius:
            _circle(truth, hole, 0.08 * radius, 0, -1)
    for _ in range(300):
        drift = rng.normal(0, 0.012 * scale, 2)
        path = rng.uniform(0, 1, 2) * size + (drift + rng.normal(0, 0.012 * scale, (12, 2))).cumsum(0)
        cv2.polylines(truth, [path.astype(np.int32)], False, 255, 1)


KINDS: dict[str, Callable] = {"wheels": _wheels, "mesh": _mesh, "tree": _tree, "lattice": _lattice, "mixed": _mixed}


def draw_truth(height: int, width: int, kind: str, seed: int = 0) -> np.ndarray:
    """Generate a ground truth of one of KINDS, uint8 (height, width) of 0 and 255."""
    truth = np.zeros((height, width), np.uint8)
    KINDS[kind](truth, np.array([width, height]), np.random.default_rng(seed))
    return truth


def draw_mask(truth: np.ndarray, flavour: str, seed: int = 0) -> np.ndarray:
    """Generate a network's map: soft edges, missed and invented areas, resized from the network's size."""
    blur, gain, wrong, noise, low, high = FLAVOURS[flavour]
    rng = np.random.default_rng(seed)

    def patches(cells: int) -> np.ndarray:
        return cv2.resize(rng.normal(0, 1, (cells, cells)).astype(np.float32), NETWORK, interpolation=cv2.INTER_CUBIC)

    small = cv2.resize(truth, NETWORK, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    soft = cv2.GaussianBlur(small, (0, 0), blur)
    logits = gain * (soft - 0.42) + wrong * (patches(12) + 0.6 * patches(48)) + 0.35 * patches(200)
    logits += gain * (0.6 * (patches(6) > 2) - 0.8 * (patches(6) > 2))
    logits += noise * rng.normal(0, 1, NETWORK) if noise else -2.5 * (soft < 0.02)
    mask = cv2.resize(1 / (1 + np.exp(-logits)), truth.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.rint(low + (high - low) * mask).astype(np.uint8)
