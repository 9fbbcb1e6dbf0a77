"""Let a network copy less, for inference: sums in place, and on CUDA the layout and precision of tensors kept.

On the CPU, norms of channels-last tensors are accurate, as torch's are only of others.

On CUDA torch's GroupNorm computes channels first: a channels-last tensor is copied before it, and once more before the
next convolution. Autocast also copies what it normalises to float32, and the result back.
"""

from functools import partial

import torch
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts.group_norm import GroupNorm


class InPlaceBlock(ResnetBlock2D):
    """A block of a U-Net or VAE that overwrites what it no longer needs, and has no division by 1."""

    def forward(self, x: Tensor, temb: Tensor | None = None) -> Tensor:
        """Compute (b, c', h, w) from (b, c, h, w)."""
        hidden = self.conv1(self._activate(self.norm1, x))
        if self.time_emb_proj is not None:
            temb = self.time_emb_proj(self.nonlinearity(temb))[:, :, None, None]
        if temb is not None:  # as LawDIS gives it to blocks without a projection
            hidden += temb
        hidden = self.conv2(self._activate(self.norm2, hidden))
        return hidden.add_(x if self.conv_shortcut is None else self.conv_shortcut(x))

    def _activate(self, norm: GroupNorm, x: Tensor) -> Tensor:
        return norm.activate(x) if isinstance(self.nonlinearity, nn.SiLU) else self.nonlinearity(norm(x))


def compute_in_place(network: nn.Module) -> None:
    """Let activations and sums overwrite what a U-Net or VAE no longer needs, in place, and norms be accurate."""
    for layer in network.modules():
        if type(layer) is ResnetBlock2D and _is_plain(layer):
            layer.__class__ = InPlaceBlock
        elif type(layer) is nn.GroupNorm:
            layer.__class__ = GroupNorm
        elif isinstance(getattr(layer, "conv_act", None), nn.SiLU):
            layer.conv_act = nn.SiLU(inplace=True)


def _is_plain(block: ResnetBlock2D) -> bool:
    """Return whether a block is as in Stable Diffusion; configs of diffusers allow more."""
    resizes = block.upsample is not None or block.downsample is not None
    # "group" is the decoder's word for its norms. A block without a time then computes as the default does.
    norms = {"default"} if block.time_emb_proj is not None else {"default", "group"}
    usual_time = block.time_embedding_norm in norms and not block.skip_time_act
    return block.output_scale_factor == 1 and usual_time and not resizes


def keep_layouts(network: nn.Module, *, half: bool) -> None:
    """Let norms and transformers keep channels-last tensors. Results differ by rounding only.

    Args:
        network: U-Net or VAE, without gradients.
        half: whether it computes in half precision. Statistics of norms are in float32 even so.
    """
    for layer in network.modules():
        if isinstance(layer, nn.GroupNorm):
            layer.forward = partial(_normalise_groups, layer)
        elif isinstance(layer, nn.LayerNorm) and half:
            layer.half().forward = partial(_normalise_rows, layer)
        elif isinstance(layer, Transformer2DModel) and layer.use_linear_projection:
            layer._get_output_for_continuous_inputs = partial(_project, layer)


def _normalise_groups(norm: nn.GroupNorm, x: Tensor) -> Tensor:
    """Normalise (b, c, ...) in its layout and precision."""
    groups = (norm.num_groups, -1)
    with torch.autocast(x.device.type, enabled=False):
        mean, variance = _moments(x, groups)
        scale = norm.weight.unflatten(0, groups) * (variance + norm.eps).rsqrt()
        shift = torch.addcmul(norm.bias.unflatten(0, groups), mean, scale, value=-1)
        scale, shift = (values.reshape(*x.shape[:2], *(1,) * (x.ndim - 2)) for values in (scale, shift))
        if torch.compiler.is_compiling():  # the compiler takes no `out` with channels last, and needs none
            return torch.addcmul(shift, x, scale).to(x.dtype)
        return torch.addcmul(shift, x, scale, out=torch.empty_like(x))


def _moments(x: Tensor, groups: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return mean and variance of groups of the channels of (b, c, ...), both (b, groups, 1) float32.

    Those of channels come first, since a group is no piece of memory where channels are last.
    """
    dims = tuple(range(2, x.ndim))
    if x.dtype == torch.float32:
        variances, means = (values.unflatten(1, groups) for values in torch.var_mean(x, dims, correction=0))
        return means.mean(2, True), variances.mean(2, True) + means.var(2, correction=0, keepdim=True)
    # Without a copy of x in float32. The error of the difference is less than that of x by its rounding.
    mean = x.mean(dims, dtype=torch.float32).unflatten(1, groups).mean(2, True)
    norms = torch.linalg.vector_norm(x, dim=dims, dtype=torch.float32).unflatten(1, groups)
    power = torch.linalg.vector_norm(norms, dim=2, keepdim=True).square() * (groups[0] / x[0].numel())
    return mean, torch.addcmul(power, mean, mean, value=-1).clamp_min(0)


def _normalise_rows(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """Normalise (b, n, c) in half precision; torch computes its statistics in float32."""
    with torch.autocast(x.device.type, enabled=False):
        return functional.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


def _project(layer: Transformer2DModel, hidden_states: Tensor, residual: Tensor, **_: int) -> Tensor:
    """Project (b, h * w, c) and add it to the input of the transformer, (b, c, h, w)."""
    return layer.proj_out(hidden_states).mT.unflatten(2, residual.shape[2:]) + residual
