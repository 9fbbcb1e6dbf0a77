"""The interface between the training loop and what it trains."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor, nn

Losses = dict[str, Tensor]
"""Scalar parts of a loss by name. Their sum is what is minimised."""


class Task(Protocol):
    """The task to learn: batches, losses and scores. A subclass needs only `batch` and `losses`.

    Attributes:
        workers: processes that make the batches; 0: a thread does.
    """

    workers: int = 0

    def batch(self, step: int) -> Any:
        """Make a batch on the CPU. It must depend on nothing but the step, which counts batches from 0.

        Runs in another thread or process while the steps before are computed, so it must not use a GPU. Tensors in
        tuples and dictionaries are pinned for the copy to a GPU.
        """

    def prepare(self, batch: Any) -> Any:
        """Complete a batch on the device, in a thread of this process while the step before is computed."""
        return batch

    def losses(self, net: nn.Module, batch: Any) -> Losses:
        """Compute the parts of the loss of a batch."""

    def validate(self, net: nn.Module, step: int) -> Mapping[str, float]:
        """Score the network after `step` steps. The best networks by the first score are kept; {}: no scores."""
        return {}

    def units(self, net: nn.Module) -> Sequence[nn.Module]:
        """List the parts of the network whose weights are gathered together where processes split them."""
        return ()

    def lr_multiplier(self, parameter: str) -> float:
        """Return the factor of a parameter's learning rate."""
        return 1.0

    def export(self, net: nn.Module) -> nn.Module:
        """Return the network whose weights are written after a validation."""
        return net
