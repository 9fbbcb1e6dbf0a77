"""An ONNX file behind disbench's Protocol, by onnxruntime. It needs no torch, and no code of the file's own."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnxruntime

from disbench.errors import InputError
from disbench.models._own import steps
from disbench.registry.card import Card
from disbench.system.cores import count_cores

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class Predictor:
    """`output`: name or number of the output, and :CHANNEL where it has several; the first if not given."""

    def __init__(self, card: Card, weights: None, device: str | None, output: str = "", **options: str):
        path = Path(card.source)
        self.device = _device(device)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = count_cores()
        settings.use_deterministic_compute = True
        try:
            self.session = onnxruntime.InferenceSession(path, settings, providers=_providers(self.device))
        except Exception as error:  # onnxruntime has a class for every cause
            raise InputError(f"{path}: cannot be loaded ({str(error).splitlines()[0]})") from None
        inputs = self.session.get_inputs()
        self.input = inputs[0]
        shape = self.input.shape
        if len(inputs) != 1 or self.input.type not in TYPES or len(shape) != 4 or shape[1] not in (3, *_symbols(shape)):
            found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
            raise InputError(f"{path}: takes {found}; one float input (batch, 3, height, width) is needed")
        fixed = shape[2:] if not _symbols(shape[2:]) else None
        self.steps = steps.read(card.title, options, ("output",), **({"size": tuple(fixed)} if fixed else {}))
        if fixed and self.steps.size != tuple(fixed):
            raise InputError(f"{path}: works at {fixed[0]}x{fixed[1]} alone; leave --option size away")
        self.batch = shape[0] if isinstance(shape[0], int) else None
        name, self.channel = steps.output_named(output)
        names = [one.name for one in self.session.get_outputs()]
        self.output = names[int(name or 0)] if (name or "0").isdecimal() and int(name or 0) < len(names) else name
        if self.output not in names:
            raise InputError(f"{path}: has no output {name!r}; known: {', '.join(names)}, or a number from 0")
        self.identity = {"source": steps.digest(path), "steps": asdict(self.steps), "output": output}

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """uint8 (h, w, 3) -> float32 or, where the file takes that, float16 (3, H, W)."""
        return self.steps.prepare(image).astype(TYPES[self.input.type])

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """(b, 3, H, W) -> (b, H', W'), as the file answers it."""
        parts = batch if self.batch is None else np.split(batch, len(batch) // self.batch)
        parts = [parts] if self.batch is None else parts
        answers = [self.session.run([self.output], {self.input.name: part})[0] for part in parts]
        return steps.single_channel(np.concatenate(answers), self.channel)

    def restore(self, output: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        return self.steps.restore(output, size)


def _symbols(shape: list) -> list:
    return [one for one in shape if not isinstance(one, int)]  # sizes that the file leaves open have names


def _device(name: str | None) -> str:
    known = ["cuda", "cpu"] if "CUDAExecutionProvider" in onnxruntime.get_available_providers() else ["cpu"]
    if name is None:
        return known[0]
    if name.split(":")[0] not in known:
        raise InputError(f"--device {name}: this onnxruntime has {', '.join(known)}")
    return name


def _providers(device: str) -> list:
    kind, _, number = device.partition(":")
    cuda = [("CUDAExecutionProvider", {"device_id": number or "0"})] if kind == "cuda" else []
    return [*cuda, "CPUExecutionProvider"]
