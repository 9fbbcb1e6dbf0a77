"""The rules of when a timing ends."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TimingRule:
    """Both counts and both times, in seconds, must be reached."""

    warm_images: int = 10
    warm_seconds: float = 3.0
    images: int = 100
    seconds: float = 10.0


FULL, QUICK = TimingRule(), TimingRule(warm_images=2, warm_seconds=0.5, images=10, seconds=1.0)
