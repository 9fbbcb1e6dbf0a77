"""Files of a training: the checkpoint that it resumes from, its log, and the weights of its best validations."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
import torch

from disbench.errors import InputError
from disbench.system.documents import report_unreadable
from disbench.system.files import atomic_writer, require_regular_file, write_atomic


class Stateful(Protocol):
    """An object with state to save: a network, an optimizer, a gradient scaler."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""

    def load_state_dict(self, state_dict: Any) -> Any:
        """Load a state that `state_dict` returned."""


@dataclass(frozen=True, kw_only=True)
class RunState:
    """The output folder of a training, and its identity.

    Attributes:
        out: folder of the checkpoint `<name>.pt`, the log `<name>.jsonl` and the best weights
            `<name>-<step>.safetensors`.
        identity: the recipe, a dataclass or a dictionary. A checkpoint of another identity is refused.
        name: name of the network in files and messages.
        pictures_digest: digest of the training pictures, "" if unknown. A checkpoint of other pictures is refused.
        inputs: digests of the inputs next to them, by subset and name. A checkpoint of others is refused.
        validation_digest: digest of the images to validate on, "" for none. A checkpoint of others is refused, since
            the scores in its log do not compare.
        metadata: metadata of the safetensors files.
    """

    out: Path
    identity: Any
    name: str = "train"
    pictures_digest: str = ""
    inputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    validation_digest: str = ""
    metadata: dict[str, str] | None = None

    @property
    def checkpoint(self) -> Path:
        """File that the training resumes from."""
        return self.out / f"{self.name}.pt"

    @property
    def log(self) -> Path:
        """JSON lines: step, losses, learning rate, seconds and, after a validation, scores."""
        return self.out / f"{self.name}.jsonl"


def save_checkpoint(state: RunState, modules: Mapping[str, Stateful], step: int, seconds: float) -> None:
    """Write the checkpoint after `step` steps, which took `seconds` in all.

    Args:
        state: names the file and identifies the training.
        modules: everything whose state is saved, by its key in the file.
        step: number of finished steps.
        seconds: time that they took, over all resumed runs.

    Raises:
        OSError: if the disk is full or cannot be written to.
    """
    identity = asdict(state.identity) if is_dataclass(state.identity) else state.identity
    content = {"identity": identity, "pictures": state.pictures_digest, "step": step, "seconds": seconds}
    if state.inputs:
        content["inputs"] = state.inputs
    if state.validation_digest:
        content["validation"] = state.validation_digest
    content |= {key: module.state_dict() for key, module in modules.items()}
    # Streamed tensor by tensor: DiffDIS' checkpoint has 15 GB, which must not be in memory a second time.
    with atomic_writer(state.checkpoint) as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # torch's own message hides that the disk is full
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def restore_checkpoint(state: RunState, modules: Mapping[str, Stateful]) -> tuple[int, float]:
    """Load the checkpoint into the modules; return the number of finished steps and the seconds that they took.

    Raises:
        InputError: if the file is damaged, or belongs to another recipe, to other pictures or to other inputs.
    """
    path = require_regular_file(state.checkpoint)
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        before, step, seconds = saved["identity"], saved["step"], saved["seconds"]
    except Exception as error:  # torch's unpickler fails on damaged bytes with any kind of exception
        raise InputError(f"{path}: damaged, or not a checkpoint; remove it to start again") from error
    _check_identity(path, before, state.identity)
    saved_pictures = saved.get("pictures")  # checkpoints of earlier versions have no digest
    if saved_pictures and state.pictures_digest and saved_pictures != state.pictures_digest:
        raise InputError(f"{path}: trained on other pictures; give the --data that it started with, or another --out")
    if saved.get("inputs", {}) != state.inputs:
        raise InputError(f"{path}: trained with other inputs; give the --input that it started with, or another --out")
    validated = saved.get("validation")
    if validated and state.validation_digest and validated != state.validation_digest:
        advice = "give the --validate that it started with, or another --out"
        raise InputError(f"{path}: validated on other images; {advice}")
    for key, module in modules.items():
        module.load_state_dict(saved[key])
    return step, seconds


def truncate_log(log: Path, step: int) -> None:
    """Drop the lines after `step`, which are about to be logged again."""
    with report_unreadable(log, "damaged, or not the log of a training", "remove it and the checkpoint next to it"):
        # A complete line ends in a newline; what follows the last newline is torn.
        *lines, _ = log.read_text(encoding="utf-8").split("\n") if step else [""]
        retained = [line + "\n" for line in lines if json.loads(line)["step"] <= step]
    write_atomic(log, "".join(retained).encode())


def keep_best(log: Path, score: str, count: int, content: Callable[[], bytes]) -> None:
    """Write the model of the log's last line if it is among the best; delete those that no longer are.

    Args:
        log: JSON lines of the training; weights are written next to it as `<name>-<step>.safetensors`.
        score: key of the score to rank by, higher is better.
        count: number of models to keep.
        content: makes the bytes of the safetensors file; called only if it is written.
    """
    with report_unreadable(log, "damaged, or not the log of a training"):
        lines = [line for line in map(json.loads, log.read_text(encoding="utf-8").splitlines()) if score in line]
    best = sorted(lines, key=lambda line: line[score], reverse=True)[:count]
    names = {f"{log.stem}-{line['step']}.safetensors" for line in best}
    latest = f"{log.stem}-{lines[-1]['step']}.safetensors"
    if latest in names:
        write_atomic(log.with_name(latest), content())
    own = re.compile(rf"{re.escape(log.stem)}-\d+\.safetensors")  # and not what a user calls isnet-general.safetensors
    for old in list(log.parent.iterdir()):
        if own.fullmatch(old.name) and old.name not in names:
            old.unlink()


def _check_identity(path: Path, saved: Any, identity: Any) -> None:
    """Raise InputError, with the first key that differs, if a checkpoint belongs to another recipe."""
    try:  # a key that is newer than the checkpoint has its default
        before = msgspec.convert(saved, type(identity))
    except msgspec.ValidationError:
        raise InputError(f"{path}: made by another recipe; choose another --out") from None
    if before == identity:
        return
    sides = [asdict(side) if is_dataclass(side) else side for side in (before, identity)]
    name, *values = _find_difference(*sides)
    difference = f"its {name} is {values[0]!r}, here {values[1]!r}"
    raise InputError(f"{path}: made by another recipe, {difference}; choose another --out")


def _find_difference(before: Mapping[str, Any], now: Mapping[str, Any], table: str = "") -> tuple[str, Any, Any]:
    """Return the first key that differs, such as "schedule.lr", and both of its values."""
    for name in sorted({*before, *now}):
        values = before.get(name), now.get(name)
        if values[0] != values[1]:
            are_tables = all(isinstance(value, Mapping) for value in values)
            return _find_difference(*values, f"{table}{name}.") if are_tables else (f"{table}{name}", *values)
    raise ValueError("no key differs")
