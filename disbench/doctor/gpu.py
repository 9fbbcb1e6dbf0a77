"""Checks of a CUDA device: every network and DiffDIS-mini as on the CPU, clocks, memory, ONNX, training, and times.

Nothing is downloaded: DiffDIS-mini's weights ship with disbench, and those of other networks, and of DiffDIS at full
size, are generated.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from disbench.doctor import full_size, networks
from disbench.doctor.adapter import sample_pictures
from disbench.doctor.onnx_file import check_onnx
from disbench.doctor.verdict import Verdict
from disbench.errors import DeviceMemoryError, InputError
from disbench.inference.model import Model, load_model
from disbench.system import nvidia
from disbench.system.clocks import WallClock, make_clock
from disbench.system.environment import describe_environment, measure_load
from disbench.timing import cost

SIZE, TINY_SIZE = "256", "64"  # pixels that DiffDIS-mini works at here
# Grey levels of 255 that 99 % of the pixels must be within, compared with fp32 on the CPU.
MAX_LEVELS = {"fp32": 2, "tf32": 16, "fp16": 16}
VAE_MODES = ("sliced", "tiled")
COMPILE_MODES = ("graph", "default", "reduce-overhead", "max-autotune")
MAX_BATCH_DIFFERENCE = 1e-2
IMPOSSIBLE = 2**50  # bytes, more than any device has
STEPS = 20  # of training
FIX = "send all of this to the maintainers, with --json"

# Device -> whether it passed, or None if it was skipped; what was observed; and times, from checks that measure them.
Check = Callable[[str], tuple[Any, ...]]


def find_gpu() -> str:
    """Return the CUDA device. Raise InputError if the machine has no CUDA device."""
    if not torch.cuda.is_available():
        built = torch.version.cuda or "no CUDA"
        raise InputError(f"--gpu: torch {torch.__version__}, built for {built}, sees no GPU here; see pytorch.org")
    return "cuda"


def diagnose_gpu(device: str, checks: Mapping[str, Check], announce: Callable[[str], None]) -> Iterator[Verdict]:
    """Run checks, each announced by a line. An error is the verdict of its check. On "cpu", it is compared with itself.

    Args:
        device: the device.
        checks: the checks by name, as `list_checks` lists them.
        announce: is called with a line before each check.
    """
    for number, (name, check) in enumerate(checks.items(), 1):
        announce(f"check {number} of {len(checks)}: {name}")
        try:
            ok, message, *times = check(device)
        except Exception as error:  # drivers and compilers may fail in any way, and the other checks count all the more
            first_line = str(error).partition("\n")[0]
            ok, message, times = False, f"{type(error).__name__}: {first_line}", []
        yield Verdict(name, None if ok is None else bool(ok), message, FIX, *times)


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


def check_maps(device: str, size: str, precision: str = "fp32", **options: str) -> tuple[bool | None, str]:
    """Check that maps equal the plain maps of the CPU, within the tolerance of a precision."""
    if "compile" in options and not device.startswith("cuda"):
        return None, "compiled on CUDA only"
    tested = load_model("diffdis", None, device, size=size, precision=precision, **options)
    reference = _load_model("cpu", size)
    if "compile" in options:
        for _ in range(3):  # after which CUDA graphs are replayed
            tested.predict(sample_pictures(1)[0][0])
    distances = [
        np.abs(tested.predict(image).astype(int) - reference.predict(image)) for image, _ in sample_pictures(2)
    ]
    levels = max(float(np.percentile(distance, 99)) for distance in distances)
    worst = max(int(distance.max()) for distance in distances)
    message = f"99 % of pixels within {levels:.0f} levels of the CPU's, all within {worst}"
    return levels <= MAX_LEVELS[precision], message


def check_stream(device: str, size: str) -> tuple[bool | None, str]:
    """Check that work on another stream is waited for."""
    if not device.startswith("cuda"):
        return None, "no streams on this device"
    model = _load_model(device, size)
    image = sample_pictures(1)[0][0]
    expected = model.predict(image)
    with torch.cuda.stream(torch.cuda.Stream(device)):
        mask = model.predict(image)
    return bool((mask == expected).all()), "the same map from another stream"


def check_batch(device: str, size: str) -> tuple[bool, str]:
    """Check that a batch of two gives the outputs of two batches of one."""
    model = _load_model(device, size)
    prepared = [model.predictor.prepare(image) for image, _ in sample_pictures(2)]
    batched = model.predictor.infer(model.batch(prepared)).cpu()
    single = torch.stack([model.compute(each)[0].cpu() for each in prepared])
    difference = float((batched - single).abs().max())
    return difference < MAX_BATCH_DIFFERENCE, f"a batch of two differs from two batches of one by {difference:.1g}"


def check_memory(device: str, size: str) -> tuple[bool, str]:
    """Check that the peak memory of a prediction is reported."""
    cost.reset_peak_memory(device)
    _load_model(device, size).predict(sample_pictures(1)[0][0])
    peak = cost.read_peak_memory(device)
    return min(peak.values()) > 0, ", ".join(f"{kind} {size / 2**20:.0f} MiB" for kind, size in peak.items())


def check_out_of_memory(device: str, size: str) -> tuple[bool, str]:
    """Check that too little memory is an error of one line, and that the device works afterwards."""
    model, image = _load_model(device, size), sample_pictures(1)[0][0]
    predictor: Any = model.predictor
    infer = predictor.infer

    def allocate(batch: torch.Tensor) -> None:
        torch.empty(IMPOSSIBLE, dtype=torch.uint8, device=device)
        raise InputError(f"{IMPOSSIBLE} bytes were allocated")

    predictor.infer = allocate
    try:
        model.predict(image)
    except DeviceMemoryError as error:
        message = str(error)
    predictor.infer = infer
    model.predict(image)
    return "\n" not in message and "it needs" in message, f"'{message}'"


def check_sensors(device: str) -> tuple[bool | None, str]:
    """Check that the sensors of the device are readable. A missing package is not a fault of the device."""
    if not device.startswith("cuda"):
        return None, "none on this device"
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


def _load_model(device: str, size: str) -> Model:
    return load_model("diffdis", None, device, size=size)


def list_checks(names: Sequence[str], *, tiny: bool, timed: bool) -> dict[str, Check]:
    """List the checks by name.

    Args:
        names: the networks to check, as `networks.list_networks` lists them.
        tiny: whether they compute at a small size.
        timed: whether networks are timed.
    """
    size = TINY_SIZE if tiny else SIZE
    maps = partial(check_maps, size=size)
    checks: dict[str, Check] = {
        "clocks": check_clocks,
        **{f"maps in {precision}": partial(maps, precision=precision) for precision in MAX_LEVELS},
        **{f"maps with vae={mode}": partial(maps, vae=mode) for mode in VAE_MODES},
        "streams": partial(check_stream, size=size),
        "batches": partial(check_batch, size=size),
        "memory": partial(check_memory, size=size),
        "out of memory": partial(check_out_of_memory, size=size),
        "onnx": check_onnx,
        "sensors": check_sensors,
        "training": check_training,
    }
    for name in names:
        checks[f"network {name}"] = partial(networks.check_network, name=name, tiny=tiny)
        if timed:
            checks[f"times of {name}"] = partial(networks.time_network, name=name, tiny=tiny)
    if "diffdis" in names and not tiny:
        checks |= _list_full_size(timed=timed)
    # Last, since they take longest.
    return checks | {f"maps with compile={mode}": partial(maps, compile=mode) for mode in COMPILE_MODES}


def _list_full_size(*, timed: bool) -> dict[str, Check]:
    """List the checks of DiffDIS at full size. Half precision is also checked and timed in the mode meant for speed."""
    fastest = {"precision": "fp16", "compile": "graph"}
    name = "full size in fp16 with compile=graph"
    checks: dict[str, Check] = {
        f"full size in {precision}": partial(full_size.check_full_size, precision=precision)
        for precision in full_size.MAX_LEVELS
    }
    checks[name] = partial(full_size.check_full_size, **fastest)
    return checks | ({f"times of {name}": partial(full_size.time_full_size, **fastest)} if timed else {})
