"""DiffDIS at the size of the paper: the networks of Stable Diffusion 2.1, without the released weights."""

from collections.abc import Callable

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from disbench.models.diffdis.checkpoint import Checkpoint
from disbench.models.diffdis.unet import DiffDISUNet

UNET = {
    "sample_size": 96,
    "out_channels": 4,
    "attention_head_dim": [5, 10, 20, 20],  # heads of each level, in spite of its name
    "block_out_channels": [320, 640, 1280, 1280],
    "cross_attention_dim": 1024,
    "use_linear_projection": True,
}
VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}
PROMPT = (1, 2, 1024)  # shape of the embedding of the empty prompt


def build_full_size(make_weight: Callable[[str, tuple[int, ...]], Tensor] | None = None) -> Checkpoint:
    """Build the networks.

    Args:
        make_weight: makes the float32 tensor of a name and a shape. None: all stay on the meta device, without values.
    """
    with torch.device("meta"):
        networks = {"unet": DiffDISUNet.from_config(UNET).eval(), "vae": AutoencoderKL(**VAE).eval()}
        text = torch.empty(PROMPT)
    if make_weight:
        for prefix, network in networks.items():
            state = {name: make_weight(f"{prefix}.{name}", tuple(x.shape)) for name, x in network.state_dict().items()}
            network.load_state_dict(state, assign=True)  # the counters of batch norms, too, which only training uses
        text = make_weight("text", PROMPT)
    return Checkpoint(networks["unet"], networks["vae"], text, "epsilon")
