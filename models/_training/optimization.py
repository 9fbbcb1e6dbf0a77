"""One step of a training: gradients, their average over the processes, the optimizer and the moving average."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from importlib import import_module
from itertools import islice
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from disbench.errors import InputError
from disbench.models._parts import device as devices
from disbench.models._parts.weights import first_line
from disbench.models._training.checkpoints import Stateful
from disbench.models._training.processes import Processes
from disbench.models._training.schedule import Schedule
from disbench.models._training.task import Losses, Task


class Optimization:
    """A network with its optimizer, gradient scaler and moving average.

    Attributes:
        modules: everything whose state a checkpoint has, by its key there.
    """

    def __init__(self, net: nn.Module, schedule: Schedule, task: Task, processes: Processes):
        self.net, self.schedule, self.task, self.processes = net, schedule, task, processes
        self.device = next(net.parameters()).device
        check_schedule(schedule, str(self.device), processes)
        self.average: AveragedModel | None = None
        if schedule.ema:
            update = get_ema_multi_avg_fn(schedule.ema)
            if processes.sharded:
                update = _sharding().update_parts(update)
            self.average = AveragedModel(net, multi_avg_fn=update, use_buffers=True)
        self.result: nn.Module = self.average.module if self.average else net
        self.whole = self.result
        if processes.sharded:
            self.whole = deepcopy(net).cpu()
            for network in {id(x): x for x in (net, self.result)}.values():
                _sharding().shard_network(network, task.units(network))
        if schedule.compile:
            with report_compiler(schedule):
                net.compile(dynamic=False)
        self.parameters = list(net.named_parameters())
        factors = {name: task.lr_multiplier(name) for name, _ in self.parameters}
        groups = [
            {"params": [p for name, p in self.parameters if factors[name] == factor], "factor": factor}
            for factor in sorted(set(factors.values()))
        ]
        optimizer_class = _optimizer_class(schedule)
        self.optimizer = optimizer_class(groups, schedule.lr, weight_decay=schedule.weight_decay)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=schedule.precision == "fp16")
        self.modules: dict[str, Stateful] = {"model": net, "optimizer": self.optimizer, "scaler": self.scaler}
        if self.average:
            self.modules["average"] = self.average
        if processes.sharded:
            self.modules["optimizer"] = _sharding().WholeOptimizer(self.optimizer)
            for key in {"model", "average"} & self.modules.keys():
                self.modules[key] = _sharding().WholeNetwork(self.modules[key])

    def gather_result(self) -> nn.Module:
        """Return the network that the training is for, the moving average or the network itself, with all weights.

        Where processes split them, all must call it together, and the result is a copy on the CPU.
        """
        if self.processes.sharded:
            self.whole.load_state_dict(_sharding().gather_tensors(self.result.state_dict()))
        return self.whole

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
        if not self.processes.sharded:  # FSDP has averaged them
            self.processes.average(p.grad for _, p in self.parameters if p.grad is not None)
        # All processes end after the same step, whichever has received the signal. Asked after the computation, so that
        # a signal that comes in a step ends the training with that step.
        stop = torch.tensor(float(interrupted()), device=self.device)
        self.processes.average([*losses.values(), stop])
        total = sum(losses.values())
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), schedule.clip)
        if self.processes.sharded:
            norm = _sharding().gather_tensors(norm)
        # A scaler meets infinite gradients now and then, skips that step and lowers its scale.
        if not (total.isfinite() and (self.scaler.is_enabled() or norm.isfinite())):
            raise InputError(f"step {step}: loss {total:.3g}, gradient {norm:.3g}; {_advice(step, lr_flag)}")
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average:
            self.average.update_parameters(self.net)
        return losses, bool(stop)


def _sharding() -> ModuleType:
    """Import `sharding`, which takes seconds that most trainings can save."""
    return import_module("disbench.models._training.sharding")


def check_schedule(schedule: Schedule, device: str, processes: Processes) -> None:
    """Raise InputError if a device cannot compute as a schedule says, or processes cannot split its weights."""
    if schedule.precision == "bf16" and not devices.has_bf16(device):
        raise InputError(f'precision = "bf16": {device} has no bfloat16; set schedule.precision to fp16 or fp32')
    if not processes.sharded:
        return
    for key, value in {"precision": "fp16", "optimizer": "adamw8bit", "compile": True}.items():
        if getattr(schedule, key) == value:
            raise InputError(f"--fsdp: not with {key} = {json.dumps(value)}; change schedule.{key}, or omit --fsdp")


@contextmanager
def report_compiler(schedule: Schedule) -> Iterator[None]:
    """Turn a fault of torch.compile, such as a missing C++ compiler, into an InputError."""
    try:
        yield
    except RuntimeError as error:
        names = f"{type(error).__module__} {error}"
        if not schedule.compile or not re.search(r"torch\._(dynamo|inductor)|torch\.compile", names):
            raise
        raise InputError(
            f"compile = true: torch.compile fails here ({first_line(error)}); set schedule.compile to false"
        ) from error


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context in which a schedule's precision is computed."""
    dtypes = {"bf16": torch.bfloat16, "fp16": torch.float16}
    return torch.autocast(device.type, dtypes.get(precision), enabled=precision in dtypes)


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
