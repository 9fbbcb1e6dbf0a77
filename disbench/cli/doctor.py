"""The command that checks an installation, a model's adapter, or a GPU."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from disbench.cli.examples import format_examples
from disbench.cli.options import add_options, checked_options, json_option
from disbench.errors import InputError
from disbench.system.console import print_json, print_text

if TYPE_CHECKING:
    from disbench.doctor.verdict import Verdict


@click.command(
    epilog=format_examples(
        "disbench doctor",
        "disbench doctor --model my_model.py",
        "disbench doctor --gpu",
    ),
)
@add_options(*checked_options)
@click.option("--gpu", is_flag=True, help="Compare the GPU's maps, clocks and memory with the CPU's.")
@json_option
def doctor(model, weights, options, device, gpu, as_json):
    """Check the installation, a model's adapter (with --model) or a GPU (with --gpu).

    Adapters are checked on DIS-Mini. Exit status 1: a check failed.
    """
    if gpu:
        _check_gpu(device, as_json=as_json)
        return
    if model is None:
        _print_installation(as_json=as_json)
        return
    from disbench.doctor.adapter import diagnose_adapter, sample_pictures
    from disbench.inference.command import load_command
    from disbench.inference.model import load_model

    if method := load_command(model, weights, device, dict(options)):
        from disbench.doctor.command import diagnose_command

        verdicts = diagnose_command(method, sample_pictures())
        _print_verdicts(method.card.title, method.device, verdicts, {}, as_json=as_json)
        return
    loaded = load_model(model, weights, device, **dict(options))
    loaded.guarded = False  # a verdict names the stage that fails, and the line
    _print_verdicts(loaded.title, loaded.device, diagnose_adapter(loaded, sample_pictures()), {}, as_json=as_json)


def _check_gpu(device: str | None, *, as_json: bool) -> None:
    try:
        from disbench.doctor import gpu
    except ModuleNotFoundError as error:
        raise InputError(f"--gpu needs {error.name}; pip install 'disbench[models]'") from None

    device = device or gpu.find_gpu()
    verdicts = gpu.diagnose_gpu(device)
    _print_verdicts("DiffDIS-mini", device, verdicts, gpu.describe_device(device), as_json=as_json)


def _print_verdicts(
    title: str, device: str, verdicts: Iterable[Verdict], details: dict[str, Any], *, as_json: bool
) -> None:
    """Print verdicts as they come, and exit with status 1 if a check failed."""
    finished: list[Verdict] = []
    for verdict in verdicts:
        finished.append(verdict)
        if not as_json:
            line = f"{'ok  ' if verdict.ok else 'FAIL'} {verdict.check}: {verdict.message}"
            if not verdict.ok:
                line += f"; {verdict.fix}"
            print_text(line)
    failed = sum(not verdict.ok for verdict in finished)
    if as_json:
        checks = [verdict.to_json() for verdict in finished]
        print_json({"model": title, "device": device, "ok": not failed, "checks": checks} | details)
    else:
        print_text(f"{title} on {device}: {failed or 'none'} of {len(finished)} checks failed")
    if failed:
        sys.exit(1)


def _print_installation(*, as_json: bool) -> None:
    from disbench.doctor.installation import list_devices, list_extras, list_mismatches, read_free_memory
    from disbench.registry.discovery import list_cards
    from disbench.system.caches import cache_root, list_caches
    from disbench.system.device_memory import describe_bytes
    from disbench.system.environment import describe_environment
    from disbench.system.opencv import check_opencv

    mismatches = list_mismatches()
    devices = list_devices()
    needed = {name: card.memory for name, card in list_cards().items() if card.memory}
    free = read_free_memory(devices)
    record = describe_environment() | {"devices": devices, "cache": str(cache_root())}
    record["memory"] = {"free": free, "models": needed}
    caches = {kind: asdict(state) for kind, state in list_caches().items()}
    extras = list_extras()
    if as_json:
        print_json(record | {"caches": caches, "extras": extras, "mismatches": mismatches})
        check_opencv()
        return
    for key in ("python", "platform", "cpu", "cores", "devices", "cache"):
        value = record[key]
        print_text(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
    shown = (f"{device} {describe_bytes(count)}" for device, count in free.items())
    print_text(f"free memory: {', '.join(shown) or 'unknown'}")
    for name, text in needed.items():
        print_text(f"memory of {name}: {text}")
    for kind, state in caches.items():
        place = "" if state["base"] == record["cache"] else f", in {state['base']}"
        variable = "NUMBA_CACHE_DIR" if place else "DISBENCH_CACHE"
        fault = "" if state["writable"] else f"; cannot be written, set {variable} to a folder that can be written"
        line = f"cache of {kind}: {state['files']:,} files, {state['bytes'] / 1e6:.1f} MB{place}{fault}"
        print_text(line)
    print_text("packages: " + ", ".join(f"{name} {number}" for name, number in record["packages"].items()))
    for name, (loaded, package) in mismatches.items():
        line = f"{name}: the module that is imported is {loaded}, the package {package}; reinstall it"
        print_text(line)
    for extra, packages in extras.items():
        missing = [name for name, number in packages.items() if number is None]
        status = f"without {', '.join(missing)}; pip install 'disbench[{extra}]'" if missing else "complete"
        print_text(f"disbench[{extra}]: {status}")
    check_opencv()  # last, so that the rest is reported
