"""The training loop of DiffDIS and of all other networks: seeded, resumable to the bit, logged line by line.

A batch is a pure function of its step, so a checkpoint needs no generator's state: the step number is the position in
the data and in every random sequence.
"""

import json
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from time import perf_counter
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from disbench.errors import InputError
from disbench.models._parts.weights import to_safetensors
from disbench.models._training.checkpoints import (
    RunState,
    Stateful,
    keep_best,
    restore_checkpoint,
    save_checkpoint,
    truncate_log,
)
from disbench.models._training.interruption import RESUME_HINT, Interrupted, hold_signals
from disbench.models._training.processes import ALONE, Processes
from disbench.models._training.schedule import Schedule
from disbench.models._training.tracking import Tracker
from disbench.system.progress import DETAIL, Progress

Network = TypeVar("Network", bound=nn.Module)
Losses = dict[str, Tensor]
"""Scalar parts of a loss by name. Their sum is what is minimised."""


class Task(Protocol):
    """The task to learn: batches, losses and scores. A subclass needs only the first two methods."""

    def batch(self, step: int) -> Any:
        """Make a batch. It must depend on nothing but the step, which counts batches from 0.

        Runs in another thread while the step before is computed.
        """

    def losses(self, net: nn.Module, batch: Any) -> Losses:
        """Compute the parts of the loss of a batch."""

    def validate(self, net: nn.Module, step: int) -> Mapping[str, float]:
        """Score the network after `step` steps. The best networks by the first score are kept; {}: no scores."""
        return {}

    def lr_multiplier(self, parameter: str) -> float:
        """Return the factor of a parameter's learning rate."""
        return 1.0

    def export(self, net: nn.Module) -> nn.Module:
        """Return the network whose weights are written after a validation."""
        return net


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
        InputError: for a checkpoint of another identity or of other pictures, and for a loss that is not finite.
        Interrupted: after Ctrl-C, once the step is finished and saved. SIGTERM then ends the process.
    """
    optimization = _Optimization(net, schedule, task, processes)
    state.out.mkdir(parents=True, exist_ok=True)
    first, seconds = 0, 0.0
    if state.checkpoint.exists():
        first, seconds = restore_checkpoint(state, optimization.modules)
    if processes.first:
        truncate_log(state.log, first)

    began = perf_counter() - seconds
    net.train()
    all_batches = _prefetch(task.batch, first * schedule.accumulate, schedule.total * schedule.accumulate)
    with hold_signals() as interrupted, closing(all_batches) as batches:
        for step in range(first, schedule.total):
            losses, stop = optimization.take_step(step, batches, interrupted, hooks.lr_flag)
            done = step + 1
            seconds = perf_counter() - began
            last = done == schedule.total
            if processes.first:
                scores: dict[str, float] = {}
                if schedule.validate_every and (last or done % schedule.validate_every == 0):
                    scores = {key: round(x, 4) for key, x in task.validate(optimization.result.eval(), done).items()}
                    net.train()
                if scores or last or done % schedule.log_every == 0:
                    lr = float(f"{schedule.lr_at(step):.4g}")
                    record = {key: round(x.item(), 6) for key, x in losses.items()}
                    line = {"step": done, **record, "lr": lr, "seconds": round(seconds, 1), **scores}
                    _append_line(state, line, hooks)
                if scores:
                    content = _Content(task, optimization.result, state)
                    keep_best(state.log, next(iter(scores)), schedule.keep, content)
                if stop or last or done % schedule.checkpoint_every == 0:
                    save_checkpoint(state, optimization.modules, done, seconds)
                if hooks.progress:
                    loss = sum(losses.values())
                    hooks.progress(done, schedule.total, f"{state.name}{DETAIL}loss {loss:.4f}")
            if stop:
                raise Interrupted(f"{state.name}: step {done} of {schedule.total} is saved; {RESUME_HINT}")
    return optimization.result.eval()


class _Optimization:
    """A network with its optimizer, gradient scaler and moving average.

    Attributes:
        result: the network that the training is for, the moving average or the network itself.
        modules: everything whose state a checkpoint has, by its key there.
    """

    def __init__(self, net: nn.Module, schedule: Schedule, task: Task, processes: Processes):
        self.net, self.schedule, self.task, self.processes = net, schedule, task, processes
        self.parameters = list(net.named_parameters())
        self.device = self.parameters[0][1].device
        factors = {name: task.lr_multiplier(name) for name, _ in self.parameters}
        groups = [
            {"params": [p for name, p in self.parameters if factors[name] == factor], "factor": factor}
            for factor in sorted(set(factors.values()))
        ]
        optimizer_class = _optimizer_class(schedule)
        self.optimizer = optimizer_class(groups, schedule.lr, weight_decay=schedule.weight_decay)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=schedule.precision == "fp16")
        self.average: AveragedModel | None = None
        if schedule.ema:
            self.average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(schedule.ema), use_buffers=True)
        self.result: nn.Module = self.average.module if self.average else net
        self.modules: dict[str, Stateful] = {"model": net, "optimizer": self.optimizer, "scaler": self.scaler}
        if self.average:
            self.modules["average"] = self.average

    def take_step(
        self, step: int, batches: Iterator[Any], interrupted: Callable[[], bool], lr_flag: str
    ) -> tuple[Losses, bool]:
        """Train one step; return the parts of the loss and whether any process has been interrupted."""
        schedule = self.schedule
        for group in self.optimizer.param_groups:
            group["lr"] = schedule.lr_at(step) * group["factor"]
        self.optimizer.zero_grad()
        losses: Losses = {}
        for batch in islice(batches, schedule.accumulate):
            with autocast(self.device, schedule.precision):
                batch_losses = self.task.losses(self.net, batch)
            self.scaler.scale(sum(batch_losses.values()) / schedule.accumulate).backward()
            for key, loss in batch_losses.items():
                losses[key] = losses.get(key, 0) + loss.detach() / schedule.accumulate
        # Before the scaler looks for infinities, so that every process skips the same steps.
        self.processes.average(p.grad for _, p in self.parameters if p.grad is not None)
        # All processes end after the same step, whichever has received the signal. Asked after the computation, so that
        # a signal that comes in a step ends the training with that step.
        stop = torch.tensor(float(interrupted()), device=self.device)
        self.processes.average([*losses.values(), stop])
        total = sum(losses.values())
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), schedule.clip)
        # A scaler meets infinite gradients now and then, skips that step and lowers its scale.
        if not (total.isfinite() and (self.scaler.is_enabled() or norm.isfinite())):
            raise InputError(f"step {step}: loss {total:.3g}, gradient {norm:.3g}; {_advice(step, lr_flag)}")
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average:
            self.average.update_parameters(self.net)
        return losses, bool(stop)


@dataclass(frozen=True)
class _Content:
    """Makes the bytes of a safetensors file, only when they are written."""

    task: Task
    net: nn.Module
    state: RunState

    def __call__(self) -> bytes:
        return to_safetensors(self.task.export(self.net), self.state.metadata)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context in which a schedule's precision is computed."""
    dtypes = {"bf16": torch.bfloat16, "fp16": torch.float16}
    return torch.autocast(device.type, dtypes.get(precision), enabled=precision in dtypes)


def _append_line(state: RunState, line: dict[str, float], hooks: Hooks) -> None:
    with state.log.open("a") as file:
        file.write(json.dumps(line) + "\n")
    if hooks.tracker:
        hooks.tracker(state.name, int(line["step"]), line)


def _advice(step: int, lr_flag: str) -> str:
    if step == 0:  # IS-Net in batches of 2: gradients up to 1e11 at 32 pixels a side, 1e7 at 64, 200 from 96 on
        return (
            "nothing is learned yet, so the learning rate is not the cause: take larger pictures or batches (batch "
            "norm needs more values than a few), or start from other weights"
        )
    return f"lower {lr_flag}, and choose another --out"


def _optimizer_class(schedule: Schedule) -> type[torch.optim.Optimizer]:
    if schedule.optimizer == "adamw":
        return torch.optim.AdamW
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError:
        raise InputError('optimizer = "adamw8bit" needs bitsandbytes; pip install bitsandbytes') from None
    return AdamW8bit


def _prefetch(make_batch: Callable[[int], Any], first: int, end: int) -> Generator[Any, None, None]:
    """Yield the batches first, ..., end - 1; each is made in a thread while the one before is in use."""
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(make_batch, first)
        for i in range(first + 1, end + 1):
            batch = upcoming.result()
            if i < end:
                upcoming = pool.submit(make_batch, i)
            yield batch
