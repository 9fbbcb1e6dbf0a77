"""A file of torch.export behind disbench's Protocol, with what could run code as it is loaded kept out.

torch.export.load unpickles some kinds of content with code allowed, loads compiled libraries that the archive holds,
and evaluates its expressions of sizes and its guards. An archive with more than plain sizes of these is refused here.
The graph itself is still a program: take one only from people whom you would let run a program here.
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

DATA = re.compile(
    r"[^/]+/(archive_format|archive_version|version|byteorder|\.data/[\w.]+|models/\w+\.json|extra/.*|"
    r"data/(weights/weight_\d+|weights/\w+\.json|constants/tensor_\d+|constants/\w+\.json|sample_inputs/\w+\.pt))"
)
WORDS = {"Symbol", "Integer", "Add", "Mul", "Pow", "Mod", "PythonMod", "FloorDiv", "CeilDiv", "Max", "Min"} | {
    "positive",
    "nonnegative",
    "integer",
    "real",
    "True",
    "False",
}


class Predictor(script.Predictor):
    def load(self) -> tuple[Any, dict[str, Any]]:
        check(self.path)
        try:
            program = torch.export.load(self.path)
            if self.device != "cpu":
                from torch.export.passes import move_to_device_pass  # of a module that torch does not import itself

                program = move_to_device_pass(program, self.device)
        except Exception as error:
            raise InputError(f"{self.path}: cannot be loaded ({first_line(error)})") from None
        inputs = set(program.graph_signature.user_inputs)
        shapes = [
            node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder" and node.name in inputs
        ]
        if len(shapes) != 1 or len(shapes[0]) != 4:
            raise InputError(f"{self.path}: takes {shapes}; one input (batch, 3, height, width) is needed")
        size = shapes[0][2:]
        return program.module(), {"size": tuple(size)} if all(type(side) is int for side in size) else {}

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """One after the other: most files are exported for one image."""
        answers = [script.picked(self.module(image[None]), self.name) for image in batch]
        return steps.single_channel(torch.cat(answers), self.channel)


def check(path: Path) -> None:
    """InputError for an archive with anything but tensors, and a graph whose sizes are plain arithmetic."""
    try:
        with zipfile.ZipFile(path) as archive:
            if len({name.casefold() for name in archive.namelist()}) != len(archive.namelist()):
                raise InputError(f"{path}: refused, since it has two files of one name, and torch may read the other")
            for name in archive.namelist():
                if not DATA.fullmatch(name):
                    raise InputError(f"{path}: refused, since {name} in it may run code, or is of an older torch")
                if name.endswith(".json"):
                    _check_json(path, name, json.loads(archive.read(name)))
                elif name.endswith(".pt"):
                    torch.load(io.BytesIO(archive.read(name)), weights_only=True)
    except InputError:
        raise
    except Exception as error:  # damaged bytes fail in whatever way they lead readers to
        raise InputError(f"{path}: not a file of torch.export ({first_line(error)})") from None


def _check_json(path: Path, name: str, value: Any) -> None:
    if isinstance(value, list):
        for one in value:
            _check_json(path, name, one)
    elif isinstance(value, dict):
        if value.get("use_pickle"):
            raise InputError(f"{path}: refused, since {name} in it names pickled content, which may run code")
        if "expr_str" in value and not _is_size(str(value["expr_str"])):
            raise InputError(f"{path}: refused, since {name} in it has a size of {value['expr_str']!r}")
        if value.get("guards_code"):
            raise InputError(f"{path}: refused, since {name} in it has guards, which are code; export it without")
        for one in value.values():
            _check_json(path, name, one)


def _is_size(text: str) -> bool:
    """Arithmetic of numbers and symbols like s0, in names that call nothing else."""
    words = re.findall(r"[^\W\d]\w*", text)
    return bool(re.fullmatch(r"[\w\s+*/(),='-]+", text, re.ASCII)) and all(
        word in WORDS or re.fullmatch(r"[a-z]+\d+", word) for word in words
    )
