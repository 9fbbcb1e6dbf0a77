"""Experiment trackers that a training reports to in addition to its log: TensorBoard or trackio."""

from collections.abc import Callable, Mapping
from pathlib import Path

from disbench.errors import InputError

KINDS = ("tensorboard", "trackio")
Tracker = Callable[[str, int, Mapping[str, float]], None]
"""tracker(name, step, values) reports one line of the log <name>.jsonl."""


def open_tracker(kind: str, out: Path) -> Tracker:
    """Open a tracker of one of KINDS for the training in `out`. Raise InputError if it is not installed."""
    openers = {"tensorboard": _open_tensorboard, "trackio": _open_trackio}
    try:
        return openers[kind](out)
    except ImportError:
        raise InputError(f"--track {kind} needs {kind}; pip install {kind}") from None


def _open_tensorboard(out: Path) -> Tracker:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(out / "tensorboard"))

    def track(name: str, step: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            writer.add_scalar(f"{name}/{key}", value, step)
        writer.flush()  # a training may be killed at any moment

    return track


def _open_trackio(out: Path) -> Tracker:
    import trackio

    trackio.init(project="disbench", name=out.name, resume="allow")

    def track(name: str, step: int, values: Mapping[str, float]) -> None:
        trackio.log({f"{name}/{key}": value for key, value in values.items()}, step=step)

    return track
