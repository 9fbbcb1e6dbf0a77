"""Tests of differences between methods: paired randomisation, and Holm's adjustment for several tests.

Noreen, Computer-intensive methods for testing hypotheses, 1989 (randomisation).
Holm, A simple sequentially rejective multiple test procedure, 1979.
"""

from collections.abc import Sequence

import numpy as np

from disbench.metrics.image_scores import RunningMean
from disbench.stats.resample import RESAMPLES, ROUNDING, SEED, Columns, map_blocks, split_resamples


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
    n = first.n
    middle = (first.means + second.means) / 2
    halves = map_blocks(lambda left, right: (right - left) / 2, first, second)
    differences = RunningMean()
    for left, right in zip(first.blocks(), second.blocks(), strict=True):
        differences.add(right - left)

    def measure_distance(shift: np.ndarray) -> np.ndarray:
        """Compute |second - first|, if the means of the two are `shift` above and below their middle."""
        return np.abs(second.reduce_means(middle + shift) - first.reduce_means(middle - shift))

    tolerance = ROUNDING * np.maximum(1, np.abs(first.reduce_means(middle[None])[0]))
    observed = measure_distance(differences.mean()[None] / 2)[0]
    rng = np.random.default_rng([seed, n, 1])
    exceeded = np.zeros(len(observed))
    for size in split_resamples(n, resamples):
        signs = rng.integers(0, 2, (size, n), dtype=np.int8).astype(np.float32)
        signs *= 2
        signs -= 1
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
