"""What a mask loses in an autoencoder and back (paper, Table 1): the ceiling of whatever is predicted in its latents.

The truths themselves are the maps of this source, so a run of it is scored, kept and reported like any other.
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
from disbench.models._parts.weights import digest
from disbench.models.diffdis import check, conditioning, files, weights
from disbench.models.diffdis.predictor import MINI, normalise, quantise, resize, stretch
from disbench.system.environment import describe_environment


class RoundTrip:
    """Stages for disbench.runs.pipeline: truths, reduced to squares of `size` pixels, encoded and decoded.

    `vae`: a folder or Hugging Face id of an AutoencoderKL or of a Stable Diffusion with vae/; None for DiffDIS-mini's.
    """

    name = "vae-ceiling"
    resize, resized = None, 0  # its maps have the size of their truths

    def __init__(self, vae: str | None, size: int, device: str | None = None):
        self.device = devices.pick(device)
        model = _load(vae)
        if size % (multiple := conditioning.factor(model)):
            near = check.nearest(size, multiple)
            raise InputError(f"--size {size}: must be a multiple of {multiple}, the pixels to a latent; near: {near}")
        sha = digest(sorted(model.state_dict().items()))
        self.identity = {"model": self.name, "vae": sha, "size": size}
        self.title = f"VAE of {'DiffDIS-mini' if vae is None else vae} at {size}"
        self.size = size
        self.environment = describe_environment(self.device)
        self.vae = model.to(self.device).eval()

    def load(self, sample: Sample) -> tuple[Tensor, dict[str, float]]:
        truth = read_truth(sample.truth)
        start = perf_counter()
        small = resize(truth, (self.size, self.size))
        return normalise(np.repeat(small[..., None], 3, axis=2)), {"prepare": perf_counter() - start}

    @torch.inference_mode()
    def compute(self, prepared: Tensor) -> tuple[Tensor, dict[str, float]]:
        start = perf_counter()
        mask = conditioning.decode(self.vae, conditioning.encode(self.vae, prepared[None].to(self.device)))
        return stretch(mask)[0].cpu(), {"infer": perf_counter() - start}

    def finish(self, output: Tensor, size: tuple[int, int]) -> tuple[np.ndarray, dict[str, float]]:
        start = perf_counter()
        return resize(quantise(output.numpy()), size), {"restore": perf_counter() - start}


def _load(vae: str | None) -> AutoencoderKL:
    if vae is None:
        return weights.load(MINI).vae
    try:
        AutoencoderKL.load_config(vae)
    except (OSError, ValueError):
        return files.network(AutoencoderKL, vae, "vae")
    return files.network(AutoencoderKL, vae, "")
