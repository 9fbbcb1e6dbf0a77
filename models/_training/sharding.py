"""Weights, gradients and moments split among the processes of a training: torch's FSDP2.

A checkpoint always has whole tensors, so any number of processes can resume it, sharded or not.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer
from torch.utils._pytree import tree_map

Update = Callable[[Any, Any, Any], None]
"""update(averages, currents, count) changes the averages in place, as AveragedModel's multi_avg_fn does."""


def shard_network(net: nn.Module, units: Sequence[nn.Module]) -> None:
    """Split the parameters of a network among all processes, in place.

    Args:
        net: the network, the same in all processes.
        units: parts of it whose parameters are gathered together, while the part computes; the rest is one more.
    """
    device = next(net.parameters()).device
    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    for unit in units:
        fully_shard(unit, mesh=mesh)
    fully_shard(net, mesh=mesh)


def gather_tensors(tree: Any) -> Any:
    """Replace the split tensors in nested containers by whole ones on the CPU. All processes must call it together."""
    return tree_map(lambda x: x.full_tensor().cpu() if isinstance(x, DTensor) else x, tree)


def update_parts(update: Update) -> Update:
    """Make a function of lists of tensors compute with the parts that this process has."""

    def compute(averages: Sequence[Tensor], currents: Sequence[Tensor], count: Any) -> None:
        parts = ([x.to_local() if isinstance(x, DTensor) else x for x in tensors] for tensors in (averages, currents))
        update(*parts, count)

    return compute


class WholeNetwork:
    """A split network, whose state has whole tensors."""

    def __init__(self, net: nn.Module):
        self.net = net

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state. All processes must call it together."""
        return gather_tensors(self.net.state_dict())

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load a state of whole tensors."""
        current = self.net.state_dict()
        self.net.load_state_dict({name: _split(x, current.get(name)) for name, x in state_dict.items()})


class WholeOptimizer:
    """The optimizer of a split network, whose state has whole tensors."""

    def __init__(self, optimizer: Optimizer):
        self.optimizer = optimizer

    def state_dict(self) -> dict[str, Any]:
        """Return the state. All processes must call it together."""
        return gather_tensors(self.optimizer.state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state of whole tensors."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]  # numbered as in the state
        state = {
            number: {key: _split(x, parameters[number]) for key, x in values.items()}
            for number, values in state_dict["state"].items()
        }
        self.optimizer.load_state_dict(state_dict | {"state": state})


def _split(x: Any, like: Any) -> Any:
    """Split a whole tensor as another one is, unless that is whole, or `x` is a number, such as a count of steps."""
    if not isinstance(like, DTensor) or not isinstance(x, Tensor) or x.shape != like.shape:
        return x
    # Every process has read the whole tensor, so nothing is sent.
    return distribute_tensor(x.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
