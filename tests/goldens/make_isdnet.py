"""Freeze the outputs of ISDNet's original code: python make_isdnet.py ISDNet (commit 7341335; needs mmcv 1.7.2).

Writes isdnet/*.json.gz, the keys with 1, 2 and 7 classes, and isdnet/answers.npz: the logits under the weights of
tests/helpers/filled_weights.py; the image for 7 classes has sides that are no multiples of 4. The two original
configurations of ResNet-18 differ only in the number of classes. The files here were made with torch 2.13.0 on a CPU.
Stand-ins replace mmcv's compiled part, torchvision, and mmcv's version, which the original code rejects as too new.
"""

import gzip
import json
import sys
from pathlib import Path
from types import ModuleType

import mmcv
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from filled_weights import GOLDENS, probe_image
from isdnet_weights import filled

OUT = GOLDENS / "isdnet"
CONFIG = "configs/isdnet/isdnet_r18-d8_1224x1224_80k_DeepGlobe.py"
PROBES = {1: ("isdnet", 256, 320), 2: ("isdnet", 256, 320), 7: ("isdnet_odd", 201, 330)}
STRIDES = {1: 2, 2: 8, 7: 8}


class Anything(ModuleType):
    """A module from which whatever is imported."""

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return None


def network(folder: Path, classes: int) -> np.ndarray:
    from mmseg.models import build_segmentor

    config = mmcv.Config.fromfile(str(folder / CONFIG)).model
    config.pretrained = None
    for head in (*config.decode_head, config.auxiliary_head):
        head.num_classes = classes
    for part in (config.backbone, *config.decode_head, config.auxiliary_head):
        part.norm_cfg.type = "BN"  # as SyncBN, on one machine
    net = build_segmentor(config).eval()
    keys = {key: list(tensor.shape) for key, tensor in net.state_dict().items()}
    packed = json.dumps(keys, sort_keys=True, separators=(",", ":")).encode()
    (OUT / f"c{classes}.json.gz").write_bytes(gzip.compress(packed, mtime=0))
    net.load_state_dict(filled(keys))
    with torch.no_grad():
        logits = net.encode_decode(probe_image(*PROBES[classes]), [])
    stride = STRIDES[classes]
    return logits[0, :, ::stride, ::stride].numpy()


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    sys.path.insert(0, str(folder))
    sys.modules |= {name: Anything(name) for name in ("mmcv.ops", "torchvision")}
    mmcv.__version__ = "1.4.0"
    from mmseg.models.decode_heads.isdhead import Lap_Pyramid_Conv, ShallowNet

    Lap_Pyramid_Conv.gauss_kernel.__defaults__ = (torch.device("cpu"),)
    ShallowNet.init_weight = lambda self, path: None  # from ImageNet: all weights are replaced here
    np.savez_compressed(OUT / "answers.npz", **{f"c{classes}": network(folder, classes) for classes in PROBES})
