"""The round trip of ground truths through an autoencoder (paper, Table 1): the ceiling of any latent prediction.

The decoded ground truths are the maps of this source, so its run is scored, stored and reported like any other.
"""

from time import perf_counter

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from disbench.data.dataset import Sample
from disbench.data.images import read_truth
from disbench.errors import InputError
from disbench.models._parts import device as devices
from disbench.models._parts.weights import digest_tensors
from disbench.models.diffdis import check, conditioning, files, weights
from disbench.models.diffdis.predictor import MINI, normalise, quantise, resize, stretch
from disbench.system.environment import describe_environment


class RoundTrip:
    """Stages for disbench.runs.pipeline: ground truths, reduced to squares, encoded and decoded."""

    name = "vae-ceiling"
    resize, resized = None, 0  # the maps have the size of their ground truths

    def __init__(self, vae: str | None, size: int, device: str | None = None):
        """Load an autoencoder.

        Args:
            vae: folder or Hugging Face id of an AutoencoderKL, or of a Stable Diffusion with vae/; None for the VAE
                of DiffDIS-Mini.
            size: side of the squares in pixels.
            device: None for the best device.

        Raises:
            InputError: if the autoencoder is missing, or does not accept squares of this size.
        """
        self.device = devices.choose_device(device)
        model = _load_vae(vae)
        multiple = conditioning.factor(model)
        if size % multiple:
            near = check.nearest_multiple(size, multiple)
            raise InputError(f"--size {size}: must be a multiple of {multiple}, the pixels to a latent; near: {near}")
        sha = digest_tensors(sorted(model.state_dict().items()))
        self.identity = {"model": self.name, "vae": sha, "size": size}
        self.title = f"VAE of {'DiffDIS-mini' if vae is None else vae} at {size}"
        self.size = size
        self.environment = describe_environment(self.device)
        self.vae = model.to(self.device).eval()

    def load(self, sample: Sample) -> tuple[Tensor, dict[str, float]]:
        """Read and reduce a ground truth; return it as an image (3, size, size) in [-1, 1], with seconds."""
        truth = read_truth(sample.truth, sample.truth_digest)
        start = perf_counter()
        small = resize(truth, (self.size, self.size))
        return normalise(np.repeat(small[..., None], 3, axis=2)), {"prepare": perf_counter() - start}

    @torch.inference_mode()
    def compute(self, prepared: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Encode and decode an image; return a map (size, size) in [0, 1], with seconds."""
        start = perf_counter()
        mask = conditioning.decode(self.vae, conditioning.encode(self.vae, prepared[None].to(self.device)))
        return stretch(mask)[0].cpu(), {"infer": perf_counter() - start}

    def finish(self, output: Tensor, size: tuple[int, int]) -> tuple[np.ndarray, dict[str, float]]:
        """Quantise a map and resize it to uint8 (h, w), with seconds."""
        start = perf_counter()
        return resize(quantise(output.numpy()), size), {"restore": perf_counter() - start}


def _load_vae(vae: str | None) -> AutoencoderKL:
    if vae is None:
        return weights.load(MINI).vae
    try:
        AutoencoderKL.load_config(vae)
    except (OSError, ValueError):
        return files.load_network(AutoencoderKL, vae, "vae")
    return files.load_network(AutoencoderKL, vae, "")
