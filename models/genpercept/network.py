"""GenPercept (Xu et al., ICLR 2025): Stable Diffusion 2.1's networks in one step, without noise.

The U-Net takes the image's latent in place of the noise at t = 1, and minus its output is the latent of the map. In the
paper's terms beta is 1 throughout, so v-prediction leaves -v.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor

from disbench.models.diffdis.conditioning import encode

# Stable Diffusion 2.1's configurations, as far as they differ from diffusers' defaults.
UNET = {"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True}
VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
}


@dataclass(frozen=True)
class Networks:
    """The networks, with the settings that running them needs.

    Attributes:
        unet: The U-Net.
        vae: The autoencoder between pixels and latents.
        text: The empty prompt's embedding (1, L, C).
        state: Name of the U-Net's state dict in its file; "" if the file has only one version of it.
        files: Files that U-Net and VAE were read from; () where they are not known.
    """

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text: Tensor
    state: str = ""
    files: tuple[Path, ...] = ()

    def __call__(self, image: Tensor) -> Tensor:
        """Predict the map's pixels.

        (b, 3, H, W) in [-1, 1] -> (b, 3, H', W'), about in [-1, 1], with sides rounded down to multiples of 8.
        """
        latent = encode(self.vae, image)
        steps = torch.ones(len(latent), dtype=torch.long, device=latent.device)
        predicted = -self.unet(latent, steps, encoder_hidden_states=self.text.expand(len(latent), -1, -1)).sample
        return self.vae.decode(predicted / self.vae.config.scaling_factor).sample
