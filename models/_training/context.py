"""The devices, processes and trackers of a training: the setup that all trainers share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from disbench.models._training.processes import ALONE, Processes
from disbench.models._training.tracking import Tracker
from disbench.system.progress import Progress


def discard(line: str) -> None:
    """Ignore a line of the log."""


@dataclass(frozen=True, kw_only=True)
class TrainingContext:
    """Everything about a training that does not change its result.

    Attributes:
        out: folder of checkpoints, logs and weights. A training that was cut off there is resumed.
        device: "cpu", "cuda", ...; None for the best device, which a trainer's entry point resolves.
        processes: the processes that train together.
        workers: processes that load pictures for each of them; None for a number that suits the device.
        sharded: whether processes that train together split weights, gradients and moments among themselves.
        cache_latents: whether DiffDIS keeps the latents of pictures that its recipe does not change in the cache.
        progress: receives the number of finished steps, their total and a label.
        log: receives lines of text for the user.
        tracker: receives the lines of the training log.
    """

    out: Path
    device: str | None = "cpu"
    processes: Processes = ALONE
    workers: int | None = 0
    sharded: bool = False
    cache_latents: bool = False
    progress: Progress | None = None
    log: Callable[[str], None] = discard
    tracker: Tracker | None = None
