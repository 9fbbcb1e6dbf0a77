"""Context measure: Wang et al., Context-measure: contextualizing metric for camouflage, arXiv:2512.07076, 2025.

This follows the transcription in PySODMetrics 1.6.2, without the degree of camouflage, which needs the image.
"""

import math

import cv2
import numpy as np

from disbench.metrics.kernels import kernel
from disbench.metrics.protocols import EPS
from disbench.metrics.stretch import LEVELS

SPREAD = 6  # pixels: square root of the sum of the Gaussian's variances along rows and columns
REACH = 3  # standard deviations at which the Gaussian ends
ONE_PIXEL = np.exp(-2 * np.array([[2, 1, 2], [1, 0, 1], [2, 1, 2]]))  # for a truth of one pixel: variances 1/4


def context_measure(prediction: np.ndarray, foreground: np.ndarray, lo: int, hi: int) -> float:
    """Compute the harmonic mean of the map's relevance and completeness.

    Relevance is the mean of the blurred truth, weighted by the map. Completeness is the mean of
    (1 - exp(-b)) e / (e - 1) over the foreground of the truth, where b is the blurred map. The covariance of the
    Gaussian blur has the shape of the covariance of the foreground's coordinates. The image is mirrored at its border.

    The blur is computed in float32, as PySODMetrics blurs the truth, so the result is accurate to 1e-6. If the
    foreground lies on one slanted line, the Gaussian lies along that line. PySODMetrics fails there, or returns
    rounding noise.

    Args:
        prediction: the map, uint8 (h, w).
        foreground: the foreground of the truth, uint8 (h, w), 0 or 255.
        lo: the level of the map that stands for 0.
        hi: the level of the map that stands for 1.

    Returns:
        The score, in 0..1; higher is better. 0 if map or truth is empty.
    """
    pixels, *moments, box = _moments(foreground)
    if pixels == 0:
        return 0.0
    blur = _gaussian(pixels, *moments)
    reach = blur.shape[0] // 2, blur.shape[1] // 2
    # Only a box around the foreground matters. Its margin keeps every foreground pixel clear of the cut, where the box
    # would be mirrored instead of continued.
    top, bottom, left, right = box
    part = np.s_[max(0, top - reach[0] - 1) : bottom + reach[0] + 1, max(0, left - reach[1] - 1) : right + reach[1] + 1]
    value = cv2.LUT(prediction[part], ((LEVELS - lo) / (hi - lo)).clip(0, 1).astype(np.float32))
    truth = foreground[part]
    # Weighting the blurred truth by the map equals summing the blurred map over the truth, with zeros outside of the
    # image.
    around = reach[0], reach[0], reach[1], reach[1]
    blurred = cv2.filter2D(cv2.copyMakeBorder(value, *around, cv2.BORDER_CONSTANT, value=0), -1, blur, borderType=0)
    mirrored = cv2.copyMakeBorder(truth, *around, cv2.BORDER_REFLECT_101)
    hits = cv2.mean(blurred, mirrored)[0] * cv2.countNonZero(mirrored)
    whole = (int(cv2.sumElems(prediction)[0]) - lo * prediction.size) / (hi - lo)
    relevant = hits / (whole + EPS)
    blurred = blurred[reach[0] : reach[0] + truth.shape[0], reach[1] : reach[1] + truth.shape[1]]
    _mirror(blurred, value, truth, blur)
    complete = math.e / (math.e - 1) * (1 - cv2.mean(cv2.exp(-blurred), truth)[0])
    return 2 * relevant * complete / (relevant + complete + EPS)


def _mirror(blurred: np.ndarray, value: np.ndarray, truth: np.ndarray, blur: np.ndarray) -> None:
    """Replace a blur with zeros outside of the image by one that mirrors the image, near borders with foreground."""
    rows, columns = blur.shape[0] // 2, blur.shape[1] // 2
    for y in (np.s_[:rows], np.s_[-rows:]) if rows else ():
        wide = np.s_[: 2 * rows] if y.start is None else np.s_[-2 * rows :]
        if truth[y].any():
            blurred[y] = cv2.filter2D(value[wide], -1, blur)[y]
    for x in (np.s_[:columns], np.s_[-columns:]) if columns else ():
        wide = np.s_[: 2 * columns] if x.start is None else np.s_[-2 * columns :]
        if truth[:, x].any():
            blurred[:, x] = cv2.filter2D(np.ascontiguousarray(value[:, wide]), -1, blur)[:, x]


@kernel
def _moments(foreground):
    """Return the number of foreground pixels, the sums of y, x, y², xy and x², and the bounding box.

    The box is (first row, row behind the last, first column, column behind the last).
    """
    height, width = foreground.shape
    pixels, rows, columns, rows2, both, columns2 = 0, 0, 0, 0, 0, 0
    top, bottom, left, right = height, 0, width, 0
    for y in range(height):
        count, total, squares = 0, 0, 0
        for x in range(width):
            inside = np.int64(foreground[y, x] & 1)
            count += inside
            total += inside * x
            squares += inside * x * x
        if count == 0:
            continue
        top, bottom = min(top, y), y + 1
        x = 0
        while foreground[y, x] == 0:
            x += 1
        left = min(left, x)
        x = width
        while foreground[y, x - 1] == 0:
            x -= 1
        right = max(right, x)
        pixels += count
        rows += count * y
        rows2 += count * y * y
        columns += total
        both += total * y
        columns2 += squares
    return pixels, rows, columns, rows2, both, columns2, (top, bottom, left, right)


def _gaussian(pixels: int, rows: int, columns: int, rows2: int, both: int, columns2: int) -> np.ndarray:
    """Return the Gaussian, float64 (2 r + 1, 2 c + 1) of sum 1, from the moments of the foreground.

    Integers are kept as long as possible, so that it is decided exactly whether the foreground is a line.
    """
    if pixels == 1:
        return ONE_PIXEL / ONE_PIXEL.sum()
    a, b, c = pixels * rows2 - rows**2, pixels * both - rows * columns, pixels * columns2 - columns**2
    reach = [round(REACH * SPREAD * math.sqrt(side / (a + c))) for side in (a, c)]
    offsets = [[(y, x) for x in range(-reach[1], reach[1] + 1)] for y in range(-reach[0], reach[0] + 1)]
    scale = a + c, 2 * SPREAD**2

    def density(y: int, x: int) -> float:
        determinant = a * c - b * b
        if determinant:
            return math.exp(-(c * y * y - 2 * b * x * y + a * x * x) * scale[0] / (scale[1] * determinant))
        on_line = a * x == b * y and b * x == c * y
        return math.exp(-(x * x + y * y) / scale[1]) if on_line else 0.0

    blur = np.array([[density(*offset) for offset in row] for row in offsets])
    return blur / blur.sum()
