"""Latents of training pictures in the user's cache, for recipes that show each picture unchanged.

    latents-v1/<digest>    of one picture at one size: of its mask, of its edge map and of the image at four sizes

The digest is that of the picture's files, of the VAE and of everything else that decides the latents. A file, in
safetensors' format behind a checksum, counts as missing if it is damaged.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load, save
from torch import Tensor

from disbench.data.dataset import Sample
from disbench.data.digest_cache import DigestCache
from disbench.errors import InputError
from disbench.models._parts.weights import digest_tensors
from disbench.models._training import data
from disbench.models._training.changes import Change
from disbench.models.diffdis import batches
from disbench.models.diffdis.batches import BatchPlan
from disbench.models.diffdis.losses import Latents
from disbench.models.diffdis.settings import Recipe
from disbench.system.caches import cache_folder, cache_root, read_checked, warn_unwritable, write_checked

VERSION = "v1"  # change it whenever the content of a file can change
NAMES = ("mask", "edge", "image", "image2", "image4", "image8")  # as `batches.encode_pixels` returns them


def check_unchanged(recipe: Recipe) -> None:
    """Raise InputError, with the keys at fault, if a recipe changes its pictures from epoch to epoch."""
    if recipe.augment == "authors":
        names = ['augment = "authors"']
    else:
        names = [f"augment.{key}" for key in ("flip", "rotation", "colour") if getattr(recipe.augment, key)]
        names += ["cutmix"] if batches.cutmix_probability(recipe) else []
        names += ["crop of the stages"] if any(stage.crop != (1, 1) for stage in recipe.stages) else []
    if names:
        raise InputError(
            f"--cache-latents: the recipe changes its pictures in every epoch ({', '.join(names)}); omit the option, "
            "or set flip, rotation, colour and cutmix to 0 and each crop to [1.0, 1.0]"
        )


def hash_samples(samples: Sequence[Sample]) -> list[Sample]:
    """Return samples with the digests of their files, which reading them then checks."""
    paths = [(sample.require_image(), sample.truth) for sample in samples]
    cache = DigestCache({path.parent for pair in paths for path in pair})
    hashed = [
        replace(sample, image_digest=cache.hash_file(image), truth_digest=cache.hash_file(truth))
        for sample, (image, truth) in zip(samples, paths, strict=True)
    ]
    cache.save()
    return hashed


class LatentCache:
    """`batches.encode_batch` that encodes each picture once, for a recipe that `check_unchanged` accepts."""

    def __init__(self, recipe: Recipe, vae: AutoencoderKL):
        """Open the cache of a VAE, which is on its device."""
        config = {key: value for key, value in vae.config.items() if not key.startswith("_")}
        self._identity = {
            "vae": digest_tensors(sorted(vae.state_dict().items()), repr(sorted(config.items()))),
            "pictures": recipe.pictures,
            "edge_width": recipe.edge_width,
            "precision": recipe.schedule.precision,
            "device": vae.device.type,
            "torch": torch.__version__,
        }

    def __call__(self, recipe: Recipe, plan: BatchPlan, vae: AutoencoderKL, source: data.Files) -> Latents:
        """Read or encode the pictures of a batch, and draw the noise that `batches.encode_batch` draws.

        Each picture is encoded in a batch of its own, so that its latents do not depend on its neighbours. They equal
        those of `batches.encode_batch` up to the rounding of its convolutions, which depends on the size of the batch.
        """
        rng = np.random.default_rng([recipe.seed, 1, plan.step])
        indices = data.rows_of_step(len(source), plan.stage.batch, plan.step, recipe.seed)
        changes, _ = batches.draw_changes(recipe, plan.stage, rng)  # none changes anything, but `rng` is used

        def find(index: int, change: Change) -> dict[str, Tensor]:
            path = self._path(source.samples[index], plan.stage.size)
            if content := read_checked(path):
                return load(content)
            images, masks = data.change_pictures(source, [index], plan.stage.size, [change])
            pixels = images, masks, data.edges(masks, recipe.edge_width)
            encoded = batches.encode_pixels(recipe, vae, pixels)
            latents = {name: x.cpu().contiguous() for name, x in zip(NAMES, encoded, strict=True)}
            try:
                write_checked(path, save(latents))
            except OSError as error:
                warn_unwritable(cache_root(), error)
            return latents

        rows = [find(*row) for row in zip(indices[plan.part], changes[plan.part], strict=True)]
        encoded = [torch.cat([row[name] for row in rows]).to(vae.device) for name in NAMES]
        return batches.make_latents(recipe, plan, encoded, rng)

    def _path(self, sample: Sample, size: int) -> Path:
        files = {"image": sample.image_digest, "truth": sample.truth_digest, "kind": sample.truth_kind, "size": size}
        digest = hashlib.sha256(json.dumps(self._identity | files).encode()).hexdigest()
        return cache_folder("latents", VERSION) / digest
