"""The interface of a method's `train.py`: its networks and their losses."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from torch import Tensor, nn


class Training(Protocol):
    """The interface of a method's `train.py`. A class that inherits from this need not define what has a default here.

    `losses` and `predict` receive the additional inputs that the card names as further keyword arguments, of a batch:
    `depth`, float32 (b, 1, h, w) in [0, 1]; `prompt`, b texts; `box`, float32 (b, 4), x0, y0, x1, y1 in pixels.
    """

    stages: tuple[str, ...]  # networks to train, one after the other; the last is the model
    multiple: int  # sides of pictures are multiples of this
    opens_folder: bool = False  # whether weights are a folder, which all stages start from, instead of a file
    options: Mapping[str, str] = MappingProxyType({})  # options that the weights to start from need, by their card

    def network(self, stage: str, size: int) -> nn.Module:
        """Build a stage's network, drawn from torch's global generator, for pictures of `size` pixels a side."""

    def losses(self, net: nn.Module, images: Tensor, labels: Tensor, **inputs: Any) -> dict[str, Tensor]:
        """Compute the parts of the loss of the current stage.

        Args:
            net: the network of the stage.
            images: (b, 3, h, w) in [0, 1].
            labels: the labels that `labels` made of the masks.
            **inputs: the additional inputs.
        """

    def predict(self, net: nn.Module, images: Tensor, **inputs: Any) -> Tensor:
        """Predict (b, h, w) in [0, 1] for images (b, 3, h, w) in [0, 1] with the network of the last stage."""

    def finished(self, stage: str, net: nn.Module) -> None:
        """Receive the trained network of a stage, in eval mode, which later stages may need."""

    def labels(self, masks: Tensor) -> Tensor:
        """Convert masks (b, 1, h, w) in [0, 1] to what `losses` takes, in a thread on the CPU."""
        return masks

    def learned(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Select the tensors of the last stage's network in a checkpoint to start from, under the network's names."""
        return state

    def choose(self, state: dict[str, Tensor]) -> None:
        """Prepare `network` to build the size that fits the tensors of a checkpoint or of a backbone."""

    def open_folder(self, folder: str) -> None:
        """Load what all stages start from, if `opens_folder`; "" if the user names no weights."""

    def name_weights(self, stage: str) -> str:
        """Return the name of the file, in the output folder, of a stage's weights."""
        return f"{stage}.safetensors"

    def finish(self, out: Path) -> Path:
        """Add to the output folder what `run` needs next to the stages' weights; return what it takes as weights."""
        return out / self.name_weights(self.stages[-1])
