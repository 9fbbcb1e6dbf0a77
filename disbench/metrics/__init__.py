"""The measures of dichotomous image segmentation: measure() for an image, score() for a data set.

This module only re-exports the public names. Nothing inside the package imports from it.
"""

from disbench.metrics.catalogue import METRICS, PAPER, STANDARD
from disbench.metrics.measurement import KERNEL_VERSION, Measurement, measure
from disbench.metrics.protocols import PROTOCOLS
from disbench.metrics.scoring import curves, per_image, score

__all__ = [
    "KERNEL_VERSION",
    "METRICS",
    "PAPER",
    "PROTOCOLS",
    "STANDARD",
    "Measurement",
    "curves",
    "measure",
    "per_image",
    "score",
]
