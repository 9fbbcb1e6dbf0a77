"""LawDIS (Yan et al., ICCV 2025): Stable Diffusion 2's networks in one step, led by a prompt or by an earlier map.

The macro mode starts from noise and a prompt, the micro mode from the latent of an earlier map and the empty prompt.
The decoder gets the features of the image's encoder, and answers with the map's logits.
"""

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from disbench.models.diffdis.conditioning import factor
from disbench.models.genpercept import network as genpercept

# Configurations at the authors' size, as far as they differ from the libraries' defaults.
UNET = genpercept.UNET | {"in_channels": 8, "class_embed_type": "projection"}
UNET["projection_class_embeddings_input_dim"] = 4
VAE = genpercept.VAE | {"out_channels": 1}
TEXT = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16}
TEXT["hidden_act"] = "gelu"

SCALE = 0.18215  # of latents, whatever the VAE's configuration says
TOKENS = 77
MACRO, MICRO = (0.0, 1.0), (1.0, 0.0)  # positions of the switch between the modes


class FusingVAE(AutoencoderKL):
    """Stable Diffusion's VAE with a convolution before each of the decoder's up blocks, for the encoder's features."""

    def __init__(self, **config: Any):
        """Build a VAE; `config` is that of AutoencoderKL."""
        super().__init__(**config)
        widths = self.config.block_out_channels
        features = [widths[0], *widths[:-1]]  # channels that enter each down block
        entering = [widths[-1], *widths[:0:-1]]  # and each up block
        self.decoder.conv_fuse_up = nn.ModuleList(
            nn.Conv2d(channels + feature, channels, 3, padding=1)
            for channels, feature in zip(entering, reversed(features), strict=True)
        )

    def encode_image(self, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Encode (b, 3, H, W) in [-1, 1].

        Returns:
            The latent (b, 4, h, w), which is the posterior's mean; and the features that enter each down block and
            leave the last, from fine to coarse.
        """
        encoder = self.encoder
        x, features = encoder.conv_in(pixels), []
        for block in encoder.down_blocks:
            features.append(x)
            x = block(x)
        features.append(x)
        x = encoder.conv_out(encoder.conv_act(encoder.conv_norm_out(encoder.mid_block(x))))
        return self.quant_conv(x).chunk(2, dim=1)[0] * SCALE, features

    def decode_map(self, latent: Tensor, features: list[Tensor]) -> Tensor:
        """Decode (b, 4, h, w) and the features of an image to the logits (b, H, W)."""
        decoder, (*sides, last) = self.decoder, features
        x = decoder.conv_in(self.post_quant_conv(latent / SCALE))
        # In the place of a time embedding, which diffusers adds after each first convolution, without a projection.
        x = decoder.mid_block(x, last)
        for block, fuse, side in zip(decoder.up_blocks, decoder.conv_fuse_up, reversed(sides), strict=True):
            x = block(x + fuse(torch.cat((x, side), dim=1)))
        return decoder.conv_out(decoder.conv_act(decoder.conv_norm_out(x)))[:, 0]


# diffusers reads the names of a configuration's values from here.
FusingVAE.__init__.__signature__ = inspect.signature(AutoencoderKL.__init__)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Networks:
    """The parts of LawDIS.

    Attributes:
        unet: takes the latents of the image and of the noise or the earlier map.
        vae: the VAE.
        scheduler: set to one step.
        text: text encoder; None for untrained networks, for which all prompts are 0.
        tokenizer: of the text encoder.
    """

    unet: UNet2DConditionModel
    vae: FusingVAE
    scheduler: DDIMScheduler
    text: CLIPTextModel | None = None
    tokenizer: CLIPTokenizer | None = None

    def split_prompt(self, prompt: str) -> Tensor:
        """Split a prompt into tokens, int64 (77,): cut off or padded."""
        if self.tokenizer is None:
            return torch.zeros(TOKENS, dtype=torch.int64)
        padding = {"padding": "max_length", "max_length": TOKENS, "truncation": True}
        return self.tokenizer(prompt, **padding, return_tensors="pt").input_ids[0]

    def embed(self, tokens: Tensor) -> Tensor:
        """Embed tokens: (b, 77) -> (b, 77, C)."""
        if self.text is None:
            return torch.zeros(*tokens.shape, self.unet.config.cross_attention_dim, device=tokens.device)
        return self.text(tokens).last_hidden_state

    def draw_noise(self, seed: int, size: int) -> Tensor:
        """Draw the noise (1, 4, h, w) that images of `size` pixels a side start from."""
        side = size // factor(self.vae)
        return torch.randn((1, 4, side, side), generator=torch.Generator().manual_seed(seed))

    def segment(self, image: Tensor, noise: Tensor, text: Tensor) -> Tensor:
        """Predict maps in the macro mode.

        Args:
            image: (b, 3, H, W) in [-1, 1].
            noise: (b, 4, h, w), of deviation 1.
            text: Embeddings of prompts (b, 77, C).

        Returns:
            Logits (b, H, W).
        """
        return self.vae.decode_map(*self.take_step(image, noise, text, _repeat(MACRO, image)))

    def refine(self, image: Tensor, earlier: Tensor, text: Tensor) -> Tensor:
        """Predict maps in the micro mode.

        Args:
            image: (b, 3, H, W) in [-1, 1].
            earlier: Maps (b, 1, H, W) in [-1, 1].
            text: Embeddings of the empty prompt (b, 77, C).

        Returns:
            Logits (b, H, W).
        """
        start, _ = self.vae.encode_image(earlier.expand(-1, 3, -1, -1))
        return self.vae.decode_map(*self.take_step(image, start, text, _repeat(MICRO, image)))

    def take_step(self, image: Tensor, start: Tensor, text: Tensor, modes: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Take the step from a latent.

        Args:
            image: (b, 3, H, W) in [-1, 1].
            start: Latent of the noise or of earlier maps (b, 4, h, w).
            text: Embeddings of prompts (b, 77, C).
            modes: MACRO or MICRO (1 or b, 2).

        Returns:
            The latent of the map, and the features of the image: what `decode_map` takes.
        """
        latent, features = self.vae.encode_image(image)
        [step] = self.scheduler.timesteps
        both = torch.cat((latent, start), dim=1)
        output = self.unet(both, step, encoder_hidden_states=text, class_labels=embed_modes(modes)).sample
        return self.scheduler.step(output, step, start).prev_sample, features


def embed_modes(modes: Tensor) -> Tensor:
    """Embed MACRO or MICRO (b, 2) as the U-Net takes it: (b, 4)."""
    return torch.cat((modes.sin(), modes.cos()), dim=-1)


def _repeat(mode: tuple[float, float], like: Tensor) -> Tensor:
    return torch.tensor([mode], device=like.device)
