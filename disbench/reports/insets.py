"""The insets of a grid: which windows of an image they magnify, and the corners that they lie in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from disbench.data.windows import Window
from disbench.errors import InputError, suggest_names
from disbench.reports.cases import Case

# rule -> what the insets magnify, as a sentence
INSET_RULES = {
    "outline": "The inset magnifies the window with the longest outline of the ground truth.",
    "differ": "The inset magnifies the window in which the maps differ most along the outline of the ground truth.",
    "none": "",
}
CHOSEN_BY_HAND = "The insets were chosen by hand."
WINDOW = 0.16  # side of a window that a rule chooses, relative to the shorter side of the image
NEAR = 0.02  # distance from the outline that counts as along it, relative to the shorter side of the image
INSET = 0.42  # longer side of an inset, relative to the shorter side of the picture
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))

Corner = tuple[int, int]  # 0 or 1 each: top or bottom, left or right


@dataclass(frozen=True, kw_only=True)
class Insets:
    """The choice of windows for a grid.

    Attributes:
        rule: the rule of INSET_RULES for images without windows of their own.
        windows: image, as in the argument of `--inset` or, after `resolve_insets`, as "subset/name" -> its windows.
    """

    rule: str = "outline"
    windows: Mapping[str, Sequence[Window]] = field(default_factory=dict)

    def describe(self, images: int) -> str:
        """Describe what the insets of a grid of so many images magnify; "" for no insets."""
        by_hand = len(self.windows)
        if by_hand == images:
            return CHOSEN_BY_HAND
        chosen = f"The insets of {by_hand} of {images} images were chosen by hand. " if by_hand else ""
        return (chosen + INSET_RULES[self.rule]).rstrip()


OUTLINE = Insets()


def parse_insets(texts: Iterable[str], rule: str) -> Insets:
    """Parse insets as they are given on the command line.

    Args:
        texts: each the name of a rule, or NAME:X,Y,W,H: an image, and a window in its pixels from the top left corner.
        rule: the rule if no text names one.

    Raises:
        InputError: for a text that is neither, for an empty window, and for two rules.
    """
    rules = []
    windows: dict[str, list[Window]] = {}
    for text in texts:
        match = re.fullmatch(r"(.+):(\d+),(\d+),(\d+),(\d+)", text)
        if match is None:
            if text not in INSET_RULES:
                advice = f"give {', '.join(INSET_RULES)}, or NAME:X,Y,W,H in whole pixels"
                raise InputError(f"--inset {text}: neither a rule nor a window; {advice}")
            rules.append(text)
            continue
        name, window = match[1], Window(*map(int, match.groups()[1:]))
        if not window.width or not window.height:
            raise InputError(f"--inset {text}: the window is empty; give its width and height as the last two numbers")
        windows.setdefault(name, []).append(window)
    if len(set(rules)) > 1:
        raise InputError(f"--inset: two rules, {' and '.join(dict.fromkeys(rules))}; give one of them")
    return Insets(rule=(rules or [rule])[0], windows=windows)


def resolve_insets(insets: Insets, cases: Sequence[Case]) -> Insets:
    """Give each window the full name of its image.

    Raises:
        InputError: for a name that no image of the grid, or several, can be meant by, and for more windows of an image
            than it has corners.
    """
    names = [_name_image(case) for case in cases]
    windows: dict[str, list[Window]] = {}
    for name, given in insets.windows.items():
        matches = [full for full in names if name in (full, full.partition("/")[2])]
        matches = matches or [full for full in names if name in full]
        if not matches:
            raise InputError(f"--inset {name}: not among the images of the grid; {suggest_names(name, names)}")
        if len(matches) > 1:
            raise InputError(f"--inset {name}: may be {' or '.join(matches[:2])}; give more of the name, or its subset")
        windows.setdefault(matches[0], []).extend(given)
        if len(windows[matches[0]]) > len(CORNERS):
            raise InputError(f"--inset {name}: a picture has corners for {len(CORNERS)} insets; give fewer")
    return replace(insets, windows=windows)


def choose_windows(insets: Insets, case: Case, truth: np.ndarray, maps: Sequence[np.ndarray]) -> Sequence[Window]:
    """Choose the windows of an image.

    Args:
        insets: the rule, and windows chosen by hand.
        case: the image.
        truth: its ground truth, uint8 (h, w).
        maps: prediction maps, uint8 (h, w).

    Raises:
        InputError: for a window that is not inside the image.
    """
    chosen = insets.windows.get(_name_image(case))
    if chosen is None:
        if insets.rule == "none":
            return []
        outline = cv2.morphologyEx(truth, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
        differences = _measure_differences(outline, truth, maps) if insets.rule == "differ" else outline
        return [_find_densest(differences if differences.any() else outline)]  # equal maps differ nowhere
    height, width = truth.shape
    for window in chosen:
        if window.left + window.width > width or window.top + window.height > height:
            text = f"{_name_image(case)}:{','.join(map(str, window))}"
            raise InputError(
                f"--inset {text}: reaches beyond the image, whose size is {width} x {height}; "
                "give left, top, width and height in its pixels"
            )
    return chosen


def _name_image(case: Case) -> str:
    return f"{case.sample.split}/{case.sample.name}"


def _measure_differences(outline: np.ndarray, truth: np.ndarray, maps: Sequence[np.ndarray]) -> np.ndarray:
    """Return the variance of the maps at each pixel along the outline, or that of a single map and the truth."""
    compared = maps if len(maps) > 1 else [*maps, truth]
    total, squares = np.zeros((2, *truth.shape), np.float32)
    for grey in compared:
        values = grey.astype(np.float32)
        total += values
        squares += values**2
    variance = squares / len(compared) - (total / len(compared)) ** 2
    reach = 2 * round(NEAR * min(truth.shape)) + 1
    return variance * (cv2.dilate(outline, np.ones((reach, reach), np.uint8)) > 0)


def _find_densest(grey: np.ndarray) -> Window:
    """Find the square window with the largest sum."""
    h, w = grey.shape
    side = max(1, round(WINDOW * min(h, w)))
    density = cv2.blur(grey.astype(np.float32), (side, side), borderType=cv2.BORDER_CONSTANT)
    half = side // 2
    inner = density[half : h - half, half : w - half]
    top, left = np.unravel_index(inner.argmax(), inner.shape)
    return Window(int(left), int(top), side, side)


def choose_corners(truth: np.ndarray, windows: Sequence[Window]) -> list[Corner]:
    """Choose a corner for each inset: the emptiest, but none that hides a window."""
    h, w = truth.shape
    reach = round(INSET * min(h, w))
    busy = (truth > 128).astype(np.float32)
    for window in windows:
        busy[window.region] = h * w
    spans = (slice(0, reach), slice(-reach, None))
    emptiest = sorted(CORNERS, key=lambda corner: busy[spans[corner[0]], spans[corner[1]]].sum())
    return emptiest[: len(windows)]
