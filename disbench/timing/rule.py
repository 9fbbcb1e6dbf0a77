"""Stopping rules: when a timing has enough images and enough seconds."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

from disbench.system.progress import Progress


@dataclass(frozen=True)
class TimingRule:
    """Least work of a timing. Both the count and the time of a phase must be reached, as in MLPerf's single stream.

    Attributes:
        warm_images: images of the warm-up.
        warm_seconds: seconds of the warm-up.
        images: timed images.
        seconds: seconds of timing.
    """

    warm_images: int = 10
    warm_seconds: float = 3.0
    images: int = 100
    seconds: float = 10.0


FULL, QUICK = TimingRule(), TimingRule(warm_images=2, warm_seconds=0.5, images=10, seconds=1.0)


def iterate_until(count: int, seconds: float, progress: Progress, label: str) -> Iterator[int]:
    """Yield 0, 1, 2 ... until there are `count` numbers and `seconds` have passed; report progress as `label`."""
    start, done = perf_counter(), 0
    while done < count or perf_counter() - start < seconds:
        yield done
        done += 1
        fraction = min(1, done / count, (perf_counter() - start) / seconds)
        progress(round(fraction * count), count, label)
