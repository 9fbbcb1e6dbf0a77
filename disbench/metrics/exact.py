"""Sums and powers that are the same on every processor.

A sum of floats depends on its order, hence on the width of SIMD registers and on the compiler. A sum of integers does
not. NumPy's exp and C's pow select their code by processor, and differ in the last bit. Here, only operations are used
whose results IEEE 754 defines.
"""

import numpy as np

U64 = np.uint64

# The terms of an exact sum are integers, in units of 2^-44. Rounding to them changes a term by at most 3e-14.
PLACES = 44
# A kernel adds the terms of a part of a row, which cannot overflow uint64, to a subtotal. It then adds the upper and
# the lower 32 bits of subtotals apart, without overflow up to 2^32 subtotals. There are at most as many as pixels, and
# an image has fewer than 2^32 pixels, because a Measurement counts them in uint32.
HALF, LOWER = U64(32), U64(0xFFFFFFFF)
LN_2 = 0.6931471805599453
TERMS = 18  # of the series for e^-x; the next one is below 1e-19 for x up to ln 2


def power_of_half(exponents: np.ndarray) -> np.ndarray:
    """Return 0.5**x of exponents x that are 0 or above, float64, to 3e-16."""
    whole = np.floor(exponents)
    x = (exponents - whole) * LN_2
    series = np.ones_like(x)
    for n in range(TERMS, 0, -1):
        series = 1 - x / n * series
    return np.ldexp(series, -whole.astype(np.int64))


def to_units(values: np.ndarray) -> np.ndarray:
    """Round values to units, uint64."""
    return np.rint(np.ldexp(values, PLACES)).astype(U64)


def divide_sum(halves: tuple[int, int], divisor: int) -> float:
    """Divide a sum of units, given by its upper and lower 32 bits, by an integer. The result is rounded once."""
    upper, lower = halves
    return ((int(upper) << 32) + int(lower)) / (divisor << PLACES)
