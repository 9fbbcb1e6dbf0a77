"""The DiffDIS U-Net: the stock Stable Diffusion U-Net, denoising a mask and its edge map together.

Rows of a batch are [masks of all images, edges of all images]; the two halves meet in the mid block only.
Tensor names are those of the authors' checkpoint.
"""

import inspect
from dataclasses import asdict, dataclass
from typing import Any, Literal

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
    """The parts that DiffDIS adds to a stock U-Net. The paper's ablations omit some of it, tensors included.

    Attributes:
        edge: whether an edge map is denoised together with the mask. The batch-discriminative embedding distinguishes
            the two.
        interaction: how the two meet in the mid block: "mutual" attention as in DiffDIS (DBIA), "joint" attention to
            the keys and values of both (Table 5, after GeoWizard), or "none".
        injection: whether the image is injected at three more scales (SWCI).
    """

    edge: bool = True
    interaction: Literal["mutual", "joint", "none"] = "mutual"
    injection: bool = True

    def __post_init__(self) -> None:
        if self.interaction not in ("mutual", "joint", "none"):
            raise InputError(f"parts: unknown interaction {self.interaction!r}; known: mutual, joint, none")
        if not self.edge and self.interaction != "none":
            raise InputError(f"parts: interaction {self.interaction!r} needs edge; there is nothing to interact with")


WHOLE = Parts()


class InteractiveBlock(BasicTransformerBlock):
    """Detail-balancing interactive attention (paper, section 4.2, equation 6), or the joint attention of Table 5."""

    def __init__(self, dim: int, heads: int, head_dim: int, text_dim: int, *, joint: bool):
        """Build a block of the width and heads of the stock block that it replaces."""
        super().__init__(dim, heads, head_dim, cross_attention_dim=text_dim)
        self.joint = joint
        self.norm2_ = nn.LayerNorm(dim)
        self.attn3 = Attention(dim, cross_attention_dim=dim, heads=heads, dim_head=head_dim)

    def forward(
        self,
        x: Tensor,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        *unused: object,
        **unused_options: object,
    ) -> Tensor:
        """Attend to itself, to the other half of the batch and to the text: (2b, n, dim) -> (2b, n, dim)."""
        x = x + self.attn1(self.norm1(x))
        # Swapped here rather than in an attention processor, since diffusers lets callers replace those.
        normed = self.norm2_(x)
        mask, edge = normed.chunk(2)
        other = torch.cat([mask, edge], dim=1).repeat(2, 1, 1) if self.joint else torch.cat([edge, mask])
        x = x + self.attn3(normed, encoder_hidden_states=other)
        x = x + self.attn2(self.norm2(x), encoder_hidden_states=encoder_hidden_states)
        return x + self.ff(self.norm3(x))


class DiffDISUNet(UNet2DConditionModel):
    """The U-Net of DiffDIS, built from a stock U-Net's config of any width and depth.

    The config may also have the fields of `Parts`.

    Attributes:
        domains: 2, or 1 without the edge.
        batch_statistics: whether the injectors' batch norms use a batch's statistics in training. If not, they use the
            running ones, as at inference.
    """

    batch_statistics = True

    def __init__(self, edge: bool = True, interaction: str = "mutual", injection: bool = True, **config: Any):
        """Build a U-Net; `config` is that of a stock UNet2DConditionModel."""
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
        """Set training mode, except for the injectors if they train with running statistics."""
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
        """Predict noise, velocity or clean latents for noisy latents.

        Args:
            noisy: (2b, 4, h, w), without the edge (b, 4, h, w); h and w are multiples of 8.
            timestep: one timestep, or one per row.
            conditions: latents of the image, (b, 4, h/2^k, w/2^k) for k = 0..3.
            text: embedding of one prompt for all rows, (L, C) or (1, L, C).
            edge: whether to predict the edge rows. The mask rows have the same values without them, for less work.
            injections: result of `injections`, for a caller that takes several steps.

        Returns:
            Predictions of the shape of `noisy`, or its first b rows without `edge`.
        """
        rows = len(noisy)
        latent = conditions[0].repeat(self.domains, 1, 1, 1)
        if injections is None:
            injections = self.injections(conditions)
        if not isinstance(timestep, Tensor):  # made on the device, since a CUDA graph cannot copy from the CPU
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
        """Compute the scale-wise conditional injection (paper, section 4.3), in the authors' code FiLM on a skip.

        Returns scale and shift of each level, both (b, c, h, w). In training there is a row for each row of the batch,
        so that the batch norm's running variance counts the rows as the authors' training does.
        """
        injections = []
        injectors = zip(self.rgb_conv, self.rgb_proj, self.rgb_proj1, strict=True)
        # Not strict: without injection the batch norms are missing.
        for latent, (convolve, scale, shift) in zip(conditions[1:], injectors, strict=False):
            feature = convolve(latent.repeat(self.domains, 1, 1, 1) if self.rgb_conv.training else latent)
            injections.append((scale(feature), shift(feature)))
        return injections


# from_config takes from a config what the signature of __init__ names.
_stock_signature, _signature = (inspect.signature(kind.__init__) for kind in (UNet2DConditionModel, DiffDISUNet))
_part_parameters = [parameter for name, parameter in _signature.parameters.items() if name in asdict(WHOLE)]
DiffDISUNet.__init__.__signature__ = _stock_signature.replace(
    parameters=[*_stock_signature.parameters.values(), *_part_parameters]
)


def domain_labels(images: int, device: torch.device) -> Tensor:
    """Compute the batch-discriminative labels (2 * images, 4) of section 4.2: sines, then cosines of two bits."""
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
