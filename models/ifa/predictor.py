"""IFA behind disbench's Protocol. Its authors never ran it on DIS5K: the steps around it are those of their evaluation.

That evaluation averages six scales; here is one, the size that DIS papers give.
"""

import numpy as np
import torch
from torch import Tensor

from disbench.errors import InputError
from disbench.models import Card
from disbench.models._parts import device as devices
from disbench.models._parts import weights as files
from disbench.models.ifa.network import IFA, enlarged

MEAN = np.array([123.675, 116.28, 103.53])
DEVIATION = np.array([58.395, 57.12, 57.375])
CLASSES = "decoder.ifa.imnet.9.bias"


class Predictor:
    """`weights`: what the authors' trainer saves, or "untrained" for one class as drawn from seed 0.

    `size`: pixels a side.
    """

    def __init__(self, card: Card, weights: str, device: str | None, size: str = ""):
        self.device = devices.pick(device)
        self.size = (files.working_size(size, card.protocol["size"]),) * 2
        if weights == "untrained":
            net, name = files.untrained(lambda: IFA(1)), weights
        else:
            path = files.find(weights, ())
            state = files.unwrapped(files.read(path))
            classes = len(state[CLASSES]) if CLASSES in state else 1
            net, name = files.build(lambda: IFA(classes), state, path), path.name
            if classes > 2:
                raise InputError(f"{path}: tells {classes} classes apart; a map needs 1, or background and foreground")
        at = f", {size} px" if size else ""
        self.title = f"{card.title} ({name}{at})"
        self.identity = {"weights": files.digest(sorted(net.state_dict().items()))} | ({"size": size} if size else {})
        self.net = net.to(self.device, memory_format=torch.channels_last)

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W), normalised by channel in float64 and only then resized."""
        normalised = torch.from_numpy(((image - MEAN) / DEVIATION).astype(np.float32))
        return enlarged(normalised.permute(2, 0, 1)[None], self.size)[0]

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> probabilities (b, H, W) of foreground."""
        logits = self.net(batch)[0]
        return logits.sigmoid()[:, 0] if logits.shape[1] == 1 else logits.softmax(1)[:, 1]

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H, W) in [0, 1] -> uint8 (h, w): resized and rounded."""
        resized = enlarged(output[None, None], size)[0, 0]
        return (resized * 255).round().to(torch.uint8).cpu().numpy()
