"""Does the CUDA path do what the CPU does? DiffDIS-mini on both, in every precision, and the clocks of a device."""

from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import torch

from disbench.doctor.adapter import Verdict, sample_pictures
from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.system import nvidia
from disbench.system.clocks import WallClock, make_clock
from disbench.system.environment import describe_environment, measure_load
from disbench.timing import cost

SIZE = "256"  # pixels that DiffDIS-mini works at here
LEVELS = {
    "fp32": 2,
    "tf32": 16,
    "fp16": 16,
}  # of 255, to the CPU in all but 1 % of pixels
FIX = "send all of this to the maintainers, with --json"


def find_gpu() -> str:
    """The CUDA device; InputError where there is none."""
    if not torch.cuda.is_available():
        built = torch.version.cuda or "no CUDA"
        raise InputError(f"--gpu: torch {torch.__version__}, built for {built}, sees no GPU here; see pytorch.org")
    return "cuda"


def diagnose(device: str) -> Iterator[Verdict]:
    """Every check in turn; what one raises is its verdict. On "cpu" the same checks compare the CPU with itself."""
    for name, check in CHECKS.items():
        try:
            ok, found = check(device)
        except (RuntimeError, InputError) as error:
            ok, found = False, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        yield Verdict(name, ok, found, FIX)


def record(device: str) -> dict:
    """What the maintainers need beside the verdicts."""
    return {"environment": describe_environment(device), "load": measure_load(device)}


def _clocks(device: str) -> tuple[bool, str]:
    """Events may not say more than the wall clock around them, nor next to nothing."""
    x = torch.randn(1024, 1024, device=device)

    def product():
        y = x
        for _ in range(8):
            y = x @ y
        return y

    product()
    wall, own = WallClock(), make_clock(device)
    (_, inner), outer = wall.time(own.time, product)
    return 0.05 * outer < inner <= outer, f"{own.name} {1000 * inner:.2f} ms within {1000 * outer:.2f} ms of wall clock"


def _maps(device: str, precision: str) -> tuple[bool, str]:
    there = load_model("diffdis", None, device, size=SIZE, precision=precision)
    here = load_model("diffdis", None, "cpu", size=SIZE)
    apart = [np.abs(there.predict(i).astype(int) - here.predict(i)) for i, _ in sample_pictures(2)]
    far = max(float(np.percentile(one, 99)) for one in apart)
    worst = max(int(one.max()) for one in apart)
    return far <= LEVELS[precision], f"99 % of pixels within {far:.0f} levels of the CPU's, all within {worst}"


def _stream(device: str) -> tuple[bool, str]:
    """Work queued on a stream of its own is waited for."""
    model = load_model("diffdis", None, device, size=SIZE)
    image = sample_pictures(1)[0][0]
    expected = model.predict(image)
    if not device.startswith("cuda"):
        return True, "no streams on this device"
    with torch.cuda.stream(torch.cuda.Stream(device)):
        found = model.predict(image)
    return bool((found == expected).all()), "the same map from another stream"


def _batch(device: str) -> tuple[bool, str]:
    model = load_model("diffdis", None, device, size=SIZE)
    prepared = [model.predictor.prepare(image) for image, _ in sample_pictures(2)]
    together = model.predictor.infer(model.batch(prepared)).cpu()
    apart = torch.stack([model.compute(one)[0].cpu() for one in prepared])
    difference = float((together - apart).abs().max())
    return difference < 1e-2, f"two at once differ from one by one by {difference:.1g}"


def _memory(device: str) -> tuple[bool, str]:
    cost.reset_peak_memory(device)
    load_model("diffdis", None, device, size=SIZE).predict(sample_pictures(1)[0][0])
    peak = cost.read_peak_memory(device)
    return min(peak.values()) > 0, ", ".join(f"{kind} {size / 2**20:.0f} MiB" for kind, size in peak.items())


def _sensors(device: str) -> tuple[bool, str]:
    """What an installation lacks for them is no fault of the device."""
    if not device.startswith("cuda"):
        return True, "none on this device"
    if find_spec("pynvml") is None:
        return True, f"clocks, heat and what slows them stay unknown without nvidia-ml-py; {nvidia.INSTALL}"
    found = {name: value for name, value in measure_load(device).items() if name.startswith("gpu")}
    known = any(not str(value).startswith("unknown") for value in found.values())
    return known, ", ".join(f"{name} {value or 'nothing'}" for name, value in found.items())


def _training(device: str) -> tuple[bool, str]:
    """A step in half precision by autocast and, on CUDA, a scaler."""
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.SiLU(), torch.nn.Conv2d(8, 1, 3)).to(device)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2)
    dtype = torch.float16 if device.startswith("cuda") else torch.bfloat16
    scaler = torch.amp.GradScaler(torch.device(device).type, enabled=dtype == torch.float16)
    x = torch.rand(4, 3, 32, 32, device=device)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        with torch.autocast(torch.device(device).type, dtype):
            loss = torch.nn.functional.mse_loss(net(x).float(), x[:, :1, 2:-2, 2:-2])
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    return losses[-1] < losses[0], f"20 steps took the loss from {losses[0]:.3f} to {losses[-1]:.3f}"


CHECKS = {
    "clocks": _clocks,
    **{f"maps in {precision}": lambda device, p=precision: _maps(device, p) for precision in LEVELS},
    "streams": _stream,
    "batches": _batch,
    "memory": _memory,
    "sensors": _sensors,
    "training": _training,
}
