"""More measures as data, which a run has only on request: of alpha mattes, outlines, sizes and camouflage."""

from disbench.metrics.measure_definition import Measure
from disbench.metrics.variants import VARIANTS

# Measures of alpha mattes, which take the grey levels of the truth: key, symbols, formula, source.
_XU = "Xu et al., Deep image matting, CVPR 2017"
_RHEMANN = "Rhemann et al., A perceptually motivated online benchmark for image matting, CVPR 2009"
_LEVELS = "map and truth are level / 255"
_UNKNOWN = "pixels where the trimap is neither 0 nor 255"
_GRAD = "Grad = Σ (|∇map| - |∇truth|)²"
_CONN = "Conn = Σ |φ(map) - φ(truth)| / 1000, φ = 1 - d where d ≥ 0.15, d the alpha above the last threshold connected"
_MATTING = (
    ("sad", "SAD", r"\mathrm{SAD}", f"SAD = Σ |map - truth| / 1000, {_LEVELS}", _XU),
    ("mad", "MAD", r"\mathrm{MAD}", f"MAD = mean |map - truth|, {_LEVELS}", _XU),
    ("alpha_mse", "MSE α", r"\mathrm{MSE}_\alpha", f"mean (map - truth)², {_LEVELS}", _RHEMANN),
    ("grad", "Grad", r"\mathrm{Grad}", f"{_GRAD} / 10, derivatives of a Gaussian, σ = 1.4, as P3M", _RHEMANN),
    ("conn", "Conn", r"\mathrm{Conn}", f"{_CONN}, as P3M", _RHEMANN),
)
_UNKNOWN_FORMULAS = {"grad": f"{_GRAD} / 1000, normed filters of σ = 1.4", "conn": _CONN}
ALPHA_MEASURES = (
    *(
        Measure(
            name=name, symbol=symbol, latex=latex, direction="lower",
            formula=f"{formula}; mean over images", reference=paper, optional=True,
        )
        for name, symbol, latex, formula, paper in _MATTING
    ),
    *(
        Measure(
            name=f"{name}_unknown", symbol=f"{symbol} unk", latex=rf"{latex}^{{unk}}", direction="lower",
            formula=f"{_UNKNOWN_FORMULAS.get(name, formula)}; {_UNKNOWN}; mean over images",
            reference=_XU, optional=True,
        )
        for name, symbol, latex, formula, _ in _MATTING
    ),
)

# Measures of outlines.
_PERAZZI_V = "Perazzi et al., A benchmark dataset and evaluation methodology for video object segmentation, CVPR 2016"
_BOCHKOVSKII = "Bochkovskii et al., Depth Pro: sharp monocular metric depth in less than a second, ICLR 2025"
_BOUNDARY_F = (
    "F = 2 P R / (P + R) of outline pixels that have the other outline within 0.8 % of the diagonal, as DAVIS"
)
_BOUNDARY_RECALL = (
    "share of the truth's edges that are the steepest ratios of neighbours in the map, in four directions; mean over "
    "ten ratios from 1.05 to 1.25, weighted by the ratio, and images"
)
OUTLINE_MEASURES = (
    Measure(
        name="boundary_f_binary", symbol="F bnd", latex=r"F^{bnd}",
        formula=f"{_BOUNDARY_F}; {VARIANTS['binary'].meaning}", reference=_PERAZZI_V, optional=True,
    ),
    Measure(
        name="boundary_recall", symbol="R bnd", latex=r"R^{bnd}", formula=_BOUNDARY_RECALL,
        reference=_BOCHKOVSKII, optional=True,
    ),
)

# Size-invariant measures of binary maps other than F: key, symbol, LaTeX, direction.
_LI = "Li et al., Size-invariance matters: rethinking metrics for imbalanced salient object detection, ICML 2024"
_SIZE = (
    ("f1", "F₁", "F_1", "higher"),
    ("iou", "IoU", r"\mathrm{IoU}", "higher"),
    ("dice", "Dice", r"\mathrm{Dice}", "higher"),
    ("precision", "P", "P", "higher"),
    ("recall", "R", "R", "higher"),
    ("specificity", "TNR", r"\mathrm{TNR}", "higher"),
    ("fpr", "FPR", r"\mathrm{FPR}", "lower"),
    ("ber", "BER", r"\mathrm{BER}", "lower"),
    ("accuracy", "Acc", r"\mathrm{Acc}", "higher"),
    ("kappa", "κ", r"\kappa", "higher"),
)
_SIZE_VARIANTS = (  # as those of F
    ("max", "max", "maximum over 256 thresholds for each target, mean over targets and images"),
    ("mean", "mean", "mean over 256 thresholds, targets and images"),
    ("adaptive", "adp", VARIANTS["adaptive"].meaning),
    ("binary", "bin", VARIANTS["binary"].meaning),
)
SIZE_VARIANTS = tuple(
    Measure(
        name=f"size_{name}_{variant}", symbol=f"SI-{symbol} {label}", latex=rf"{latex}^{{SI,{label}}}",
        direction=direction, formula=f"mean {symbol} of the targets, each within its own box; {meaning}",
        reference=_LI, optional=True,
    )
    for name, symbol, latex, direction in _SIZE
    for variant, label, meaning in _SIZE_VARIANTS
)

# Size-invariant measures of the counts of all targets of a data set together.
TARGET_COUNTS = ("size_tp", "size_fp", "size_fn", "size_tn")  # columns, in the order of Counts
_SIZE_WHOLE = (("f", "Fᵦ", r"F_\beta", "higher"), *_SIZE)
SIZE_WHOLE = {f"size_{name}": name for name, *_ in _SIZE_WHOLE}  # measure -> key in BINARY_MEASURES
SIZE_WHOLE_MEASURES = tuple(
    Measure(
        name=f"size_{name}", symbol=symbol, latex=latex, direction=direction,
        formula=f"{symbol} of the pixels of all targets, each within its own box", reference=_LI,
        variants={"whole": "SI,whole"}, optional=True,
    )
    for name, symbol, latex, direction in _SIZE_WHOLE
)

# The context measure that the degree of camouflage weights.
CAMOUFLAGE_CONTEXT = Measure(
    name="camouflage_context", symbol="Cʷᵦ", latex=r"C_\beta^w",
    formula=(
        "(1 + β²) R C / (β² R + C), β² = 1.2: relevance R and completeness C as in the context measure, but C is the "
        "mean with weights 1 + degree of camouflage: how alike a pixel is to its patch's most similar surroundings, by "
        "CIEDE2000; needs the images; mean over images"
    ),
    reference="Wang et al., Context-measure: contextualizing metric for camouflage, arXiv:2512.07076, 2025",
    optional=True,
)
