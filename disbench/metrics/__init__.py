"""The measures of dichotomous image segmentation: measure() per image, score() over a data set."""

from disbench.metrics.catalogue import METRICS, PAPER, STANDARD
from disbench.metrics.measurement import KERNEL_VERSION, Measurement, measure
from disbench.metrics.protocols import PROTOCOLS
from disbench.metrics.scoring import curves, per_image, score

__all__ = ["KERNEL_VERSION", "METRICS", "PAPER", "PROTOCOLS", "STANDARD", "Measurement", "curves", "measure", "per_image", "score"]
