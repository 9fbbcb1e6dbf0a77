"""Images per second of inference, by batch size."""

from collections.abc import Iterable
from itertools import count
from typing import Any

import numpy as np

from disbench.errors import InputError
from disbench.inference.model import Model
from disbench.system.clocks import Clock
from disbench.system.progress import Progress
from disbench.timing.rule import TimingRule, iterate_until

MIN_GAIN = 1.05  # doubling the batch stops once it is not faster by this factor


def measure_throughput(
    model: Model, clock: Clock, prepared: Any, rule: TimingRule, batch: int | None, progress: Progress
) -> dict[int, float]:
    """Measure the throughput of inference on copies of one image.

    Args:
        model: the model to time.
        clock: the clock of the model's device.
        prepared: one image, as the model prepares it.
        rule: how many images and seconds each batch size takes.
        batch: the batch size to measure next to 1. None: 1, 2, 4 ... until a larger batch is no faster.
        progress: is called with (images done, images in total, label).

    Returns:
        Images per second by batch size. Sizes that do not fit into memory, or that the model does not
        take, are omitted. Without `batch`, so are those of which one batch would take longer than the rule's limit.
    """
    sizes: Iterable[int] = (2**k for k in count()) if batch is None else sorted({1, batch})
    rates: dict[int, float] = {}
    for size in sizes:
        if batch is None and rule.longest and size > 1 and size / rates[size // 2] > rule.longest:
            break
        try:
            seconds = _time_batches(model, clock, [prepared] * size, rule, progress)
        except (InputError, MemoryError):  # a batch that does not fit into memory, or that the model does not take
            if not rates:
                raise
            break
        rates[size] = size / float(np.median(seconds))
        if batch is None and size > 1 and rates[size] < MIN_GAIN * rates[size // 2]:
            break
    return rates


def _time_batches(
    model: Model, clock: Clock, prepared: list[Any], rule: TimingRule, progress: Progress
) -> list[float]:
    """Time inference on one batch, repeatedly. A larger batch is new to the model, so one call warms up."""
    size = len(prepared)
    batch = model.guard(model.batch, prepared)
    count, label = -(-rule.images // size), f"batches of {size}"
    progress(0, count, label)
    if size > 1:
        model.guard(model.predictor.infer, batch)
    repeats = iterate_until(count, rule.seconds, progress, label, rule.longest)
    return [clock.time(model.guard, model.predictor.infer, batch)[1] for _ in repeats]
