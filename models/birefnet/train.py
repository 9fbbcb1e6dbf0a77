"""BiRefNet's training (Zheng et al., CAAI AIR 2024), by the loss of the authors' code, the same since June 2024.

Of four maps, three at the sides of the decoder and the last, at the truth's size: 30 times binary cross entropy, half
of 1 - IoU, summed over the batch, and 5 times 1 - SSIM. And of what three levels say of the image's gradients, binary
cross entropy to the Laplacian of the image times the level's own map, a label that gradients reach. Their last epochs,
without cross entropy and with ever less IoU, are left out; they start from a Swin trained on ImageNet.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts import swin
from disbench.models._training import supervised
from disbench.models._training.losses import ssim
from disbench.models.birefnet.layers import resized
from disbench.models.birefnet.network import BiRefNet, size_of
from disbench.models.birefnet.predictor import DEVIATION, MEAN

LEVELS = (4, 3, 2)


class Training(supervised.Training):
    stages = ("birefnet",)
    multiple = 32
    swin = "large"

    def network(self, stage: str, size: int) -> nn.Module:
        return BiRefNet(self.swin)

    def choose(self, state: dict[str, Tensor]) -> None:
        self.swin = size_of(state)

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        images, decoder = supervised.normalised(images, MEAN, DEVIATION), net.decoder
        blocks, gradients = ([f"{name}{level}" for level in LEVELS] for name in ("decoder_block", "gdt_convs_"))
        with supervised.watched(decoder, *blocks, *gradients) as seen:
            last = net(images)
        sides = [decoder.get_submodule(f"conv_ms_spvn_{level}")(seen[f"decoder_block{level}"]) for level in LEVELS]
        found = [decoder.get_submodule(f"gdt_convs_pred_{level}")(seen[f"gdt_convs_{level}"]) for level in LEVELS]
        steep = laplacian(images.mean(1, keepdim=True))
        labels = [(steep * resized(side, images)).sigmoid() for side in sides]
        return {
            "maps": sum(of_map(resized(x, masks), masks) for x in (*sides, last)),
            "gradients": sum(
                functional.binary_cross_entropy(resized(x, images).sigmoid(), label)
                for x, label in zip(found, labels, strict=True)
            ),
        }

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        return net(supervised.normalised(images, MEAN, DEVIATION))[:, 0].sigmoid()

    def learned(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return swin.learned(state)


def of_map(logits: Tensor, masks: Tensor) -> Tensor:
    x = logits.sigmoid()
    both = (x * masks).sum((1, 2, 3))
    iou = both / (x.sum((1, 2, 3)) + masks.sum((1, 2, 3)) - both)
    return 30 * functional.binary_cross_entropy(x, masks) + 0.5 * (1 - iou).sum() + 5 * (1 - ssim(x, masks))


def laplacian(x: Tensor) -> Tensor:
    """kornia's of 5 pixels: the sum of the 5 x 5 around a pixel less 25 times that, over 48; mirrored at the border."""
    padded = functional.pad(x, (2, 2, 2, 2), mode="reflect")
    kernel = torch.ones(1, 1, 5, 5).to(x)
    kernel[..., 2, 2] = -24
    return functional.conv2d(padded, kernel / 48)
