"""Score a network during and after its training, and draw a few of its masks."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from disbench.data.dataset import Sample
from disbench.metrics.measurement import Measurement, measure
from disbench.metrics.scoring import score
from disbench.models._training import data
from disbench.models.diffdis import pipeline
from disbench.models.diffdis.checkpoint import Checkpoint
from disbench.models.diffdis.conditioning import factor
from disbench.models.diffdis.predictor import noise_seeds, normalise, quantise, resize, stretch
from disbench.models.diffdis.unet import LATENT_CHANNELS
from disbench.system.files import write_atomic

TILE = 256  # pixels a side of each sample's image, truth and mask


def score_checkpoint(
    checkpoint: Checkpoint, samples: Sequence[Sample], steps: int, show: int = 0, picture: Path | None = None
) -> dict[str, float]:
    """Compute maximal F and MAE of one plain pass per image, at the original size of the images.

    Args:
        checkpoint: the networks.
        samples: images and ground truths.
        steps: denoising steps.
        show: number of images to draw.
        picture: PNG to draw them in, a row each of image, ground truth and mask; needed if `show` is not 0.

    Returns:
        The scores "f_max" and "mae".
    """
    measurements: list[Measurement] = []
    rows: list[np.ndarray] = []
    for image, truth, mask in _predict_masks(checkpoint, samples, steps):
        measurements.append(measure(mask, truth))
        if len(rows) < show:
            rows.append(_draw_row(image, truth, mask))
    if rows and picture:
        picture.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(picture, cv2.imencode(".png", np.concatenate(rows)[..., ::-1])[1].tobytes())
    scores = score(measurements)
    return {"f_max": scores["f_max"], "mae": scores["mae"]}


def measure_checkpoint(checkpoint: Checkpoint, samples: Sequence[Sample], steps: int) -> list[Measurement]:
    """Measure one plain pass per image, with the given number of denoising steps."""
    return [measure(mask, truth) for _, truth, mask in _predict_masks(checkpoint, samples, steps)]


def _predict_masks(
    checkpoint: Checkpoint, samples: Sequence[Sample], steps: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield image, ground truth and mask of each sample."""
    device = checkpoint.vae.device
    sampling = pipeline.Sampling(steps=steps)
    for sample in samples:
        image, truth = data.read_pair(sample)
        x = normalise(resize(image, (checkpoint.size, checkpoint.size)))[None]
        latent = (LATENT_CHANNELS, *(side // factor(checkpoint.vae) for side in x.shape[-2:]))
        noise, generators = pipeline.seeded_noise(latent, noise_seeds(x, passes=1)[0])
        mask, _ = pipeline.segment(checkpoint, x.to(device), noise.to(device), sampling, generators)
        yield image, truth, resize(quantise(stretch(mask)[0].cpu().numpy()), truth.shape)


def _draw_row(image: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    tiles = [resize(x, (TILE, TILE)) for x in (image, truth, mask)]
    return np.concatenate([x if x.ndim == 3 else np.repeat(x[..., None], 3, axis=2) for x in tiles], axis=1)
