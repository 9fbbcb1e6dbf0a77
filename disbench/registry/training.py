"""The training data of the weights that a model is given, by its card."""

from disbench.data.training import UNSTATED, TrainedOn, normalise_training
from disbench.registry.card import Card
from disbench.registry.weights import find_download

UNTRAINED = "untrained"  # --weights of a random initialisation


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
