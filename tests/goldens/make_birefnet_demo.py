"""Freeze the steps of BiRefNet's notebook: python make_birefnet_demo.py FOLDER (a checkout of 25cb930).

Writes birefnet/demo.npz, the input and the saved map of tutorials/BiRefNet_inference.ipynb for one image, around a
network that answers with a probe. The model cards of RMBG-2.0 and ToonOut have the same steps. The file here was made
with Pillow 13.0.0 on a CPU. Stand-ins replace torchvision.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from filled_weights import GOLDENS, probe_logits, probe_photo
from stand_ins import Compose, Normalize, ToTensor

NOTEBOOK = "tutorials/BiRefNet_inference.ipynb"


class Transforms:
    """torchvision.transforms, as far as the notebook uses it on images of Pillow and maps (h, w)."""

    Compose, Normalize, ToTensor = Compose, Normalize, ToTensor

    class Resize:
        def __init__(self, size):
            self.size = size

        def __call__(self, image):
            return image.resize(self.size[::-1], Image.Resampling.BILINEAR)

    class ToPILImage:
        def __call__(self, x):
            return Image.fromarray((x * 255).byte().numpy())


def run_notebook(folder: Path) -> dict[str, np.ndarray]:
    """Run the cells that transform and predict, without their cut-outs and displays."""
    cells = json.loads((folder / NOTEBOOK).read_text())["cells"]
    loading, predicting = ("".join(cell["source"]) for cell in cells[1:3])
    inputs = []

    def network(x):
        inputs.append(x[0, :, ::16, ::16].numpy())
        return [probe_logits("birefnet_demo", 1024, 1024)]

    names = {"transforms": Transforms, "torch": torch, "device": "cpu", "birefnet": network, "Image": Image}
    exec(loading[loading.index("transform_image =") :], names)
    predicting = predicting[: predicting.index("    image_masked = ")].replace("from image_proc import", "# ")
    with tempfile.TemporaryDirectory() as work:
        images = Path(work) / "images_todo"
        images.mkdir()
        Image.fromarray(probe_photo("protocol", 1500, 2100)).save(images / "photo.png")
        exec(predicting.replace("'../", f"'{work}/"), names)
        saved = np.array(Image.open(Path(work) / "predictions" / "photo.png"))
    sha = hashlib.sha256(saved.tobytes()).hexdigest()
    return {"input": inputs[0], "saved": saved[::12, ::12], "saved_sha256": np.array(sha)}


if __name__ == "__main__":
    np.savez_compressed(GOLDENS / "birefnet" / "demo.npz", **run_notebook(Path(sys.argv[1]).resolve()))
