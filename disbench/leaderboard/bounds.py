"""Bounds that the histograms of an image put on the values that need its pixels.

Every map has values within these bounds, under every protocol. In what follows an image has N pixels, T of them
foreground. E is the error of a pixel, |map - truth| of the stretched map, so the histograms determine its sum over the
foreground and over the background.

- MAE, MSE, E and all measures of binary maps follow from the histograms. They are not stored, so they cannot be forged.
- S is half the similarity of objects O, which follows from the histograms, and half the similarity of regions R. R is
  a mean, weighted by size, of l c over quadrants, with l = 2xy / (x² + y²) for the means x, y and c = 2 cov / (var +
  var). By Cauchy-Schwarz |l| and |c| are at most 1, so |S - O / 2| <= 1 / 2. A variance over n pixels makes c larger by
  n / (n - 1), which for four quadrants makes R larger by at most 8 / N. Without foreground or without
  background S follows from the histograms. Where undefined values are 0, S is 0 if a side has one pixel. It may be 0
  if a quadrant has fewer than two pixels. Then the foreground lies within 4 rows or columns on the average, and T is
  at most 4 max(h, w).
- Weighted F falls with the weighted errors on the foreground, min(E, blurred E), and on the background, w E. The
  blur has weights that are not negative, and BLUR[0]² at the pixel itself. So the first sum is between BLUR[0]² ΣE and
  ΣE. w is between its value at distance 1 and 2.
- MAE to the truth's own levels differs from MAE by at most 128 / 255, the largest distance of a level to 0 up to 128,
  or to 255 above. It equals MAE if the truth has no level between 0 and 255.
- HCE is the sum of its four counts. Each point or region that is wrongly foreground has a pixel of its own that is
  wrongly foreground, and a run of points is repeated at most once.
- SAD, MAD and MSE to the truth's own levels: of a foreground pixel the truth is between 129 and 255, of a background
  pixel between 0 and 128. Over an unknown region, which has any of the pixels, SAD is between 0 and that of all
  pixels. The error of a gradient is at most the square of the steepest gradient of an image. A connectivity is in 0..1.
- Kappa is in -1..1, also of targets.
- The other values are shares. Those of boundaries and the context measure are 0 without foreground.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from disbench.metrics.blurred import BLUR
from disbench.metrics.matting import THOUSAND, bound_gradient_error
from disbench.metrics.measurement import Measurement
from disbench.metrics.protocols import EvalProtocol, get_protocol
from disbench.metrics.stretch import LEVELS, half_level
from disbench.metrics.structure import is_object_undefined, object_similarity, s_measure
from disbench.metrics.thresholds import Levels, level_span, levels_from_histograms, score_mae
from disbench.metrics.weighted import IMPORTANCE, f_weighted
from disbench.runs.row_log import Row

TOLERANCE = 1e-9  # float64 sums of millions of pixels
SINGLE = 1e-5  # the context measure is blurred in float32
GREY = 128 / 255
MATTING = {"sad", "mad", "alpha_mse", "grad", "conn"}
Bounds = tuple[float, float]


def check_values(rows: Sequence[Row], *, binary_truths: bool) -> Iterator[str]:
    """Check the stored values of images against their histograms.

    Args:
        rows: the images, all with the same columns.
        binary_truths: whether no truth has a level between 0 and 255.

    Yields:
        One line for each column with a value that no map can have. It names the first such image.
    """
    for column in rows[0].measurement.values:
        protocol = get_protocol(column.partition(".")[2] or "pysod")
        faults = [(row, fault) for row in rows if (fault := _check_value(row.measurement, column, protocol))]
        if faults:
            row, fault = faults[0]
            more = f", and {len(faults) - 1} more images" if len(faults) > 1 else ""
            yield f"{column} of {row.split}/{row.name} {fault}{more}"
    if binary_truths:
        yield from _check_binary_truths(rows)


def _check_value(m: Measurement, column: str, protocol: EvalProtocol) -> str | None:
    """Return what is wrong with a value; None if nothing is."""
    key, dot, name = column.partition(".")
    value = m.values[column]
    numbers = np.atleast_1d(np.array(value, np.float64))
    low, high = _bound(m, key, protocol)
    slack = SINGLE if key == "context" else TOLERANCE
    wrong = numbers[~((numbers >= low - slack) & (numbers <= high + slack))]
    if wrong.size:
        return f"is {wrong[0]:.6g}, its histograms allow {low:.6g} to {high:.6g}"
    if (np.signbit(numbers) & (numbers == 0)).any():
        return "is -0.0, which no measure is"
    if key.startswith("hce") and value != int(numbers[0]):
        return f"is {value}, but it is a count"
    parts = [m.values.get(f"{part}{dot}{name}") for part in HCE_PARTS] if key == "hce" else []
    if parts and value != sum(part for part in parts if isinstance(part, float)):
        return f"is {value}, its parts are {parts}"
    curve = m.values.get(f"{key.removesuffix('_mean')}_max{dot}{name}") if key.endswith("_mean") else None
    if isinstance(curve, list) and abs(numbers[0] - np.mean(curve)) > TOLERANCE:
        return f"is {value}, the mean of its curve is {np.mean(curve)}"
    if isinstance(curve, float) and numbers[0] > curve + TOLERANCE:
        return f"is {value}, above its maximum {curve}"
    return None


HCE_PARTS = ("hce_fp_points", "hce_fp_regions", "hce_fn_points", "hce_fn_regions")


def _bound(m: Measurement, key: str, protocol: EvalProtocol) -> Bounds:
    """Return the least and the greatest value of a stored measure that the histograms of an image allow."""
    raw_fg, raw_bg = m.histograms(protocol.truth_above)
    levels = levels_from_histograms(raw_fg[None], raw_bg[None], protocol)
    foreground = int(raw_fg.sum(dtype=np.int64))
    if key == "s_measure":
        return _bound_structure(levels, max(m.height, m.width), protocol)
    if key == "f_weighted":
        return _bound_weighted(levels, protocol)
    if key == "mae_grey":
        error = float(score_mae(levels)[0])
        return max(0, error - GREY), min(1, error + GREY)
    if key.startswith("hce"):
        return 0, _bound_effort(m, key, protocol)
    if key.removesuffix("_unknown") in MATTING:
        return _bound_matting(m, key)
    is_zero = not foreground and (key.startswith("biou") or key in ("mba", "context"))
    return -1 if key.startswith("size_kappa") else 0, 0 if is_zero else 1


def _bound_matting(m: Measurement, key: str) -> Bounds:
    """Bound an error of an alpha matte; see disbench.metrics.matting."""
    name, in_unknown = key.removesuffix("_unknown"), key.endswith("_unknown")
    pixels = m.height * m.width
    if name == "grad":
        return 0, bound_gradient_error(pixels, in_unknown=in_unknown)
    if name == "conn":
        return 0, pixels / THOUSAND
    if in_unknown and name != "sad":
        return 0, 1
    power = 2 if name == "alpha_mse" else 1
    fg, bg = (side.astype(np.int64) for side in m.histograms(128))
    (fg_low, fg_high), (bg_low, bg_high) = (_bound_difference(*span) for span in ((129, 255), (0, 128)))
    low, high = (
        int(fg @ on_fg**power + bg @ on_bg**power) / 255**power
        for on_fg, on_bg in ((fg_low, bg_low), (fg_high, bg_high))
    )
    divisor = THOUSAND if name == "sad" else pixels
    return 0 if in_unknown else low / divisor, high / divisor


def _bound_difference(lowest: int, highest: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the greatest |level - truth| of each level, for truths between two levels."""
    to_lowest, to_highest = abs(LEVELS - lowest), abs(LEVELS - highest)
    is_inside = (lowest <= LEVELS) & (highest >= LEVELS)
    return np.where(is_inside, 0, np.minimum(to_lowest, to_highest)), np.maximum(to_lowest, to_highest)


def _bound_structure(levels: Levels, side: int, protocol: EvalProtocol) -> Bounds:
    (fg,), (bg,), (lo,), (hi,) = levels.fg, levels.bg, levels.lo, levels.hi
    rules = protocol.structure
    pixels, truth = int((fg + bg).sum()), int(fg.sum())
    if truth in (0, pixels):
        score = s_measure(np.stack([[bg, fg]]), lo, hi, rules)
        return score, score
    if rules.undefined_is_zero and is_object_undefined(truth, pixels, rules):
        return 0, 0
    objects = object_similarity(bg, fg, int(lo), int(hi), rules)
    regions = 1 if rules.sample else 1 + 8 / pixels
    low, high = (objects - regions) / 2, (objects + regions) / 2
    may_be_zero = (rules.clamp and low < 0) or (rules.undefined_is_zero and truth <= 4 * side)
    return 0 if may_be_zero else low, high


def _bound_weighted(levels: Levels, protocol: EvalProtocol) -> Bounds:
    (fg,), (bg,), (lo,), (hi,) = levels.fg, levels.bg, levels.lo, levels.hi
    truth = int(fg.sum())
    missed, spilled = (float(side @ error / (hi - lo)) for side, error in ((fg, hi - LEVELS), (bg, LEVELS - lo)))
    best = f_weighted(truth, missed * BLUR[0] ** 2, spilled * IMPORTANCE[1], protocol.weighted_eps)
    return f_weighted(truth, missed, 2 * spilled, protocol.weighted_eps), best


def _bound_effort(m: Measurement, key: str, protocol: EvalProtocol) -> int:
    fg, bg = (side.astype(np.int64) for side in m.histograms(protocol.truth_above))
    lo, hi = map(int, level_span(fg + bg))
    above = (lo + hi) // 2 if protocol.arithmetic == "level" else protocol.hce_above
    above = half_level(lo, hi) if above is None else above
    spilled, missed = int(bg[above + 1 :].sum()), int(fg[: above + 1].sum())
    errors = spilled if "_fp_" in key else missed if "_fn_" in key else spilled + missed
    return errors if key.endswith("regions") else 2 * errors if "_" in key else 3 * errors


def _check_binary_truths(rows: Sequence[Row]) -> Iterator[str]:
    """Check what follows if truths have only levels 0 and 255: one foreground for all protocols, and one MAE."""
    for row in rows:
        m = row.measurement
        if m.fg_half is not None:
            yield f"{row.split}/{row.name} has a second foreground, but its truth is binary"
            return
        stored = m.values.get("mae_grey")
        error = float(score_mae(levels_from_histograms(m.fg_hist[None], m.bg_hist[None], get_protocol("pysod")))[0])
        if isinstance(stored, float) and not abs(stored - error) <= TOLERANCE:
            yield f"mae_grey of {row.split}/{row.name} is {stored}, its histograms give {error}"
            return
