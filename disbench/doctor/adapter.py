"""Checks of a model's adapter: its three stages on images of DIS-Mini, with one verdict per common mistake."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from disbench.data import mini
from disbench.doctor.verdict import Verdict
from disbench.inference.model import Model, is_prepared
from disbench.metrics.measurement import measure
from disbench.metrics.scoring import score

COUNT = 3  # images of DIS-Mini
ODD_SIZE = (37, 53)
TOLERANCE = 1e-3  # of an output's range, between an image in a batch of two and in a batch of one
MIN_MARGIN = 1e-3  # in max F, above a map that is all foreground

Pair = tuple[np.ndarray, np.ndarray]  # image uint8 (h, w, 3), ground truth uint8 (h, w)
Check = Callable[[Model, Sequence[Pair]], str]  # returns what it observed, or raises CheckError


class CheckError(Exception):
    """A check failed; the message says what was observed."""


def sample_pictures(count: int = COUNT) -> list[Pair]:
    """Render the first images of DIS-Mini's validation split, with their ground truth."""
    scenes = (mini.render(*member) for member in mini.list_members("DIS-VD")[:count])
    return [(scene.image, scene.truth) for scene in scenes]


def diagnose_adapter(model: Model, pairs: Sequence[Pair]) -> Iterator[Verdict]:
    """Run every check of CHECKS on at least two pairs. A failed check stops no other."""
    for name, check, fix in CHECKS:
        try:
            yield Verdict(name, True, check(model, pairs))
        except CheckError as error:
            yield Verdict(name, False, str(error), fix)
        except Exception as error:  # an adapter is code of others and may fail in any way
            frame = traceback.extract_tb(error.__traceback__)[-1]
            first_line = str(error).partition("\n")[0]
            message = f"{type(error).__name__}: {first_line} ({Path(frame.filename).name}:{frame.lineno})"
            yield Verdict(name, False, message, fix)


def check_prepare(model: Model, pairs: Sequence[Pair]) -> str:
    """Check that prepare returns a finite host array (c, H, W), or several, and leaves the image unchanged."""
    image = pairs[0][0]
    original = image.copy()
    prepared = _prepare(model, image)
    if not np.array_equal(image, original):
        raise CheckError("it modifies the image that it is given")
    if not is_prepared(prepared):
        raise CheckError(f"it returns {_describe(prepared)}, not (c, H, W) or a tuple of arrays")
    for array in prepared if isinstance(prepared, tuple) else (prepared,):
        if str(getattr(array, "device", "cpu")) != "cpu":
            raise CheckError(
                f"it returns a tensor on {array.device}; the runner moves it there, and does not time that"
            )
        if not np.isfinite(_to_array(array)).all():
            raise CheckError("it returns NaN or infinity")
    return _describe(prepared)


def check_infer(model: Model, pairs: Sequence[Pair]) -> str:
    """Check that infer returns finite floats (b, H', W')."""
    output = model.compute(_prepare(model, pairs[0][0]))[0]
    if getattr(output, "ndim", None) != 2:
        raise CheckError(f"for a batch of one it returns {_describe(output)} after the first axis, not (H', W')")
    if "float" not in str(output.dtype):
        raise CheckError(f"it returns {output.dtype}, not floats")
    values = _to_array(output)
    if not np.isfinite(values).all():
        raise CheckError("it returns NaN or infinity")
    low, high = float(values.min()), float(values.max())
    kind = "in [0, 1]" if low >= 0 and high <= 1 else "logits, which restore must map to [0, 1]"
    return f"{_describe(output)} from {low:.3g} to {high:.3g}: {kind}"


def check_restore(model: Model, pairs: Sequence[Pair]) -> str:
    """Check that restore returns a uint8 map of the image's size."""
    image = pairs[0][0]
    _check_map(_predict(model, image), image.shape[:2])
    return "uint8, at the size of the image"


def check_repeatable(model: Model, pairs: Sequence[Pair]) -> str:
    """Check that the same image gives the same map twice."""
    image = pairs[0][0]
    difference = _describe_difference(_predict(model, image), _predict(model, image))
    if difference:
        raise CheckError(f"the same image gives different maps ({difference})")
    return "the same image gives the same map twice"


def check_order(model: Model, pairs: Sequence[Pair]) -> str:
    """Check that a map does not depend on the images before."""
    images = [image for image, _ in pairs]
    forward = [_predict(model, image) for image in images]
    backward = [_predict(model, image) for image in reversed(images)][::-1]
    differences = [_describe_difference(left, right) for left, right in zip(forward, backward, strict=True)]
    differences = [difference for difference in differences if difference]
    if differences:
        raise CheckError(f"in reverse order {len(differences)} of {len(images)} maps differ ({differences[0]})")
    return "maps do not depend on the order of the images"


def check_batch(model: Model, pairs: Sequence[Pair]) -> str:
    """Check that a batch of two gives the outputs of two batches of one."""
    image = pairs[0][0]
    images = (image, np.ascontiguousarray(255 - image[:, ::-1]))
    prepared = [_prepare(model, each) for each in images]
    batched = model.predictor.infer(model.batch(prepared))
    if len(batched) != 2:
        raise CheckError(f"for two images it returns {_describe(batched)}")
    single = np.stack([_to_array(model.compute(each)[0]) for each in prepared])
    difference = np.abs(_to_array(batched) - single).max()
    if not difference <= TOLERANCE * max(1.0, np.ptp(single)):  # NaN, too
        raise CheckError(f"a batch of two differs from two batches of one by up to {difference:.3g}")
    return f"a batch of two equals two batches of one, to {difference:.1g}"


def check_sizes(model: Model, pairs: Sequence[Pair]) -> str:
    """Check that images with odd sides work."""
    for height, width in (ODD_SIZE, ODD_SIZE[::-1]):
        _check_map(_predict(model, np.ascontiguousarray(pairs[0][0][:height, :width])), (height, width))
    return f"{ODD_SIZE[0]} x {ODD_SIZE[1]} and {ODD_SIZE[1]} x {ODD_SIZE[0]} pixels work"


def check_plain(model: Model, pairs: Sequence[Pair]) -> str:
    """Check that images without colour or contrast work."""
    image = pairs[0][0]
    grey = np.repeat(image.mean(2, keepdims=True).astype(np.uint8), 3, axis=2)
    for plain in (grey, np.zeros_like(image), np.full_like(image, 255)):
        _check_map(_predict(model, plain), image.shape[:2])
    return "a grey, a black and a white image work"


def check_key(model: Model, pairs: Sequence[Pair]) -> str:
    """Check that the identity can be hashed."""
    msgspec.json.encode(model.identity)
    return "identity can be hashed into the run key; it must contain all that decides a map: weights, sizes, options"


def check_score(model: Model, pairs: Sequence[Pair]) -> str:
    """Check that maps score better than all foreground."""
    maps = [_predict(model, image) for image, _ in pairs]
    return compare_with_floor(maps, [truth for _, truth in pairs])


def compare_with_floor(maps: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> str:
    """Compare the max F of maps with that of all foreground. CheckError where it is not higher."""
    value = _score_maps(maps, truths)
    floor = _score_maps([np.full_like(truth, 255) for truth in truths], truths)
    message = f"max F {value:.3f} on {len(maps)} images of DIS-Mini, {floor:.3f} with all foreground"
    if value <= floor + MIN_MARGIN:
        inverted = _score_maps([255 - mask for mask in maps], truths)
        raise CheckError(message + (f", {inverted:.3f} inverted" if inverted > value else ""))
    return message


CHECKS: list[tuple[str, Check, str]] = [
    (
        "prepare",
        check_prepare,
        "return a host array (c, H, W), or a tuple of arrays, for uint8 (h, w, 3) RGB, and do not modify the image",
    ),
    (
        "infer",
        check_infer,
        "take (b, c, H, W) and return floats (b, H', W'): index the network's output, drop its channel",
    ),
    ("restore", check_restore, "return a NumPy array, uint8, of the size that is passed as (height, width)"),
    ("repeatable", check_repeatable, "call eval(), and draw noise from a seed that depends only on the image"),
    ("order", check_order, "keep no state between images"),
    ("batch", check_batch, "call eval(), and process every row of the batch"),
    ("odd sizes", check_sizes, "resize or pad in prepare, and undo it in restore by the size that is passed"),
    (
        "plain pictures",
        check_plain,
        "look for a division by zero: in a normalisation by the spread, or in stretching from min to max",
    ),
    ("key", check_key, "set self.identity to a dict that contains only numbers, text, lists and dicts"),
    (
        "score",
        check_score,
        "check the weights, the order of colours (RGB), the mean and deviation of the training, and foreground (255)",
    ),
]


def _score_maps(maps: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> float:
    measurements = [measure(mask, truth) for mask, truth in zip(maps, truths, strict=True)]
    return score(measurements, metrics="f_max")["f_max"]


def _check_map(mask: Any, size: tuple[int, ...]) -> None:
    if not isinstance(mask, np.ndarray) or mask.dtype != np.uint8 or mask.shape != size:
        raise CheckError(f"for an image {size[0]} high and {size[1]} wide it returns {_describe(mask)}")


def _describe_difference(left: np.ndarray, right: np.ndarray) -> str:
    """Describe how two maps differ; empty if they are equal."""
    if left.shape != right.shape:
        return f"{left.shape} and {right.shape}"
    if np.array_equal(left, right):
        return ""
    distance = np.abs(left.astype(int) - right)
    return f"{(distance > 0).mean():.1%} of the pixels, by up to {distance.max()} of 255"


def _to_array(values: Any) -> np.ndarray:
    return values.float().cpu().numpy() if hasattr(values, "cpu") else np.asarray(values)


def _predict(model: Model, image: np.ndarray) -> np.ndarray:
    return model.predict(image, **draw_inputs(model.arguments, image))


def _prepare(model: Model, image: np.ndarray) -> Any:
    return model.predictor.prepare(image, **draw_inputs(model.arguments, image))


def draw_inputs(names: Sequence[str], image: np.ndarray) -> dict[str, Any]:
    """Draw inputs: the image in grey as depth, an empty prompt, the whole image as the box, bright pixels as truth."""
    height, width = image.shape[:2]
    grey = np.rint(image.mean(axis=2)).astype(np.uint8)
    drawn = {
        "depth": grey,
        "prompt": "",
        "box": np.array([0, 0, width, height], np.float64),
        "truth": np.where(grey > 128, np.uint8(255), np.uint8(0)),
    }
    return {name: drawn[name] for name in names}


def _describe(values: Any) -> str:
    if isinstance(values, tuple):
        return f"({', '.join(map(_describe, values))})"
    if not hasattr(values, "shape"):
        return type(values).__name__
    kind = "tensor" if hasattr(values, "cpu") else "array"
    return f"{kind} {str(values.dtype).removeprefix('torch.')} {tuple(values.shape)}"
