"""Freeze the outputs of BiRefNet's unchanged original code: python make_birefnet.py NEW OLD (25cb930, e65bfa0).

Writes birefnet/*.json.gz, the keys of the authors' state dicts, and birefnet/answers.npz: logits under the weights of
tests/helpers/filled_weights.py, with Swin-L and with Swin-T, and with Swin-T by the code before it changed the order of
patches; and the input and the saved map of inference.py. Needs einops. The files here were made with torch 2.13.0 on a
CPU. Stand-ins replace further imports: tests/reference/naive_deform.py replaces torchvision's deformable convolution.
"""

import gzip
import hashlib
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from unittest.mock import MagicMock

import cv2
import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo
from naive_deform import deform_conv2d
from stand_ins import evaluating, timm_layers, transforms

OUT = GOLDENS / "birefnet"
PATH = list(sys.path)
# name -> checkout, backbone, gain, probe. With gain 1 the attention to gradients would move the logits by 3e-5 only.
NETS = {
    "large": (0, "swin_v1_l", 1.55, ("birefnet", 256, 320)),
    "tiny": (0, "swin_v1_t", 1.42, ("birefnet_lite", 256, 320)),
    "legacy": (1, "swin_v1_t", 1.42, ("birefnet_lite", 256, 320)),
}


def theirs(folder: Path, backbone: str) -> None:
    """Their modules can be imported from here on, with that backbone."""
    for name in [name for name in sys.modules if name.split(".")[0] in ("models", "config", "dataset", "utils")]:
        del sys.modules[name]
    sys.path[:] = [str(folder), *PATH]
    config = (folder / "config.py").read_text()
    config = re.sub(r"self\.bb = \[.*?\]\[\d\]", f"self.bb = {backbone!r}", config, flags=re.S)
    sys.modules["config"] = type(sys)("config")
    exec(config, vars(sys.modules["config"]))
    ops = MagicMock(deform_conv2d=lambda input, offset, weight, mask, **_: deform_conv2d(input, offset, mask, weight))
    for name in ("timm", "timm.models", "timm.models.registry", "kornia", "kornia.filters", "torchvision.models"):
        sys.modules[name] = MagicMock()
    sys.modules |= {"timm.layers": timm_layers, "timm.models.layers": timm_layers, "torchvision.ops": ops}
    sys.modules |= {"torchvision": MagicMock(transforms=transforms), "torchvision.transforms": transforms}
    for name in ("backbones.pvt_v2", "backbones.dino_v3", "refinement.refiner", "refinement.stem_layer"):
        sys.modules[f"models.{name}"] = MagicMock()


def network(name: str, folders: list[Path]) -> np.ndarray:
    which, backbone, gain, probe = NETS[name]
    theirs(folders[which], backbone)
    sys.modules["dataset"] = MagicMock()
    from models.birefnet import BiRefNet

    net = BiRefNet(bb_pretrained=False)
    keys = {key: list(tensor.shape) for key, tensor in net.state_dict().items()}
    if name != "legacy":
        packed = json.dumps(keys, sort_keys=True, separators=(",", ":")).encode()
        (OUT / f"{name}.json.gz").write_bytes(gzip.compress(packed, mtime=0))
    tables = {key: tensor for key, tensor in net.state_dict().items() if not tensor.is_floating_point()}
    net.load_state_dict(checkpoint(keys, gain) | tables)
    with torch.no_grad():
        return evaluating(net)(probe_image(*probe))[-1][0, 0, ::2, ::2].numpy()


def protocol(folder: Path) -> dict[str, np.ndarray]:
    """inference.py on one photo, around a network that notes its input and answers with a probe."""
    theirs(folder, "swin_v1_l")
    from dataset import MyData
    from inference import config, inference

    noted = {}

    def net(x):
        noted["input"] = x[0, :, ::16, ::16].numpy()
        return [probe_logits("birefnet", 1024, 1024)]

    net.training = False
    photo = probe_photo("protocol", 1500, 2100)
    with tempfile.TemporaryDirectory() as work:
        import dataset

        dataset.config.data_root_dir, config.verbose_eval = work, False
        for kind in ("im", "gt"):
            path = Path(work) / "DIS5K" / "one" / kind / "photo.png"
            path.parent.mkdir(parents=True)
            cv2.imwrite(str(path), photo[..., ::-1])
        loader = torch.utils.data.DataLoader(MyData("one", (1024, 1024), is_train=False))
        inference(net, loader, work, "it", "one", device="cpu")
        saved = np.asarray(Image.open(Path(work) / "it" / "one" / "photo.png"))
    noted |= {"saved": saved[::12, ::12], "saved_sha256": np.array(hashlib.sha256(saved.tobytes()).hexdigest())}
    return noted


if __name__ == "__main__":
    folders = [Path(folder).resolve() for folder in sys.argv[1:]]
    OUT.mkdir(exist_ok=True)
    os.chdir(tempfile.mkdtemp())  # their configuration looks for files beside it
    answers = {name: network(name, folders) for name in NETS}
    np.savez_compressed(OUT / "answers.npz", **answers, **protocol(folders[0]))
