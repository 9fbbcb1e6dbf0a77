"""Checks of a CUDA device: the same maps as on the CPU, in every precision, and working clocks, memory and training.

The model is DiffDIS-mini, whose weights ship with disbench.
"""

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from disbench.doctor.adapter import sample_pictures
from disbench.doctor.verdict import Verdict
from disbench.errors import InputError
from disbench.inference.model import Model, load_model
from disbench.system import nvidia
from disbench.system.clocks import WallClock, make_clock
from disbench.system.environment import describe_environment, measure_load
from disbench.timing import cost

SIZE = "256"  # pixels that DiffDIS-mini works at here
# Grey levels of 255 that 99 % of the pixels must be within, compared with fp32 on the CPU.
MAX_LEVELS = {"fp32": 2, "tf32": 16, "fp16": 16}
MAX_BATCH_DIFFERENCE = 1e-2
STEPS = 20  # of training
FIX = "send all of this to the maintainers, with --json"

Check = Callable[[str], tuple[bool, str]]  # device -> whether it passed, and what was observed


def find_gpu() -> str:
    """Return the CUDA device. Raise InputError if the machine has no CUDA device."""
    if not torch.cuda.is_available():
        built = torch.version.cuda or "no CUDA"
        raise InputError(f"--gpu: torch {torch.__version__}, built for {built}, sees no GPU here; see pytorch.org")
    return "cuda"


def diagnose_gpu(device: str) -> Iterator[Verdict]:
    """Run every check. An error is the verdict of its check. On "cpu", the CPU is compared with itself."""
    for name, check in CHECKS.items():
        try:
            ok, message = check(device)
        except (RuntimeError, InputError) as error:
            first_line = str(error).partition("\n")[0]
            ok, message = False, f"{type(error).__name__}: {first_line}"
        yield Verdict(name, ok, message, FIX)


def describe_device(device: str) -> dict[str, Any]:
    """Return what the maintainers need in addition to the verdicts."""
    return {"environment": describe_environment(device), "load": measure_load(device)}


def check_clocks(device: str) -> tuple[bool, str]:
    """Check that the device's clock reports no more than the wall clock around it, and not next to nothing."""
    x = torch.randn(1024, 1024, device=device)

    def multiply() -> torch.Tensor:
        y = x
        for _ in range(8):
            y = x @ y
        return y

    multiply()
    clock = make_clock(device)
    (_, inner), outer = WallClock().time(clock.time, multiply)
    message = f"{clock.name} {1000 * inner:.2f} ms within {1000 * outer:.2f} ms of wall clock"
    return 0.05 * outer < inner <= outer, message


def check_maps(device: str, precision: str) -> tuple[bool, str]:
    """Check that maps equal the CPU's maps, within the tolerance of a precision."""
    tested = load_model("diffdis", None, device, size=SIZE, precision=precision)
    reference = _load_model("cpu")
    distances = [
        np.abs(tested.predict(image).astype(int) - reference.predict(image)) for image, _ in sample_pictures(2)
    ]
    levels = max(float(np.percentile(distance, 99)) for distance in distances)
    worst = max(int(distance.max()) for distance in distances)
    message = f"99 % of pixels within {levels:.0f} levels of the CPU's, all within {worst}"
    return levels <= MAX_LEVELS[precision], message


def check_stream(device: str) -> tuple[bool, str]:
    """Check that work on another stream is waited for."""
    model = _load_model(device)
    image = sample_pictures(1)[0][0]
    expected = model.predict(image)
    if not device.startswith("cuda"):
        return True, "no streams on this device"
    with torch.cuda.stream(torch.cuda.Stream(device)):
        mask = model.predict(image)
    return bool((mask == expected).all()), "the same map from another stream"


def check_batch(device: str) -> tuple[bool, str]:
    """Check that a batch of two gives the outputs of two batches of one."""
    model = _load_model(device)
    prepared = [model.predictor.prepare(image) for image, _ in sample_pictures(2)]
    batched = model.predictor.infer(model.batch(prepared)).cpu()
    single = torch.stack([model.compute(each)[0].cpu() for each in prepared])
    difference = float((batched - single).abs().max())
    return difference < MAX_BATCH_DIFFERENCE, f"a batch of two differs from two batches of one by {difference:.1g}"


def check_memory(device: str) -> tuple[bool, str]:
    """Check that the peak memory of a prediction is reported."""
    cost.reset_peak_memory(device)
    _load_model(device).predict(sample_pictures(1)[0][0])
    peak = cost.read_peak_memory(device)
    return min(peak.values()) > 0, ", ".join(f"{kind} {size / 2**20:.0f} MiB" for kind, size in peak.items())


def check_sensors(device: str) -> tuple[bool, str]:
    """Check that the sensors of the device are readable. A missing package is not a fault of the device."""
    if not device.startswith("cuda"):
        return True, "none on this device"
    if find_spec("pynvml") is None:
        return True, f"clocks, temperature and slowdowns stay unknown without nvidia-ml-py; {nvidia.INSTALL}"
    sensors = {name: value for name, value in measure_load(device).items() if name.startswith("gpu")}
    readable = any(not str(value).startswith("unknown") for value in sensors.values())
    return readable, ", ".join(f"{name} {value or 'nothing'}" for name, value in sensors.items())


def check_training(device: str) -> tuple[bool, str]:
    """Check that training in half precision lowers the loss: by autocast and, on CUDA, with a scaler."""
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.SiLU(), torch.nn.Conv2d(8, 1, 3)).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    kind = torch.device(device).type
    dtype = torch.float16 if device.startswith("cuda") else torch.bfloat16
    scaler = torch.amp.GradScaler(kind, enabled=dtype == torch.float16)
    x = torch.rand(4, 3, 32, 32, device=device)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        with torch.autocast(kind, dtype):
            loss = torch.nn.functional.mse_loss(network(x).float(), x[:, :1, 2:-2, 2:-2])
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    return losses[-1] < losses[0], f"{STEPS} steps took the loss from {losses[0]:.3f} to {losses[-1]:.3f}"


def _load_model(device: str) -> Model:
    return load_model("diffdis", None, device, size=SIZE)


CHECKS: dict[str, Check] = {
    "clocks": check_clocks,
    **{f"maps in {precision}": partial(check_maps, precision=precision) for precision in MAX_LEVELS},
    "streams": check_stream,
    "batches": check_batch,
    "memory": check_memory,
    "sensors": check_sensors,
    "training": check_training,
}
