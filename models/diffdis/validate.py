"""Scores of a network while it is trained, and after; and a few of its masks to look at."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from disbench.data.dataset import Sample
from disbench.metrics.measurement import Measurement, measure
from disbench.metrics.scoring import score
from disbench.models._training import data
from disbench.models.diffdis import pipeline
from disbench.models.diffdis.conditioning import factor
from disbench.models.diffdis.predictor import noise_seeds, normalise, quantise, resize, stretch
from disbench.models.diffdis.unet import LATENT_CHANNELS
from disbench.models.diffdis.weights import Checkpoint
from disbench.system.files import write_atomic

TILE = 256  # pixels a side of each sample's image, truth and mask


def scores(
    checkpoint: Checkpoint, samples: Sequence[Sample], steps: int, show: int = 0, picture: Path | None = None
) -> dict[str, float]:
    """F-max and MAE of one plain pass per image, at the images' own sizes.

    The first `show` images go to the PNG `picture`: a row each of image, truth and mask.
    """
    measurements, rows = [], []
    for image, truth, mask in _masks(checkpoint, samples, steps):
        measurements.append(measure(mask, truth))
        if len(rows) < show:
            rows.append(_row(image, truth, mask))
    if rows:
        picture.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(picture, cv2.imencode(".png", np.concatenate(rows)[..., ::-1])[1].tobytes())
    found = score(measurements)
    return {"f_max": found["f_max"], "mae": found["mae"]}


def measured(checkpoint: Checkpoint, samples: Sequence[Sample], steps: int) -> list[Measurement]:
    return [measure(mask, truth) for _, truth, mask in _masks(checkpoint, samples, steps)]


def _masks(checkpoint: Checkpoint, samples: Sequence[Sample], steps: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Image, truth and mask of each."""
    device = checkpoint.vae.device
    for sample in samples:
        image, truth = data.read(sample)
        x = normalise(resize(image, (checkpoint.size, checkpoint.size)))[None]
        latent = (LATENT_CHANNELS, *(side // factor(checkpoint.vae) for side in x.shape[-2:]))
        noise, generators = pipeline.seeded_noise(latent, noise_seeds(x, passes=1)[0])
        mask, _ = pipeline.segment(
            checkpoint.unet,
            checkpoint.vae,
            checkpoint.text,
            x.to(device),
            noise.to(device),
            checkpoint.prediction_type,
            steps=steps,
            generators=generators,
        )
        yield image, truth, resize(quantise(stretch(mask)[0].cpu().numpy()), truth.shape)


def _row(image: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    tiles = [resize(x, (TILE, TILE)) for x in (image, truth, mask)]
    return np.concatenate([x if x.ndim == 3 else np.repeat(x[..., None], 3, axis=2) for x in tiles], axis=1)
