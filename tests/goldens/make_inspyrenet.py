"""Freeze the outputs of InSPyReNet's unchanged original code: python make_inspyrenet.py InSPyReNet (commit 692ad8a).

Writes inspyrenet/*.json.gz, the keys of the state dicts; scales.json, the scales of some weights of
tests/helpers/filled_weights.py; and answers.npz: maps of both backbones under such weights, two blended pyramids, and
the input and the saved map of the configurations for DIS5K. The files here were made with torch 2.13.0 on a CPU and
kornia 0.9.0. Also needs easydict.
"""

import gzip
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo, scaled
from stand_ins import timm_layers, transforms

OUT = GOLDENS / "inspyrenet"
# Keys and values are made of sums over all pixels: undivided, softmax would pick one context and hide the rest.
SWIN = {
    f"attention{stage}.conv_{kind}.0.conv.weight": 1e-4 if stage == 2 else 1e-5
    for stage in range(3)
    for kind in ("key", "value")
}
# The first map is made so sure that there are edges to blend along.
SCALES = {"swin": SWIN, "res2net": SWIN | {"decoder.conv5.conv.weight": 4}}
# Photos for the larger copy: to be shrunk, to be left, to be shown as a square alone.
PHOTOS = {"wide": (1500, 2100), "tall": (700, 560), "small": (480, 900)}


def fill(net: torch.nn.Module, name: str) -> None:
    state = net.state_dict()
    keys = {key: list(tensor.shape) for key, tensor in state.items()}
    packed = json.dumps(keys, sort_keys=True, separators=(",", ":")).encode()
    (OUT / f"{name}.json.gz").write_bytes(gzip.compress(packed, mtime=0))
    learned = scaled(checkpoint(keys, gain=1.0), SCALES[name])
    net.load_state_dict(learned | {key: tensor for key, tensor in state.items() if key.endswith("_index")})


def maps(name: str, net: torch.nn.Module, **images: torch.Tensor) -> dict[str, np.ndarray]:
    with torch.no_grad():
        sample = net(images)
    outputs = {f"d{3 - i}": x for i, x in enumerate(sample["saliency"])}
    outputs |= {f"p{2 - i}": x for i, x in enumerate(sample["laplacian"])} | {"pred": sample["pred"]}
    return {f"{name}_{key}": thinned(x).numpy() for key, x in outputs.items()}


def thinned(x: torch.Tensor) -> torch.Tensor:
    step = max(1, *(side // 32 for side in x.shape[2:]))
    return x[0, 0, ::step, ::step]


def protocol(folder: Path) -> dict[str, np.ndarray]:
    from data.dataloader import ImageLoader
    from utils.misc import load_config, to_numpy

    answers = {}
    for config in ("DIS5K", "DIS5K_LR"):
        opt = load_config(folder / f"configs/extra_dataset/InSPyReNet_SwinB_{config}.yaml")
        for name, size in PHOTOS.items():
            Image.fromarray(probe_photo("protocol", *size)).save("photo.png")
            sample = next(iter(ImageLoader("photo.png", opt.Test.Dataset.transforms)))
            for key in sorted(sample.keys() & {"image", "image_resized"}):
                answers[f"{config}_{name}_{key}_size"] = np.array(sample[key].shape[2:])
                answers[f"{config}_{name}_{key}"] = sample[key][0, :, 5::32, 7::32].numpy()
    saliency = probe_logits("inspyrenet", 1024, 1024).sigmoid()
    saliency = (saliency - saliency.min()) / (saliency.max() - saliency.min() + 1e-8)
    saved = (to_numpy(saliency, PHOTOS["wide"]) * 255).astype(np.uint8)
    return answers | {"saved": saved[::12, ::12], "saved_sha256": np.array(hashlib.sha256(saved.tobytes()).hexdigest())}


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    sys.path.insert(0, str(folder))

    stand_ins = {"torchvision": MagicMock(transforms=transforms), "torchvision.transforms": transforms}
    sys.modules.update(stand_ins | {"timm": MagicMock(), "timm.models": MagicMock(), "timm.models.layers": timm_layers})
    from lib.InSPyReNet import InSPyReNet_Res2Net50, InSPyReNet_SwinB

    (OUT / "scales.json").write_text(json.dumps(SCALES, indent=1) + "\n")
    answers = {}
    net = InSPyReNet_SwinB(64, False, [1024, 1024], threshold=None).eval()
    fill(net, "swin")
    answers |= maps("swin", net, image=probe_image("inspyrenet", 256, 256))
    # Their threshold of 512, which larger images pass, and their 384 are lowered, so that tests are quick.
    net = InSPyReNet_Res2Net50(64, False, [96, 96], threshold=100).eval()
    fill(net, "res2net")
    large, square = probe_image("inspyrenet", 192, 256), probe_image("inspyrenet_small", 96, 96)
    # Long enough for the widest dilation, of 16 at 1/32 of the size.
    answers |= maps("res2net", net, image=probe_image("inspyrenet_long", 64, 576))
    answers["square_pred"] = maps("square", net, image=square)["square_pred"]
    answers["blended_pred"] = maps("blended", net, image=large, image_resized=square)["blended_pred"]
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        answers |= protocol(folder)
        os.chdir("/")
    np.savez_compressed(OUT / "answers.npz", **answers)
