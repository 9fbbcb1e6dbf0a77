"""Every metric as data: a measure, or one variant of a measure, with a key by which users ask for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from disbench.errors import InputError, suggest_names, wrong_type
from disbench.metrics.definitions import MEASURES, Measure
from disbench.metrics.protocols import EvalProtocol
from disbench.metrics.variants import VARIANTS

__all__ = ["MEASURES", "METRICS", "PAPER", "STANDARD", "VARIANTS", "Metric", "MetricKeys", "paper_metrics",
           "resolve_metrics"]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number of a data set.

    Attributes:
        key: key in METRICS, as users write it.
        symbol: symbol in plain text.
        latex: symbol in LaTeX.
        direction: "higher" or "lower", whichever is better.
        formula: definition for readers.
        reference: the paper that defines it.
        measure: key in MEASURES.
        variant: key in VARIANTS. Empty for measures of whole maps.
        variants: keys of all metrics of the same measure.
        optional: compute the metric only on request, because it takes long.
        digits: digits behind the decimal point in print.
    """

    key: str
    symbol: str
    latex: str
    direction: str
    formula: str
    reference: str
    measure: str
    variant: str = ""
    variants: tuple[str, ...] = ()
    optional: bool = False
    digits: int = 3


# Keys in METRICS, or a string of them with commas. "all" stands for every metric that is not optional, None for
# STANDARD.
MetricKeys = Sequence[str] | str | None


def _build_metric(measure: Measure, variant: str = "") -> Metric:
    label = f" {measure.variants[variant]}" if variant else ""
    return Metric(
        key=f"{measure.name}_{variant}" if variant else measure.name,
        symbol=measure.symbol + label,
        latex=f"{measure.latex}^{{{measure.variants[variant]}}}" if variant else measure.latex,
        direction=measure.direction,
        formula=f"{measure.formula}; {VARIANTS[variant].meaning}" if variant else measure.formula,
        reference=measure.reference,
        measure=measure.name,
        variant=variant,
        variants=tuple(f"{measure.name}_{name}" for name in measure.variants),
        optional=measure.optional,
        digits=measure.digits,
    )


def _build_metrics() -> dict[str, Metric]:
    metrics = {}
    for measure in MEASURES.values():
        for variant in measure.variants or ("",):
            metric = _build_metric(measure, variant)
            metrics[metric.key] = metric
    return metrics


METRICS = _build_metrics()
# The metrics that are scored by default, and the five rows of Table 2 of the DiffDIS paper.
STANDARD = ("f_max", "f_mean", "f_adaptive", "f_weighted", "e_max", "e_mean", "e_adaptive", "s_measure", "mae")
PAPER = ("f_max", "f_weighted", "e_mean", "s_measure", "mae")


def paper_metrics(protocols: Iterable[EvalProtocol]) -> tuple[str, ...]:
    """Return PAPER with the variants of E that these protocols print."""
    e_metrics = dict.fromkeys(f"e_{protocol.e}" for protocol in protocols)
    at = PAPER.index("e_mean")
    return (*PAPER[:at], *e_metrics, *PAPER[at + 1 :])


def _list_keys(metrics: MetricKeys) -> list[str]:
    if isinstance(metrics, str):
        return [key.strip() for key in metrics.split(",")]
    if isinstance(metrics, bytes) or not isinstance(metrics, Iterable | None):
        raise wrong_type("metrics", metrics, "keys as text with commas, such as 'f_max,mae', or a list of keys")
    keys = [] if metrics is None else list(metrics)
    for key in keys:
        if not isinstance(key, str):
            raise wrong_type("metrics", key, "keys as text, such as 'f_max'")
    return keys


def resolve_metrics(metrics: MetricKeys) -> tuple[str, ...]:
    """Return the keys that a request names, each once. Raises InputError for an unknown key."""
    requested = _list_keys(metrics) or STANDARD
    keys: dict[str, None] = {}  # a set that keeps the order
    for key in requested:
        if key == "all":
            keys |= dict.fromkeys(name for name, metric in METRICS.items() if not metric.optional)
        elif key in METRICS:
            keys[key] = None
        else:
            raise InputError(f"unknown metric {key!r}; {suggest_names(key, METRICS)}")
    return tuple(keys)
