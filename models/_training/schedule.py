"""The schedule of a training: how many steps, with which optimizer and learning rate, and what is written when."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

from msgspec import Meta

from disbench.errors import InputError
from disbench.models._training.recipes import Count, Natural, Rate, Share, Weight


@dataclass(frozen=True)
class Schedule:
    """AdamW with a warm-up from 0 to `lr` and a cosine back to 0. Counts are in steps.

    With decay = "authors", the learning rate instead follows the step decay of DiffDIS' authors, without a warm-up: a
    factor of 0.95 for every 30 epochs, which their code applies again after each epoch.
    """

    steps: Count
    lr: Rate
    decay: Literal["cosine", "authors"] = "cosine"
    epoch: Natural = 0  # steps of an epoch, for the authors' decay
    warmup: Share = 0.08  # share of the steps
    weight_decay: Weight = 0.01
    optimizer: Literal["adamw", "adamw8bit"] = "adamw"  # adamw8bit: moments in 8 bits, with bitsandbytes
    clip: Annotated[float, Meta(gt=0)] = 1.0  # largest norm of the gradient
    ema: Annotated[float, Meta(ge=0, lt=1)] = 0.998  # decay of the moving average of the weights; 0: no average
    accumulate: Count = 1  # batches per step
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"  # of computations; weights stay in fp32
    compile: bool = False  # whether torch.compile compiles the network; each size of a stage takes minutes at its start
    keep: Natural = 1  # number of best moving averages to keep, by the first score of the validation
    log_every: Count = 20
    checkpoint_every: Count = 100
    validate_every: Natural = 0  # 0: never
    more: tuple[tuple[Natural, Count, Rate], ...] = ()  # further cycles: first step, number of steps, lr

    def __post_init__(self) -> None:
        if self.decay == "authors" and self.epoch < 1:
            raise InputError("schedule: decay = 'authors' needs epoch, the number of steps in an epoch")
        for (first, steps, _), (begin, _, _) in pairwise(self.cycles):
            if begin != (end := first + steps):
                raise InputError(f"schedule: a cycle of more begins at step {begin}, the one before ends at {end}")

    @property
    def cycles(self) -> tuple[tuple[int, int, float], ...]:
        """First step, number of steps and learning rate of every cycle."""
        return (0, self.steps, self.lr), *self.more

    @property
    def total(self) -> int:
        """Number of steps of all cycles."""
        first, steps, _ = self.cycles[-1]
        return first + steps

    def lr_at(self, step: int) -> float:
        """Compute the learning rate of a step, counted from 0."""
        if self.decay == "authors":
            return self.lr * 0.95 ** sum(epoch // 30 for epoch in range(step // self.epoch + 1))
        first, steps, lr = next(cycle for cycle in reversed(self.cycles) if cycle[0] <= step)
        step -= first
        begin = self.warmup * steps
        if step < begin:
            return lr * (step + 1) / (begin + 1)
        return lr * (1 + math.cos(math.pi * (step - begin) / (steps - begin))) / 2
