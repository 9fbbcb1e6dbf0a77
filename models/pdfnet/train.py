"""PDFNet's training (Liu et al., CVPR 2026), with the loss of the authors' PDFNet.py at f4e218b.

Six maps, the last with a weight of 1 and the others with 0.5, are compared with the mask (F3Net's loss, and half of
(1 - SSIM) / 2) and with the depth (half of the loss of integrity). Five maps of a second decoder, which `run` drops,
estimate the depth (a tenth of its error). At f4e218b the authors' code uses that decoder but does not assign it; here
it is their class.

The authors train with batches of one image: sums and means over a batch are here means of its images' own. They draw
each depth map from those of three networks, and compare with that of the largest; here there is one for both. Their
dropout of 0.1 in the attentions, and of whole blocks of the Swin, is omitted. They start from a Swin trained on
ImageNet.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts.swin import drop_buffers
from disbench.models._parts.weights import build_untrained
from disbench.models._training import supervised
from disbench.models._training.losses import resized, ssim, structure
from disbench.models.mvanet.predictor import DEVIATION, MEAN
from disbench.models.pdfnet.fusion import WIDTH, make_layer, resize, resize_like
from disbench.models.pdfnet.network import MULTIPLE, PDFNet, Views, stretch

SIDE_WEIGHT = SSIM_WEIGHT = 0.5
INTEGRITY_WEIGHT, DEPTH_WEIGHT = 0.5, 0.1
DEVIATION_OF_WEIGHTS = 0.02  # of convolutions outside the encoder, as drawn
SMALLEST = 1e-6  # added to intersections, unions and depths
TINY = 1e-8  # added to probabilities and areas


class DepthDecoder(nn.Module):
    """Estimates the depth from the features of image, depth and tiles, under the names of the authors' class."""

    def __init__(self):
        super().__init__()
        entering = (6, 4, 4, 4)  # in WIDTH channels
        self.Decoder = nn.ModuleList(
            nn.Sequential(make_layer(n * WIDTH, widths=2), make_layer(2 * WIDTH)) for n in entering
        )
        self.shallow = nn.Sequential(nn.Conv2d(6, WIDTH, 3, padding=1))
        self.upsample1 = make_layer(WIDTH)
        self.upsample2 = make_layer(WIDTH)
        self.Bside = nn.ModuleList(nn.Conv2d(WIDTH, 1, 3, padding=1) for _ in range(5))

    def forward(self, inputs: Tensor, views: Views) -> list[Tensor]:
        """Image and depth, (b, 6, h, h), and the features of the views -> logits of depths, the last and finest first.

        The others are at 1/8 to 1/64 of h, as the features of the image.
        """
        images, depths, tiles = views
        joined = [
            torch.cat((image, depth, resize_like(tile, image)), 1)
            for image, depth, tile in zip(images, depths, tiles, strict=True)
        ]
        x, outputs = joined[-1], []
        for level, decode in zip((4, 3, 2, 1), self.Decoder, strict=True):
            x = decode(torch.cat((resize_like(x, joined[level - 1]), joined[level - 1]), 1))
            outputs.insert(0, self.Bside[level](x))
        shallow, side = self.shallow(inputs), x.shape[-1]
        x = self.upsample1(resize(x + resize(shallow, side), 2 * side))
        x = self.upsample2(resize(x + resize(shallow, 2 * side), 4 * side))
        return [self.Bside[0](x), *outputs]


class Training(supervised.Training):
    """PDFNet's network and loss."""

    stages = ("pdfnet",)
    multiple = MULTIPLE

    def network(self, stage: str, size: int) -> nn.Module:
        """Build the untrained network with its decoder of depth."""
        net = PDFNet()
        net.depth_decoder = DepthDecoder()
        for name, module in net.named_modules():
            if isinstance(module, nn.Conv2d) and not name.startswith("encoder."):
                nn.init.trunc_normal_(module.weight, std=DEVIATION_OF_WEIGHTS)
                nn.init.zeros_(module.bias)
        return net

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor, *, depth: Tensor) -> dict[str, Tensor]:
        """(b, 3, h, h), (b, 1, h, h) and (b, 1, h, h), all in [0, 1] -> the terms of the loss."""
        sides = [f"decoder.Bside.{level}" for level in (2, 3, 4, 5)]
        with supervised.watched(net, "decoder.channel_mix.0", *sides) as seen:
            inputs, views = net.view(_join(images, depth))
            last = net.decoder(inputs, views)
        maps = [last, net.decoder.Bside[1](seen["decoder.channel_mix.0"]), *(seen[name] for name in sides)]
        maps = [resized(x, masks) for x in maps]
        depths = [resized(x, masks).sigmoid() for x in net.depth_decoder(inputs, views)]
        depth = stretch(depth)
        return {
            "maps": _weigh([map_loss(x, masks) for x in maps]),
            "integrity": INTEGRITY_WEIGHT * _weigh([integrity_loss(x.sigmoid(), depth, masks) for x in maps]),
            "depth": DEPTH_WEIGHT * _weigh([depth_loss(x, depth) for x in depths]),
        }

    def predict(self, net: nn.Module, images: Tensor, *, depth: Tensor) -> Tensor:
        """(b, 3, h, h) and (b, 1, h, h), both in [0, 1] -> (b, h, h) in [0, 1]."""
        return net(_join(images, depth))[:, 0].sigmoid()

    def learned(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Select what the network has of a checkpoint.

        The decoder of depth in the authors' file is of an earlier form, and is drawn anew.
        """
        state = {name: x for name, x in drop_buffers(state).items() if not name.startswith("IntegrityPriorLoss.")}
        decoder = {f"depth_decoder.{name}": x for name, x in build_untrained(DepthDecoder).state_dict().items()}
        if all(name in state and state[name].shape == x.shape for name, x in decoder.items()):
            return state
        return {name: x for name, x in state.items() if not name.startswith("depth_decoder.")} | decoder


def map_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Compare logits with masks, both (b, 1, h, w)."""
    return structure(logits, masks, SMALLEST) + SSIM_WEIGHT * (1 - ssim(logits.sigmoid(), masks)) / 2


def integrity_loss(maps: Tensor, depth: Tensor, masks: Tensor) -> Tensor:
    """Compare maps with masks and depths, all (b, 1, h, w) in [0, 1].

    Wrong foreground counts by its squared distance to the mean depth of the object, missed foreground by 1 minus it;
    and every error by how steep the depth is.
    """
    right = masks * maps + (1 - masks) * (1 - maps)
    entropy = -(right + TINY).log()
    mean = (depth * masks).sum((1, 2, 3), keepdim=True) / (masks.sum((1, 2, 3), keepdim=True) + TINY)
    distance = (depth - mean) ** 2
    weight = (1 - right) * (distance * maps + (1 - distance) * masks) * right
    return (entropy * (weight + _slope(depth))).mean()


def depth_loss(estimate: Tensor, depth: Tensor) -> Tensor:
    """Compute the scale-invariant error (Eigen et al., NeurIPS 2014) of depths (b, 1, h, w) in [0, 1]."""
    error = (depth + SMALLEST).log() - (estimate + SMALLEST).log()
    return ((error**2).mean((1, 2, 3)) - error.mean((1, 2, 3)) ** 2 / 2 + SMALLEST).sqrt().mean()


def _slope(depth: Tensor) -> Tensor:
    """Add the absolute values of Sobel's two derivatives; outside of (b, 1, h, w) is 0."""
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).to(depth)
    kernels = torch.stack((across, across.T))[:, None]
    return functional.conv2d(depth, kernels, padding=1).abs().sum(1, keepdim=True)


def _weigh(losses: list[Tensor]) -> Tensor:
    """Add the losses of maps, of which the first is the prediction."""
    return losses[0] + SIDE_WEIGHT * sum(losses[1:])


def _join(images: Tensor, depth: Tensor) -> Tensor:
    return torch.cat((supervised.normalised(images, MEAN, DEVIATION), depth), 1)
