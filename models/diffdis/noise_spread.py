"""Measure how far a mask depends on the noise that it starts from: `disbench diffdis noise-spread` (paper, Figure 4).

The paper shows that masks depend less on chance if the edge is predicted too and both meet in the mid block. Its three
networks are three trainings. In addition, a network can be tested with that meeting switched off: then no row of the
batch sees another, so its masks are those that it would predict without the edge.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from disbench.data.dataset import Sample
from disbench.errors import InputError
from disbench.models._training import data
from disbench.models.diffdis.predictor import DiffDIS, noise_seeds, resize
from disbench.models.diffdis.unet import InteractiveBlock
from disbench.registry.loading import get_card
from disbench.system.progress import Progress

MEASURES = ("std", "std_outline", "flipped")
OUTLINE = 5  # pixels: width of the band around the outline of the ground truth


@dataclass(frozen=True)
class NoiseSpread:
    """One image's masks over several noises, at the network's working size.

    Attributes:
        sample: the image.
        mean: mean of the masks in [0, 1], float32 (H, W), or None if not kept.
        std: their standard deviation, float32 (H, W), or None if not kept.
        values: "std", the mean of std over the image; "std_outline", over a band around the outline of the ground
            truth; "flipped", the share of pixels that are not on the same side of 1/2 for all noises.
    """

    sample: Sample
    mean: np.ndarray | None
    std: np.ndarray | None
    values: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The networks to compare, and the settings of the comparison.

    Attributes:
        networks: title, "" for the network's own, and weights of each network.
        seeds: noises per image.
        maps: number of images whose maps are kept.
        base: Stable Diffusion folder or id, for the authors' U-Net; default: as in `weights.load`.
        without_dbia: whether each network that has DBIA is also measured with it switched off.
    """

    networks: Sequence[tuple[str, str | None]]
    seeds: int
    maps: int = 0
    base: str | None = None
    without_dbia: bool = False


def compare_networks(
    comparison: Comparison, samples: Sequence[Sample], device: str | None, progress: Progress | None = None
) -> dict[str, list[NoiseSpread]]:
    """Measure the spread of every network over all samples.

    Args:
        comparison: the networks.
        samples: images and ground truths.
        device: None for the best device.
        progress: receives the number of finished images of a network.

    Returns:
        A spread per sample, by title of the network.

    Raises:
        InputError: if two networks have the same title.
    """
    spreads: dict[str, list[NoiseSpread]] = {}
    for title, weights in comparison.networks:
        for dbia in (True, False) if comparison.without_dbia else (True,):
            network = DiffDIS(get_card("diffdis"), weights, device, comparison.base, state=None)
            network.title = title or network.title
            if not dbia and not switch_off_dbia(network):
                continue
            if network.title in spreads:
                raise InputError(f"two networks titled {network.title!r}; give --weights TITLE=DIR")
            spreads[network.title] = []
            for i, spread in enumerate(measure_spreads(network, samples, comparison.seeds)):
                if i >= comparison.maps:
                    spread = replace(spread, mean=None, std=None)
                spreads[network.title].append(spread)
                if progress:
                    progress(i + 1, len(samples), network.title)
    return spreads


def switch_off_dbia(network: DiffDIS) -> bool:
    """Switch off a network's interactive attention for good; return False if it has no such attention."""
    block = network.checkpoint.unet.mid_block.attentions[0].transformer_blocks[0]
    if not isinstance(block, InteractiveBlock):
        return False
    block.attn3 = _Zero()
    network.title += ", DBIA off"
    return True


def measure_spreads(network: DiffDIS, samples: Sequence[Sample], seeds: int) -> Iterator[NoiseSpread]:
    """Measure each image over several noises, the first of which is the noise of a plain run."""
    for sample in samples:
        image, truth = data.read_pair(sample)
        x = network.prepare(image).to(network.device)[None]
        masks = torch.cat([network.one_pass(x, pass_seeds)[0] for pass_seeds in noise_seeds(x, seeds)]).cpu()
        truth = torch.from_numpy(resize(truth, tuple(masks.shape[1:])) / np.float32(255))
        std = masks.std(0)
        yield NoiseSpread(sample, masks.mean(0).numpy(), std.numpy(), measure_masks(masks, truth))


def measure_masks(masks: Tensor, truth: Tensor) -> dict[str, float]:
    """Compute MEASURES of masks (n, H, W) in [0, 1]; std_outline is NaN if the truth (H, W) has no outline."""
    std = masks.std(0)
    outline = data.edges(truth[None, None], OUTLINE)[0, 0] > 0.5
    foreground = (masks > 0.5).float().mean(0)  # share of the noises
    flipped = (foreground > 0) & (foreground < 1)
    values = std.mean(), std[outline].mean(), flipped.float().mean()
    return {key: value.item() for key, value in zip(MEASURES, values, strict=True)}


class _Zero(nn.Module):
    """Replaces an attention whose result is added; adds nothing."""

    def forward(self, x: Tensor, **unused: object) -> Tensor:
        return torch.zeros_like(x)
