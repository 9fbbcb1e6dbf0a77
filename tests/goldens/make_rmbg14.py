"""Freeze the outputs of RMBG-1.4's unchanged original code: python make_rmbg14.py RMBG-1.4 (a copy of 2024-05-23).

Writes rmbg14/keys.json.gz, the keys of its state dict, and rmbg14/answers.npz: its six maps under the weights of
tests/helpers/filled_weights.py, and the input and the saved map of MyPipe.py (pipeline) and of utilities.py. The files
here were made with torch 2.13.0 on a CPU. Stand-ins replace torchvision, transformers and scikit-image.
"""

import gzip
import hashlib
import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo

OUT = GOLDENS / "rmbg14"
GAIN = 1.2
PHOTO = (1500, 2100)


class Model(nn.Module):
    """In place of transformers' PreTrainedModel."""

    def __init__(self, config):
        super().__init__()


def network(kind) -> dict[str, np.ndarray]:
    net = kind(SimpleNamespace(in_ch=3, out_ch=1)).eval()
    keys = {key: list(tensor.shape) for key, tensor in net.state_dict().items()}
    packed = json.dumps(keys, sort_keys=True, separators=(",", ":")).encode()
    (OUT / "keys.json.gz").write_bytes(gzip.compress(packed, mtime=0))
    net.load_state_dict(checkpoint(keys, GAIN))
    with torch.no_grad():
        maps = net(probe_image("rmbg14", 160, 224))[0]
    return {f"map{i}": x[0, 0, ::4, ::4].numpy() for i, x in enumerate(maps)}


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    names = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional", "transformers")
    sys.modules |= {name: MagicMock() for name in (*names, "transformers.image_utils", "skimage")}
    # Their mean and deviation are the same for every channel.
    sys.modules["torchvision.transforms.functional"].normalize = lambda x, mean, std: (x - mean[0]) / std[0]
    sys.modules["transformers"].PreTrainedModel, sys.modules["transformers"].Pipeline = Model, object
    sys.modules["transformers"].PretrainedConfig = object
    theirs = sys.modules["theirs"] = ModuleType("theirs")
    theirs.__path__ = [str(folder)]
    answers = network(import_module("theirs.briarmbg").BriaRMBG)
    photo, answer = probe_photo("protocol", *PHOTO), probe_logits("rmbg14", 1024, 1024).sigmoid()
    pipeline = import_module("theirs.MyPipe").RMBGPipe
    utilities = import_module("theirs.utilities")
    fed = {
        "pipeline": pipeline.preprocess_image(None, photo, [1024, 1024]),
        "utilities": utilities.preprocess_image(photo, [1024, 1024]),
    }
    saved = pipeline.postprocess_image(None, answer, PHOTO)
    assert np.array_equal(saved, utilities.postprocess_image(answer, PHOTO))
    answers |= {f"{steps}_input": x[0, :, ::16, ::16].numpy() for steps, x in fed.items()}
    sha = hashlib.sha256(saved.tobytes()).hexdigest()
    np.savez_compressed(OUT / "answers.npz", **answers, saved=saved[::12, ::12], saved_sha256=np.array(sha))
