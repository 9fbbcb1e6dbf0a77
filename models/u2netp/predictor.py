"""U2-NetP behind disbench's Predictor interface: U2-Net's predictor with the small network, and shipped weights."""

from pathlib import Path

from disbench.models.u2net import predictor
from disbench.registry.card import Card

MINI = Path(__file__).parent / "mini" / "u2netp.safetensors"


class Predictor(predictor.Predictor):
    """Predict with U2-NetP.

    Args:
        card: Card of the method.
        weights: None for the weights that disbench ships, the authors' file, or "untrained": drawn from seed 0.
        device: Device; default: the best one.
        options: U2-Net's options.
    """

    variant = "P"

    def __init__(self, card: Card, weights: str | None, device: str | None, **options: str):
        super().__init__(card, weights or str(MINI), device, **options)
        if weights is None:
            self.title = f"{card.title}-mini" + "".join(f", {key} {value}" for key, value in options.items())
