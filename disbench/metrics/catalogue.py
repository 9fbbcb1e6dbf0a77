"""Every measure as data: how it is written and defined, and the variants that make it one number.

A measure of binary maps (disbench.metrics.binary) is a function of four counts at a threshold. Its variants choose the
threshold, and whether scores, curves or pixels are pooled over a data set. A quotient 0/0 is 0, as in PySODMetrics:
without foreground in the truth, P, R, F, IoU, Dice and κ are 0 and BER is at least 1/2, even of a map that is empty.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from disbench.errors import InputError, suggest_names
from disbench.metrics.protocols import EvalProtocol
from disbench.metrics.thresholds import Counts, counts_above_half, counts_at_adaptive, counts_at_all_thresholds


@dataclass(frozen=True)
class Measure:
    """How a measure is written and defined. variants: name in VARIANTS -> label in print; none if of whole maps.

    optional: computed only where it is asked for by name, since it takes long; digits: behind the point, in print
    """

    name: str
    symbol: str
    latex: str
    direction: str  # "higher" or "lower" is better
    formula: str
    reference: str
    variants: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False
    digits: int = 3


@dataclass(frozen=True)
class Metric:
    """One number: a measure, or a variant of one. variants: the keys of all variants of the measure."""

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


def as_is(x):
    return x  # the step that leaves a variant's images apart


def _mean_curve(values: np.ndarray) -> np.ndarray:
    return values.mean(0, keepdims=True)


@dataclass(frozen=True)
class Variant:
    """From histograms to a number per image: thresholds, measure, reduce; to one per data set with the steps between.

    thresholds: levels of the images -> Counts (n, k); pool: Counts -> Counts (m, k), before the measure;
    average: its values (m, k) -> (l, k); reduce: along axis 1 to (l,), of which the mean is the score.
    """

    meaning: str
    thresholds: Callable[..., Counts]
    reduce: Callable[..., np.ndarray] = np.mean
    pool: Callable[[Counts], Counts] = as_is
    average: Callable[[np.ndarray], np.ndarray] = as_is


_CURVE = "over 256 thresholds of the mean curve of the images"
_HALF = "where the map is above 1/2"
VARIANTS = {
    "max": Variant(f"maximum {_CURVE}", counts_at_all_thresholds, np.max, average=_mean_curve),
    "min": Variant(f"minimum {_CURVE}", counts_at_all_thresholds, np.min, average=_mean_curve),
    "mean": Variant("mean over 256 thresholds and images", counts_at_all_thresholds),
    "adaptive": Variant("at twice the mean of each map, at most 1; mean over images", counts_at_adaptive),
    "binary": Variant(f"{_HALF}; mean over images", counts_above_half),
    "whole": Variant(f"{_HALF}; counts summed over the images", counts_above_half, pool=Counts.pooled),
}
_FIXED = {"mean": "mean", "adaptive": "adp", "binary": "bin", "whole": "whole"}
_UP, _DOWN = {"max": "max"} | _FIXED, {"min": "min"} | _FIXED
_E_VARIANTS = {"max": "max", "mean": "m", "adaptive": "adp", "binary": "bin"}  # a sum over pixels has no pooled form

_ACHANTA = "Achanta et al., Frequency-tuned salient region detection, CVPR 2009"
_MARGOLIN = "Margolin et al., How to evaluate foreground maps?, CVPR 2014"
_FAN_E = "Fan et al., Enhanced-alignment measure for binary foreground map evaluation, IJCAI 2018"
_FAN_S = "Fan et al., Structure-measure: a new way to evaluate foreground maps, ICCV 2017"
_PERAZZI = "Perazzi et al., Saliency filters, CVPR 2012"
_ZHENG = "Zheng et al., Bilateral reference for high-resolution dichotomous image segmentation, CAAI AIR 2024"
_RIJSBERGEN = "van Rijsbergen, Information retrieval, 1979"
_EVERINGHAM = "Everingham et al., The PASCAL visual object classes challenge, IJCV 2010"
_DICE = "Dice, Measures of the amount of ecologic association between species, Ecology 1945"
_MILLETARI = "Milletari et al., V-Net, 3DV 2016"
_FAWCETT = "Fawcett, An introduction to ROC analysis, Pattern Recognition Letters 2006"
_VICENTE = "Vicente et al., Leave-one-out kernel optimization for shadow detection, ICCV 2015"
_QIN = "Qin et al., Highly accurate dichotomous image segmentation, ECCV 2022"
_CHENG_B = "Cheng et al., Boundary IoU: improving object-centric image segmentation evaluation, CVPR 2021"
_CHENG_M = "Cheng et al., CascadePSP, CVPR 2020"
_AHMADZADEH = "Ahmadzadeh et al., Multiscale IoU: a metric for evaluation of salient object detection, ICIP 2021"
_LI = "Li et al., Size-invariance matters: rethinking metrics for imbalanced salient object detection, ICML 2024"
_WANG = "Wang et al., Context-measure: contextualizing metric for camouflage, arXiv:2512.07076, 2025"
_COHEN = "Cohen, A coefficient of agreement for nominal scales, Educational and Psychological Measurement 1960"

_F = "F = (1 + β²) P R / (β² P + R), β² = 0.3"
_WEIGHTED = (
    "F with β² = 1 of errors blurred along the foreground and weighted 2 - 2^(-d/5) at distance d from it; "
    "mean over images"
)
_E = "E = Σ (1 + 2pt / (p² + t²))² / 4(N - 1), p and t the binary map and the truth less their means"
_STRUCTURE = "S = half the similarity of objects + half that of the quadrants at the centroid; mean over images"
_MAE = "mean |map - truth| over pixels; mean over images"
_MSE = "mean (map - truth)² over pixels; mean over images"
_SOFT = "Dice = 2 Σ map · truth / (Σ map + Σ truth); mean over images"
_R = "R = TP / (TP + FN), which is 1 at threshold 0"
_KAPPA = "κ = (Acc - c) / (1 - c), c = ((TP + FP)(TP + FN) + (TN + FN)(TN + FP)) / N²"
_HCE = "clicks that correct the map: points on boundaries to redraw, and regions to delete or fill; mean over images"
_EFFORTS = (
    ("hce_fp_points", "FPpoints", "points on boundaries of what is wrongly foreground"),
    ("hce_fp_regions", "FPregions", "regions that are wrongly foreground as a whole"),
    ("hce_fn_points", "FNpoints", "points on boundaries of what is wrongly background"),
    ("hce_fn_regions", "FNregions", "regions that are wrongly background as a whole"),
)

_BIOU = "BIoU = IoU of the parts within 2 % of the diagonal of the outlines"
_MBA = (
    "mBA = share of right pixels around the truth's outline, of the map above level 128; mean over five radii up to "
    "(h + w) / 300, and images"
)
_MSIOU = "MIoU = area under (|M ∩ T| + 1) / (|T| + 1), M and T cells with edges, over grids of 1, 2, 4... 512 pixels"
_CURVES = "maximum over thresholds of the mean curve of the images"
_SIZE_M = "(Σ e + α e₀) / (K + α), e the MAE in each of K targets' boxes, e₀ outside; α = area outside / inside"
_SIZE_F = "mean F of the targets, each in its box alone, β² = 0.3"
_CONTEXT = (
    "C = 2 r c / (r + c), r = Σ map · blurred truth / Σ map, c = mean (1 - exp(-blurred map)) e / (e - 1) on the "
    "truth; mean over images"
)
_ADAPTIVE_M, _BINARY_M = VARIANTS["adaptive"].meaning, VARIANTS["binary"].meaning
# key, symbol, LaTeX, direction, formula, reference: measures of shapes, which need pixels.
_SHAPES = (
    (
        "biou_max",
        "BIoU max",
        r"\mathrm{BIoU}^{max}",
        "higher",
        f"{_BIOU}, the map's being grey, less its erosion; {_CURVES}, as BiRefNet's evaluation",
        _CHENG_B,
    ),
    (
        "biou_mean",
        "BIoU mean",
        r"\mathrm{BIoU}^{mean}",
        "higher",
        f"{_BIOU}, the map's being grey, less its erosion; mean over 256 thresholds and images, as BiRefNet prints it",
        _CHENG_B,
    ),
    ("biou_binary", "BIoU bin", r"\mathrm{BIoU}^{bin}", "higher", f"{_BIOU}, {_BINARY_M}", _CHENG_B),
    ("mba", "mBA", r"\mathrm{mBA}", "higher", _MBA, _CHENG_M),
    ("msiou_adaptive", "MIoU adp", r"\mathrm{MIoU}^{adp}", "higher", f"{_MSIOU}; {_ADAPTIVE_M}", _AHMADZADEH),
    ("msiou_binary", "MIoU bin", r"\mathrm{MIoU}^{bin}", "higher", f"{_MSIOU}; {_BINARY_M}", _AHMADZADEH),
    ("msiou_max", "MIoU max", r"\mathrm{MIoU}^{max}", "higher", f"{_MSIOU}; {_CURVES}, 0 to 256", _AHMADZADEH),
    (
        "msiou_mean",
        "MIoU mean",
        r"\mathrm{MIoU}^{mean}",
        "higher",
        f"{_MSIOU}; mean over 257 thresholds, 0 to 256, and images",
        _AHMADZADEH,
    ),
    ("size_mae", "SI-M", r"\mathcal{M}^{SI}", "lower", f"{_SIZE_M}; mean over images", _LI),
    (
        "size_f_max",
        "SI-Fᵦ max",
        r"F_\beta^{SI,max}",
        "higher",
        f"{_SIZE_F}; maximum over 256 thresholds for each target, mean over targets and images",
        _LI,
    ),
    (
        "size_f_mean",
        "SI-Fᵦ mean",
        r"F_\beta^{SI,mean}",
        "higher",
        f"{_SIZE_F}; mean over 256 thresholds, targets and images",
        _LI,
    ),
    ("size_f_adaptive", "SI-Fᵦ adp", r"F_\beta^{SI,adp}", "higher", f"{_SIZE_F}; {_ADAPTIVE_M}", _LI),
    ("size_f_binary", "SI-Fᵦ bin", r"F_\beta^{SI,bin}", "higher", f"{_SIZE_F}; {_BINARY_M}", _LI),
    ("context", "Cᵦ", r"C_\beta", "higher", _CONTEXT, _WANG),
)

MEASURES = {
    measure.name: measure
    for measure in (
        Measure("f", "Fᵦ", r"F_\beta", "higher", _F, _ACHANTA, _UP),
        Measure("f_weighted", "Fᵦ ω", r"F_\beta^{\omega}", "higher", _WEIGHTED, _MARGOLIN),
        Measure("e", "Eᵩ", r"E_\phi", "higher", _E, _FAN_E, _E_VARIANTS),
        Measure("s_measure", "Sₘ", "S_m", "higher", _STRUCTURE, _FAN_S),
        Measure("mae", "M", r"\mathcal{M}", "lower", _MAE, _PERAZZI),
        Measure("mse", "MSE", r"\mathrm{MSE}", "lower", _MSE, _ZHENG),
        Measure("f1", "F₁", "F_1", "higher", "F₁ = 2 P R / (P + R)", _RIJSBERGEN, _UP),
        Measure("iou", "IoU", r"\mathrm{IoU}", "higher", "IoU = TP / (TP + FP + FN)", _EVERINGHAM, _UP),
        Measure("dice", "Dice", r"\mathrm{Dice}", "higher", "Dice = 2 TP / (2 TP + FP + FN)", _DICE, _UP),
        Measure("dice_soft", "Dice soft", r"\mathrm{Dice}^{soft}", "higher", _SOFT, _MILLETARI),
        Measure("precision", "P", "P", "higher", "P = TP / (TP + FP)", _FAWCETT, _UP),
        Measure("recall", "R", "R", "higher", _R, _FAWCETT, _UP),
        Measure("specificity", "TNR", r"\mathrm{TNR}", "higher", "TNR = TN / (TN + FP)", _FAWCETT, _UP),
        Measure("fpr", "FPR", r"\mathrm{FPR}", "lower", "FPR = FP / (TN + FP)", _FAWCETT, _DOWN),
        Measure("ber", "BER", r"\mathrm{BER}", "lower", "BER = 1 - (R + TNR) / 2", _VICENTE, _DOWN),
        Measure("accuracy", "Acc", r"\mathrm{Acc}", "higher", "Acc = (TP + TN) / N", _FAWCETT, _UP),
        Measure("kappa", "κ", r"\kappa", "higher", _KAPPA, _COHEN, _UP),
        Measure("hce", "HCE", r"\mathrm{HCE}", "lower", _HCE, _QIN, optional=True, digits=0),
        *(
            Measure(key, symbol, rf"\mathrm{{{symbol}}}", "lower", f"HCE: {what}; mean over images", _QIN, {}, True, 0)
            for key, symbol, what in _EFFORTS
        ),
        *(Measure(*shape, optional=True) for shape in _SHAPES),
    )
}


def _metrics(m: Measure) -> list[Metric]:
    if not m.variants:
        texts = m.symbol, m.latex, m.direction, m.formula, m.reference
        return [Metric(m.name, *texts, m.name, "", (), m.optional, m.digits)]
    keys = tuple(f"{m.name}_{variant}" for variant in m.variants)
    return [
        Metric(
            key,
            f"{m.symbol} {label}",
            f"{m.latex}^{{{label}}}",
            m.direction,
            f"{m.formula}; {VARIANTS[variant].meaning}",
            m.reference,
            m.name,
            variant,
            keys,
            m.optional,
            m.digits,
        )
        for key, (variant, label) in zip(keys, m.variants.items(), strict=True)
    ]


METRICS = {metric.key: metric for measure in MEASURES.values() for metric in _metrics(measure)}
# What a score is made of unless told otherwise, and the five rows of Table 2 of the DiffDIS paper.
STANDARD = ("f_max", "f_mean", "f_adaptive", "f_weighted", "e_max", "e_mean", "e_adaptive", "s_measure", "mae")
PAPER = ("f_max", "f_weighted", "e_mean", "s_measure", "mae")


def paper_metrics(protocols: Iterable[EvalProtocol]) -> tuple[str, ...]:
    """PAPER with E as these protocols print it."""
    es = tuple(dict.fromkeys(f"e_{rules.e}" for rules in protocols))
    at = PAPER.index("e_mean")
    return (*PAPER[:at], *es, *PAPER[at + 1 :])


# Of METRICS; a string has commas, "all" in it is every key that is not optional, None is STANDARD.
MetricKeys = Sequence[str] | str | None


def resolve_metrics(metrics: MetricKeys) -> tuple[str, ...]:
    """The keys one by one; InputError with the nearest for an unknown one."""
    asked = [key.strip() for key in metrics.split(",")] if isinstance(metrics, str) else metrics or STANDARD
    every = [key for key, metric in METRICS.items() if not metric.optional]
    keys = dict.fromkeys(key for one in asked for key in (every if one == "all" else [one]))
    for key in keys:
        if key not in METRICS:
            raise InputError(f"unknown metric {key!r}; {suggest_names(key, METRICS)}")
    return tuple(keys)
