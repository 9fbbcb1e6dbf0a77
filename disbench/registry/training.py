"""The training data of the weights that a model is given, by its card."""

import hashlib
from pathlib import Path

from disbench.data.training import UNSTATED, TrainedOn, normalise_training
from disbench.registry.card import Card, Download

UNTRAINED = "untrained"  # --weights of a random initialisation
HUB = "https://huggingface.co/"


def find_training(card: Card, weights: str | None) -> TrainedOn:
    """Find the training data of weights. UNSTATED for weights that the card does not describe.

    Args:
        card: the model.
        weights: a file, a folder or a Hugging Face id. None: the weights that come with the model.
    """
    if weights == UNTRAINED or card.status == "trivial":
        return ()
    download = find_download(card, weights)
    return UNSTATED if download is None else normalise_training(download.trained_on) or ()


def find_download(card: Card, weights: str | None) -> Download | None:
    """Find the entry of a card that describes weights: by name or address, or by digest."""
    if weights is None:
        return card.default_weights
    path = Path(weights)
    names = {weights, path.name, path.stem}
    for entry in card.weights:
        if entry.name in names or HUB + weights in entry.urls:
            return entry
    for kind in ("sha256", "md5"):
        entries = {getattr(entry, kind).lower(): entry for entry in card.weights if getattr(entry, kind)}
        if entries and path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, kind).hexdigest()
            if digest in entries:
                return entries[digest]
    return None
