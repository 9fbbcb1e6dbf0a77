"""Is an adapter fit? Its three stages on pictures of DIS-Mini, one verdict per thing that goes wrong in adapters."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from disbench.data import mini
from disbench.inference.model import Model
from disbench.metrics.measurement import measure
from disbench.metrics.scoring import score

COUNT = 3  # pictures of DIS-Mini
ODD = (37, 53)
TOLERANCE = 1e-3  # of an output's range, between a picture alone and the same one in a batch
Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Verdict:
    """One check: `found` is what is right or wrong, `fix` how to mend it where it is wrong."""

    check: str
    ok: bool
    found: str
    fix: str = ""


class Wrong(Exception):
    """What a check has found."""


def sample_pictures(count: int = COUNT) -> list[Pair]:
    """The first pictures of DIS-Mini's validation split, uint8 (h, w, 3), and their truths, drawn anew."""
    scenes = (mini.render(*member) for member in mini.list_members("DIS-VD")[:count])
    return [(scene.image, scene.truth) for scene in scenes]


def diagnose(model: Model, pairs: Sequence[Pair]) -> Iterator[Verdict]:
    """Every check of CHECKS in turn; one that fails stops no other. `pairs`: images and truths, at least two."""
    for name, check, fix in CHECKS:
        try:
            yield Verdict(name, True, check(model, pairs))
        except Wrong as wrong:
            yield Verdict(name, False, str(wrong), fix)
        except Exception as error:  # an adapter is anyone's code, and may fail in any way
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            message = str(error).partition("\n")[0]
            yield Verdict(name, False, f"{type(error).__name__}: {message} ({place})", fix)


def _prepare(model: Model, pairs: Sequence[Pair]) -> str:
    image = pairs[0][0]
    before = image.copy()
    prepared = model.predictor.prepare(image)
    if not np.array_equal(image, before):
        raise Wrong("it changes the picture that it is given")
    if getattr(prepared, "ndim", None) != 3:
        raise Wrong(f"it returns {_described(prepared)}, not (c, H, W)")
    if str(getattr(prepared, "device", "cpu")) != "cpu":
        raise Wrong(f"it returns a tensor on {prepared.device}; moving it there is the runner's, outside its time")
    if not np.isfinite(_array(prepared)).all():
        raise Wrong("it returns NaN or infinity")
    return _described(prepared)


def _infer(model: Model, pairs: Sequence[Pair]) -> str:
    output = _output(model, pairs[0][0])
    if getattr(output, "ndim", None) != 2:
        raise Wrong(f"of a batch of one it returns {_described(output)} after its first axis, not (H', W')")
    if "float" not in str(output.dtype):
        raise Wrong(f"it returns {output.dtype}, not floats")
    values = _array(output)
    if not np.isfinite(values).all():
        raise Wrong("it returns NaN or infinity")
    low, high = float(values.min()), float(values.max())
    kind = "in [0, 1]" if low >= 0 and high <= 1 else "logits, which restore must take to [0, 1]"
    return f"{_described(output)} from {low:.3g} to {high:.3g}: {kind}"


def _restore(model: Model, pairs: Sequence[Pair]) -> str:
    _fit(model.predict(pairs[0][0]), pairs[0][0].shape[:2])
    return "uint8, at the picture's own size"


def _repeatable(model: Model, pairs: Sequence[Pair]) -> str:
    image = pairs[0][0]
    if differs := _unlike(model.predict(image), model.predict(image)):
        raise Wrong(f"the same picture twice gives other maps ({differs})")
    return "the same picture twice gives the same map"


def _order(model: Model, pairs: Sequence[Pair]) -> str:
    images = [image for image, _ in pairs]
    forth = [model.predict(image) for image in images]
    back = [model.predict(image) for image in reversed(images)][::-1]
    if differs := [d for a, b in zip(forth, back, strict=True) if (d := _unlike(a, b))]:
        raise Wrong(f"in another order {len(differs)} of {len(images)} maps are others ({differs[0]})")
    return "maps do not depend on what came before"


def _batch(model: Model, pairs: Sequence[Pair]) -> str:
    image = pairs[0][0]
    two = [model.predictor.prepare(one) for one in (image, np.ascontiguousarray(255 - image[:, ::-1]))]
    if hasattr(two[0], "to"):
        import torch

        together = model.predictor.infer(torch.stack(two).to(model.device))
    else:
        together = model.predictor.infer(np.stack(two))
    if len(together) != 2:
        raise Wrong(f"of two pictures it returns {_described(together)}")
    apart = np.stack([_array(model.compute(one)[0]) for one in two])
    difference = np.abs(_array(together) - apart).max()
    if difference > TOLERANCE * max(1.0, np.ptp(apart)):
        raise Wrong(f"two at once differ from one by one by up to {difference:.3g}")
    return f"two at once are what they are one by one, to {difference:.1g}"


def _sizes(model: Model, pairs: Sequence[Pair]) -> str:
    for height, width in (ODD, ODD[::-1]):
        _fit(model.predict(np.ascontiguousarray(pairs[0][0][:height, :width])), (height, width))
    return f"{ODD[0]} x {ODD[1]} and {ODD[1]} x {ODD[0]} pixels work"


def _plain(model: Model, pairs: Sequence[Pair]) -> str:
    image = pairs[0][0]
    grey = np.repeat(image.mean(2, keepdims=True).astype(np.uint8), 3, axis=2)
    for one in (grey, np.zeros_like(image), np.full_like(image, 255)):
        _fit(model.predict(one), image.shape[:2])
    return "a grey, a black and a white picture work"


def _key(model: Model, pairs: Sequence[Pair]) -> str:
    msgspec.json.encode(model.identity)
    return "identity can be hashed into the run's key; it must hold all that decides a map: weights, sizes, options"


def _score(model: Model, pairs: Sequence[Pair]) -> str:
    maps = [model.predict(image) for image, _ in pairs]
    truths = [truth for _, truth in pairs]
    found, inverse, floor = (
        score([measure(one, truth) for one, truth in zip(some, truths, strict=True)], metrics="f_max")["f_max"]
        for some in (maps, [255 - one for one in maps], [np.full_like(truth, 255) for truth in truths])
    )
    text = f"max F {found:.3f} on {len(pairs)} pictures of DIS-Mini, {floor:.3f} with all foreground"
    if found <= floor + 1e-3:
        raise Wrong(text + (f", {inverse:.3f} inverted" if inverse > found else ""))
    return text


CHECKS: list[tuple[str, Callable[[Model, Sequence[Pair]], str], str]] = [
    ("prepare", _prepare, "return a host array (c, H, W) of uint8 (h, w, 3) RGB, and leave that as it is"),
    ("infer", _infer, "take (b, c, H, W) and return floats (b, H', W'): index the network's output, drop its channel"),
    ("restore", _restore, "return a NumPy array, uint8, of the size that is passed as (height, width)"),
    ("repeatable", _repeatable, "call eval(), and draw noise from a seed of the picture's own"),
    ("order", _order, "keep no state between pictures"),
    ("batch", _batch, "call eval(), and work on every row of the batch"),
    ("odd sizes", _sizes, "resize or pad in prepare, and undo it in restore by the size that it is passed"),
    (
        "plain pictures",
        _plain,
        "look for a division by a spread of zero: of normalising, or of stretching from min to max",
    ),
    ("key", _key, "set self.identity to a dict with nothing but numbers, text, lists and dicts in it"),
    ("score", _score, "are weights loaded, colours RGB, means and deviations those of the training, 255 foreground?"),
]


def _output(model: Model, image: np.ndarray) -> Any:
    return model.compute(model.predictor.prepare(image))[0]


def _fit(mask: Any, size: tuple[int, int]) -> None:
    if not isinstance(mask, np.ndarray) or mask.dtype != np.uint8 or mask.shape != size:
        raise Wrong(f"of a picture {size[0]} high and {size[1]} wide it returns {_described(mask)}")


def _unlike(a: np.ndarray, b: np.ndarray) -> str:
    if a.shape != b.shape or np.array_equal(a, b):
        return "" if a.shape == b.shape else f"{a.shape} and {b.shape}"
    far = np.abs(a.astype(int) - b)
    return f"{(far > 0).mean():.1%} of its pixels, by up to {far.max()} of 255"


def _array(x: Any) -> np.ndarray:
    return x.float().cpu().numpy() if hasattr(x, "cpu") else np.asarray(x)


def _described(x: Any) -> str:
    if not hasattr(x, "shape"):
        return type(x).__name__
    kind = "tensor" if hasattr(x, "cpu") else "array"
    return f"{kind} {str(x.dtype).removeprefix('torch.')} {tuple(x.shape)}"
