"""Context measure: Wang et al., Context-measure: contextualizing metric for camouflage, arXiv:2512.07076, 2025, as
PySODMetrics 1.6.2 transcribes it, without its degree of camouflage, which needs the image."""

import math

import cv2
import numpy as np

from disbench.metrics.kernels import kernel
from disbench.metrics.thresholds import EPS, LEVELS

SPREAD = 6  # pixels: the standard deviations of the Gaussian along rows and columns are the legs of this hypotenuse
REACH = 3  # standard deviations at which it ends
LONE = np.exp(-2 * np.array([[2, 1, 2], [1, 0, 1], [2, 1, 2]]))  # that of a truth of one pixel: variances 1/4


def context_measure(mask: np.ndarray, foreground: np.ndarray, lo: int, hi: int) -> float:
    """Harmonic mean of how relevant the map is to the truth, and how completely the map covers the truth; in 0..1.

    Relevance: mean of the blurred truth, weighted by the map. Completeness: mean of (1 - exp(-b)) e / (e - 1) over the
    foreground of the truth, b the blurred map. Both are blurred by the Gaussian whose covariance has the shape of the
    truth's, and are mirrored at the border. 0 where map or truth is empty, more is better.

    mask, foreground: uint8 (h, w), foreground 0 or 255; lo, hi: the levels of the mask that stand for 0 and 1. Blurring
    is in float32, as PySODMetrics blurs the truth, so that the answer is good to 1e-6. Foreground on one slanted line
    has a Gaussian along that line; PySODMetrics fails there, or answers by rounding noise.
    """
    pixels, *moments, box = _moments(foreground)
    if pixels == 0:
        return 0.0
    blur = _gaussian(pixels, *moments)
    reach = blur.shape[0] // 2, blur.shape[1] // 2
    # The pixels that matter to the foreground, and so many more that nothing of it is mirrored at a cut.
    top, bottom, left, right = box
    part = np.s_[max(0, top - reach[0] - 1) : bottom + reach[0] + 1, max(0, left - reach[1] - 1) : right + reach[1] + 1]
    value = ((LEVELS - lo) / (hi - lo)).clip(0, 1).astype(np.float32)[mask[part]]
    truth = (foreground[part] & 1).astype(np.float32)
    # To weigh the blurred truth by the map is to sum over the truth the blurred map, with zeros outside of the image.
    around = reach[0], reach[0], reach[1], reach[1]
    blurred = cv2.filter2D(cv2.copyMakeBorder(value, *around, cv2.BORDER_CONSTANT, value=0), -1, blur, borderType=0)
    hits = blurred[cv2.copyMakeBorder(truth, *around, cv2.BORDER_REFLECT_101) > 0].sum(dtype=np.float64)
    whole = (int(mask.sum(dtype=np.int64)) - lo * mask.size) / (hi - lo)
    relevant = float(hits) / (whole + EPS)
    blurred = blurred[reach[0] : reach[0] + truth.shape[0], reach[1] : reach[1] + truth.shape[1]]
    _mirror(blurred, value, blur, reach)
    complete = math.e / (math.e - 1) * (1 - float(np.exp(-blurred[truth > 0]).mean(dtype=np.float64)))
    return 2 * relevant * complete / (relevant + complete + EPS)


def _mirror(blurred: np.ndarray, value: np.ndarray, blur: np.ndarray, reach: tuple[int, int]) -> None:
    """Make a blur with zeros outside of the image one with the image mirrored, which differs near the border."""
    rows, columns = reach
    for y in (np.s_[:rows], np.s_[-rows:]) if rows else ():
        wide = np.s_[: 2 * rows] if y.start is None else np.s_[-2 * rows :]
        blurred[y] = cv2.filter2D(value[wide], -1, blur)[y]
    for x in (np.s_[:columns], np.s_[-columns:]) if columns else ():
        wide = np.s_[: 2 * columns] if x.start is None else np.s_[-2 * columns :]
        blurred[:, x] = cv2.filter2D(np.ascontiguousarray(value[:, wide]), -1, blur)[:, x]


@kernel
def _moments(foreground):
    """Of the foreground: pixels, sums of y, x, y², xy and x², and its box (first and end of rows, of columns)."""
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
    """float64 (2 r + 1, 2 c + 1), of sum 1, from moments of the foreground; whole numbers as long as possible."""
    if pixels == 1:
        return LONE / LONE.sum()
    a, b, c = pixels * rows2 - rows**2, pixels * both - rows * columns, pixels * columns2 - columns**2
    reach = [round(REACH * SPREAD * math.sqrt(side / (a + c))) for side in (a, c)]
    offsets = [[(y, x) for x in range(-reach[1], reach[1] + 1)] for y in range(-reach[0], reach[0] + 1)]
    scale = a + c, 2 * SPREAD**2

    def density(y, x):
        determinant = a * c - b * b
        if determinant:
            return math.exp(-(c * y * y - 2 * b * x * y + a * x * x) * scale[0] / (scale[1] * determinant))
        on_line = a * x == b * y and b * x == c * y
        return math.exp(-(x * x + y * y) / scale[1]) if on_line else 0.0

    blur = np.array([[density(*offset) for offset in row] for row in offsets])
    return blur / blur.sum()
