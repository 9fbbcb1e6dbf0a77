"""Freeze the outputs of PGNet's original code: python make_pgnet.py PGNet (a checkout, commit fe79ada).

Writes pgnet/pgnet.json.gz, the keys of its state dict, and pgnet/answers.npz: its four outputs under the weights of
tests/helpers/filled_weights.py, and the input and the saved map of test.py. The files here were made with torch 2.13.0
on a CPU. Stand-ins replace timm, the backbones' files, the GPU, and the photo that is read.
"""

import gzip
import hashlib
import json
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo

OUT = GOLDENS / "pgnet"
PHOTO = (1500, 2100)
TABLES = ("relative_position_index", "atten_mask")  # not learned: theirs stay


def network(build) -> dict[str, np.ndarray]:
    net = build().eval()
    keys = {key: list(tensor.shape) for key, tensor in net.state_dict().items()}
    packed = json.dumps(keys, sort_keys=True, separators=(",", ":")).encode()
    (OUT / "pgnet.json.gz").write_bytes(gzip.compress(packed, mtime=0))
    learned = {key: shape for key, shape in keys.items() if not key.endswith(TABLES)}
    net.load_state_dict(checkpoint(learned, gain=1.0), strict=False)
    with torch.no_grad():
        mask, local, overall, attention = (x[0, 0].numpy() for x in net(probe_image("pgnet", 256, 320)))
    return {"mask": mask[::2, ::2], "own": local, "other": overall, "attention": attention[::8, ::8]}


def protocol(script: ModuleType) -> dict[str, np.ndarray]:
    """Their Test on one photo, around a network that notes its input and answers with a probe."""
    noted = {}

    class Net(nn.Module):
        def __init__(self, config):
            super().__init__()

        def forward(self, x, shape):
            noted["input"] = x[0, :, ::16, ::16].numpy()
            return [functional.interpolate(probe_logits("pgnet", 256, 256), shape, mode="bilinear")]

    photo = probe_photo("protocol", *PHOTO)
    cv2.imread = lambda path, *grey: np.zeros(PHOTO, np.uint8) if grey else photo[..., ::-1]
    cv2.imwrite = lambda path, levels: noted.update(saved=levels.astype(np.uint8))
    loader = script.DataLoader
    script.DataLoader = lambda data, **options: loader(data, **options | {"num_workers": 0})
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "mask").mkdir()
        (Path(work) / "mask" / "photo.png").touch()
        script.os.makedirs = lambda path: None
        script.Test(script.dataset, Net, work, "model-32").save()
    saved = noted["saved"]
    sha = hashlib.sha256(saved.tobytes()).hexdigest()
    return {"input": noted["input"], "saved": saved[::12, ::12], "saved_sha256": np.array(sha)}


def stand_in(name: str, **members) -> None:
    sys.modules[name] = ModuleType(name)
    vars(sys.modules[name]).update(members)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(sys.argv[1]).resolve() / "src"))
    for name in ("timm", "timm.models"):
        stand_in(name)
    twice = {"to_2tuple": lambda x: x if isinstance(x, tuple) else (x, x)}
    stand_in("timm.models.layers", DropPath=lambda _: nn.Identity(), trunc_normal_=nn.init.trunc_normal_, **twice)
    torch.Tensor.cuda = nn.Module.cuda = lambda self, *_: self
    torch.load = lambda path: {"model": {}}  # the backbones' weights, which are replaced
    script = import_module("test")
    answers = network(script.PGNet)
    np.savez_compressed(OUT / "answers.npz", **answers, **protocol(script))
