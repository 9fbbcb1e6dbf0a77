"""Checks of every network that disbench ships: its output on a device equals the CPU's, and its times.

Weights are generated, so nothing is downloaded. rembg's models, which are files, are not among them.
"""

import gc
from typing import Any

import numpy as np
import torch

from disbench.doctor.adapter import draw_inputs, sample_pictures
from disbench.doctor.generated_weights import fill_networks
from disbench.errors import InputError, suggest_names
from disbench.inference.model import Model, load_model
from disbench.models._parts.device import fp32_precision
from disbench.registry.discovery import list_cards
from disbench.registry.loading import get_card, import_attribute
from disbench.system.clocks import make_clock
from disbench.timing.rule import QUICK, TimingRule, iterate_until
from disbench.timing.stages import time_image

SIDE, TINY_SIDE = 256, 64  # pixels that networks are compared at; more for those that need more
TINY = TimingRule(warm_images=0, warm_seconds=0, images=2, seconds=0.01)  # the check before it was a warm-up
# Of the range of the CPU's output, for 99 % of it and for all. On a CPU, float32 differs from float64 by 4e-6 at most.
TOLERANCE, MAX_TOLERANCE = 1e-3, 1e-2
MIN_RANGE = 1e-3  # of an output that can show a difference
SIZE_OPTIONS = {"genpercept": "processing_res"}  # name -> the option for its working size, where that is not `size`
_loaded: dict[tuple[str, str, int | None], Model] = {}  # only the last network, which the next check may take too


def list_networks(name: str | None = None) -> list[str]:
    """List the names of the networks that disbench ships, or this one only. InputError for any other name."""
    cards = list_cards().values()
    names = [card.name for card in cards if card.is_shipped and card.accepts_weights and not card.is_variant]
    if name is not None and name not in names:
        raise InputError(f"--gpu --model {name}: not a network that disbench ships; {suggest_names(name, names)}")
    return names if name is None else [name]


def check_network(device: str, name: str, *, tiny: bool = False) -> tuple[bool, str]:
    """Check that the output of a network with generated weights equals the CPU's, in float32 without TF32.

    On "cpu", the same network computes twice.
    """
    image = sample_pictures(1)[0][0]
    side = TINY_SIDE if tiny else SIDE
    with fp32_precision(tf32=False):
        model = _load_filled(name, "cpu", side)
        prepared = model.predictor.prepare(image, **draw_inputs(model.arguments, image))
        expected = model.compute(prepared)[0].float().numpy()
        del model  # before the next one is loaded, as some have 4 GB
        output = _load_filled(name, device, side).compute(prepared)[0].float().numpy()
    return compare_outputs(output, expected)


def compare_outputs(output: np.ndarray, expected: np.ndarray) -> tuple[bool, str]:
    """Compare the output of a network, float32 (H, W), with the CPU's. Returns whether they agree, and what differs."""
    if output.shape != expected.shape:
        return False, f"its output is {output.shape}, the CPU's {expected.shape}"
    if not np.isfinite(output).all() or not np.isfinite(expected).all():
        return False, "NaN or infinity in its output or in the CPU's"
    scale = float(np.ptp(expected))
    if scale < MIN_RANGE:
        return False, f"the CPU's output is constant, from {expected.min():.3g} to {expected.max():.3g}"
    differences = np.abs(output - expected) / scale
    usual, worst = float(np.percentile(differences, 99)), float(differences.max())
    message = f"99 % of its output within {usual:.1g} of the CPU's range, all within {worst:.1g}"
    return usual <= TOLERANCE and worst <= MAX_TOLERANCE, message


def time_network(device: str, name: str, *, tiny: bool = False) -> tuple[bool, str, dict[str, Any]]:
    """Time a network at its card's size, by the quick rule; tiny: two images at a small size.

    Returns:
        Whether no inference took longer, by the clock of the device, than its image as a whole by the wall clock; what
        was observed; and the network's title, its input (h, w), the number of images, and the median seconds of stages.
    """
    return time_loaded(_load_filled(name, device, TINY_SIDE if tiny else None), sample_pictures(1)[0][0], tiny=tiny)


def time_loaded(model: Model, image: np.ndarray, *, tiny: bool = False) -> tuple[bool, str, dict[str, Any]]:
    """Time a model that is loaded on a picture. Returns what `time_network` does."""
    inputs = draw_inputs(model.arguments, image)
    clock, rule = make_clock(model.device), TINY if tiny else QUICK
    for _ in iterate_until(rule.warm_images, rule.warm_seconds, _ignore_progress, ""):
        model.predict(image, **inputs)
    repeats = iterate_until(rule.images, rule.seconds, _ignore_progress, "")
    seconds = [time_image(model, clock, image, inputs)[1] for _ in repeats]
    prepared = model.predictor.prepare(image, **inputs)
    height, width = (prepared[0] if isinstance(prepared, tuple) else prepared).shape[1:]
    medians = {stage: float(np.median([each[stage] for each in seconds])) for stage in seconds[0]}
    times = {"title": model.title, "input": [height, width], "images": len(seconds), "seconds": medians}
    message = (
        f"{height} x {width} pixels: {1000 * medians['infer']:.1f} ms of inference, "
        f"{1000 * medians['whole']:.1f} ms in all, medians of {len(seconds)} images"
    )
    return all(0 < each["infer"] <= each["whole"] for each in seconds), message, times


def _load_filled(name: str, device: str, side: int | None) -> Model:
    """Load a network with generated weights that works at this side, or at its card's. Frees the one loaded before."""
    key = name, device, side
    if key not in _loaded:
        _loaded.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        model = load_model(name, "untrained", device, **_choose_size(name, side))
        if not fill_networks(model.predictor):
            raise InputError(f"{model.title}: no network was found in its predictor, so none was checked")
        _loaded[key] = model
    return _loaded[key]


def _choose_size(name: str, side: int | None) -> dict[str, str]:
    """Return the option that makes a network work at a side, or at the least that it can. None: as its card says."""
    card = get_card(name)
    if side is None:  # DiffDIS' small weights have a size of their own
        return {"size": str(card.pipeline["size"])} if name == "diffdis" else {}
    least = getattr(import_attribute(card, card.predictor), "multiple", 0)
    return {SIZE_OPTIONS.get(name, "size"): str(max(side, least))}


def _ignore_progress(done: int, total: int, label: str) -> None:
    pass
