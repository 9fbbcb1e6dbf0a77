"""The foreground of a ground truth, with its moments."""

from typing import NamedTuple

import numpy as np


class Foreground(NamedTuple):
    """The foreground of a truth.

    Attributes:
        mask: uint8 (h, w), 255 in the foreground, otherwise 0.
        pixels: number of foreground pixels.
        rows: the sum of their rows.
        columns: the sum of their columns.
        has_limit: whether the truth has the highest level that is not foreground.
    """

    mask: np.ndarray
    pixels: int
    rows: int
    columns: int
    has_limit: bool
