"""The measures that need the pixels of a map, by name: what measure() computes besides histograms, and stores.

To add a measure, add an entry to PIXEL_METRICS, and a metric to the catalogue for each of its columns. A measure is
computed once for all protocols that agree in its switches. Its columns are named after the first of these protocols,
as in "f_weighted.mvanet". The columns of protocols that agree with pysod have the plain name.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from disbench.errors import InputError
from disbench.metrics.binary import BINARY_MEASURES
from disbench.metrics.catalogue import METRICS
from disbench.metrics.map_pair import MapPair
from disbench.metrics.optional_definitions import SIZE_WHOLE, TARGET_COUNTS
from disbench.metrics.protocols import PROTOCOLS, EvalProtocol

StoredValue = float | list[float]  # a number, or a curve over thresholds


def _map_inputs(pair: MapPair, protocol: EvalProtocol) -> tuple[Any, ...]:
    """Return what most measures of shapes take: prediction, foreground, lo, hi."""
    return pair.prediction(protocol), pair.foreground, *pair.span(protocol)


def _map_switches(protocol: EvalProtocol) -> Hashable:
    """Return the switches that decide _map_inputs()."""
    return protocol.truth_above, protocol.binarise


@dataclass(frozen=True, kw_only=True)
class PixelMetric:
    """A measure that needs pixels.

    Attributes:
        columns: names of its stored values. The score of a data set is the mean of a number over images, or the
            maximum of the mean curve.
        function: "module:function" in disbench.metrics, imported on first use because it loads Numba. It returns a
            number, a curve (stored with its mean as a second value), or numbers by name in the order of `columns`.
        inputs: arguments of the function for a pair of map and truth under a protocol.
        switches: the settings of a protocol that decide the values.
        optional: compute the measure only on request, because it takes long.
        metrics: keys of the metrics that follow from its columns. Empty: the columns are the metrics.
    """

    columns: tuple[str, ...]
    function: str
    inputs: Callable[[MapPair, EvalProtocol], tuple[Any, ...]] = _map_inputs
    switches: Callable[[EvalProtocol], Hashable] = _map_switches
    optional: bool = True
    metrics: tuple[str, ...] = ()

    def compute(self, pair: MapPair, protocol: EvalProtocol) -> tuple[StoredValue, ...]:
        """Compute the values of all columns."""
        module, _, name = self.function.partition(":")
        function = getattr(import_module(f"disbench.metrics.{module}"), name)
        result = function(*self.inputs(pair, protocol))
        if isinstance(result, np.ndarray):
            return result.tolist(), float(result.mean())
        if isinstance(result, Mapping):
            return tuple(result.values())
        return (result,)


def _levels(pair: MapPair, protocol: EvalProtocol) -> tuple[Any, ...]:
    """Return the levels of the map and of the truth, which no protocol changes."""
    return pair.raw, pair.truth


def _unknown_levels(pair: MapPair, protocol: EvalProtocol) -> tuple[Any, ...]:
    return pair.raw, pair.truth, pair.trimap


def _matting(function: str, *columns: str) -> dict[str, PixelMetric]:
    """Make a measure of alpha mattes: of the whole image, and of the unknown region of a trimap."""
    whole = PixelMetric(columns=columns, function=f"matting:{function}", inputs=_levels, switches=lambda protocol: ())
    unknown = replace(
        whole,
        columns=tuple(f"{column}_unknown" for column in columns),
        function=f"{whole.function}_unknown",
        inputs=_unknown_levels,
    )
    return {metric.columns[0]: metric for metric in (whole, unknown)}


def _size_metric(name: str) -> PixelMetric:
    """Make the size-invariant form of a measure of binary maps."""
    return PixelMetric(
        columns=tuple(f"size_{name}_{variant}" for variant in ("max", "mean", "adaptive", "binary")),
        function="sizes:size_invariant_measure",
        inputs=lambda pair, protocol: (*_map_inputs(pair, protocol), name),
    )


def _effort_inputs(pair: MapPair, protocol: EvalProtocol) -> tuple[Any, ...]:
    above = sum(pair.raw_span) // 2 if protocol.arithmetic == "level" else protocol.hce_above
    return pair.raw, pair.foreground, pair.skeleton, above


PIXEL_METRICS = {
    "s_measure": PixelMetric(
        columns=("s_measure",),
        function="structure:s_measure",
        inputs=lambda pair, protocol: (pair.quadrants(protocol), *pair.span(protocol), protocol.structure),
        switches=lambda protocol: (protocol.truth_above, protocol.binarise, protocol.structure),
        optional=False,
    ),
    "f_weighted": PixelMetric(
        columns=("f_weighted",),
        function="weighted:f_weighted",
        inputs=lambda pair, protocol: (*pair.errors(protocol), protocol.weighted_eps),
        switches=lambda protocol: (protocol.truth_above, protocol.binarise, protocol.weighted_eps),
        optional=False,
    ),
    "mae_grey": PixelMetric(
        columns=("mae_grey",),
        function="grey_error:grey_mae",
        inputs=lambda pair, protocol: (pair.raw, pair.truth, pair.raw_quadrants, pair.raw_span),
        switches=lambda protocol: (),
        optional=False,
    ),
    "hce": PixelMetric(
        columns=("hce", "hce_fp_points", "hce_fp_regions", "hce_fn_points", "hce_fn_regions"),
        function="effort:effort_columns",
        inputs=_effort_inputs,
        switches=lambda protocol: (protocol.truth_above, protocol.arithmetic == "level", protocol.hce_above),
    ),
    "biou": PixelMetric(columns=("biou_max", "biou_mean"), function="boundary:grey_boundary_iou"),
    "biou_binary": PixelMetric(columns=("biou_binary",), function="boundary:boundary_iou"),
    "mba": PixelMetric(
        columns=("mba",),
        function="boundary:mean_boundary_accuracy",
        inputs=lambda pair, protocol: (pair.prediction(protocol), pair.foreground),
    ),
    "msiou": PixelMetric(columns=("msiou_adaptive", "msiou_binary"), function="multiscale:multiscale_iou"),
    "msiou_curve": PixelMetric(columns=("msiou_max", "msiou_mean"), function="multiscale:multiscale_curve"),
    "size": PixelMetric(
        columns=("size_mae", "size_f_max", "size_f_mean", "size_f_adaptive", "size_f_binary"),
        function="sizes:size_invariant",
    ),
    **{f"size_{name}": _size_metric(name) for name in BINARY_MEASURES if name not in ("f", "e")},
    "size_whole": PixelMetric(
        columns=TARGET_COUNTS,
        function="sizes:count_targets",
        metrics=tuple(f"{measure}_whole" for measure in SIZE_WHOLE),
    ),
    "boundary_f": PixelMetric(columns=("boundary_f_binary",), function="outlines:boundary_f"),
    "boundary_recall": PixelMetric(columns=("boundary_recall",), function="outlines:boundary_recall"),
    "context": PixelMetric(columns=("context",), function="context:context_measure"),
    "camouflage_context": PixelMetric(
        columns=("camouflage_context",),
        function="camouflage:camouflage_context",
        inputs=lambda pair, protocol: (*_map_inputs(pair, protocol), pair.camouflage),
    ),
    **_matting("difference_errors", "sad", "mad", "alpha_mse"),
    **_matting("gradient_error", "grad"),
    **_matting("connectivity_error", "conn"),
}
_NAME_OF_COLUMN = {column: name for name, metric in PIXEL_METRICS.items() for column in metric.columns}
_NAME_OF_METRIC = {key: name for name, metric in PIXEL_METRICS.items() for key in metric.metrics or metric.columns}


@cache
def column_of_metric(key: str, protocol: EvalProtocol) -> str | None:
    """Return the (first) column that stores a metric under a protocol. None: it follows from the histograms."""
    key = "mae_grey" if key == "mae" and protocol.grey_truth else key
    if key in _NAME_OF_METRIC and key not in _NAME_OF_COLUMN:
        key = PIXEL_METRICS[_NAME_OF_METRIC[key]].columns[0]  # its other columns are stored together with the first
    if key not in _NAME_OF_COLUMN:
        return None
    switches = PIXEL_METRICS[_NAME_OF_COLUMN[key]].switches
    first = next(p for p in PROTOCOLS.values() if switches(p) == switches(protocol))
    return key if first.name == "pysod" else f"{key}.{first.name}"


def needs_trimaps(columns: Iterable[str]) -> bool:
    """Check whether some columns are of the unknown region of trimaps."""
    return any(column.endswith("_unknown") for column in columns)


def needs_images(metrics: Iterable[str]) -> bool:
    """Check whether some metrics take the image besides the map and its truth."""
    return "camouflage_context" in metrics


def list_needed_columns(protocols: Iterable[EvalProtocol], metrics: Iterable[str] = ()) -> tuple[str, ...]:
    """List the columns that scoring needs.

    A measure is computed as a whole, so all columns of a measure are listed together.

    Args:
        protocols: the protocols to score under.
        metrics: keys in METRICS. Only optional metrics matter, because all others are always computed.

    Returns:
        Names of columns, sorted.
    """
    columns: set[str] = set()
    for protocol in protocols:
        for _, needed in _plan(protocol, metrics):
            columns.update(needed)
    return tuple(sorted(columns))


def compute_columns(
    pair_of_protocol: Callable[[EvalProtocol], MapPair], protocols: Iterable[EvalProtocol], metrics: Iterable[str]
) -> dict[str, StoredValue]:
    """Compute the needed columns of one image.

    Args:
        pair_of_protocol: returns the map and its truth as a protocol sees them.
        protocols: the protocols to score under.
        metrics: keys in METRICS; see list_needed_columns().

    Returns:
        Values by column, sorted by column.
    """
    values: dict[str, StoredValue] = {}
    for protocol in protocols:
        for metric, columns in _plan(protocol, metrics):
            if not set(columns) <= values.keys():
                values |= zip(columns, metric.compute(pair_of_protocol(protocol), protocol), strict=True)
    return dict(sorted(values.items()))


def _plan(protocol: EvalProtocol, metrics: Iterable[str]) -> Iterator[tuple[PixelMetric, list[str]]]:
    """Yield the measures that one protocol needs, with their columns under it."""
    requested = {_NAME_OF_METRIC.get(key) for key in metrics}
    for name, metric in PIXEL_METRICS.items():
        is_needed = protocol.grey_truth if name == "mae_grey" else name in requested or not metric.optional
        if is_needed:
            yield metric, [f"{column_of_metric(column, protocol)}" for column in metric.columns]


def missing_column_error(key: str, protocol: EvalProtocol) -> InputError:
    """Build the error for measurements that hold no value of a metric."""
    options = [f"--metrics {key}"] if METRICS[key].optional else []
    if not METRICS[key].optional or protocol.name != "pysod":
        options.append(f"--protocol {protocol.name}")
    return InputError(
        f"{key} under protocol {protocol.name} was not measured, and needs the maps; repeat `disbench run` or "
        f"`disbench score` with {' '.join(options)}"
    )
