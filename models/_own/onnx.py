"""An ONNX file, also behind disbench's Predictor interface, run by onnxruntime; no torch, and no code of the file."""

import ctypes
import os
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path

import numpy as np
import onnxruntime

from disbench.errors import DeviceMismatchError, InputError
from disbench.models._own import steps
from disbench.models._own.onnx_data import list_data_files
from disbench.registry.card import Card
from disbench.system.cores import count_cores
from disbench.system.progress import announce_once

CUDA = "CUDAExecutionProvider"
INPUT_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxFile:
    """The network of an ONNX file.

    Args:
        path: The file.
        device: "cpu", or "cuda" or "cuda:NUMBER" if onnxruntime supports it; default: the best one.

    Attributes:
        source: Digest of the file, and of those in which it keeps tensors.
        input: Its only input, (b, 3, H, W).
        fixed: The sides (height, width) of its input; None for one that it leaves open.
    """

    def __init__(self, path: Path, device: str | None):
        self.path = path
        chosen = self.check_device(device)
        load = partial(_load_session, path, chosen)
        self.session, self.source = steps.load_hashed_files(path, list_data_files(path), load)
        self.device = self._find_device(chosen, is_default=device is None)
        self.process = os.getpid()
        self.input = self._check_input(path)
        batch, _, *sides = self.input.shape
        self.batch = batch if isinstance(batch, int) else None
        self.fixed = [side if isinstance(side, int) else None for side in sides]

    @staticmethod
    def check_device(name: str | None) -> str:
        """Return the named device, or by default the best one; InputError for one that onnxruntime cannot use."""
        available = ["cuda", "cpu"] if CUDA in onnxruntime.get_available_providers() else ["cpu"]
        if name is None:
            return available[0]
        if name.partition(":")[0] not in available:
            raise InputError(f"--device {name}: not supported by this onnxruntime; available: {', '.join(available)}")
        return name

    def _find_device(self, chosen: str, *, is_default: bool) -> str:
        """Return the device that computes: without libraries or a GPU that fit, onnxruntime falls back to the CPU."""
        if chosen == "cpu" or CUDA in self.session.get_providers():
            return chosen
        fault = "onnxruntime cannot use CUDA here, as its CUDA and cuDNN libraries or a GPU are missing"
        if not is_default:
            raise DeviceMismatchError(
                f"--device {chosen}: {self.path}: {fault}; install those that onnxruntime-gpu names, or give "
                "--device cpu"
            )
        announce_once(f"{fault}: {self.path.name} runs on the CPU")
        return "cpu"

    def run(self, batch: np.ndarray, name: str) -> np.ndarray:
        """Compute an output of the network for images (b, 3, H, W).

        A file with a fixed batch gets batches of that size. The last image fills up the last one, and its further maps
        are dropped.
        """
        if os.getpid() != self.process:  # the threads of a session do not exist in a forked process
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.session))  # never freed, which would wait for them
            self.session, self.process = _load_session(self.path, self.device), os.getpid()
        size = self.batch or len(batch)
        outputs = []
        for start in range(0, len(batch), size):
            images = batch[start : start + size]
            missing = size - len(images)
            filled = np.concatenate([images, *[images[-1:]] * missing]) if missing else images
            (output,) = self.session.run([name], {self.input.name: filled})
            if not isinstance(output, np.ndarray) or output.ndim < 1 or len(output) != size:
                shape = getattr(output, "shape", type(output).__name__)
                raise InputError(
                    f"{self.path}: its output {name} is {shape} for {size} images, not (batch, ...); select "
                    "another one with --option output=NAME"
                )
            outputs.append(output[: len(images)])
        return np.concatenate(outputs)

    def list_outputs(self) -> list[str]:
        """List the names of its outputs."""
        return [node.name for node in self.session.get_outputs()]

    def _check_input(self, path: Path) -> onnxruntime.NodeArg:
        inputs = self.session.get_inputs()
        fits = len(inputs) == 1 and len(shape := inputs[0].shape) == 4
        if fits and inputs[0].type in INPUT_TYPES and shape[1] in (3, *_symbols(shape)) and 0 not in shape:
            return inputs[0]
        listed = ", ".join(f"{node.name} {node.type} {node.shape}" for node in inputs) or "none"
        raise InputError(
            f"{path}: its inputs are {listed}; it needs one float input, tensor(float) or tensor(float16), of shape "
            "(batch, 3, height, width); export it with one"
        )


class Predictor(OnnxFile):
    """Predict with an ONNX file.

    Args:
        card: Card of the file.
        weights: Always None.
        device: As of OnnxFile.
        output: Name or number of the output, and :CHANNEL if it has several; default: the first output.
        options: Options of steps.Steps.
    """

    def __init__(self, card: Card, weights: None, device: str | None, output: str = "", **options: str):
        super().__init__(path := Path(card.source), device)
        fixed = self.fixed
        defaults = {"size": tuple(side or steps.SIZE for side in fixed)} if any(fixed) else {}
        self.steps = steps.parse_steps(card.title, options, ("output",), **defaults)
        if any(side and (not self.steps.size or side != self.steps.size[i]) for i, side in enumerate(fixed)):
            height, width = self.input.shape[2:]
            raise InputError(f"{path}: works only at {height}x{width}; omit --option size")
        name, self.channel = steps.parse_output(output)
        self.output = self._find_output(path, name or "0")
        self.identity = {"source": self.source, "steps": asdict(self.steps), "output": output}

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """uint8 (h, w, 3) -> (3, H, W) in the file's input type, float32 or float16."""
        return self.steps.prepare(image).astype(INPUT_TYPES[self.input.type])

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """(b, 3, H, W) -> the network's maps (b, H', W')."""
        return steps.select_channel(self.run(batch, self.output), self.channel)

    def restore(self, output: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """(H', W') -> uint8 (h, w)."""
        return self.steps.restore(output, size)

    def _find_output(self, path: Path, name: str) -> str:
        names = self.list_outputs()
        if name.isdecimal() and int(name) < len(names):
            return names[int(name)]
        if name not in names:
            raise InputError(f"{path}: has no output {name!r}; available: {', '.join(names)}, or a number from 0")
        return name


@cache
def _prepare_forks() -> None:
    """Let processes that are forked from now on end by sys.exit, not only by os._exit."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_skip_exit_handlers)


def _skip_exit_handlers() -> None:
    """End this process, when Python has ended, before the exit handlers that C libraries registered so far.

    That of onnxruntime would wait for the threads of its sessions, which a forked process does not have.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "on_exit"):  # of glibc: the last handler that is registered is called first, with the status
        libc.on_exit(libc._exit, None)


def _load_session(path: Path, device: str) -> onnxruntime.InferenceSession:
    _prepare_forks()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = count_cores()
    settings.use_deterministic_compute = True
    try:
        return onnxruntime.InferenceSession(path, settings, providers=_providers(device))
    except Exception as error:  # onnxruntime raises errors of many types
        raise InputError(f"{path}: cannot be loaded ({str(error).splitlines()[0]})") from None


def _symbols(shape: list[int | str | None]) -> list[str | None]:
    """Return the sides that the file leaves open; they have names in place of numbers."""
    return [side for side in shape if not isinstance(side, int)]


def _providers(device: str) -> list[str | tuple[str, dict[str, str]]]:
    kind, _, number = device.partition(":")
    cuda = [(CUDA, {"device_id": number or "0"})] if kind == "cuda" else []
    return [*cuda, "CPUExecutionProvider"]
