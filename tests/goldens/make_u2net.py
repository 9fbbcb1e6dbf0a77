"""Freeze the outputs of U2-Net's and rembg's unchanged original code: python make_u2net.py U-2-Net rembg (checkouts).

The commits are ac7e1c8 and 684f8e9. Writes u2net/*.json.gz, the keys of the state dicts, and u2net/answers.npz: the
seven maps of both networks under the weights of tests/helpers/filled_weights.py, and the input and the saved map of
u2net_test.py and of rembg's session. Needs scikit-image; these files were made with 0.26.0, SciPy 1.17.1, Pillow 13.0.0
and torch 2.13.0 on a CPU. The authors pin scikit-image 0.14, which does not smooth before it reduces an image;
anti_aliasing=False does the same in later versions. Stand-ins replace torchvision, matplotlib, pooch and onnxruntime.
"""

import gzip
import hashlib
import json
import os
import runpy
import sys
import tempfile
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import torch
from PIL import Image
from skimage import io, transform

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo

OUT = GOLDENS / "u2net"
GAIN = 1.1  # with 1.2 the first map saturates, with 1 the depth of stage1d hardly shows
# name -> class, its keys' file, probe, height, width
NETS = {
    "u2net": ("U2NET", "u2net", "u2net", 64, 96),
    "u2netp": ("U2NETP", "u2netp", "u2netp", 128, 160),
    "odd": ("U2NETP", "u2netp", "u2netp_odd", 87, 117),
}
PHOTOS = {"": (1500, 2100), "_small": (300, 233)}  # the second is enlarged in one direction
ANSWER = probe_logits("u2net", 320, 320).sigmoid()


def network(theirs: dict, name: str) -> dict[str, np.ndarray]:
    kind, file, *probe = NETS[name]
    net = theirs[kind](3, 1).eval()
    keys = {key: list(tensor.shape) for key, tensor in net.state_dict().items()}
    packed = json.dumps(keys, sort_keys=True, separators=(",", ":")).encode()
    (OUT / f"{file}.json.gz").write_bytes(gzip.compress(packed, mtime=0))
    net.load_state_dict(checkpoint(keys, GAIN))
    with torch.no_grad():
        maps = net(probe_image(*probe))
    return {f"{name}_map{i}": x[0, 0, ::4, ::4].numpy() for i, x in enumerate(maps)}


def authors_steps(folder: Path, photo: np.ndarray, smoothed: bool) -> tuple[np.ndarray, np.ndarray]:
    """u2net_test.py on one photo, around a network that notes its input and answers with a probe."""
    noted = []

    class Net(torch.nn.Module):
        def load_state_dict(self, state):
            pass

        def forward(self, x):
            noted.append(x[0].numpy())
            return [ANSWER] * 7

    sys.modules["model"] = SimpleNamespace(U2NET=lambda *_: Net(), U2NETP=None)
    io.imread = lambda path: photo
    resize = transform.resize
    transform.resize = resize if smoothed else partial(resize, anti_aliasing=False)
    with tempfile.TemporaryDirectory() as work:
        for part in ("saved_models/u2net", "test_data/test_images"):
            (Path(work) / part).mkdir(parents=True)
        (Path(work) / "test_data/test_images/photo.jpg").touch()
        torch.save({}, Path(work) / "saved_models/u2net/u2net.pth")
        os.chdir(work)
        try:
            runpy.run_path(str(folder / "u2net_test.py"), run_name="__main__")
        finally:
            transform.resize = resize
            os.chdir("/")
        return noted[0], np.array(Image.open(Path(work) / "test_data/u2net_results/photo.png"))[..., 0]


def rembg_steps(folder: Path, photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """rembg's session on one photo, around a network that notes its input and answers with a probe."""
    noted = []
    package = ModuleType("sessions")
    package.__path__ = [str(folder / "rembg" / "sessions")]
    sys.modules |= {"sessions": package, "pooch": MagicMock(), "onnxruntime": MagicMock()}
    # Imported only here, since it is their file.
    from sessions.u2net import U2netSession

    session = U2netSession.__new__(U2netSession)
    session.inner_session = SimpleNamespace(
        get_inputs=lambda: [SimpleNamespace(name="x")],
        run=lambda names, inputs: noted.append(inputs["x"][0]) or [ANSWER.numpy()],
    )
    (mask,) = session.predict(Image.fromarray(photo))
    return noted[0], np.array(mask)


def protocols(theirs: Path, rembg: Path) -> dict[str, np.ndarray]:
    answers = {}
    for suffix, sides in PHOTOS.items():
        photo = probe_photo("protocol" + suffix, *sides)
        made = {
            "authors": authors_steps(theirs, photo, False),
            "smoothed": authors_steps(theirs, photo, True),
            "rembg": rembg_steps(rembg, photo),
        }
        for steps, (fed, saved) in made.items():
            name = steps + suffix
            answers[f"{name}_input"] = fed[:, ::16, ::16]
            answers[f"{name}_saved"] = saved[::12, ::12]
            answers[f"{name}_sha256"] = np.array(hashlib.sha256(saved.tobytes()).hexdigest())
    return answers


if __name__ == "__main__":
    theirs, rembg = (Path(folder).resolve() for folder in sys.argv[1:])
    sys.modules |= {name: MagicMock() for name in ("torchvision", "matplotlib", "matplotlib.pyplot")}
    # Applies one step after the other.
    sys.modules["torchvision"].transforms.Compose = lambda steps: lambda x: steps[1](steps[0](x))
    sys.path.insert(0, str(theirs))
    nets = runpy.run_path(str(theirs / "model" / "u2net.py"))
    answers = {key: value for name in NETS for key, value in network(nets, name).items()}
    np.savez_compressed(OUT / "answers.npz", **answers, **protocols(theirs, rembg))
