"""The record of a GPU's checks: one JSON file, from which the table of docs/status.md is made.

`python -m disbench.doctor.gpu_record FILE` prints the table.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from disbench.doctor.verdict import Verdict
from disbench.errors import InputError, escape_control_chars
from disbench.system.documents import read_json
from disbench.system.files import write_atomic

HEAD = ("| network | input | inference, ms | per image, ms | images |", "|---|---|--:|--:|--:|")
OUTCOMES = {"passed": True, "failed": False, "skipped": None}  # word -> `ok` of a check
FAULT = "not a record of `disbench doctor --gpu --out`"


@dataclass(frozen=True, kw_only=True)
class Times:
    """The times of a network: its title, its input (h, w), the number of images, and the median seconds by stage."""

    title: str
    input: tuple[int, int]
    images: int
    seconds: dict[str, float]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A check: its name, whether it passed, None for skipped, what was observed, and times if it measured them."""

    check: str
    ok: bool | None
    message: str = msgspec.field(name="found")
    times: Times | None = None


@dataclass(frozen=True, kw_only=True)
class Record:
    """What `save_verdicts` writes, as far as the table needs it."""

    tiny: bool
    finished: bool
    environment: dict[str, Any]
    checks: tuple[Check, ...]


def save_verdicts(path: Path, verdicts: Iterable[Verdict], count: int, details: dict[str, Any]) -> Iterator[Verdict]:
    """Pass verdicts on, and write the record before the first and after each, so that an end loses none of them.

    Args:
        path: the new file. InputError if it cannot be written.
        verdicts: the verdicts, as they come.
        count: their number.
        details: what the record has next to them.
    """
    checks: list[dict[str, Any]] = []

    def save() -> None:
        ok = all(check["ok"] is not False for check in checks)
        content = details | {"finished": len(checks) == count, "ok": ok, "checks": checks}
        write_atomic(path, json.dumps(content, indent=1, ensure_ascii=False).encode())

    save()
    for verdict in verdicts:
        checks.append(verdict.to_json())
        save()
        yield verdict


def format_table(path: Path) -> str:
    """Format the record of a GPU as Markdown. InputError for any other file, and for an unfinished or tiny record."""
    record: Record = read_json(path, Record, fault=FAULT)
    environment = record.environment
    if record.tiny or not record.finished or "gpu" not in environment:
        fault = "of tiny size" if record.tiny else "not finished" if not record.finished else "not of a GPU"
        raise InputError(f"{path}: this record is {fault}; `disbench doctor --gpu --out FILE` on a GPU writes one")
    packages = environment.get("packages", {})
    versions = [f"{name} {packages[name]}" for name in ("disbench", "torch") if name in packages]
    versions += [f"{name} {environment[name]}" for name in ("cuda", "driver") if environment.get(name)]
    outcomes = [(word, [each for each in record.checks if each.ok is ok]) for word, ok in OUTCOMES.items()]
    counts = ", ".join(f"{len(checks)} {word}" for word, checks in outcomes)
    lines = [f"**{environment['gpu']}** ({', '.join(versions)}): {counts}."]
    lines += [f"{word}: {each.check} ({each.message})." for word, checks in outcomes[1:] for each in checks]
    lines += ["", *HEAD]
    for times in (each.times for each in record.checks if each.times):
        infer, whole = (f"{1000 * times.seconds[stage]:.1f}" for stage in ("infer", "whole"))
        lines.append(f"| {times.title} | {times.input[0]} x {times.input[1]} | {infer} | {whole} | {times.images} |")
    return "\n".join(map(escape_control_chars, lines))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m {__spec__.name} FILE")
    try:
        print(format_table(Path(sys.argv[1])))
    except InputError as error:
        sys.exit(f"disbench: {error}")
