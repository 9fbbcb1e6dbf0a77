"""The DiffDIS U-Net: the stock Stable Diffusion U-Net, denoising a mask and its edge map together.

Rows of a batch are [masks of all images, edges of all images]; the two halves meet in the mid block only.
Tensor names are those of the authors' checkpoint.
"""

import inspect
from dataclasses import asdict, dataclass
from typing import Literal

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from disbench.errors import InputError
from disbench.models._training.processes import BatchNorm

LATENT_CHANNELS = 4
SCALES = 4
"""Sizes at which the image conditions the U-Net: 1, 1/2, 1/4, 1/8."""


@dataclass(frozen=True)
class Parts:
    """What DiffDIS adds to a stock U-Net. The paper's ablations leave some of it out, tensors included.

    edge: an edge map is denoised beside the mask, told apart by the batch-discriminative embedding
    interaction: how they meet in the mid block, "mutual" attention as in DiffDIS (DBIA), "joint" attention to the keys
        and values of both (Table 5, after GeoWizard), or "none"
    injection: of the image at three more scales (SWCI)
    """

    edge: bool = True
    interaction: Literal["mutual", "joint", "none"] = "mutual"
    injection: bool = True

    def __post_init__(self):
        if self.interaction not in ("mutual", "joint", "none"):
            raise InputError(f"parts: unknown interaction {self.interaction!r}; known: mutual, joint, none")
        if not self.edge and self.interaction != "none":
            raise InputError(f"parts: without edge there is nothing to interact with; interaction {self.interaction!r}")


WHOLE = Parts()


class InteractiveBlock(BasicTransformerBlock):
    """Detail-balancing interactive attention (paper, section 4.2, equation 6), or, `joint`, its rival of Table 5."""

    def __init__(self, dim: int, heads: int, head_dim: int, text_dim: int, joint: bool):
        super().__init__(dim, heads, head_dim, cross_attention_dim=text_dim)
        self.joint = joint
        self.norm2_ = nn.LayerNorm(dim)
        self.attn3 = Attention(dim, cross_attention_dim=dim, heads=heads, dim_head=head_dim)

    def forward(self, x, attention_mask=None, encoder_hidden_states=None, *unused, **also_unused):
        x = x + self.attn1(self.norm1(x))
        # Swapped here rather than in an attention processor: diffusers lets anyone replace those.
        normed = self.norm2_(x)
        mask, edge = normed.chunk(2)
        other = torch.cat([mask, edge], dim=1).repeat(2, 1, 1) if self.joint else torch.cat([edge, mask])
        x = x + self.attn3(normed, encoder_hidden_states=other)
        x = x + self.attn2(self.norm2(x), encoder_hidden_states=encoder_hidden_states)
        return x + self.ff(self.norm3(x))


class DiffDISUNet(UNet2DConditionModel):
    """Built from a stock U-Net's config, of any width and depth; what DiffDIS changes in it is set here.

    The config may also say which of the `Parts` there are; `domains` is 2, or 1 without the edge. While it is trained,
    the injectors' batch norms take a batch's own statistics; the running ones, as at inference, if not
    `batch_statistics`.
    """

    batch_statistics = True

    def __init__(self, edge: bool = True, interaction: str = "mutual", injection: bool = True, **config):
        parts = Parts(edge, interaction, injection)
        labels = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 4}
        stock_labels = {"class_embed_type": None, "projection_class_embeddings_input_dim": None}
        super().__init__(**config | {"in_channels": 2 * LATENT_CHANNELS} | (labels if edge else stock_labels))
        self.register_to_config(**asdict(parts))
        self.domains = 2 if edge else 1
        if interaction != "none":
            blocks = self.mid_block.attentions[0].transformer_blocks
            stock = blocks[0]
            sizes = stock.dim, stock.num_attention_heads, stock.attention_head_dim, stock.cross_attention_dim
            blocks[0] = InteractiveBlock(*sizes, joint=interaction == "joint")
        widths = self.config.block_out_channels[: SCALES - 1] if injection else ()
        self.rgb_conv = nn.ModuleList(
            nn.Sequential(nn.Conv2d(LATENT_CHANNELS, c, 3, padding=1), BatchNorm(c), nn.GELU()) for c in widths
        )
        self.rgb_proj = nn.ModuleList(_zero_conv(c) for c in widths)
        self.rgb_proj1 = nn.ModuleList(_zero_conv(c) for c in widths)

    def train(self, mode: bool = True) -> "DiffDISUNet":
        super().train(mode)
        if not self.batch_statistics:
            self.rgb_conv.eval()
        return self

    def forward(
        self,
        noisy: Tensor,
        timestep: int | Tensor,
        conditions: tuple[Tensor, ...],
        text: Tensor,
        edge: bool = True,
        injections: list[tuple[Tensor, Tensor]] | None = None,
    ) -> Tensor:
        """Predict for noisy latents (2B, 4, h, w), without the edge (B, 4, h, w), h and w multiples of 8.

        `conditions` are the image's latents (B, 4, h/2^k, w/2^k), k = 0..3; `text` is one prompt's embedding for
        all rows, (L, C) or (1, L, C). Returns as many, or without `edge` the B mask rows alone: the same
        values for less work. `injections` are those of the conditions, for a caller that takes several steps.
        """
        rows = len(noisy)
        latent = conditions[0].repeat(self.domains, 1, 1, 1)
        if injections is None:
            injections = self.injections(conditions)
        if not isinstance(timestep, Tensor):  # made where it is used: no CUDA graph holds what comes from the CPU
            timestep = torch.full((1,), timestep, device=noisy.device)
        emb = self.time_embedding(self.get_time_embed(noisy, timestep))
        if self.domains == 2:
            emb = emb + self.class_embedding(domain_labels(rows // 2, noisy.device).to(noisy.dtype))
        text = text.expand(rows, -1, -1)

        x = self.conv_in(torch.cat([latent, noisy], dim=1))
        skips = [x]
        for level, block in enumerate(self.down_blocks):
            x, residuals = block(x, emb, **_text(block, text))
            skips += residuals
            if level < len(injections):
                skips[-1] = _inject(skips[-1], *injections[level])
        x = self.mid_block(x, emb, encoder_hidden_states=text)

        if self.domains == 2 and not edge:
            x, emb, text, *skips = (both.chunk(2)[0] for both in (x, emb, text, *skips))
        for block in self.up_blocks:
            count = len(block.resnets)
            x = block(x, tuple(skips[-count:]), emb, **_text(block, text))
            del skips[-count:]
        return self.conv_out(self.conv_act(self.conv_norm_out(x)))

    def injections(self, conditions: tuple[Tensor, ...]) -> list[tuple[Tensor, Tensor]]:
        """Scale-wise conditional injection (paper, section 4.3): in the authors' code FiLM on a skip, scale and shift.

        Both are (B, c, h, w); in training of all rows, so that the batch norm's running variance counts the rows as
        the authors' training does.
        """
        found = []
        injectors = zip(self.rgb_conv, self.rgb_proj, self.rgb_proj1, strict=True)
        # Not strict: without injection there are none.
        for latent, (convolve, scale, shift) in zip(conditions[1:], injectors, strict=False):
            feature = convolve(latent.repeat(self.domains, 1, 1, 1) if self.rgb_conv.training else latent)
            found.append((scale(feature), shift(feature)))
        return found


_stock, _own = (inspect.signature(kind.__init__) for kind in (UNet2DConditionModel, DiffDISUNet))
_own = [parameter for name, parameter in _own.parameters.items() if name in asdict(WHOLE)]
DiffDISUNet.__init__.__signature__ = _stock.replace(  # what from_config takes from a config
    parameters=[*_stock.parameters.values(), *_own]
)


def domain_labels(images: int, device: torch.device) -> Tensor:
    """The batch-discriminative labels (2 * images, 4) of section 4.2: the sines, then the cosines of two bits."""
    masks = (torch.arange(2 * images, device=device) < images).float()
    labels = torch.stack([1 - masks, masks], dim=1)
    return torch.cat([labels.sin(), labels.cos()], dim=1)


def _inject(skip: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    if len(scale) < len(skip):
        scale, shift = scale.repeat(2, 1, 1, 1), shift.repeat(2, 1, 1, 1)
    return skip * scale + shift + skip


def _zero_conv(channels: int) -> nn.Conv2d:
    conv = nn.Conv2d(channels, channels, 3, padding=1)
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    return conv


def _text(block: nn.Module, text: Tensor) -> dict[str, Tensor]:
    return {"encoder_hidden_states": text} if getattr(block, "has_cross_attention", False) else {}
