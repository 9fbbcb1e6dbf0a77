"""A file of torch.export behind disbench's Predictor interface; files that could run code when loaded are refused.

torch.export.load unpickles some kinds of content with code allowed, loads compiled libraries from the archive, and
evaluates its expressions for sizes and its guards. So an archive may only have tensors and plain sizes. The graph is
still a program: only use files from people whose programs you would run.
"""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from disbench.errors import InputError
from disbench.models._own import script, steps
from disbench.models._parts.weights import first_line

SAFE_ENTRIES = re.compile(
    r"[^/]+/(archive_format|archive_version|version|byteorder|\.data/[\w.]+|models/\w+\.json|extra/.*|"
    r"data/(weights/weight_\d+|weights/\w+\.json|constants/tensor_\d+|constants/\w+\.json|sample_inputs/\w+\.pt))"
)
SIZE_FUNCTIONS = {"Symbol", "Integer", "Add", "Mul", "Pow", "Mod", "PythonMod", "FloorDiv", "CeilDiv", "Max", "Min"}
SIZE_WORDS = SIZE_FUNCTIONS | {"positive", "nonnegative", "integer", "real", "True", "False"}


class Predictor(script.Predictor):
    """Predict with a file of torch.export; the arguments are those of script.Predictor."""

    def load(self) -> tuple[Any, tuple[int, int] | None]:
        """Load the module to its device; return it and the only working size (H, W), None if any works."""
        check_archive(self.path)
        try:
            program = torch.export.load(self.path)
            if self.device != "cpu":
                from torch.export.passes import move_to_device_pass  # torch does not import it itself

                program = move_to_device_pass(program, self.device)
        except Exception as error:
            raise InputError(f"{self.path}: cannot be loaded ({first_line(error)})") from None
        inputs = set(program.graph_signature.user_inputs)
        shapes = [
            node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder" and node.name in inputs
        ]
        if len(shapes) != 1 or len(shapes[0]) != 4:
            raise InputError(f"{self.path}: its inputs are {shapes}; export it with one, (batch, 3, height, width)")
        size = tuple(shapes[0][2:])
        is_fixed = all(type(side) is int for side in size)  # other sides are symbols
        return program.module(), size if is_fixed else None

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> the module's maps (b, H', W'), one by one: most files are exported for a single image."""
        outputs = [script.select_tensor(self.module(image[None]), self.name) for image in batch]
        return steps.select_channel(torch.cat(outputs), self.channel)


def check_archive(path: Path) -> None:
    """Raise InputError unless an archive has only tensors, and a graph whose sizes are plain arithmetic."""
    try:
        with zipfile.ZipFile(path) as archive:
            if len({name.casefold() for name in archive.namelist()}) != len(archive.namelist()):
                raise InputError(f"{path}: refused: it has two files of one name, and torch may read the other one")
            for name in archive.namelist():
                if not SAFE_ENTRIES.fullmatch(name):
                    raise InputError(f"{path}: refused: its {name} may run code, or is of an older torch; export again")
                if name.endswith(".json"):
                    _check_json(path, name, json.loads(archive.read(name)))
                elif name.endswith(".pt"):
                    torch.load(io.BytesIO(archive.read(name)), weights_only=True)
    except InputError:
        raise
    except Exception as error:  # readers raise errors of many types on damaged bytes
        raise InputError(f"{path}: not a file of torch.export ({first_line(error)})") from None


def _check_json(path: Path, name: str, value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _check_json(path, name, item)
    elif isinstance(value, dict):
        if value.get("use_pickle"):
            raise InputError(f"{path}: refused: its {name} names pickled content, which may run code")
        if "expr_str" in value and not _is_size(str(value["expr_str"])):
            raise InputError(f"{path}: refused: its {name} has a size of {value['expr_str']!r}, not arithmetic")
        if value.get("guards_code"):
            raise InputError(f"{path}: refused: its {name} has guards, which are code; export it without guards")
        for item in value.values():
            _check_json(path, name, item)


def _is_size(text: str) -> bool:
    """Whether a text is arithmetic of numbers and of symbols such as s0, and calls only SIZE_FUNCTIONS."""
    words = re.findall(r"[^\W\d]\w*", text)
    return bool(re.fullmatch(r"[\w\s+*/(),='-]+", text, re.ASCII)) and all(
        word in SIZE_WORDS or re.fullmatch(r"[a-z]+\d+", word) for word in words
    )
