"""The measures that need the pixels of a map, by name: what measure() computes beside the histograms, and stores.

To add one, give it an entry in PIXELS, and one in the catalogue for each of its columns. It is computed once for all
protocols that agree in its switches, in columns named after the first of them, as in f_weighted.mvanet; those that
agree with pysod have the plain name. The functions import what they need themselves, as it loads numba.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from disbench.errors import InputError
from disbench.metrics.catalogue import METRICS
from disbench.metrics.protocols import PROTOCOLS, EvalProtocol
from disbench.metrics.thresholds import LEVELS, binarise_histogram, level_span


@dataclass(frozen=True)
class MapPair:
    """A map and its truth, as some protocols see them.

    raw: uint8 (h, w), the map, C-contiguous; foreground: uint8 (h, w), 0 or 255; truth: uint8 (h, w), its own levels;
    thin: gives the skeleton of the foreground; None: disbench.metrics.effort.skeleton
    """

    raw: np.ndarray
    foreground: np.ndarray
    truth: np.ndarray
    thin: Callable[[np.ndarray], np.ndarray] | None = None

    @cached_property
    def skeleton(self) -> np.ndarray:
        from disbench.metrics.effort import skeleton

        return (self.thin or skeleton)(self.foreground)

    @cached_property
    def raw_quadrants(self) -> np.ndarray:
        from disbench.metrics.structure import quadrant_histograms

        return quadrant_histograms(self.raw, self.foreground)

    @cached_property
    def raw_span(self) -> tuple[int, int]:
        """The levels of `raw` that are stretched to 0 and 1."""
        lo, hi = level_span(self.raw_quadrants.sum((0, 1)))
        return int(lo), int(hi)

    @cached_property
    def binary(self) -> np.ndarray:
        return np.where(sum(self.raw_span) < 2 * LEVELS, np.uint8(255), np.uint8(0))[self.raw]

    def quadrants(self, rules: EvalProtocol) -> np.ndarray:
        return binarise_histogram(self.raw_quadrants, *map(np.array, self.raw_span)) if rules.binarise else self.raw_quadrants

    def mask(self, rules: EvalProtocol) -> np.ndarray:
        return self.binary if rules.binarise else self.raw

    @cached_property
    def _errors(self) -> dict[bool, tuple[int, float, float]]:
        return {}

    def errors(self, rules: EvalProtocol) -> tuple[int, float, float]:
        """What weighted F is made of."""
        from disbench.metrics.weighted import weighted_errors

        if rules.binarise not in self._errors:
            self._errors[rules.binarise] = weighted_errors(self.mask(rules), self.foreground, *self.span(rules))
        return self._errors[rules.binarise]

    def span(self, rules: EvalProtocol) -> tuple[int, int]:
        """The levels of mask() and quadrants() that stand for 0 and 1."""
        return (0, 255) if rules.binarise else self.raw_span


StoredValue = float | list[float]


@dataclass(frozen=True)
class PixelMetric:
    """values: a number for each of the columns, or a curve over thresholds, where a score is the maximum of the mean
    curve; switches: what of a protocol decides them; optional: see Measure.
    """

    columns: tuple[str, ...]
    values: Callable[[MapPair, EvalProtocol], tuple[StoredValue, ...]]
    switches: Callable[[EvalProtocol], Hashable] = lambda rules: ()
    optional: bool = False


def _structure(pair: MapPair, rules: EvalProtocol) -> tuple[float, ...]:
    from disbench.metrics.structure import s_measure

    return (s_measure(pair.quadrants(rules), *pair.span(rules), rules.structure),)


def _weighted(pair: MapPair, rules: EvalProtocol) -> tuple[float, ...]:
    from disbench.metrics.weighted import f_weighted

    return (f_weighted(*pair.errors(rules), rules.weighted_eps),)


def _grey_error(pair: MapPair, rules: EvalProtocol) -> tuple[float, ...]:
    """The mean of |map - truth| with the truth's own levels, on a scale of 0 to 1."""
    lo, hi = pair.raw_span
    grey = pair.truth - np.uint8(1) < 254  # neither 0 nor 255: few, if any
    both = pair.truth[grey].astype(np.intp) << 8 | pair.raw[grey]
    counts = np.bincount(both, minlength=256 * 256).reshape(256, 256)  # by level of the truth, of the map
    bg, fg = pair.raw_quadrants.sum(0)
    counts[0], counts[255] = bg - counts[1:129].sum(0), fg - counts[129:255].sum(0)
    scale = hi - lo
    difference = np.abs((LEVELS - lo) * 255 - LEVELS[:, None] * scale)
    return (int((counts * difference).sum()) / (255 * scale * pair.truth.size),)


def _effort(pair: MapPair, rules: EvalProtocol) -> tuple[float, ...]:
    from disbench.metrics.effort import effort

    above = sum(pair.raw_span) // 2 if rules.arithmetic == "level" else rules.corrected_above
    found = effort(pair.raw, pair.foreground, pair.skeleton, above)
    return (
        float(found.total),
        float(found.false_positive_points),
        float(found.false_positive_regions),
        float(found.false_negative_points),
        float(found.false_negative_regions),
    )


def _seen(pair: MapPair, rules: EvalProtocol) -> tuple[np.ndarray, np.ndarray, int, int]:
    return pair.mask(rules), pair.foreground, *pair.span(rules)


def _boundary(pair: MapPair, rules: EvalProtocol) -> tuple[float, ...]:
    from disbench.metrics.boundary import boundary_iou

    return (boundary_iou(*_seen(pair, rules)),)


def _grey_boundary(pair: MapPair, rules: EvalProtocol) -> tuple[StoredValue, ...]:
    from disbench.metrics.boundary import grey_boundary_iou

    curve = grey_boundary_iou(*_seen(pair, rules))
    return curve.tolist(), float(curve.mean())


def _boundary_accuracy(pair: MapPair, rules: EvalProtocol) -> tuple[float, ...]:
    from disbench.metrics.boundary import mean_boundary_accuracy

    return (mean_boundary_accuracy(pair.mask(rules), pair.foreground),)


def _multiscale(pair: MapPair, rules: EvalProtocol) -> tuple[float, ...]:
    from disbench.metrics.multiscale import multiscale_iou

    found = multiscale_iou(*_seen(pair, rules))
    return found["adaptive"], found["binary"]


def _multiscale_curve(pair: MapPair, rules: EvalProtocol) -> tuple[StoredValue, ...]:
    from disbench.metrics.multiscale import multiscale_curve

    curve = multiscale_curve(*_seen(pair, rules))
    return curve.tolist(), float(curve.mean())


def _sizes(pair: MapPair, rules: EvalProtocol) -> tuple[float, ...]:
    from disbench.metrics.sizes import size_invariant

    found = size_invariant(*_seen(pair, rules))
    return tuple(found[name] for name in ("mae", "max", "mean", "adaptive", "binary"))


def _context(pair: MapPair, rules: EvalProtocol) -> tuple[float, ...]:
    from disbench.metrics.context import context_measure

    return (context_measure(*_seen(pair, rules)),)


def _shape(values: Callable[[MapPair, EvalProtocol], tuple[StoredValue, ...]], *columns: str) -> PixelMetric:
    """Of shapes, for which protocols differ in what is foreground, and in whether the map is binary."""
    return PixelMetric(columns, values, lambda rules: (rules.truth_above, rules.binarise), optional=True)


PIXEL_METRICS = {
    "s_measure": PixelMetric(("s_measure",), _structure, lambda rules: (rules.truth_above, rules.binarise, rules.structure)),
    "f_weighted": PixelMetric(
        ("f_weighted",), _weighted, lambda rules: (rules.truth_above, rules.binarise, rules.weighted_eps)
    ),
    "mae_grey": PixelMetric(("mae_grey",), _grey_error),
    "hce": PixelMetric(
        ("hce", "hce_fp_points", "hce_fp_regions", "hce_fn_points", "hce_fn_regions"),
        _effort,
        lambda rules: (rules.truth_above, rules.arithmetic == "level", rules.corrected_above),
        optional=True,
    ),
    "biou": _shape(_grey_boundary, "biou_max", "biou_mean"),
    "biou_binary": _shape(_boundary, "biou_binary"),
    "mba": _shape(_boundary_accuracy, "mba"),
    "msiou": _shape(_multiscale, "msiou_adaptive", "msiou_binary"),
    "msiou_curve": _shape(_multiscale_curve, "msiou_max", "msiou_mean"),
    "size": _shape(_sizes, "size_mae", "size_f_max", "size_f_mean", "size_f_adaptive", "size_f_binary"),
    "context": _shape(_context, "context"),
}
_METRIC_OF_COLUMN = {column: name for name, pixel in PIXEL_METRICS.items() for column in pixel.columns}


def column_of_metric(key: str, rules: EvalProtocol) -> str | None:
    """Where the value of a metric is stored under a protocol; None where it follows from the histograms."""
    key = "mae_grey" if key == "mae" and rules.grey_truth else key
    if key not in _METRIC_OF_COLUMN:
        return None
    switches = PIXEL_METRICS[_METRIC_OF_COLUMN[key]].switches
    first = next(p for p in PROTOCOLS.values() if switches(p) == switches(rules))
    return key if first.name == "pysod" else f"{key}.{first.name}"


def list_needed_columns(protocols: Iterable[EvalProtocol], metrics: Iterable[str] = ()) -> tuple[str, ...]:
    """The columns that serve these protocols: of all measures that are not optional, and of optional ones in `metrics`.

    A measure is computed whole, so each is here with all of its columns.
    """
    return tuple(sorted({name for rules in protocols for _, found in _plan(rules, metrics) for name in found}))


def compute_columns(
    pair: Callable[[EvalProtocol], MapPair], protocols: Iterable[EvalProtocol], metrics: Iterable[str]
) -> dict[str, StoredValue]:
    """Column -> value, for the columns that are needed; `pair` gives the images as a protocol sees them."""
    values: dict[str, StoredValue] = {}
    for rules in protocols:
        for pixel, columns in _plan(rules, metrics):
            if not set(columns) <= values.keys():
                values |= zip(columns, pixel.values(pair(rules), rules), strict=True)
    return dict(sorted(values.items()))


def _plan(rules: EvalProtocol, metrics: Iterable[str]) -> Iterator[tuple[PixelMetric, tuple[str, ...]]]:
    asked = {_METRIC_OF_COLUMN.get(key) for key in metrics}
    for name, pixel in PIXEL_METRICS.items():
        if rules.grey_truth if name == "mae_grey" else name in asked or not pixel.optional:
            yield pixel, tuple(column_of_metric(key, rules) for key in pixel.columns)


def missing_column_error(key: str, rules: EvalProtocol) -> InputError:
    """What to say where measurements hold no value for a metric."""
    optional = METRICS[key].optional
    how = f"--metrics {key}" if optional else f"--protocol {rules.name}"
    if optional and rules.name != "pysod":
        how += f" --protocol {rules.name}"
    return InputError(
        f"{key} under protocol {rules.name} was not measured, and needs the maps: give `disbench run` or `score` again "
        f"with {how}"
    )
