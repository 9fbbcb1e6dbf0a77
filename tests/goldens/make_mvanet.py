"""Freeze the outputs of MVANet's unchanged original code: python make_mvanet.py FOLDER (a checkout of edecec5).

Writes mvanet/keys.json.gz, the keys of the networks for training and for prediction, and mvanet/answers.npz: logits of
a square and of an oblong image under the weights of tests/helpers/filled_weights.py; and the inputs of the six passes
and the saved map of predict.py. Needs einops and ttach. The files here were made with torch 2.13.0 on a CPU. Stand-ins
replace further imports, and CUDA is omitted.
"""

import gzip
import hashlib
import json
import sys
import tempfile
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import torch
from PIL import Image
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo
from stand_ins import evaluating, timm_layers, transforms

OUT = GOLDENS / "mvanet"
# The oblong one makes a pool of 2.5 pixels, which is rounded to even; the small square one a pool without a pixel.
PROBES = {"square": ("mvanet", 256, 256), "oblong": ("mvanet_rect", 384, 640)}


def theirs(folder: Path, path: str, **replacements) -> dict:
    """What one of their files defines, without CUDA, and without an import that `replacements` replaces."""
    code = (folder / path).read_text().replace("'cuda'", "'cpu'").replace(".cuda()", "").replace("volatile=True", "")
    code = code.replace("torch.cuda.set_device(0)", "").replace("from .SwinTransformer import SwinB", "")
    names = {"__name__": path, **replacements}
    exec(compile(code, path, "exec"), names)
    return names


def networks(folder: Path) -> dict[str, np.ndarray]:
    sys.modules |= {"timm": MagicMock(), "timm.models": MagicMock(), "timm.models.layers": timm_layers}
    sys.modules |= {name: MagicMock() for name in ("mmdet", "mmdet.utils", "mmcv_custom", "mmcv", "mmcv.runner")}
    swin = theirs(folder, "model/SwinTransformer.py")["SwinTransformer"]
    sizes = {"embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32], "window_size": 12}
    models = theirs(folder, "model/MVANet.py", SwinB=lambda pretrained: swin(**sizes))
    keys = [
        {key: list(tensor.shape) for key, tensor in models[name]().state_dict().items()}
        for name in ("MVANet", "inf_MVANet")
    ]
    packed = json.dumps({"trained": keys[0], "kept": sorted(keys[1])}, sort_keys=True, separators=(",", ":")).encode()
    (OUT / "keys.json.gz").write_bytes(gzip.compress(packed, mtime=0))
    net = models["inf_MVANet"]()
    tables = {key: tensor for key, tensor in net.state_dict().items() if not tensor.is_floating_point()}
    net.load_state_dict(checkpoint(keys[1], 1.0) | tables)
    with torch.no_grad():
        return {name: evaluating(net)(probe_image(*probe))[0, 0, ::4, ::4].numpy() for name, probe in PROBES.items()}


def protocol(folder: Path) -> dict[str, np.ndarray]:
    """predict.py on one photo, around a network that answers with a probe and the means of what it is given."""
    noted = []

    class Net(nn.Module):
        def forward(self, x):
            noted.append(x[0, :, ::16, ::16].numpy())
            return probe_logits("mvanet", *x.shape[-2:]) + x.mean(1, keepdim=True)

    sys.modules |= {"torchvision": MagicMock(transforms=transforms), "model": MagicMock()}
    sys.modules["model.MVANet"] = MagicMock(inf_MVANet=Net)
    with tempfile.TemporaryDirectory() as work:
        sets = {name: work for name in ("diste1", "diste2", "diste3", "diste4", "disvd")}
        sys.modules |= {"utils": MagicMock(), "utils.config": MagicMock(**sets)}
        sys.modules["utils.misc"] = MagicMock(check_mkdir=lambda path: Path(path).mkdir(parents=True, exist_ok=True))
        (Path(work) / "images").mkdir()
        Image.fromarray(probe_photo("protocol", 1500, 2100)).save(Path(work) / "images" / "photo.png")
        torch.save({}, Path(work) / "it.pth")
        predict = theirs(folder, "predict.py")
        predict.update(ckpt_path=work, to_test={"one": work})
        predict["main"]("it")
        saved = np.array(Image.open(Path(work) / "it" / "one" / "photo.png"))
    sha = hashlib.sha256(saved.tobytes()).hexdigest()
    return {"input": noted[1], "saved": saved[::12, ::12], "saved_sha256": np.array(sha)}


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    OUT.mkdir(exist_ok=True)
    torch.set_num_threads(1)  # resizing rounds otherwise where threads meet, and three pixels of the saved map tell
    np.savez_compressed(OUT / "answers.npz", **protocol(folder), **networks(folder))
