"""Stopping rules: when a timing has enough images and enough seconds."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

from disbench.system.progress import Progress


@dataclass(frozen=True)
class TimingRule:
    """Least work of a timing. Both the count and the time of a phase must be reached, as in MLPerf's single stream.

    Attributes:
        warm_images: images of the warm-up.
        warm_seconds: seconds of the warm-up.
        images: timed images.
        seconds: seconds of timing.
        longest: most seconds of a phase, even if images are missing. None: no limit.
    """

    warm_images: int = 10
    warm_seconds: float = 3.0
    images: int = 100
    seconds: float = 10.0
    longest: float | None = None

    @property
    def conditions(self) -> dict[str, Any]:
        """The rule as a record, in which two timings must agree. Without a limit, `longest` is not in it."""
        return {key: value for key, value in asdict(self).items() if value is not None}


FULL = TimingRule()
QUICK = TimingRule(warm_images=2, warm_seconds=0.5, images=10, seconds=1.0, longest=3.0)


def iterate_until(
    count: int, seconds: float, progress: Progress, label: str, longest: float | None = None, least: int = 1
) -> Iterator[int]:
    """Yield 0, 1, 2 ... until there are enough numbers and enough seconds have passed.

    Args:
        count: least number of numbers.
        seconds: least number of seconds, above 0.
        progress: is called with (numbers done, count, label).
        label: the name of the phase.
        longest: no number is begun that would probably end after this many seconds. None: no limit.
        least: numbers that are yielded even so.
    """
    start, done, passed = perf_counter(), 0, 0.0
    progress(0, count, label)
    while done < count or passed < seconds:
        if longest is not None and done >= least and passed * (done + 1) / done > longest:
            progress(count, count, label)
            break
        yield done
        done += 1
        passed = perf_counter() - start
        share = min(1, done / count, passed / seconds)
        if longest is not None:
            share = min(1, max(share, passed / longest))
        progress(round(share * count), count, label)
