"""Freeze the outputs of IFA's original code: python make_ifa.py IFA (a checkout, commit 70baac8).

Writes ifa/*.json.gz, the keys of its state dicts with 1, 2 and 19 classes, and ifa/answers.npz: both outputs under the
weights of tests/helpers/filled_weights.py, and the steps of eval.py before and after the network. The files here were
made with torch 2.13.0 on a CPU. The original code puts tensors on a GPU and imports a class that it does not define.
"""

import gzip
import json
import logging
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import torch
import yaml
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo

OUT = GOLDENS / "ifa"
STRIDES = {1: 2, 2: 8, 19: 16}
SIDE = 640


def network(build, config: dict, classes: int) -> dict[str, np.ndarray]:
    net = build(config | {"num_classes": classes, "sync_bn": False}).eval()
    keys = {key: list(tensor.shape) for key, tensor in net.state_dict().items()}
    packed = json.dumps(keys, sort_keys=True, separators=(",", ":")).encode()
    (OUT / f"c{classes}.json.gz").write_bytes(gzip.compress(packed, mtime=0))
    net.load_state_dict(checkpoint(keys, gain=1.0))
    with torch.no_grad():
        outputs = net(probe_image("ifa", 193, 257))
    stride = STRIDES[classes]
    return {
        f"{name}{classes}": x[0, :, ::stride, ::stride].numpy()
        for name, x in zip(("logits", "aux"), outputs, strict=True)
    }


def protocol(evaluation: ModuleType, config: dict) -> dict[str, np.ndarray]:
    """A whole image at one scale, around a network that notes its input and answers with two probes."""
    noted = {}
    answer = torch.cat([probe_logits(name, 1024, 1024) for name in ("ifa_0", "ifa_1")], 1)

    class Net(torch.nn.Module):
        def forward(self, x):
            noted["input"] = x[0, :, ::16, ::16].numpy()
            return [answer]

    with tempfile.TemporaryDirectory() as work:
        Image.fromarray(probe_photo("protocol", SIDE, SIDE)).save(f"{work}/photo.png")
        means = config["mean"], config["std"]
        pairs = [(f"{work}/photo.png", "")]
        evaluation.valiadte_whole(Net(), 2, pairs, *means, [1024 / SIDE], f"{work}/grey", f"{work}/colour")
        noted["foreground"] = np.packbits(np.asarray(Image.open(f"{work}/grey/photo.png")).astype(bool))
    return noted


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    sys.path.insert(0, str(folder))
    torch.Tensor.cuda = lambda self, *_: self
    from pyseg.models import base

    base.PPM = None
    evaluation = import_module("eval")
    evaluation.args, evaluation.logger = SimpleNamespace(use_auxloss=True), logging  # as its main would
    config = yaml.safe_load((folder / "experiments" / "ifa" / "config.yaml").read_text())
    config["net"]["encoder"]["kwargs"]["pretrained"] = False
    OUT.mkdir(exist_ok=True)
    answers = {}
    for classes in STRIDES:
        answers |= network(evaluation.ModelBuilder, config["net"], classes)
    np.savez_compressed(OUT / "answers.npz", **answers, **protocol(evaluation, config["dataset"]))
