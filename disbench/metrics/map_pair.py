"""A prediction map and its ground truth, with the intermediate results that several measures share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypedDict

import numpy as np

from disbench.errors import InputError
from disbench.metrics.foreground import Foreground
from disbench.metrics.protocols import EvalProtocol
from disbench.metrics.stretch import LEVELS
from disbench.metrics.thresholds import binarise_histogram, level_span

# Functions import the modules with compiled loops themselves, because these load Numba.


class PairInputs(TypedDict, total=False):
    """What some optional metrics need besides a map and its truth; see MapPair."""

    thin: Callable[[np.ndarray], np.ndarray] | None
    trimap: np.ndarray | None
    image: np.ndarray | None


@dataclass(frozen=True, kw_only=True)
class MapPair:
    """A map and its truth, for all protocols that agree on what is foreground.

    Attributes:
        raw: the map, uint8 (h, w), C-contiguous.
        region: the foreground of the truth.
        truth: the truth's own levels, uint8 (h, w).
        thin: function that returns the skeleton of the foreground. None: disbench.metrics.effort.skeleton.
        trimap: the trimap, uint8 (h, w), unknown where it is neither 0 nor 255. None: there is none.
        image: the image, uint8 (h, w, 3) RGB. None: it was not read.
    """

    raw: np.ndarray
    region: Foreground
    truth: np.ndarray
    thin: Callable[[np.ndarray], np.ndarray] | None = None
    trimap: np.ndarray | None = None
    image: np.ndarray | None = None
    _errors: dict[bool, tuple[int, float, float]] = field(default_factory=dict, init=False, repr=False)

    @property
    def foreground(self) -> np.ndarray:
        """The foreground of the truth, uint8 (h, w), 0 or 255."""
        return self.region.mask

    @cached_property
    def skeleton(self) -> np.ndarray:
        """Skeleton of the foreground, uint8 (h, w), 0 or 255."""
        from disbench.metrics.effort import skeleton

        return (self.thin or skeleton)(self.foreground)

    @cached_property
    def camouflage(self) -> np.ndarray:
        """Degree of camouflage of each pixel, float64 (h, w). InputError without the image."""
        from disbench.metrics.camouflage import GAMMA, LAMBDA, camouflage_degree

        if self.image is None:
            raise InputError("camouflage_context needs the image; give it as image=")
        return camouflage_degree(self.image, self.foreground > 0, GAMMA, LAMBDA)

    @cached_property
    def raw_quadrants(self) -> np.ndarray:
        """Pixels of the raw map by quadrant, background/foreground and level, int64 (4, 2, 256)."""
        from disbench.metrics.structure import quadrant_histograms

        return quadrant_histograms(self.raw, self.region)

    @cached_property
    def raw_span(self) -> tuple[int, int]:
        """The levels of the raw map that are stretched to 0 and 1."""
        lo, hi = level_span(self.raw_quadrants.sum((0, 1)))
        return int(lo), int(hi)

    @cached_property
    def binary(self) -> np.ndarray:
        """The map made binary: uint8 (h, w), 255 where the stretched map is above 1/2."""
        return np.where(sum(self.raw_span) < 2 * LEVELS, np.uint8(255), np.uint8(0))[self.raw]

    def prediction(self, protocol: EvalProtocol) -> np.ndarray:
        """Return the map that a protocol scores, uint8 (h, w): the raw one or the binary one."""
        return self.binary if protocol.binarise else self.raw

    def span(self, protocol: EvalProtocol) -> tuple[int, int]:
        """Return the levels of prediction() and quadrants() that stand for 0 and 1."""
        return (0, 255) if protocol.binarise else self.raw_span

    def quadrants(self, protocol: EvalProtocol) -> np.ndarray:
        """Return the histograms of prediction() by quadrant, int64 (4, 2, 256)."""
        if not protocol.binarise:
            return self.raw_quadrants
        lo, hi = map(np.array, self.raw_span)
        return binarise_histogram(self.raw_quadrants, lo, hi)

    def errors(self, protocol: EvalProtocol) -> tuple[int, float, float]:
        """Return the three numbers from which weighted F follows; see weighted_errors()."""
        from disbench.metrics.weighted import weighted_errors

        if protocol.binarise not in self._errors:
            errors = weighted_errors(self.prediction(protocol), self.foreground, *self.span(protocol))
            self._errors[protocol.binarise] = errors
        return self._errors[protocol.binarise]
