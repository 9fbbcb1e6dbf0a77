"""Freeze the outputs of IS-Net's unchanged original code: python make_isnet.py DIS/IS-Net (a checkout, commit b6764e2).

Writes isnet/*.json.gz, the keys of the state dicts, and isnet/answers.npz: the six maps and features of both networks
under the weights of tests/helpers/filled_weights.py, and the input and the saved map of Inference.py. The files here
were made with torch 2.13.0 on a CPU. Stand-ins replace torchvision, scikit-image and tqdm.
"""

import gzip
import hashlib
import json
import os
import runpy
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo

OUT = GOLDENS / "isnet"
PHOTO = (1500, 2100)
# name -> class, its keys' file, gain, probe, height, width, channels. With gain 1 IS-Net's deepest stages would move
# its maps by less than 1e-4.
NETS = {
    "isnet": ("ISNetDIS", "isnet", 1.2, "isnet", 256, 320, 3),
    "odd": ("ISNetDIS", "isnet", 1.2, "isnet_odd", 175, 233, 3),
    "truth": ("ISNetGTEncoder", "truth", 1.0, "isnet_gt", 256, 256, 1),
}


def stand_in(name: str, **members) -> None:
    sys.modules[name] = ModuleType(name)
    vars(sys.modules[name]).update(members)


def network(theirs: dict, name: str) -> dict[str, np.ndarray]:
    kind, file, gain, *probe = NETS[name]
    net = theirs[kind]().eval()
    keys = {key: list(tensor.shape) for key, tensor in net.state_dict().items()}
    packed = json.dumps(keys, sort_keys=True, separators=(",", ":")).encode()
    (OUT / f"{file}.json.gz").write_bytes(gzip.compress(packed, mtime=0))
    net.load_state_dict(checkpoint(keys, gain))
    with torch.no_grad():
        maps, features = net(probe_image(*probe))
    answers = {f"{name}_map{i}": x[0, 0, ::8, ::8].numpy() for i, x in enumerate(maps)}
    return answers | {f"{name}_feature{i}": thinned(x) for i, x in enumerate(features)}


def thinned(feature: torch.Tensor) -> np.ndarray:
    return feature.flatten()[:: feature.numel() // 512].numpy()


def protocol(folder: Path) -> dict[str, np.ndarray]:
    """Inference.py on one photo, around a network that notes its input and answers with a probe."""
    noted, answer = {}, probe_logits("isnet", 1024, 1024).sigmoid()

    class Net(torch.nn.Module):
        def load_state_dict(self, state):
            pass

        def forward(self, x):
            noted["input"] = x[0].numpy()
            return [[answer]]

    stand_in("models", ISNetDIS=Net)
    stand_in("tqdm", tqdm=lambda items, **_: items)
    stand_in("skimage", io=ModuleType("io"))
    sys.modules["skimage"].io.imread = lambda path: probe_photo("protocol", *PHOTO)
    sys.modules["skimage"].io.imsave = lambda path, pixels: noted.update(saved=pixels.squeeze())
    with tempfile.TemporaryDirectory() as work:
        for part in ("IS-Net", "saved_models/IS-Net", "demo_datasets/your_dataset"):
            (Path(work) / part).mkdir(parents=True)
        (Path(work) / "demo_datasets/your_dataset/photo.jpg").touch()
        torch.save({}, Path(work) / "saved_models/IS-Net/isnet-general-use.pth")
        os.chdir(Path(work) / "IS-Net")
        runpy.run_path(str(folder / "Inference.py"), run_name="__main__")
        os.chdir("/")
    sha = hashlib.sha256(noted["saved"].tobytes()).hexdigest()
    return {"input": noted["input"][:, ::16, ::16], "saved": noted["saved"][::12, ::12], "saved_sha256": np.array(sha)}


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    stand_in("torchvision", models=None)
    stand_in("torchvision.transforms")
    # Their mean and deviation are the same for every channel.
    stand_in("torchvision.transforms.functional", normalize=lambda x, mean, std: (x - mean[0]) / std[0])
    theirs = runpy.run_path(str(folder / "models" / "isnet.py"))
    answers = {key: value for name in NETS for key, value in network(theirs, name).items()}
    np.savez_compressed(OUT / "answers.npz", **answers, **protocol(folder))
