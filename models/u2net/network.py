"""U2-Net and U2-NetP (Qin et al., Pattern Recognition 2020), key-compatible with the authors' checkpoints.

IS-Net has its blocks and stages from U2-Net, which runs them on the image at full size and fuses its six maps.
"""

import torch
from torch import Tensor, nn

from disbench.models.isnet.network import DECODER, ISNET, add_decoder, add_sides, add_stages, run_decoder, run_sides
from disbench.models.isnet.network import run_stages as run_encoder

SMALL = tuple((depth, dilated, 16, 64) for depth, dilated, _, _ in ISNET)
# Suffix of the name -> stages of the encoder and of the decoder.
VARIANTS = {"": (ISNET, DECODER), "P": (SMALL, SMALL[:5])}


class U2Net(nn.Module):
    """(b, 3, h, w), normalised, of any size -> seven maps (b, 1, h, w) in [0, 1].

    The first map is the prediction, which fuses the others; these are for training, finest first.
    """

    def __init__(self, variant: str = ""):
        super().__init__()
        encoder, decoder = VARIANTS[variant]
        add_stages(self, 3, encoder)
        add_decoder(self, encoder, decoder)
        add_sides(self, [stage[-1] for stage in (*decoder, encoder[-1])])
        self.outconv = nn.Conv2d(6, 1, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(b, 3, h, w) -> seven maps (b, 1, h, w) in [0, 1]."""
        sides = run_sides(self, run_decoder(self, run_encoder(self, x)), x)
        return [logits.sigmoid() for logits in (self.outconv(torch.cat(sides, 1)), *sides)]


def detect_variant(state: dict[str, Tensor]) -> str:
    """Return the variant that the tensors of a file belong to, "" for a file of neither."""
    weight = state.get("stage1.rebnconv1.conv_s1.weight")
    return "P" if weight is not None and weight.shape[:1] == (SMALL[0][2],) else ""


def add_counters(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add the counters of norms, which PyTorch 0.4 did not save in the authors' files and no output depends on."""
    suffix = ".running_mean"
    norms = [name.removesuffix(suffix) for name in state if name.endswith(suffix)]
    return {f"{norm}.num_batches_tracked": torch.tensor(0) for norm in norms} | state
