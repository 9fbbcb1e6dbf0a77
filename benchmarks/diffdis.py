"""DiffDIS at full size, run as disbench does and as the authors' pipeline does.

Counts floating-point operations without computing anything (a multiplication and an addition count as two), then times
both on the CPU in turn, with random weights, which cost the same. The authors run mask and edge rows through the whole
U-Net and the injections for every row, and decode both in three channels.

    python benchmarks/diffdis.py [--size 1024] [--time-at 256] [--narrow 1] [--runs 3] [--threads 1]

With --count it counts what a pass makes a GPU do, in torch's layers and in those that disbench puts in their place on
CUDA, and the least time that this takes by the data sheet of a GPU. Nothing is measured, and no GPU is needed:

    python benchmarks/diffdis.py --count [--size 1024] [--batch 1]
"""

import argparse
import statistics

import torch
from clock import seconds
from diffusers import AutoencoderKL
from operators import count_work

from disbench.models.diffdis import conditioning, full_size, pipeline
from disbench.models.diffdis.checkpoint import Checkpoint
from disbench.models.diffdis.layouts import compute_in_place, keep_layouts
from disbench.models.diffdis.unet import DiffDISUNet

# An H100 SXM by its data sheet: dense operations per second in half precision, and bytes per second of its memory.
H100 = (989e12, 3.35e12)


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
    unet_config, vae_config = (
        config | {"block_out_channels": [width // narrow for width in config["block_out_channels"]]}
        for config in (full_size.UNET, full_size.VAE)
    )
    with torch.device(device):
        unet = DiffDISUNet.from_config(unet_config).eval()
        whole, folded = AutoencoderKL(**vae_config).eval(), AutoencoderKL(**vae_config).eval()
        if device != "meta":
            folded.load_state_dict(whole.state_dict())
        conditioning.fold_mean(folded)
        return unet, whole, folded, torch.zeros(1, 2, 1024)


def inputs(size: int, device: str, batch: int = 1):
    image = torch.zeros(batch, 3, size, size, device=device).uniform_(-1, 1)
    noise = torch.zeros(batch, 4, size // 8, size // 8, device=device).normal_()
    return image, noise


def count(size: int, batch: int) -> None:
    """Print what one pass makes a GPU do: its launches, and the bytes that it moves and only copies."""
    print(f"{batch} x {size} pixels, mask only   launches     moved   layouts   dtypes  attention by flash kernels")
    for precision in ("fp32", "fp16"):
        for layers in ("torch's", "disbench's"):
            checkpoint = full_size.build_full_size()
            networks, half = (checkpoint.unet, checkpoint.vae), precision == "fp16"
            with torch.device("meta"):
                conditioning.fold_mean(checkpoint.vae)
            lowered = pipeline.Sampling(dtype=torch.float16, decoder=torch.bfloat16)
            sampling = lowered if half else pipeline.Sampling()
            pipeline.lower_weights(checkpoint, sampling)
            for network in networks:
                network.to(memory_format=torch.channels_last)
                if layers == "disbench's":
                    compute_in_place(network)
                    keep_layouts(network, half=half)
            arguments = inputs(size, "meta", batch)
            work = count_work(
                lambda: pipeline.segment(checkpoint, *arguments, sampling),  # noqa: B023
                [weight for network in networks for weight in network.parameters()],
            )
            moved, layouts, dtypes = (f"{x / 1e9:6.1f} GB" for x in (work.moved, work.layouts, work.precisions))
            others = ", ".join(f"{number} not ({why})" for why, number in work.attention.items() if why != "flash")
            name = f"{precision}, {layers} layers"
            print(f"{name:26} {work.launches:8} {moved} {layouts} {dtypes}  {work.attention['flash']}, {others}")
            assert not work.weights and not work.uploads
    speed, bandwidth = H100
    print(
        f"{work.flops / 1e12:.2f} TFLOP. By arithmetic, not measured: an H100 takes at least "
        f"{1000 * work.flops / speed:.1f} ms for them in fp16, and {1000 * work.moved / bandwidth:.1f} ms to move the "
        "bytes of the last line, of which a compiler can save some"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024, help="pixels at which operations are counted")
    parser.add_argument("--time-at", type=int, default=256, help="pixels at which both are timed; 0: not timed")
    parser.add_argument("--narrow", type=int, default=1, help="divisor of the channels, for a machine with less memory")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--count", action="store_true", help="count the work of a GPU, and stop")
    parser.add_argument("--batch", type=int, default=1, help="images at which --count counts")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.count:
        count(options.size, options.batch)
        return

    unet, whole, folded, text = build("meta", options.narrow)
    conditioning.fold_upsampling(folded)  # as on CPUs; the U-Net, which both share, keeps its layers
    image, noise = inputs(options.size, "meta")
    theirs = count_work(lambda: official(unet, whole, text, image, noise)).flops / 1e12
    mine = count_work(lambda: ours(unet, folded, text, image, noise)).flops / 1e12
    print(f"{options.size} pixels: {theirs:.2f} TFLOP as the authors, {mine:.2f} here, {1 - mine / theirs:.0%} fewer")
    if not options.time_at:
        return
    torch.manual_seed(0)
    unet, whole, folded, text = build("cpu", options.narrow)
    conditioning.fold_upsampling(folded)
    compute_in_place(folded)
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
