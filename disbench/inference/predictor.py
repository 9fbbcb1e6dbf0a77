"""The interface that an adapter of a model implements."""

from typing import Any, Protocol

import numpy as np


class Predictor(Protocol):
    """Everything that an adapter writes. Arrays are torch tensors, or NumPy arrays for models without torch.

    Attributes:
        device: "cpu", "cuda:0", "mps" ...
        identity: everything that decides the scores apart from the card, such as digest of the weights and size.

    A model in a single Python file has no card. There, the class may have the attribute `inputs`, which means the same
    as in a card. Any predictor may have the attributes `sees_truth` and `takes_truth`, where that depends on its
    options. With either its scores are marked; with the second `prepare` also receives `truth`, uint8 (h, w). A
    predictor that folds layers states in `parameter_count` how many parameters its networks have before.
    """

    device: str
    identity: dict[str, Any]

    def prepare(self, image: np.ndarray, **inputs: Any) -> Any:
        """Prepare an image, uint8 (h, w, 3) RGB, on the host. Papers do not time this stage.

        Args:
            image: the image.
            **inputs: exactly those that the card names: `depth`, uint8 (h, w); `prompt`, a text, which may be empty;
                `box`, float64 (4,), x0, y0, x1, y1 in pixels.

        Returns:
            An array (c, H, W), or a tuple of arrays.
        """

    def infer(self, batch: Any) -> Any:
        """Run the network on (b, c, H, W) on the device, or on a tuple of stacked arrays if `prepare` returns a tuple.

        Papers call this stage inference.

        Returns:
            (b, H', W'), float, probabilities or logits, as `restore` takes them.
        """

    def restore(self, output: Any, size: tuple[int, int]) -> np.ndarray:
        """Bring one output (H', W'), on the host, to a uint8 (h, w) map of the image's size."""
