"""rembg's ONNX files behind disbench's Predictor interface, with rembg's steps around the network; no torch."""

from pathlib import Path

import numpy as np
from PIL import Image

from disbench.errors import InputError
from disbench.models._own.onnx import INPUT_TYPES, OnnxFile
from disbench.models.u2net.steps import normalise, resize_by_lanczos, stretch
from disbench.registry.card import Card


class Predictor(OnnxFile):
    """Predict with a file of rembg.

    Args:
        card: Card of the variant; its pipeline has the size, the means, the deviations and the activation.
        weights: The file.
        device: As of OnnxFile.
    """

    def __init__(self, card: Card, weights: str, device: str | None):
        path, published = Path(weights), card.weights[0].name
        if not path.is_file():
            raise InputError(f"{weights}: no such file; omit --weights to download {published}, or give an ONNX file")
        super().__init__(path, device)
        self.title = card.title if path.name == published else f"{card.title} ({path.name})"
        self.pipeline = card.pipeline
        self.size = (card.pipeline["size"],) * 2
        if any(side not in (None, self.size[0]) for side in self.fixed):
            height, width = self.input.shape[2:]
            raise InputError(f"{weights}: works at {height}x{width}, unlike {published}; give the file of {card.name}")
        self.output = self.list_outputs()[0]
        self.identity = {"weights": self.source}

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """uint8 (h, w, 3) -> (3, H, W) in the file's input type: resized, divided by its largest value, normalised."""
        pixels = resize_by_lanczos(image, self.size)
        normalised = normalise(pixels, self.pipeline["mean"], self.pipeline["deviation"])
        return normalised.astype(INPUT_TYPES[self.input.type], copy=False)

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """(b, 3, H, W) -> float32 (b, H', W'): the first channel of the first output, after the activation."""
        output = self.run(batch, self.output)
        if output.ndim != 4:
            raise InputError(f"{self.path}: its first output is {output.shape}, not (batch, 1, height, width)")
        maps = output[:, 0].astype(np.float32, copy=False)
        if self.pipeline["activation"] == "none":
            return maps
        with np.errstate(over="ignore"):  # of very low logits, whose sigmoid is 0
            return 1 / (1 + np.exp(-maps))

    def restore(self, output: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 (H', W') -> uint8 (h, w): stretched from min to max, truncated, resized; a constant map becomes 0."""
        return stretch(output, size, Image.Resampling.LANCZOS)
