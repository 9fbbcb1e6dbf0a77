"""The training loop of DiffDIS and of all other networks: seeded, resumable to the bit, logged line by line.

A batch is a pure function of its step, so a checkpoint needs no generator's state: the step number is the position in
the data and in every random sequence.
"""

import json
from contextlib import closing
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

from torch import nn

from disbench.errors import InputError
from disbench.models._parts.weights import to_safetensors
from disbench.models._training.checkpoints import (
    RunState,
    keep_best,
    restore_checkpoint,
    save_checkpoint,
    truncate_log,
)
from disbench.models._training.interruption import RESUME_HINT, Interrupted, hold_signals
from disbench.models._training.loading import load_batches, report_lost_workers
from disbench.models._training.optimization import Optimization, report_compiler
from disbench.models._training.processes import ALONE, Processes
from disbench.models._training.schedule import Schedule
from disbench.models._training.task import Task
from disbench.models._training.tracking import Tracker
from disbench.system.progress import DETAIL, Progress

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """The receivers of a training's reports.

    Attributes:
        progress: receives the number of finished steps, their total and a label.
        tracker: receives each line of the log.
        lr_flag: the user's name of the learning rate, for messages.
    """

    progress: Progress | None = None
    tracker: Tracker | None = None
    lr_flag: str = "lr in the recipe"


SILENT = Hooks()


def fit(
    net: Network,
    schedule: Schedule,
    task: Task,
    state: RunState,
    *,
    processes: Processes = ALONE,
    hooks: Hooks = SILENT,
) -> Network:
    """Train a network in place, resuming from a checkpoint in `state.out` if there is one.

    Args:
        net: network on its device.
        schedule: steps, learning rates, and when to log, validate and save.
        task: batches, losses and scores.
        state: the output folder, and the identity of the training.
        processes: processes that train together, each on its part of every batch; only the first validates and writes.
        hooks: progress, tracker and the user's name for the learning rate.

    Returns:
        The moving average of the network, in eval mode; the network itself if `schedule.ema` is 0.

    Raises:
        InputError: for a checkpoint of another identity or of other pictures, for a loss that is not finite, and for
            a schedule that the device or the processes cannot follow.
        Interrupted: after Ctrl-C, once the step is finished and saved. SIGTERM then ends the process.
    """
    optimization = Optimization(net, schedule, task, processes)
    state.out.mkdir(parents=True, exist_ok=True)
    first, seconds = 0, 0.0
    if state.checkpoint.exists():
        first, seconds = restore_checkpoint(state, optimization.modules)
    if not processes.agree(first, optimization.device):
        raise InputError(f"{state.checkpoint}: not seen by all processes; give --out on a disk that all of them share")
    if processes.first:
        truncate_log(state.log, first)

    began = perf_counter() - seconds
    net.train()
    numbers = range(first * schedule.accumulate, schedule.total * schedule.accumulate)
    loaded = closing(load_batches(task, numbers, optimization.device))
    with hold_signals() as interrupted, report_lost_workers(), report_compiler(schedule), loaded as batches:
        for step in range(first, schedule.total):
            losses, stop = optimization.take_step(step, batches, interrupted, hooks.lr_flag)
            done = step + 1
            seconds = perf_counter() - began
            last = done == schedule.total
            validates = schedule.validate_every and (last or done % schedule.validate_every == 0)
            saves = stop or last or done % schedule.checkpoint_every == 0
            # Every process takes part in this, since each may have only a part of the weights.
            result = optimization.gather_result().eval() if validates else None
            if saves and processes.sharded and not processes.first:
                for module in optimization.modules.values():
                    module.state_dict()
            if processes.first:
                scores: dict[str, float] = {}
                if result is not None:
                    result.to(optimization.device)
                    scores = {key: round(x, 4) for key, x in task.validate(result, done).items()}
                    net.train()
                if scores or last or done % schedule.log_every == 0:
                    lr = float(f"{schedule.lr_at(step):.4g}")
                    record = {key: round(x.item(), 6) for key, x in losses.items()}
                    line = {"step": done, **record, "lr": lr, "seconds": round(seconds, 1), **scores}
                    _append_line(state, line, hooks)
                if scores:
                    keep_best(state.log, next(iter(scores)), schedule.keep, _Content(task, result, state))
                if result is not None and processes.sharded:
                    result.cpu()
                if saves:
                    save_checkpoint(state, optimization.modules, done, seconds)
                if hooks.progress:
                    loss = sum(losses.values())
                    hooks.progress(done, schedule.total, f"{state.name}{DETAIL}loss {loss:.4f}")
            if stop:
                raise Interrupted(f"{state.name}: step {done} of {schedule.total} is saved; {RESUME_HINT}")
    return optimization.gather_result().to(optimization.device).eval()


@dataclass(frozen=True)
class _Content:
    """Makes the bytes of a safetensors file, only when they are written."""

    task: Task
    net: nn.Module
    state: RunState

    def __call__(self) -> bytes:
        return to_safetensors(self.task.export(self.net), self.state.metadata)


def _append_line(state: RunState, line: dict[str, float], hooks: Hooks) -> None:
    with state.log.open("a") as file:
        file.write(json.dumps(line) + "\n")
    if hooks.tracker:
        hooks.tracker(state.name, int(line["step"]), line)
