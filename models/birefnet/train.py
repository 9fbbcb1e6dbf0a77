"""BiRefNet's training (Zheng et al., CAAI AIR 2024), with the loss of the authors' code, unchanged since June 2024.

Four maps, three at the sides of the decoder and the last, are resized to the ground truth. Their loss is 30 times
binary cross entropy, half of 1 - IoU, summed over the batch, and 5 times 1 - SSIM. Three levels also predict the
image's gradients. Their loss is binary cross entropy to the Laplacian of the image times the level's map, and gradients
flow into that label. The authors' last epochs, without cross entropy and with less and less IoU, are omitted. The
authors start from a Swin trained on ImageNet.
"""

import math
import re

import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts import swin
from disbench.models._training import supervised
from disbench.models._training.losses import ssim
from disbench.models.birefnet.layers import resize_like
from disbench.models.birefnet.network import BiRefNet, detect_swin
from disbench.models.birefnet.predictor import DEVIATION, MEAN

LEVELS = (4, 3, 2)
PATCH_READER = re.compile(r"decoder\.ipt_blk\d\.conv1\.weight")


class Training(supervised.Training):
    """BiRefNet's network and loss."""

    stages = ("birefnet",)
    multiple = 32
    swin = "large"

    def network(self, stage: str, size: int) -> nn.Module:
        """Build the untrained network."""
        return BiRefNet(self.swin)

    def choose(self, state: dict[str, Tensor]) -> None:
        """Choose the backbone that a checkpoint has."""
        self.swin = detect_swin(state)

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """(b, 3, h, w) and (b, 1, h, w), both in [0, 1] -> the terms of the loss."""
        images, decoder = supervised.normalised(images, MEAN, DEVIATION), net.decoder
        blocks, gradients = ([f"{name}{level}" for level in LEVELS] for name in ("decoder_block", "gdt_convs_"))
        with supervised.watched(decoder, *blocks, *gradients) as seen:
            last = net(images)
        sides = [decoder.get_submodule(f"conv_ms_spvn_{level}")(seen[f"decoder_block{level}"]) for level in LEVELS]
        predicted = [decoder.get_submodule(f"gdt_convs_pred_{level}")(seen[f"gdt_convs_{level}"]) for level in LEVELS]
        gradient = laplacian(images.mean(1, keepdim=True))
        labels = [(gradient * resize_like(side, images)).sigmoid() for side in sides]
        return {
            "maps": sum(map_loss(resize_like(x, masks), masks) for x in (*sides, last)),
            "gradients": sum(
                functional.binary_cross_entropy(resize_like(x, images).sigmoid(), label)
                for x, label in zip(predicted, labels, strict=True)
            ),
        }

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        """(b, 3, h, w) in [0, 1] -> (b, h, w) in [0, 1]."""
        return net(supervised.normalised(images, MEAN, DEVIATION))[:, 0].sigmoid()

    def learned(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert a checkpoint to start from to the names of this network, and to its order of patches."""
        state = swin.drop_buffers(state)
        return to_legacy_patches(state) if self.options.get("patches") == "current" else state


def to_legacy_patches(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Reorder the channels of convolutions that read patches, from the order "current" to "legacy"; maps are equal."""
    reordered = {}
    for name, tensor in state.items():
        if PATCH_READER.fullmatch(name):
            side = math.isqrt(tensor.shape[1] // 3)
            tensor = tensor.unflatten(1, (3, side, side)).permute(0, 3, 2, 1, 4, 5).flatten(1, 3).contiguous()
        reordered[name] = tensor
    return reordered


def map_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Return the weighted cross entropy, IoU and SSIM loss of one map, (b, 1, h, w)."""
    x = logits.sigmoid()
    overlap = (x * masks).sum((1, 2, 3))
    iou = overlap / (x.sum((1, 2, 3)) + masks.sum((1, 2, 3)) - overlap)
    return 30 * functional.binary_cross_entropy(x, masks) + 0.5 * (1 - iou).sum() + 5 * (1 - ssim(x, masks))


def laplacian(x: Tensor) -> Tensor:
    """Apply kornia's 5 x 5 Laplacian, mirrored at the border: (b, 1, h, w) -> (b, 1, h, w).

    Its kernel is 1/48 around and -24/48 in the middle.
    """
    padded = functional.pad(x, (2, 2, 2, 2), mode="reflect")
    kernel = torch.ones(1, 1, 5, 5).to(x)
    kernel[..., 2, 2] = -24
    return functional.conv2d(padded, kernel / 48)
