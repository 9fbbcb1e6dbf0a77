"""Areas under curves of precision, recall and false positive rate: AUC-PR and AUC-ROC.

The points of all thresholds, from 255 down to 0, are joined by straight lines, and the trapezoids are added up. The
points of a data set are those of the mean curves of its images. No point is added at either end, so the area begins at
the recall or false positive rate of threshold 255.

The examples of PySODMetrics 1.6.2 sort the points by x. Where several thresholds have the same x, they have two orders:
that of examples/metric_recorder.py (areas of all images together) is the one here. examples/test_metrics.py has the
reverse, by which the area of a perfectly ranked map can be 3/4. Without equal x, the two are equal.
"""

import numpy as np

AREAS = {"auc_pr": ("recall", "precision"), "auc_roc": ("fpr", "recall")}  # metric -> measures on the axes x and y


def area_under_curve(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the areas (n,) under n curves by the trapezoidal rule; x and y are (n, k), at ascending thresholds."""
    return np.trapezoid(y[:, ::-1], x[:, ::-1], axis=1)
