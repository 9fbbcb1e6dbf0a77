"""The command that says what is wrong: with an installation, or with a model's adapter."""

import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

import click

from disbench.cli.options import add_options, checked_options, json_option
from disbench.errors import InputError, escape_control_chars
from disbench.system.console import print_json

EXTRAS = {
    "models": ("diffusers", "safetensors", "torch", "transformers"),
    "onnx": ("onnxruntime",),
    "train": ("accelerate",),
    "gpu": ("nvidia-ml-py",),
    "lora": ("peft",),
    "track": ("tensorboard",),
    "ray": ("ray",),
    "xlsx": ("openpyxl",),
}


@click.command()
@add_options(*checked_options)
@click.option("--gpu", is_flag=True, help="Hold the GPU's maps, clocks and memory to the CPU's.")
@json_option
def doctor(model, weights, options, device, gpu, as_json):
    """Check an installation, a model's adapter or a GPU. Adapters on DIS-Mini. Exit status 1: something fails."""
    if gpu:
        _gpu(device, as_json)
        return
    if model is None:
        _installation(as_json)
        return
    from disbench.doctor.adapter import diagnose, sample_pictures
    from disbench.inference.model import load_model

    source = load_model(model, weights, device, **dict(options))
    source.guarded = False  # the checks tell where a stage fails
    _tell(source.title, source.device, diagnose(source, sample_pictures()), {}, as_json)


def _gpu(device: str | None, as_json: bool) -> None:
    try:
        from disbench.doctor import gpu
    except ModuleNotFoundError as error:
        raise InputError(f"--gpu needs {error.name}; pip install 'disbench[models]'") from None

    device = device or gpu.find_gpu()
    _tell("DiffDIS-mini", device, gpu.diagnose(device), gpu.record(device), as_json)


def _tell(title: str, device: str, found, record: dict, as_json: bool) -> None:
    verdicts = []
    for one in found:
        verdicts.append(one)
        if not as_json:
            word, fix = ("ok  ", "") if one.ok else ("FAIL", f"; {one.fix}")
            click.echo(escape_control_chars(f"{word} {one.check}: {one.found}{fix}"))
    failed = sum(not one.ok for one in verdicts)
    if as_json:
        checks = [asdict(one) for one in verdicts]
        print_json({"model": title, "device": device, "ok": not failed, "checks": checks} | record)
    else:
        click.echo(escape_control_chars(f"{title} on {device}: {failed or 'none'} of {len(verdicts)} checks failed"))
    if failed:
        sys.exit(1)


def _installation(as_json: bool) -> None:
    from disbench.system.caches import cache_root
    from disbench.system.environment import describe_environment

    record = describe_environment() | {"devices": _devices(), "cache": str(cache_root())}
    found = {extra: {name: _version(name) for name in names} for extra, names in EXTRAS.items()}
    if as_json:
        print_json(record | {"extras": found})
        return
    for key in ("python", "platform", "cpu", "cores", "devices", "cache"):
        value = record[key]
        click.echo(escape_control_chars(f"{key}: {', '.join(value) if isinstance(value, list) else value}"))
    click.echo("packages: " + ", ".join(f"{name} {number}" for name, number in record["packages"].items()))
    for extra, names in found.items():
        missing = [name for name, number in names.items() if number is None]
        rest = f"without {', '.join(missing)}; pip install 'disbench[{extra}]'" if missing else "complete"
        click.echo(f"disbench[{extra}]: {rest}")


def _devices() -> list[str]:
    try:
        import torch
    except ModuleNotFoundError:
        return ["cpu (no torch)"]
    cuda = [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
