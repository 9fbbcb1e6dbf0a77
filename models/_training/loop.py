"""The one training loop, of DiffDIS and of all other networks: seeded, resumable to the bit, logged line by line.

A batch is a pure function of its step, so a checkpoint needs no generator's state: the step number is the position in
the data and in every random sequence.
"""

import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, is_dataclass
from itertools import islice, pairwise
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Literal

import msgspec
import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from disbench.errors import InputError
from disbench.models._parts.weights import saved
from disbench.models._training.interruption import GOES_ON, Interrupted, held_back
from disbench.models._training.processes import ALONE, Processes
from disbench.models._training.recipe import Count, Natural, Rate, Share, Weight
from disbench.models._training.tracking import Track
from disbench.system.files import atomic_writer, write_atomic


@dataclass(frozen=True)
class Schedule:
    """AdamW with a warm-up from 0 to `lr` and a cosine back to 0; counts are in steps.

    `decay` "authors" is their step decay instead, without a warm-up: a factor of .95 for every 30 epochs, which their
    code applies again after each epoch.
    """

    steps: Count
    lr: Rate
    decay: Literal["cosine", "authors"] = "cosine"
    epoch: Natural = 0  # steps, for the authors' decay
    warmup: Share = 0.08  # share of the steps
    weight_decay: Weight = 0.01
    optimizer: Literal["adamw", "adamw8bit"] = "adamw"  # the other keeps its moments in 8 bits, with bitsandbytes
    clip: Annotated[float, Meta(gt=0)] = 1.0
    ema: Annotated[float, Meta(ge=0, lt=1)] = 0.998
    accumulate: Count = 1  # batches to a step
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"  # what is computed in; weights stay in fp32
    keep: Natural = 1  # so many of the best moving averages, by the first score of validation, are kept beside the last
    log_every: Count = 20
    checkpoint_every: Count = 100
    validate_every: Natural = 0  # 0: never
    more: tuple[tuple[Natural, Count, Rate], ...] = ()  # further cycles: where each begins, its steps, its lr

    def __post_init__(self):
        if self.decay == "authors" and self.epoch < 1:
            raise InputError("schedule: decay = 'authors' needs epoch, the steps of one")
        for (first, steps, _), (begin, _, _) in pairwise(self.cycles):
            if begin != (end := first + steps):
                raise InputError(f"schedule: a cycle of more begins at step {begin}, the one before ends at {end}")

    @property
    def cycles(self) -> tuple[tuple[int, int, float], ...]:
        return (0, self.steps, self.lr), *self.more

    @property
    def total(self) -> int:
        first, steps, _ = self.cycles[-1]
        return first + steps

    def lr_at(self, step: int) -> float:
        if self.decay == "authors":
            return self.lr * 0.95 ** sum(epoch // 30 for epoch in range(step // self.epoch + 1))
        first, steps, lr = next(cycle for cycle in reversed(self.cycles) if cycle[0] <= step)
        step -= first
        begin = self.warmup * steps
        if step < begin:
            return lr * (step + 1) / (begin + 1)
        return lr * (1 + math.cos(math.pi * (step - begin) / (steps - begin))) / 2


def fit(
    model: nn.Module,
    schedule: Schedule,
    make: Callable[[int], Any],
    losses: Callable[[nn.Module, Any], dict[str, Tensor]],
    identity: Any,
    out: Path,
    validate: Callable[[nn.Module, int], dict[str, float]] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    name: str = "train",
    rate: Callable[[str], float] = lambda parameter: 1.0,
    processes: Processes = ALONE,
    track: Track | None = None,
    knob: str = "lr in the recipe",
    pictures: str = "",
    about: dict[str, str] | None = None,
    plain: Callable[[nn.Module], nn.Module] = lambda model: model,
) -> nn.Module:
    """Train `model` in place and return its moving average, in eval mode; itself where `ema` is 0.

    `make(step)` gives a batch, `losses(model, batch)` the parts of the loss. Writes the checkpoint `out/<name>.pt` and
    the log `out/<name>.jsonl`, and goes on from the checkpoint where there is one; the best averages are
    `out/<name>-<step>.safetensors`. InputError for a checkpoint of another `identity` (the recipe) or of other
    `pictures` (their digest, "" where it is not known), and for a loss that is not finite. `rate(name)` multiplies a
    parameter's learning rate. Of several `processes`, whose batches are parts of one, the first alone validates and
    writes. `validate(model, step)` gives scores for the log, `track(name, step, line)` is given each of its lines.
    `about`: what files of weights say beside them; `plain(model)`: what is written of a best average. `knob`: what the
    user calls the rate. Interrupted, after the step and its checkpoint, for Ctrl-C; a process that is terminated ends
    there too.
    """
    checkpoint, log = out / f"{name}.pt", out / f"{name}.jsonl"
    parameters = list(model.named_parameters())
    device = parameters[0][1].device
    groups = [
        {"params": [p for name, p in parameters if rate(name) == factor], "factor": factor}
        for factor in sorted({rate(name) for name, _ in parameters})
    ]
    optimizer = _optimizer(schedule)(groups, schedule.lr, weight_decay=schedule.weight_decay)
    ema = get_ema_multi_avg_fn(schedule.ema)
    average = AveragedModel(model, multi_avg_fn=ema, use_buffers=True) if schedule.ema else None
    result = average.module if average else model
    scaler = torch.amp.GradScaler(device.type, enabled=schedule.precision == "fp16")
    state = {"model": model, "optimizer": optimizer, "scaler": scaler} | ({"average": average} if average else {})
    out.mkdir(parents=True, exist_ok=True)
    first, seconds = 0, 0.0
    if checkpoint.exists():
        first, seconds = _restore(checkpoint, state, identity, pictures)
    if processes.first:
        _truncate(log, first)

    began = perf_counter() - seconds
    model.train()
    all_batches = _ahead(make, first * schedule.accumulate, schedule.total * schedule.accumulate)
    with held_back() as interrupted, closing(all_batches) as batches:
        for step in range(first, schedule.total):
            for group in optimizer.param_groups:
                group["lr"] = schedule.lr_at(step) * group["factor"]
            optimizer.zero_grad()
            parts: dict[str, Tensor] = {}
            for batch in islice(batches, schedule.accumulate):
                with autocast(device, schedule.precision):
                    found = losses(model, batch)
                scaler.scale(sum(found.values()) / schedule.accumulate).backward()
                parts = {key: parts.get(key, 0) + part.detach() / schedule.accumulate for key, part in found.items()}
            # Before the scaler looks for infinities, so that every process leaves out the same steps.
            processes.average(p.grad for _, p in parameters if p.grad is not None)
            # All end after the same step, whichever has been told.
            stop = torch.tensor(float(interrupted()), device=device)
            processes.average([*parts.values(), stop])
            loss = sum(parts.values())
            scaler.unscale_(optimizer)
            norm = nn.utils.clip_grad_norm_(model.parameters(), schedule.clip)
            # A scaler meets infinite gradients now and then, leaves that step out and lowers its scale.
            if not (loss.isfinite() and (scaler.is_enabled() or norm.isfinite())):
                raise InputError(f"step {step}: loss {loss:.3g}, gradient {norm:.3g}; {_advice(step, knob)}")
            scaler.step(optimizer)
            scaler.update()
            if average:
                average.update_parameters(model)

            done = step + 1
            seconds = perf_counter() - began
            last = done == schedule.total
            stopped = Interrupted(f"{name}: step {done} of {schedule.total} is kept, {GOES_ON}")
            scores = {}
            if not processes.first:
                if stop:
                    raise stopped
                continue
            if validate and schedule.validate_every and (last or done % schedule.validate_every == 0):
                scores = {key: round(value, 4) for key, value in validate(result.eval(), done).items()}
                model.train()
            if scores or last or done % schedule.log_every == 0:
                lr = float(f"{schedule.lr_at(step):.4g}")
                record = {key: round(value.item(), 6) for key, value in parts.items()}
                line = {"step": done, **record, "lr": lr, "seconds": round(seconds, 1), **scores}
                with log.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                if track:
                    track(name, done, line)
            if scores:
                _keep_best(lambda: saved(plain(result), about), log, next(iter(scores)), schedule.keep)
            if stop or last or done % schedule.checkpoint_every == 0:
                _save(checkpoint, state, identity, pictures, done, seconds)
            if progress:
                left = seconds / done * (schedule.total - done)
                progress(done, schedule.total, f"{name}: loss {loss:.4f}, {left / 60:.0f} min left")
            if stop:
                raise stopped
    return result.eval()


def _advice(step: int, knob: str) -> str:
    if step == 0:  # IS-Net in batches of 2: gradients up to 1e11 at 32 pixels a side, 1e7 at 64, 200 from 96 on
        return (
            "nothing is learned yet, so it is not for the rate: take larger pictures or batches (batch norm needs more "
            "values than a few), or start from other weights"
        )
    return f"lower {knob}, and choose another --out"


def _optimizer(schedule: Schedule) -> type[torch.optim.Optimizer]:
    if schedule.optimizer == "adamw":
        return torch.optim.AdamW
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError:
        raise InputError('optimizer = "adamw8bit" needs bitsandbytes; pip install bitsandbytes') from None
    return AdamW8bit


def autocast(device: torch.device, precision: str) -> torch.autocast:
    dtypes = {"bf16": torch.bfloat16, "fp16": torch.float16}
    return torch.autocast(device.type, dtypes.get(precision), enabled=precision in dtypes)


def _ahead(make: Callable[[int], Any], first: int, end: int) -> Iterator[Any]:
    """make(first), ... make(end - 1), each made while the one before is in use."""
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(make, first)
        for i in range(first + 1, end + 1):
            batch = upcoming.result()
            if i < end:
                upcoming = pool.submit(make, i)
            yield batch


def _keep_best(content: Callable[[], bytes], log: Path, score: str, count: int) -> None:
    """Keep the content, the model of the log's last line, if it is among the `count` best; drop what no longer is."""
    lines = [line for line in map(json.loads, log.read_text().splitlines()) if score in line]
    best = sorted(lines, key=lambda line: line[score], reverse=True)[:count]
    names = {f"{log.stem}-{line['step']}.safetensors" for line in best}
    latest = f"{log.stem}-{lines[-1]['step']}.safetensors"
    if latest in names:
        write_atomic(log.with_name(latest), content())
    for old in log.parent.glob(f"{log.stem}-*.safetensors"):
        if old.name not in names:
            old.unlink()


def _save(path: Path, state: dict[str, Any], identity: Any, pictures: str, step: int, seconds: float) -> None:
    parts = {key: part.state_dict() for key, part in state.items()}
    said = asdict(identity) if is_dataclass(identity) else identity
    with atomic_writer(path) as file:  # which DiffDIS' 15 GB go to tensor by tensor
        try:
            torch.save({"identity": said, "pictures": pictures, "step": step, "seconds": seconds, **parts}, file)
        except RuntimeError as error:  # torch's own words hide that a disk is full
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def _restore(path: Path, state: dict[str, Any], identity: Any, pictures: str = "") -> tuple[int, float]:
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler fails on damaged bytes in whatever way they lead it to
        raise InputError(f"{path}: damaged, or no checkpoint; remove it to begin anew") from error
    try:  # a key that has come since has its default
        before = msgspec.convert(saved["identity"], type(identity))
    except msgspec.ValidationError:
        raise InputError(f"{path}: made by another recipe; choose another --out") from None
    if before != identity:
        before, now = map(msgspec.to_builtins, (before, identity))
        name = next(name for name in sorted(before | now) if before.get(name) != now.get(name))
        what = f"its {name} is {before.get(name)!r}, here {now.get(name)!r}"
        raise InputError(f"{path}: made by another recipe, {what}; choose another --out")
    before = saved.get("pictures")  # a checkpoint of before there was such a digest has none
    if before and pictures and before != pictures:
        raise InputError(f"{path}: trained on other pictures; give the --data that it began with, or another --out")
    for key, part in state.items():
        part.load_state_dict(saved[key])
    return saved["step"], saved["seconds"]


def _truncate(log: Path, step: int) -> None:
    """Drop what was logged after the checkpoint: it is about to be logged again."""
    *lines, _ = log.read_text().split("\n") if step else [""]  # a whole line ends in a newline, the rest is torn
    kept = [line + "\n" for line in lines if json.loads(line)["step"] <= step]
    write_atomic(log, "".join(kept).encode())
