"""Values of additional inputs, as `prepare` takes them: a depth map, a text prompt or a box."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from disbench.data.dataset import INPUTS, TRUTH, Sample
from disbench.data.float_maps import read_prediction
from disbench.data.images import read_truth
from disbench.errors import InputError, wrong_type
from disbench.metrics.validate import FOREGROUND_ABOVE, check_map


def check_values(
    title: str, names: Sequence[str], values: Mapping[str, Any], size: tuple[int, ...]
) -> dict[str, Any]:
    """Check what a caller passes next to one image, and return it as `prepare` takes it.

    Args:
        title: the model.
        names: the inputs that it takes, and "truth" if it receives the ground truth.
        values: the inputs that it is given.
        size: height and width of the image.

    Returns:
        "depth" and "truth", uint8 (h, w); "prompt", a text; "box", float64 (4,).

    Raises:
        InputError: for a missing input, one that the model does not take, and a value that does not fit.
    """
    check_names(title, names, values)
    checked = dict(values)
    for name, kind in (("depth", "depth map"), (TRUTH, "ground truth")):
        if name in values:
            check_map(name, values[name])
            check_size(name, values[name], size, kind)
            checked[name] = np.require(values[name], requirements=["C", "W", "E"])
    if "prompt" in values and not isinstance(values["prompt"], str):
        raise wrong_type("prompt", values["prompt"], "text, which may be empty")
    if "box" in values:
        checked["box"] = parse_box("box", values["box"], size)
    return checked


def check_names(title: str, names: Sequence[str], given: Iterable[str]) -> None:
    """Raise InputError unless exactly the additional inputs that a model takes are given."""
    given = list(given)
    for name in given:
        if name not in names:
            known = ", ".join(names) or "none"
            raise InputError(f"{title} takes no {name}; omit it (additional inputs of this model: {known})")
    for name in names:
        if name not in given and name == TRUTH:
            raise InputError(f"{title} needs the ground truth of each image, in Python the argument truth")
        if name not in given:
            raise InputError(
                f"{title} needs {name} for each image; add --input {INPUTS[name]}, in Python the argument {name}"
            )


def check_size(title: str, levels: np.ndarray, size: tuple[int, ...], kind: str = "depth map") -> None:
    """Raise InputError, which begins with `title`, for a depth map or ground truth of another size than its image."""
    if levels.shape != tuple(size):
        sizes = f"{levels.shape[1]} x {levels.shape[0]} pixels, but its image has {size[1]} x {size[0]}"
        raise InputError(f"{title}: {sizes}; resize the {kind}")


def parse_box(title: str, box: Any, size: tuple[int, ...]) -> np.ndarray:
    """Return a box as float64 (4,). InputError, which begins with `title`, for one that is not inside its image."""
    try:
        values = np.array(box, np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (4,):
        raise InputError(f"{title}: got {box!r:.60}, expected four numbers x0, y0, x1, y1 in pixels")
    (x0, y0, x1, y1), (height, width) = values, size
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        bounds = f"0 <= x0 < x1 <= {width} and 0 <= y0 < y1 <= {height}"
        raise InputError(f"{title}: {values.tolist()} is not a box in an image of {width} x {height}; give {bounds}")
    return values


def read_inputs(sample: Sample) -> dict[str, Any]:
    """Read the additional inputs of a sample, as `prepare` takes them.

    Raises InputError for a file that cannot be read, or changed, and for the box of a ground truth without foreground.
    """
    inputs = sample.inputs
    values: dict[str, Any] = {}
    if inputs.depth is not None:
        values["depth"] = read_prediction(inputs.depth, inputs.depth_digest)
    if inputs.prompt is not None:
        values["prompt"] = inputs.prompt
    if inputs.box is not None:
        values["box"] = _find_box(sample) if inputs.box == TRUTH else np.array(inputs.box, np.float64)
    return values


def _find_box(sample: Sample) -> np.ndarray:
    """Find the smallest box that holds the foreground of a ground truth, float64 (4,)."""
    truth = read_truth(sample.truth, sample.truth_digest, sample.truth_kind)
    rows, columns = np.nonzero(truth > FOREGROUND_ABOVE)
    if not rows.size:
        raise InputError(f"{sample.truth}: has no foreground, and so no box; give --input {INPUTS['box']}")
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float64)
