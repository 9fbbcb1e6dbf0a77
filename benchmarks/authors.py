"""The networks of methods as their authors' code builds them, for models.py. Only permissively licensed code is named.

The code is imported from a checkout, with the libraries that it needs installed. It is left as it is, except that
MVANet's runs without CUDA.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True, kw_only=True)
class Code:
    """The authors' code of a network.

    Attributes:
        folder: Folder of the checkout that its modules are imported from.
        module: The module of the network.
        build: Builds it, from the module and the working size in pixels per side.
        run: From it and a batch to maps (b, H, W) in [0, 1].
        options: Options of disbench's predictor with which it is the same network.
        earlier: The layer that a layer of disbench is called there, where they differ.
        unavailable: Modules that it imports for training only, and that do not install with today's torch.
        needs_cuda: Whether it puts tensors on CUDA, whatever device it is on.
    """

    folder: str = ""
    module: str
    build: Callable[[ModuleType, int], nn.Module]
    run: Callable[[nn.Module, Tensor], Tensor]
    options: Mapping[str, str] = field(default_factory=dict)
    earlier: Mapping[str, str] = field(default_factory=dict)
    unavailable: tuple[str, ...] = ()
    needs_cuda: bool = False


CODES = {
    "ben2": Code(
        module="BEN2",
        build=lambda module, _: module.BEN_Base(),
        run=lambda net, x: net(x)[:, 0],
        earlier={f"multifieldcrossatt.linear{i + 4}": f"multifieldcrossatt.linear{i}" for i in (1, 2)},
    ),
    "birefnet": Code(
        module="models.birefnet",
        build=lambda module, _: module.BiRefNet(bb_pretrained=False),
        run=lambda net, x: net(x)[-1][:, 0].sigmoid(),
        options={"patches": "current"},
    ),
    "inspyrenet": Code(
        module="lib.InSPyReNet",
        build=lambda module, size: module.InSPyReNet_SwinB(64, False, [size, size], threshold=None),
        run=lambda net, x: net({"image": x})["pred"][:, 0],
    ),
    "isnet": Code(
        folder="IS-Net",
        module="models.isnet",
        build=lambda module, _: module.ISNetDIS(),
        run=lambda net, x: net(x)[0][0][:, 0],
    ),
    "mvanet": Code(
        module="model.MVANet",
        build=lambda module, _: module.inf_MVANet(),
        run=lambda net, x: net(x)[:, 0].sigmoid(),
        unavailable=("mmdet", "mmdet.utils"),
        needs_cuda=True,
    ),
    "u2net": Code(module="model.u2net", build=lambda module, _: module.U2NET(), run=lambda net, x: net(x)[0][:, 0]),
    "u2netp": Code(module="model.u2net", build=lambda module, _: module.U2NETP(), run=lambda net, x: net(x)[0][:, 0]),
}


class WithoutCuda(TorchFunctionMode):
    """Puts on the CPU what code puts on CUDA."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is Tensor.cuda:
            return args[0]
        kwargs = kwargs or {}
        return function(*args, **(kwargs | {"device": "cpu"} if kwargs.get("device") == "cuda" else kwargs))


def authors_function(name: str, checkout: Path, net: nn.Module, size: int) -> Callable[[Tensor], Tensor]:
    """Return the authors' network with the weights of `net`, as a function like `infer`."""
    code = CODES[name]
    mode = WithoutCuda() if code.needs_cuda else nullcontext()
    with mode:
        theirs = code.build(_import(checkout.resolve() / code.folder, code), size).eval()
    state = {_rename(key, code.earlier): tensor for key, tensor in net.state_dict().items()}
    # Tables that follow from sizes, and layers for training only, are in theirs alone.
    if unexpected := theirs.load_state_dict(state, strict=False).unexpected_keys:
        raise SystemExit(f"{name}: the authors' network lacks {', '.join(unexpected)}")

    @torch.no_grad()
    def infer(batch: Tensor) -> Tensor:
        with mode:
            return code.run(theirs, batch)

    return infer


def _rename(key: str, layers: Mapping[str, str]) -> str:
    layer, last = key.rpartition(".")[::2]
    return f"{layers.get(layer, layer)}.{last}"


def _import(folder: Path, code: Code) -> ModuleType:
    """Import a module from a folder, and forget its neighbours: several repositories have a package `models`."""
    sys.modules |= {name: MagicMock() for name in code.unavailable if name not in sys.modules}
    path, sys.path[0] = sys.path[0], str(folder)  # in place of this folder, which has a models.py too
    try:
        return importlib.import_module(code.module)
    finally:
        sys.path[0] = path
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", "")).startswith(str(folder)):
                del sys.modules[name]
