"""GenPercept against version 1 of its authors' pipeline, with the same random networks: CPU time of one thread.

    git clone https://github.com/aim-uofa/GenPercept
    python benchmarks/genpercept.py GenPercept [--time-at 256] [--narrow 2] [--runs 3]

Both run diffusers' U-Net and VAE. disbench lays pixels out with channels last, and folds the VAE's upsamplings.
"""

import argparse
import statistics
import sys
from copy import deepcopy
from pathlib import Path

import torch
from clock import seconds
from diffusers import AutoencoderKL, UNet2DConditionModel

from disbench.models.genpercept import predictor
from disbench.models.genpercept.network import UNET, VAE, Networks
from disbench.registry.loading import get_card

WIDTHS = (320, 640, 1280, 1280)  # of the U-Net


def build(narrow: int) -> Networks:
    """Build the networks; narrow: divisor of the channels of every layer."""
    torch.manual_seed(0)
    vae = VAE | {"block_out_channels": [width // narrow for width in VAE["block_out_channels"]]}
    unet = UNET | {"block_out_channels": [width // narrow for width in WIDTHS]}
    return Networks(UNet2DConditionModel(**unet).eval(), AutoencoderKL(**vae).eval(), torch.zeros(1, 2, 1024))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path, help="the authors' repository")
    parser.add_argument("--time-at", type=int, default=256, help="pixels at which both are timed")
    parser.add_argument("--narrow", type=int, default=2, help="divisor of the channels, for less memory")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sys.path.insert(0, str(options.checkout / "GenPercept_v1"))
    from genpercept.pipeline_genpercept import GenPerceptPipeline  # the folder, not this file, which is behind it

    networks = build(options.narrow)
    theirs = GenPerceptPipeline(
        unet=deepcopy(networks.unet), vae=deepcopy(networks.vae), empty_text_embed=networks.text
    )
    predictor.build_untrained = lambda: networks
    ours = predictor.Predictor(get_card("genpercept"), "untrained", "cpu")
    image = torch.rand(1, 3, options.time_at, options.time_at) * 2 - 1
    functions = [
        ours.infer,
        # Version 2, as which disbench runs untrained networks, takes the mean of the channels.
        lambda image: (theirs.single_infer(image, mode="depth")[:, 0] + 1) / 2,
    ]
    outputs = [function(image) for function in functions]  # also warms up
    times = [[seconds(function, image) for function in functions] for _ in range(options.runs)]
    ratios = sorted(theirs / mine for mine, theirs in times)
    print(
        f"genpercept, 1/{options.narrow} of the channels, {options.time_at} px: "
        f"{statistics.median(mine for mine, _ in times):.2f} s, authors' code takes {statistics.median(ratios):.2f} "
        f"times ours ({ratios[0]:.2f}-{ratios[-1]:.2f}), maps differ by {(outputs[0] - outputs[1]).abs().max():.0e}"
    )


if __name__ == "__main__":
    main()
