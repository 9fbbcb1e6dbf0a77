"""The command that checks an installation, a model's adapter, or a GPU."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from disbench.cli.examples import format_examples
from disbench.cli.options import PATH, add_options, checked_options, json_option
from disbench.errors import InputError
from disbench.system.console import print_json, print_note, print_text

if TYPE_CHECKING:
    from disbench.doctor.verdict import Verdict

LABELS = {True: "ok  ", False: "FAIL", None: "skip"}  # by Verdict.ok


@click.command(
    epilog=format_examples(
        "disbench doctor",
        "disbench doctor --model my_model.py",
        "disbench doctor --gpu --out gpu.json",
    ),
)
@add_options(*checked_options)
@click.option(
    "--gpu", is_flag=True, help="Compare every network, or that of --model, on a GPU with the CPU, and time it."
)
@click.option("--tiny", is_flag=True, help="Small sizes and few repeats, for a try on a CPU. Needs --gpu.")
@click.option("--out", type=PATH, help="A new JSON file for the environment, the verdicts and the times. Needs --gpu.")
@json_option
def doctor(model, weights, options, device, gpu, tiny, out, as_json):
    """Check the installation, a model's adapter (with --model) or a GPU (with --gpu).

    Adapters are checked on DIS-Mini. Exit status 1: a check failed.
    """
    if gpu:
        if weights or options:
            raise InputError("--gpu: generates weights, and sets options itself; omit --weights and --option")
        _check_gpu(model, device, tiny=tiny, out=out, as_json=as_json)
        return
    if tiny or out:
        raise InputError(f"{'--tiny' if tiny else '--out'} needs --gpu")
    if model is None:
        _print_installation(as_json=as_json)
        return
    from disbench.doctor.adapter import diagnose_adapter, sample_pictures
    from disbench.inference.command import load_command
    from disbench.inference.model import load_model

    if method := load_command(model, weights, device, options):
        from disbench.doctor.command import diagnose_command

        verdicts = diagnose_command(method, sample_pictures())
        _print_verdicts(method.card.title, method.device, verdicts, {}, as_json=as_json)
        return
    loaded = load_model(model, weights, device, **options)
    loaded.guarded = False  # a verdict names the stage that fails, and the line
    _print_verdicts(loaded.title, loaded.device, diagnose_adapter(loaded, sample_pictures()), {}, as_json=as_json)


def _check_gpu(model: str | None, device: str | None, *, tiny: bool, out: Path | None, as_json: bool) -> None:
    try:
        from disbench.doctor import gpu, networks
    except ModuleNotFoundError as error:
        raise InputError(f"--gpu needs {error.name}; pip install 'disbench[models]'") from None
    from disbench.doctor.gpu_record import save_verdicts
    from disbench.models._parts.device import choose_device

    if out and out.exists():
        raise InputError(f"--out {out}: already exists, and records are never overwritten; give another name")
    device = choose_device(device) if device else gpu.find_gpu()
    checks = gpu.list_checks(networks.list_networks(model), tiny=tiny, timed=tiny or device != "cpu")
    title = f"disbench's networks{', tiny' if tiny else ''}"
    details = gpu.describe_device(device) | {"tiny": tiny}
    verdicts = gpu.diagnose_gpu(device, checks, print_note)
    if out:
        verdicts = save_verdicts(out, verdicts, len(checks), {"model": title, "device": device} | details)
    _print_verdicts(title, device, verdicts, details, as_json=as_json)


def _print_verdicts(
    title: str, device: str, verdicts: Iterable[Verdict], details: dict[str, Any], *, as_json: bool
) -> None:
    """Print verdicts as they come, and exit with status 1 if a check failed."""
    finished: list[Verdict] = []
    for verdict in verdicts:
        finished.append(verdict)
        if not as_json:
            line = f"{LABELS[verdict.ok]} {verdict.check}: {verdict.message}"
            if verdict.ok is False:
                line += f"; {verdict.fix}"
            print_text(line)
    failed = sum(verdict.ok is False for verdict in finished)
    skipped = sum(verdict.ok is None for verdict in finished)
    if as_json:
        checks = [verdict.to_json() for verdict in finished]
        print_json({"model": title, "device": device, "ok": not failed, "checks": checks} | details)
    else:
        summary = f"{title} on {device}: {failed or 'none'} of {len(finished)} checks failed"
        print_text(summary + (f", {skipped} were skipped" if skipped else ""))
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
