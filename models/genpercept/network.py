"""GenPercept (Xu et al., ICLR 2025): Stable Diffusion 2.1's own networks, one step, no noise.

The U-Net takes the image's latent in the noise's place at t = 1, and the answer's latent is minus what it predicts: in
the paper's terms beta is 1 throughout, so that v-prediction leaves -v.
"""

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor

from disbench.models.diffdis.conditioning import encode

# Stable Diffusion 2.1's, where they are not diffusers' defaults.
UNET = {"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True}
VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
}


@dataclass(frozen=True)
class Networks:
    """`text` is the empty prompt's embedding, (1, L, C)."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text: Tensor

    def __call__(self, image: Tensor) -> Tensor:
        """(b, 3, H, W) in [-1, 1] -> the answer's pixels (b, 3, H', W'), about in [-1, 1], sides rounded down to 8."""
        latent = encode(self.vae, image)
        steps = torch.ones(len(latent), dtype=torch.long, device=latent.device)
        answer = -self.unet(latent, steps, encoder_hidden_states=self.text.expand(len(latent), -1, -1)).sample
        return self.vae.decode(answer / self.vae.config.scaling_factor).sample
