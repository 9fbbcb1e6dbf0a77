"""How much of a mask the noise decides that it starts from: `disbench noise-spread` (paper, Figure 4).

The paper shows that predicting the edge as well, and letting both meet in the mid block, makes masks less a matter of
chance. Its three networks are three trainings; beside them, a network can be tested with that meeting switched off.
Then no row of the batch sees another, so its masks are those that it would give without the edge.
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

MEASURES = ("std", "std_outline", "flipped")
OUTLINE = 5  # pixels: width of the band around the truth's outline


@dataclass(frozen=True)
class Spread:
    """One image's masks over noises, at the network's working size.

    mean, std: float32 (H, W), of masks in [0, 1]; None where they were not to be kept
    values: std, its mean over the image; std_outline, over a band around the truth's outline; flipped, the share of
        pixels that are not on the same side of 1/2 for all noises
    """

    sample: Sample
    mean: np.ndarray | None
    std: np.ndarray | None
    values: dict[str, float]


def compare(
    several: Sequence[tuple[str, str | None]],
    samples: Sequence[Sample],
    seeds: int,
    device: str | None,
    base: str,
    without_dbia: bool = False,
    maps: int = 0,
    progress=None,
) -> dict[str, list[Spread]]:
    """By title of a network: of all samples, with maps of the first so many.

    `several` are titles, or "" for the network's own, and weights. With `without_dbia` also of each network that has
    DBIA with it switched off.
    """
    found: dict[str, list[Spread]] = {}
    for title, weights in several:
        for dbia in (True, False) if without_dbia else (True,):
            one = DiffDIS(get_card("diffdis"), weights, device, base)
            one.title = title or one.title
            if not dbia and not switch_off(one):
                continue
            if one.title in found:
                raise InputError(f"two networks titled {one.title!r}; give --weights TITLE=DIR")
            found[one.title] = []
            for i, spread in enumerate(spreads(one, samples, seeds)):
                found[one.title].append(spread if i < maps else replace(spread, mean=None, std=None))
                if progress:
                    progress(i + 1, len(samples), one.title)
    return found


def switch_off(network: DiffDIS) -> bool:
    """Its interactive attention, for good; False where it was trained without."""
    block = network.unet.mid_block.attentions[0].transformer_blocks[0]
    if not isinstance(block, InteractiveBlock):
        return False
    block.attn3 = _Nothing()
    network.title += ", DBIA off"
    return True


def spreads(network: DiffDIS, samples: Sequence[Sample], seeds: int) -> Iterator[Spread]:
    """Of each image, over so many noises; the first is the one of a plain run."""
    for sample in samples:
        image, truth = data.read(sample)
        x = network.prepare(image).to(network.device)[None]
        masks = torch.cat([network.one_pass(x, of)[0] for of in noise_seeds(x, seeds)]).cpu()
        truth = torch.from_numpy(resize(truth, tuple(masks.shape[1:])) / np.float32(255))
        std = masks.std(0)
        yield Spread(sample, masks.mean(0).numpy(), std.numpy(), measures(masks, truth))


def measures(masks: Tensor, truth: Tensor) -> dict[str, float]:
    """MEASURES of masks (n, H, W) and their truth (H, W), all in [0, 1]; no outline: NaN there."""
    std = masks.std(0)
    outline = data.edges(truth[None, None], OUTLINE)[0, 0] > 0.5
    above = (masks > 0.5).float().mean(0)
    values = std.mean(), std[outline].mean(), ((above > 0) & (above < 1)).float().mean()
    return {key: value.item() for key, value in zip(MEASURES, values, strict=True)}


class _Nothing(nn.Module):
    """In place of an attention whose result is added: adds nothing."""

    def forward(self, x: Tensor, **unused) -> Tensor:
        return torch.zeros_like(x)
