"""Every measure as data: its symbols, direction, formula and source.

A quotient 0/0 is 0, as in PySODMetrics. Without foreground in the truth, P, R, F, IoU, Dice and κ are therefore 0 and
BER is at least 1/2, even for an empty map.
"""

from disbench.metrics.measure_definition import Measure
from disbench.metrics.optional_definitions import (
    ALPHA_MEASURES,
    CAMOUFLAGE_CONTEXT,
    OUTLINE_MEASURES,
    SIZE_VARIANTS,
    SIZE_WHOLE_MEASURES,
)
from disbench.metrics.variants import VARIANTS

_FIXED = {"mean": "mean", "adaptive": "adp", "binary": "bin", "whole": "whole"}
_UP, _DOWN = {"max": "max"} | _FIXED, {"min": "min"} | _FIXED | {"max": "max"}
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
_DAVIS = "Davis and Goadrich, The relationship between precision-recall and ROC curves, ICML 2006"
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
_AREA = "area under the points of all thresholds, joined by straight lines; mean curves of the images"
_HCE = "clicks that correct the map: points on boundaries to redraw, and regions to delete or fill; mean over images"
_EFFORTS = (  # key, symbol, clicks
    ("hce_fp_points", "FPpoints", "points on boundaries of what is wrongly foreground"),
    ("hce_fp_regions", "FPregions", "regions that are wrongly foreground as a whole"),
    ("hce_fn_points", "FNpoints", "points on boundaries of what is wrongly background"),
    ("hce_fn_regions", "FNregions", "regions that are wrongly background as a whole"),
)

_BIOU = "BIoU = IoU of the parts within 2 % of the diagonal of the outlines"
_GREY_BIOU = f"{_BIOU}, the map's being grey, less its erosion"
_MBA = (
    "mBA = share of right pixels around the truth's outline, of the map above level 128; mean over five radii up to "
    "(h + w) / 300, and images"
)
_MSIOU = "MIoU = area under (|M ∩ T| + 1) / (|T| + 1), M and T cells with edges, over grids of 1, 2, 4... 512 pixels"
_CURVES = "maximum over thresholds of the mean curve of the images"
_SIZE_M = "(Σ e + α e₀) / (K + α), e the MAE in each of K targets' boxes, e₀ outside; α = area outside / inside"
_SIZE_F = "mean F of the targets, each within its own box, β² = 0.3"
_CONTEXT = (
    "C = 2 r c / (r + c), r = Σ map · blurred truth / Σ map, c = mean (1 - exp(-blurred map)) e / (e - 1) on the "
    "truth; mean over images"
)
_AT_ADAPTIVE, _AT_HALF = VARIANTS["adaptive"].meaning, VARIANTS["binary"].meaning

_MEASURES = (
    Measure(name="f", symbol="Fᵦ", latex=r"F_\beta", formula=_F, reference=_ACHANTA, variants=_UP),
    Measure(name="f_weighted", symbol="Fᵦ ω", latex=r"F_\beta^{\omega}", formula=_WEIGHTED, reference=_MARGOLIN),
    Measure(name="e", symbol="Eᵩ", latex=r"E_\phi", formula=_E, reference=_FAN_E, variants=_E_VARIANTS),
    Measure(name="s_measure", symbol="Sₘ", latex="S_m", formula=_STRUCTURE, reference=_FAN_S),
    Measure(name="mae", symbol="M", latex=r"\mathcal{M}", direction="lower", formula=_MAE, reference=_PERAZZI),
    Measure(name="mse", symbol="MSE", latex=r"\mathrm{MSE}", direction="lower", formula=_MSE, reference=_ZHENG),
    Measure(name="f1", symbol="F₁", latex="F_1", formula="F₁ = 2 P R / (P + R)", reference=_RIJSBERGEN, variants=_UP),
    Measure(
        name="iou", symbol="IoU", latex=r"\mathrm{IoU}",
        formula="IoU = TP / (TP + FP + FN)", reference=_EVERINGHAM, variants=_UP,
    ),
    Measure(
        name="dice", symbol="Dice", latex=r"\mathrm{Dice}",
        formula="Dice = 2 TP / (2 TP + FP + FN)", reference=_DICE, variants=_UP,
    ),
    Measure(name="dice_soft", symbol="Dice soft", latex=r"\mathrm{Dice}^{soft}", formula=_SOFT, reference=_MILLETARI),
    Measure(name="precision", symbol="P", latex="P", formula="P = TP / (TP + FP)", reference=_FAWCETT, variants=_UP),
    Measure(name="recall", symbol="R", latex="R", formula=_R, reference=_FAWCETT, variants=_UP),
    Measure(
        name="specificity", symbol="TNR", latex=r"\mathrm{TNR}",
        formula="TNR = TN / (TN + FP)", reference=_FAWCETT, variants=_UP,
    ),
    Measure(
        name="fpr", symbol="FPR", latex=r"\mathrm{FPR}", direction="lower",
        formula="FPR = FP / (TN + FP)", reference=_FAWCETT, variants=_DOWN,
    ),
    Measure(
        name="ber", symbol="BER", latex=r"\mathrm{BER}", direction="lower",
        formula="BER = 1 - (R + TNR) / 2", reference=_VICENTE, variants=_DOWN,
    ),
    Measure(
        name="accuracy", symbol="Acc", latex=r"\mathrm{Acc}",
        formula="Acc = (TP + TN) / N", reference=_FAWCETT, variants=_UP,
    ),
    Measure(name="kappa", symbol="κ", latex=r"\kappa", formula=_KAPPA, reference=_COHEN, variants=_UP),
    Measure(
        name="auc_pr", symbol="AUC-PR", latex=r"\mathrm{AUC}^{PR}",
        formula=f"P over R: {_AREA}", reference=_DAVIS,
    ),
    Measure(
        name="auc_roc", symbol="AUC-ROC", latex=r"\mathrm{AUC}^{ROC}",
        formula=f"R over FPR: {_AREA}", reference=_FAWCETT,
    ),
    Measure(
        name="hce", symbol="HCE", latex=r"\mathrm{HCE}", direction="lower",
        formula=_HCE, reference=_QIN, optional=True, digits=0,
    ),
    *(
        Measure(
            name=name, symbol=symbol, latex=rf"\mathrm{{{symbol}}}", direction="lower",
            formula=f"HCE: {clicks}; mean over images", reference=_QIN, optional=True, digits=0,
        )
        for name, symbol, clicks in _EFFORTS
    ),
)

# Measures of shapes, which need pixels.
_SHAPES = (
    Measure(
        name="biou_max", symbol="BIoU max", latex=r"\mathrm{BIoU}^{max}",
        formula=f"{_GREY_BIOU}; {_CURVES}, as BiRefNet's evaluation",
        reference=_CHENG_B, optional=True,
    ),
    Measure(
        name="biou_mean", symbol="BIoU mean", latex=r"\mathrm{BIoU}^{mean}",
        formula=f"{_GREY_BIOU}; mean over 256 thresholds and images, as BiRefNet prints it",
        reference=_CHENG_B, optional=True,
    ),
    Measure(
        name="biou_binary", symbol="BIoU bin", latex=r"\mathrm{BIoU}^{bin}",
        formula=f"{_BIOU}, {_AT_HALF}", reference=_CHENG_B, optional=True,
    ),
    Measure(name="mba", symbol="mBA", latex=r"\mathrm{mBA}", formula=_MBA, reference=_CHENG_M, optional=True),
    Measure(
        name="msiou_adaptive", symbol="MIoU adp", latex=r"\mathrm{MIoU}^{adp}",
        formula=f"{_MSIOU}; {_AT_ADAPTIVE}", reference=_AHMADZADEH, optional=True,
    ),
    Measure(
        name="msiou_binary", symbol="MIoU bin", latex=r"\mathrm{MIoU}^{bin}",
        formula=f"{_MSIOU}; {_AT_HALF}", reference=_AHMADZADEH, optional=True,
    ),
    Measure(
        name="msiou_max", symbol="MIoU max", latex=r"\mathrm{MIoU}^{max}",
        formula=f"{_MSIOU}; {_CURVES}, 0 to 256", reference=_AHMADZADEH, optional=True,
    ),
    Measure(
        name="msiou_mean", symbol="MIoU mean", latex=r"\mathrm{MIoU}^{mean}",
        formula=f"{_MSIOU}; mean over 257 thresholds, 0 to 256, and images", reference=_AHMADZADEH, optional=True,
    ),
    Measure(
        name="size_mae", symbol="SI-M", latex=r"\mathcal{M}^{SI}", direction="lower",
        formula=f"{_SIZE_M}; mean over images", reference=_LI, optional=True,
    ),
    Measure(
        name="size_f_max", symbol="SI-Fᵦ max", latex=r"F_\beta^{SI,max}",
        formula=f"{_SIZE_F}; maximum over 256 thresholds for each target, mean over targets and images",
        reference=_LI, optional=True,
    ),
    Measure(
        name="size_f_mean", symbol="SI-Fᵦ mean", latex=r"F_\beta^{SI,mean}",
        formula=f"{_SIZE_F}; mean over 256 thresholds, targets and images", reference=_LI, optional=True,
    ),
    Measure(
        name="size_f_adaptive", symbol="SI-Fᵦ adp", latex=r"F_\beta^{SI,adp}",
        formula=f"{_SIZE_F}; {_AT_ADAPTIVE}", reference=_LI, optional=True,
    ),
    Measure(
        name="size_f_binary", symbol="SI-Fᵦ bin", latex=r"F_\beta^{SI,bin}",
        formula=f"{_SIZE_F}; {_AT_HALF}", reference=_LI, optional=True,
    ),
    Measure(name="context", symbol="Cᵦ", latex=r"C_\beta", formula=_CONTEXT, reference=_WANG, optional=True),
)

MEASURES = {
    measure.name: measure
    for measure in (
        *_MEASURES, *_SHAPES, *ALPHA_MEASURES, *OUTLINE_MEASURES, *SIZE_VARIANTS, *SIZE_WHOLE_MEASURES,
        CAMOUFLAGE_CONTEXT,
    )
}
