"""Beside the log of lines, on request: TensorBoard or trackio."""

from collections.abc import Callable
from pathlib import Path

from disbench.errors import InputError

KINDS = ("tensorboard", "trackio")
Track = Callable[[str, int, dict[str, float]], None]
"""track(name, step, values): one line of the log out/<name>.jsonl."""


def tracker(kind: str, out: Path) -> Track:
    """One of KINDS; InputError where it is not installed."""
    try:
        return {"tensorboard": _tensorboard, "trackio": _trackio}[kind](out)
    except ImportError:
        raise InputError(f"--track {kind} needs {kind}; pip install {kind}") from None


def _tensorboard(out: Path) -> Track:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(out / "tensorboard"))

    def track(name: str, step: int, values: dict[str, float]) -> None:
        for key, value in values.items():
            writer.add_scalar(f"{name}/{key}", value, step)
        writer.flush()  # a training may be cut off anywhere

    return track


def _trackio(out: Path) -> Track:
    import trackio

    trackio.init(project="disbench", name=out.name, resume="allow")
    return lambda name, step, values: trackio.log({f"{name}/{key}": value for key, value in values.items()}, step=step)
