"""Slow, naive resampling: scores of data sets with images repeated, left out and exchanged."""

from collections.abc import Sequence
from itertools import product
from statistics import NormalDist

import numpy as np

from disbench.metrics.measurement import Measurement
from disbench.metrics.scoring import score


def resampled(measurements: Sequence[Measurement], counts: Sequence[int], protocol: str, key: str) -> float:
    """Return the score of a data set in which each image is repeated `counts` times."""
    repeated = [m for m, count in zip(measurements, counts, strict=True) for _ in range(int(count))]
    return score(repeated, protocol, key)[key]


def left_out(measurements: Sequence[Measurement], protocol: str, key: str) -> list[float]:
    return [score([*measurements[:i], *measurements[i + 1 :]], protocol, key)[key] for i in range(len(measurements))]


def bca(value: float, replicates: Sequence[float], jackknife: Sequence[float]) -> tuple[float, float]:
    """Efron and Tibshirani (1993), equations 14.9 to 14.15, at 95 %."""
    n, b = len(jackknife), len(replicates)
    normal = NormalDist()
    below = sum((r < value) + 0.5 * (r == value) for r in replicates) / b
    z0 = normal.inv_cdf(below)
    mean = sum(jackknife) / n
    cubes = sum((mean - j) ** 3 for j in jackknife)
    squares = sum((mean - j) ** 2 for j in jackknife)
    a = cubes / (6 * squares**1.5)
    z = {share: normal.inv_cdf(share) for share in (0.025, 0.975)}
    shares = [normal.cdf(z0 + (z0 + z[s]) / (1 - a * (z0 + z[s]))) for s in z]
    return tuple(float(np.percentile(replicates, 100 * share)) for share in shares)


def randomisation(first: Sequence[Measurement], second: Sequence[Measurement], protocol: str, key: str) -> float:
    """p over all 2^n exchanges."""
    observed = abs(score(second, protocol, key)[key] - score(first, protocol, key)[key])
    beyond = 0
    for exchanged in product((False, True), repeat=len(first)):
        pairs = [(b, a) if swap else (a, b) for a, b, swap in zip(first, second, exchanged, strict=True)]
        a, b = (score(side, protocol, key)[key] for side in zip(*pairs, strict=True))
        beyond += abs(b - a) >= observed - 1e-9
    return beyond / 2 ** len(first)


def rejected(p: Sequence[float], alpha: float) -> set[int]:
    """Holm's procedure, step by step: the hypotheses that it rejects at a level."""
    order, rejections = sorted(range(len(p)), key=lambda i: p[i]), set()
    for rank, i in enumerate(order):
        if p[i] > alpha / (len(p) - rank):
            break
        rejections.add(i)
    return rejections
