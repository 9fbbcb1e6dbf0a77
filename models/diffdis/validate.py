"""Scores of a network while it is trained, and after."""

from collections.abc import Iterator, Sequence

from disbench.data import Sample
from disbench.metrics import Measurement, measure, score
from disbench.models.diffdis import conditioning, data, pipeline
from disbench.models.diffdis.predictor import normalise, quantise, resize, stretch
from disbench.models.diffdis.weights import Checkpoint


def scores(checkpoint: Checkpoint, samples: Sequence[Sample], steps: int = 1) -> dict[str, float]:
    """F-max and MAE of one plain pass per image, at the images' own sizes."""
    found = score(list(measured(checkpoint, samples, steps)))
    return {"f_max": found["f_max"], "mae": found["mae"]}


def measured(checkpoint: Checkpoint, samples: Sequence[Sample], steps: int = 1) -> Iterator[Measurement]:
    device = checkpoint.vae.device
    for seed, sample in enumerate(samples):
        image, truth = data.read(sample)
        x = normalise(resize(image, (checkpoint.size, checkpoint.size)))[None].to(device)
        noise, generators = pipeline.seeded_noise(conditioning.encode(checkpoint.vae, x).shape[1:], [seed])
        mask, _ = pipeline.segment(
            checkpoint.unet,
            checkpoint.vae,
            checkpoint.text,
            x,
            noise.to(device),
            checkpoint.prediction_type,
            steps=steps,
            generators=generators,
        )
        yield measure(resize(quantise(stretch(mask)[0].cpu().numpy()), truth.shape), truth)
