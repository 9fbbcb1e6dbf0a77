"""PySODMetrics 1.6.2's classes, computed by disbench: `import disbench.pysodmetrics as py_sod_metrics`.

Modules, classes, arguments and results have the names of PySODMetrics. docs/pysodmetrics.md lists every difference.
"""

from disbench.pysodmetrics.context_measure import CamouflageContextMeasure, ContextMeasure
from disbench.pysodmetrics.fmeasurev2 import (
    BERHandler,
    DICEHandler,
    FmeasureHandler,
    FmeasureV2,
    FPRHandler,
    IOUHandler,
    KappaHandler,
    OverallAccuracyHandler,
    PrecisionHandler,
    RecallHandler,
    SensitivityHandler,
    SpecificityHandler,
    TNRHandler,
    TPRHandler,
)
from disbench.pysodmetrics.multiscale_iou import MSIoU
from disbench.pysodmetrics.size_invariance import SizeInvarianceFmeasureV2, SizeInvarianceMAE
from disbench.pysodmetrics.sod_metrics import (
    MAE,
    Emeasure,
    Fmeasure,
    HumanCorrectionEffortMeasure,
    Smeasure,
    WeightedFmeasure,
)

__all__ = [
    "MAE",
    "BERHandler",
    "CamouflageContextMeasure",
    "ContextMeasure",
    "DICEHandler",
    "Emeasure",
    "FPRHandler",
    "Fmeasure",
    "FmeasureHandler",
    "FmeasureV2",
    "HumanCorrectionEffortMeasure",
    "IOUHandler",
    "KappaHandler",
    "MSIoU",
    "OverallAccuracyHandler",
    "PrecisionHandler",
    "RecallHandler",
    "SensitivityHandler",
    "SizeInvarianceFmeasureV2",
    "SizeInvarianceMAE",
    "Smeasure",
    "SpecificityHandler",
    "TNRHandler",
    "TPRHandler",
    "WeightedFmeasure",
]
