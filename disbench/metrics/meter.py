"""Scores while a network trains: a Meter collects measurements of batches, and scores them as one data set.

The scores are those of `disbench score` on the saved maps, to the last bit, under two conditions: floats become levels
as they did when the maps were saved, and the images have names or come in the order of their names.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from disbench.errors import InputError, suggest_names, wrong_type
from disbench.metrics.batches import ROUNDINGS, list_maps, to_levels, to_truth_levels
from disbench.metrics.catalogue import MetricKeys, resolve_metrics
from disbench.metrics.measurement import Measurement, measure
from disbench.metrics.pixel_metrics import needs_images, needs_trimaps
from disbench.metrics.protocols import get_protocol, parse_protocols
from disbench.metrics.resize import RESIZES, resize_map
from disbench.metrics.scoring import per_image, score
from disbench.system.names import stem_key


@dataclass(frozen=True, kw_only=True)
class MeterRules:
    """What a Meter measures, and how it reads its input.

    Attributes:
        protocols: names of the protocols.
        metrics: keys in METRICS.
        rounding: how floats become levels; see disbench.metrics.batches.
        resize: how predictions are resized to their ground truths; see disbench.metrics.resize. None: another size is
            an error.
    """

    protocols: tuple[str, ...]
    metrics: tuple[str, ...]
    rounding: str
    resize: str | None

    @classmethod
    def parse(cls, protocol: str, metrics: MetricKeys, rounding: str, resize: str | None) -> "MeterRules":
        """Check the arguments of a Meter. Raises InputError for an unknown name and for rules that do not fit."""
        rules = cls(
            protocols=parse_protocols(protocol), metrics=resolve_metrics(metrics), rounding=rounding, resize=resize
        )
        if unknown := [key for key in rules.metrics if needs_trimaps([key])]:
            raise InputError(f"metrics: {unknown[0]} needs trimaps, which only `score` and `run` take; omit it")
        if needs_images(rules.metrics):
            raise InputError("metrics: camouflage_context needs images, which only `score` and `run` take; omit it")
        _check_choice("rounding", rounding, ROUNDINGS)
        if resize is not None:
            _check_choice("resize", resize, RESIZES)
            for name in rules.protocols:
                if get_protocol(name).resize not in (None, resize):
                    raise InputError(
                        f"resize: got {resize!r}, but protocol {name} resizes by {get_protocol(name).resize}; give "
                        "that, with a meter for each way of resizing"
                    )
        return rules


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A measured image.

    Attributes:
        name: stem of its ground truth. None: the user gives no names.
        measurement: the measurement of its prediction.
    """

    name: str | None
    measurement: Measurement


class Meter:
    """Collects predictions of a training loop and scores them as one data set.

    `disbench.torchmetrics.DISMetrics` is the same as a metric of torchmetrics, with states that processes exchange.

    Args:
        protocol: names of protocols, as in "pysod,diffdis".
        metrics: keys as in disbench.score(). Default: the standard metrics.
        rounding: how a float becomes a level: "round", as disbench does for ONNX, TorchScript and Python files, or
            "truncate", as (x * 255).astype(uint8).
        resize: how predictions of another size are resized to their ground truths: "opencv-bilinear",
            "opencv-bilinear-both" or "pillow-bicubic". Default: another size is an error.

    Examples:
        >>> import numpy as np
        >>> import disbench
        >>> truth = np.zeros((4, 4), np.uint8)
        >>> truth[1:3, 1:3] = 255
        >>> meter = disbench.Meter(metrics="f_max,mae")
        >>> meter.update([truth / 255, np.full((4, 4), 0.5)], [truth, truth], names=["a", "b"])
        >>> meter.compute()
        {'f_max': 0.6511627906976745, 'mae': 0.25049019607843137}
        >>> meter.reset()
    """

    def __init__(
        self, protocol: str = "pysod", metrics: MetricKeys = None, *, rounding: str = "round", resize: str | None = None
    ):
        self._rules = MeterRules.parse(protocol, metrics, rounding, resize)
        self._entries: dict[str | int, Entry] = {}  # by stem_key() of the name, or by number

    def __repr__(self) -> str:
        rules = self._rules
        return f"Meter({','.join(rules.protocols)!r}, {','.join(rules.metrics)!r}, {len(self._entries)} images)"

    @property
    def names(self) -> list[str] | None:
        """The names of the images, in the order of per_image(). None: they have no names."""
        names = [entry.name for entry in self._sort() if entry.name is not None]
        return names or None

    def update(self, preds: Any, target: Any, names: Sequence[str] | str | None = None) -> None:
        """Measure a batch.

        Predictions and ground truths are arrays of NumPy or tensors of torch on any device, (b, 1, h, w), (b, h, w) or
        (h, w), or a list of maps (h, w) or (1, h, w) of any sizes.

        Args:
            preds: predictions: float 0 to 1, uint8 or bool.
            target: ground truths: float 0 to 1, uint8 or bool. The largest level decides how they are read, as in a
                file.
            names: file stems of the images. With names, the order of updates does not matter.

        Raises:
            InputError: for anything unfit. Nothing of the batch is added then.
        """
        add_entries(self._entries, measure_batch(self._rules, preds, target, names))

    def compute(self) -> dict[str, float]:
        """Score the images so far.

        Returns:
            Scores by metric. With several protocols, keys are as in "diffdis/f_max".

        Raises:
            InputError: if there are no images.
        """
        return score_entries(self._rules, self._sort())

    def per_image(self) -> dict[str, np.ndarray]:
        """Score each image as a data set of one image.

        Returns:
            Scores by metric, float64 (n,), with keys as in compute(), in the order of the names, or of the updates.

        Raises:
            InputError: if there are no images.
        """
        return _score_protocols(self._rules, self._sort(), per_image)

    def merge(self, other: "Meter") -> None:
        """Add the images of another Meter of the same arguments.

        An image whose name both have counts once, with the measurement of this Meter.

        Raises:
            InputError: for a Meter of other arguments, and if only one of the two has names.
        """
        if not isinstance(other, Meter):
            raise wrong_type("other", other, "a disbench.Meter")
        if other._rules != self._rules:
            raise InputError(f"other: got {other._rules}, expected the same arguments, {self._rules}")
        add_entries(self._entries, list(other._entries.values()), skip_known=True)

    def reset(self) -> None:
        """Forget all images."""
        self._entries = {}

    def _sort(self) -> list[Entry]:
        return sort_entries(self._entries)


def measure_batch(rules: MeterRules, preds: Any, target: Any, names: Sequence[str] | str | None) -> list[Entry]:
    """Measure the images of a batch. Raises InputError for anything unfit; see Meter.update()."""
    maps, truths = list_maps("preds", preds), list_maps("target", target)
    if len(maps) != len(truths):
        raise InputError(f"preds, target: got {len(maps)} predictions and {len(truths)} ground truths")
    if not maps:
        raise InputError("preds: got a batch of no images, expected at least one")
    return [
        Entry(name=name, measurement=_measure_pair(rules, f"[{i}]" + (f" ({name})" if name else ""), *pair))
        for i, (name, pair) in enumerate(
            zip(_list_names(names, len(maps)), zip(maps, truths, strict=True), strict=True)
        )
    ]


def add_entries(entries: dict[str | int, Entry], added: Iterable[Entry], *, skip_known: bool = False) -> None:
    """Add images to others, all or none.

    Args:
        entries: the others, by stem_key() of the name, or by number.
        added: the images.
        skip_known: omit an image whose name is there already. False: that is an error.

    Raises:
        InputError: for a name that is there already, and if only some of all images have names.
    """
    accepted: dict[str | int, Entry] = {}
    for entry in added:
        key = len(entries) + len(accepted) if entry.name is None else stem_key(entry.name)
        if isinstance(key, int) != isinstance(next(iter(entries or accepted), key), int):
            raise InputError("names: given for some images only; give the names of all, or none")
        if key not in entries and key not in accepted:
            accepted[key] = entry
        elif not skip_known:
            raise InputError(f"names: {entry.name!r} was measured already; call reset() after each validation")
    entries.update(accepted)


def sort_entries(entries: dict[str | int, Entry]) -> list[Entry]:
    """List images as they are scored: by name, as `disbench score` does, or in the order of the updates."""
    return [entry for _, entry in sorted(entries.items(), key=lambda item: item[0])]


def score_entries(rules: MeterRules, entries: Sequence[Entry]) -> dict[str, float]:
    """Score images in this order. Raises InputError without images."""
    return _score_protocols(rules, entries, score)


def _score_protocols(rules: MeterRules, entries: Sequence[Entry], function: Any) -> dict[str, Any]:
    if not entries:
        raise InputError("no images to score; call update() first")
    measurements = [entry.measurement for entry in entries]
    scores = {}
    for protocol in rules.protocols:
        prefix = f"{protocol}/" if len(rules.protocols) > 1 else ""
        for key, value in function(measurements, protocol, rules.metrics).items():
            scores[prefix + key] = value
    return scores


def _measure_pair(rules: MeterRules, label: str, values: np.ndarray, truth_values: np.ndarray) -> Measurement:
    truth = to_truth_levels(f"target{label}", truth_values)
    levels = to_levels(f"preds{label}", values, rules.rounding)
    if levels.shape != truth.shape:
        if rules.resize is None:
            raise InputError(
                f"preds{label}: its size is {levels.shape}, that of its ground truth {truth.shape}; resize it, or give "
                f"the argument resize: {' or '.join(RESIZES)}"
            )
        if rules.resize == "opencv-bilinear-both" and (np.array(levels.shape) == truth.shape).any():
            raise InputError(
                f"preds{label}: its size is {levels.shape}, that of its ground truth {truth.shape}; {rules.resize} "
                "resizes only maps of which both sides have another length"
            )
        levels = resize_map(levels, truth.shape, rules.resize)
    return measure(levels, truth, ",".join(rules.protocols), rules.metrics)


def _list_names(names: Sequence[str] | str | None, count: int) -> list[str | None]:
    if names is None:
        return [None] * count
    listed = [names] if isinstance(names, str) else names
    if not isinstance(listed, list | tuple) or not all(isinstance(name, str) and name for name in listed):
        raise wrong_type("names", names, "file stems as a list of texts, one for each image")
    if len(listed) != count:
        raise InputError(f"names: got {len(listed)} for {count} images")
    return list(listed)


def _check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    if not isinstance(value, str):
        raise wrong_type(name, value, " or ".join(map(repr, choices)))
    if value not in choices:
        raise InputError(f"{name}: {value!r} is unknown; {suggest_names(value, choices)}")
