"""Freeze the outputs of BEN2's unchanged original code: python make_ben2.py FOLDER (a checkout of 41efc69).

Writes ben2/keys.json.gz, the keys of the authors' state dict, and ben2/answers.npz: logits of a square and of an oblong
image under the weights of tests/helpers/filled_weights.py, also of the network with a Swin of one block to a stage,
which is fast; and the input and the map of BEN_Base.inference without the refinement of colours. Needs einops. The
files here were made with torch 2.13.0 on a CPU. Stand-ins replace timm and torchvision.
"""

import gzip
import hashlib
import json
import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo
from stand_ins import Compose, Normalize, ToTensor, evaluating, timm_layers

OUT = GOLDENS / "ben2"
# The oblong one makes a pool of 2.5 pixels, which is rounded to even; the small square one a pool without a pixel.
PROBES = {"square": ("ben2", 256, 256), "oblong": ("ben2_rect", 384, 640)}
NARROW_PROBES = {"narrow": ("ben2", 128, 128), "narrow_oblong": ("ben2_rect", 128, 256)}
NARROW = {"depths": [1, 1, 1, 1], "window_size": 4}


class Transforms:
    """torchvision.transforms, as far as BEN2.py uses it."""

    Compose, Normalize, ToTensor = Compose, Normalize, ToTensor

    class ConvertImageDtype:
        def __init__(self, dtype):
            self.dtype = dtype

        def __call__(self, x):
            return x.to(self.dtype)

    class ToPILImage:
        def __call__(self, levels):
            return Image.fromarray(levels)


def import_module(folder: Path):
    """Import their module on stand-ins."""
    sys.modules |= {"timm": MagicMock(), "timm.layers": timm_layers, "torchvision": MagicMock(transforms=Transforms)}
    sys.path.insert(0, str(folder))
    import BEN2

    return BEN2


def list_keys(net: torch.nn.Module) -> dict[str, list[int]]:
    return {key: list(tensor.shape) for key, tensor in net.state_dict().items()}


def answer_probes(net: torch.nn.Module, probes: dict[str, tuple[str, int, int]], step: int) -> dict[str, np.ndarray]:
    """Run the network under generated weights, and keep every step-th pixel of the logits before its last sigmoid."""
    keys = list_keys(net)
    tables = {key: tensor for key, tensor in net.state_dict().items() if not tensor.is_floating_point()}
    net.load_state_dict(checkpoint(keys, 1.0) | tables)
    logits = []
    net.output.register_forward_hook(lambda module, inputs, output: logits.append(output[0, 0, ::step, ::step].numpy()))
    for probe in probes.values():
        evaluating(net)(probe_image(*probe))
    return dict(zip(probes, logits, strict=True))


def run_inference(net: torch.nn.Module) -> dict[str, np.ndarray]:
    """Run `inference` on one photo, around a forward pass that answers with a probe."""
    inputs = []

    def forward(x):
        inputs.append(x[0, :, ::16, ::16].numpy())
        return probe_logits("ben2", 1024, 1024).sigmoid()

    net.forward = forward
    photo = Image.fromarray(probe_photo("protocol", 1500, 2100))
    alpha = np.array(net.inference(photo))[..., 3]
    sha = hashlib.sha256(alpha.tobytes()).hexdigest()
    return {"input": inputs[0], "saved": alpha[::12, ::12], "saved_sha256": np.array(sha)}


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    torch.set_num_threads(1)  # resizing rounds otherwise where threads meet
    module = import_module(Path(sys.argv[1]).resolve())
    network, swin = module.BEN_Base(), module.SwinTransformer
    module.SwinTransformer = lambda **sizes: swin(**sizes | NARROW)
    narrow = module.BEN_Base()
    keys = {"full": list_keys(network), "narrow": list_keys(narrow)}
    packed = json.dumps(keys, sort_keys=True, separators=(",", ":")).encode()
    (OUT / "keys.json.gz").write_bytes(gzip.compress(packed, mtime=0))
    answers = answer_probes(network, PROBES, 4) | answer_probes(narrow, NARROW_PROBES, 2)
    np.savez_compressed(OUT / "answers.npz", **answers, **run_inference(network))
