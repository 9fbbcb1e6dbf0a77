"""Checks of a map and its truth, and PySODMetrics' helpers."""

import numpy as np

from disbench.errors import InputError
from disbench.metrics.validate import check_type

EPS = np.spacing(1)
TYPE = np.float64


class WrongTypeError(InputError, TypeError):
    """An array has the wrong type, for which PySODMetrics raises TypeError."""


def check_pair(pred: np.ndarray, gt: np.ndarray, normalize: bool) -> None:
    """Check a map and its truth as PySODMetrics does.

    Args:
        pred: the map. If `normalize`, any real numbers; otherwise float32 or float64 in 0..1.
        gt: the truth of the same shape. If `normalize`, any real numbers; otherwise bool.
        normalize: whether step() stretches the map and makes the truth binary.

    Raises:
        InputError: for arrays that PySODMetrics refuses, and for a map with NaN or infinite values.
    """
    for name, array in (("pred", pred), ("gt", gt)):
        if isinstance(array, np.ma.MaskedArray | np.matrix):  # which compute otherwise
            try:
                check_type(name, array, "numbers (h, w)", "L")
            except InputError as error:
                raise WrongTypeError(str(error)) from None
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
            kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            raise WrongTypeError(f"{name}: got {kind}; give a NumPy array of numbers")
    if pred.ndim == 3 and gt.ndim == 2 and pred.shape[:2] == gt.shape:
        raise InputError(f"pred is {pred.shape}, gt is {gt.shape}; give one channel of the map, as pred[..., 0]")
    if pred.shape != gt.shape:
        raise InputError(f"pred is {pred.shape}, gt is {gt.shape}; resize the map to the truth's (h, w)")
    if pred.size == 0:
        raise InputError(f"pred and gt are {pred.shape}; give at least one pixel")
    if not normalize:
        if pred.dtype not in (np.float32, np.float64):
            raise WrongTypeError(f"pred: got {pred.dtype}; with normalize=False, give float32 or float64 in 0..1")
        if not (pred.min() >= 0 and pred.max() <= 1):
            raise InputError("pred: some values are not in 0..1; give values in 0..1, or use normalize=True")
        if gt.dtype != bool:
            raise WrongTypeError(f"gt: got {gt.dtype}; with normalize=False, give bool")
    elif pred.dtype.kind == "f" and not np.isfinite(pred).all():
        raise InputError("pred: some values are NaN or infinite; give numbers")


def validate_and_normalize_input(
    pred: np.ndarray, gt: np.ndarray, normalize: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Check a map and its truth, and return them as values in 0..1 and bool.

    Args:
        pred: the map; see check_pair().
        gt: the truth; see check_pair().
        normalize: whether to apply prepare_data().

    Returns:
        The map and the truth.

    Raises:
        InputError: as check_pair() does.
    """
    check_pair(pred, gt, normalize)
    return prepare_data(pred, gt) if normalize else (pred, gt)


def prepare_data(pred: np.ndarray, gt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the map stretched to 0..1, a constant one only divided by 255, and the truth where it is above 128."""
    values = pred / 255 if pred.dtype.kind == "f" else pred.astype(TYPE) / 255
    low, high = values.min(), values.max()
    return values if low == high else (values - low) / (high - low), gt > 128


def get_adaptive_threshold(matrix: np.ndarray, max_value: float = 1) -> float:
    """Return twice the mean of a map, at most `max_value`."""
    return min(2 * matrix.mean(), max_value)
