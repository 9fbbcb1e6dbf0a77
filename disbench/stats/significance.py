"""Tests of differences between methods: paired randomisation, and Holm's adjustment for several tests.

Noreen, Computer-intensive methods for testing hypotheses, 1989 (randomisation).
Holm, A simple sequentially rejective multiple test procedure, 1979.
"""

from collections.abc import Sequence

import numpy as np

from disbench.stats.resample import CHUNK, RESAMPLES, ROUNDING, SEED, Columns


def randomise_pairs(first: Columns, second: Columns, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """Test the hypothesis that two methods are the same, by exchanging their maps, image by image, at random.

    Args:
        first: the columns of one method.
        second: the columns of the other, on the same images.
        resamples: number of random exchanges.
        seed: seed of the exchanges.

    Returns:
        p (metrics,): how often exchanged methods differ at least as much. The observed difference is one of the
        exchanges, so p is never 0.
    """
    n = len(first.values)
    middle = (first.values.mean(0) + second.values.mean(0)) / 2
    halves = ((second.values - first.values) / 2).astype(np.float32)

    def measure_distance(shift: np.ndarray) -> np.ndarray:
        """Compute |second - first|, if the means of the two are `shift` above and below their middle."""
        return np.abs(second.reduce_means(middle + shift) - first.reduce_means(middle - shift))

    tolerance = ROUNDING * np.maximum(1, np.abs(first.reduce_means(middle[None])[0]))
    observed = measure_distance((second.values - first.values).mean(0, keepdims=True) / 2)[0]
    rng = np.random.default_rng([seed, n, 1])
    exceeded = np.zeros(len(observed))
    for start in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - start)
        signs = rng.integers(0, 2, (size, n), dtype=np.int8).astype(np.float32) * 2 - 1
        exceeded += (measure_distance(signs @ halves / n) >= observed - tolerance).sum(0)
    return (exceeded + 1) / (resamples + 1)


def adjust_holm(p: Sequence[float]) -> list[float]:
    """Adjust p for the number of tests, so that all hypotheses below a level may be rejected together."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = highest
    return adjusted
