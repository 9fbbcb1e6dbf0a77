"""ISDNet's training (Guo et al., CVPR 2022), with the losses of the authors' code, for one class and the background.

The loss is the cross entropy of the map, of the deep network's map, of the deep features in both fusions, and 0.4
times that of an auxiliary head. The deep features are also decoded to the image's details, whose squared error counts
0.1, and their affinities between pixels are compared with those of the decoded features. The authors' dropout of 0.1
before the classifiers is omitted. The authors start from networks trained on ImageNet.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._training import supervised
from disbench.models._training.losses import bce_of_logits, resized
from disbench.models.isdnet.layers import laplacian_details
from disbench.models.isdnet.network import ISDNet
from disbench.models.isdnet.predictor import DEVIATION, MEAN

AUXILIARY = 0.4
DETAILS = 0.1


class Training(supervised.Training):
    """ISDNet's network and losses."""

    stages = ("isdnet",)
    multiple = 32

    def network(self, stage: str, size: int) -> nn.Module:
        """Build the untrained network."""
        return ISDNet(1)

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """(b, 3, h, w) and (b, 1, h, w), both in [0, 1] -> the terms of the loss."""
        images = supervised.normalised(images * 255, MEAN, DEVIATION)
        fused = ("refine_head.fuse16.context_head", "refine_head.fuse8.context_head")
        with supervised.watched(net, "backbone", "decode_head", *fused) as seen:
            last = net(images)
        head, deep, features = net.refine_head, seen["decode_head"], seen["backbone"][3]
        sides = [net.decode_head.conv_seg(deep)]
        # In the authors' code each goes to the head that is named after the other.
        sides += [head.conv_seg_aux_8(seen[fused[0]]), head.conv_seg_aux_16(seen[fused[1]])]
        auxiliary = net.auxiliary_head.conv_seg(net.auxiliary_head.convs(features))
        decoded = decode(head.sr_decoder, deep)
        restored = resized(head.sr_decoder.conv_sr(decoded), images)
        fine, coarse = laplacian_details(images).chunk(2, 1)
        return {
            "map": bce_of_logits(last, masks),
            "sides": sum(bce_of_logits(x, masks) for x in sides),
            "auxiliary": AUXILIARY * bce_of_logits(auxiliary, masks),
            "details": DETAILS * functional.mse_loss(restored, fine + coarse),
            "affinity": functional.l1_loss(affinity(deep), affinity(resized(decoded, deep)).detach()),
        }

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        """(b, 3, h, w) in [0, 1] -> (b, h, w) in [0, 1]."""
        return net(supervised.normalised(images * 255, MEAN, DEVIATION))[:, 0].sigmoid()


def decode(decoder: nn.Module, x: Tensor) -> Tensor:
    """Enlarge features by 16: (b, 128, h, w) -> (b, 128, 16h, 16w)."""
    for factor, layer in ((4, decoder.conv1), (2, decoder.conv2), (2, decoder.conv3)):
        x = layer(functional.interpolate(x, scale_factor=factor))
    return x


def affinity(x: Tensor) -> Tensor:
    """Return the similarity of each two of n = h * w pixels, with each channel scaled to a norm of 1.

    (b, c, h, w) -> (b, n, n).
    """
    x = x.flatten(2)
    x = x / (torch.linalg.vector_norm(x, dim=2, keepdim=True) + 1e-6)
    return x.mT @ x
