"""DiffDIS at full size, run as disbench does and as the authors' pipeline does.

Counts floating-point operations without computing anything (a multiplication and an addition count as two), then times
both on the CPU in turn, with random weights, which cost the same. The authors run mask and edge rows through the whole
U-Net and the injections for every row, and decode both in three channels.

    python benchmarks/diffdis.py [--size 1024] [--time-at 256] [--narrow 1] [--runs 3] [--threads 1]
"""

import argparse
import json
import statistics
from pathlib import Path

import torch
from clock import seconds
from diffusers import AutoencoderKL
from torch.utils.flop_counter import FlopCounterMode

from disbench.models.diffdis import conditioning, pipeline
from disbench.models.diffdis.checkpoint import Checkpoint
from disbench.models.diffdis.unet import DiffDISUNet

CONFIGS = Path(__file__).parents[1] / "tests" / "goldens" / "diffdis"
VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}


@torch.inference_mode()
def official(unet, vae, text, image, noise):
    """Run the authors' single_infer: mask and edge, mean of three channels."""
    scales = [latent.repeat(2, 1, 1, 1) for latent in conditioning.conditions(vae, image)]
    x_t = noise.repeat(2, 1, 1, 1)
    injections = unet.injections(scales)
    output = unet(x_t, pipeline.LAST, [scale[: len(noise)] for scale in scales], text, injections=injections)
    latents = pipeline.x0(output, x_t, pipeline.LAST, pipeline.alphas_cumprod(), "epsilon")
    return conditioning.decode(vae, latents)[: len(noise)]


def ours(unet, vae, text, image, noise):
    return pipeline.segment(Checkpoint(unet, vae, text, "epsilon"), image, noise)[0]


def build(device: str, narrow: int = 1):
    """Build U-Net, VAE, VAE with its last convolution folded, and the prompt's embedding.

    narrow: divisor of the channels of every layer.
    """
    full = json.loads((CONFIGS / "configs.json").read_text())["FULL"]
    unet_config, vae_config = (
        config | {"block_out_channels": [width // narrow for width in config["block_out_channels"]]}
        for config in (full, VAE)
    )
    with torch.device(device):
        unet = DiffDISUNet.from_config(unet_config).eval()
        whole, folded = AutoencoderKL(**vae_config).eval(), AutoencoderKL(**vae_config).eval()
        if device != "meta":
            folded.load_state_dict(whole.state_dict())
        conditioning.fold_mean(folded)
        return unet, whole, folded, torch.zeros(1, 2, 1024)


def inputs(size: int, device: str):
    image = torch.zeros(1, 3, size, size, device=device).uniform_(-1, 1)
    noise = torch.zeros(1, 4, size // 8, size // 8, device=device).normal_()
    return image, noise


def flops(function, *args) -> float:
    with FlopCounterMode(display=False) as counter:
        function(*args)
    return counter.get_total_flops() / 1e12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024, help="pixels at which operations are counted")
    parser.add_argument("--time-at", type=int, default=256, help="pixels at which both are timed; 0: not timed")
    parser.add_argument("--narrow", type=int, default=1, help="divisor of the channels, for a machine with less memory")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    unet, whole, folded, text = build("meta", options.narrow)
    image, noise = inputs(options.size, "meta")
    theirs = flops(official, unet, whole, text, image, noise)
    mine = flops(ours, unet, folded, text, image, noise)
    print(f"{options.size} pixels: {theirs:.2f} TFLOP as the authors, {mine:.2f} here, {1 - mine / theirs:.0%} fewer")
    if not options.time_at:
        return
    torch.manual_seed(0)
    unet, whole, folded, text = build("cpu", options.narrow)
    image, noise = inputs(options.time_at, "cpu")
    masks = {}
    times = [
        (
            seconds(lambda: masks.update(theirs=official(unet, whole, text, image, noise))),
            seconds(lambda: masks.update(mine=ours(unet, folded, text, image, noise))),
        )
        for _ in range(options.runs)
    ]
    ratios = sorted(a / b for a, b in times)
    slow, fast = (statistics.median(column) for column in zip(*times, strict=True))
    width = f", 1/{options.narrow} of the channels" if options.narrow > 1 else ""
    print(
        f"{options.time_at} pixels on the CPU{width}: {slow:.2f} s as the authors, {fast:.2f} s here, ratio",
        f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f}), greatest difference",
        f"{(masks['theirs'] - masks['mine']).abs().max():.0e}",
    )


if __name__ == "__main__":
    main()
