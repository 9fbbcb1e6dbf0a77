"""Freeze the steps of rembg's unchanged sessions: python make_rembg.py rembg (a checkout of 684f8e9).

Writes rembg/answers.npz: the input and the saved map of sessions of each kind of steps, for two images, around a
network that answers with a probe. Those of u2net serve its relatives, too. Stand-ins replace pooch and onnxruntime.
The file here was made with Pillow 13.0.0, NumPy 2.4.6 and torch 2.13.0 on a CPU.
"""

import hashlib
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from filled_weights import GOLDENS, probe_logits, probe_photo

# rembg's name -> its module and class, the probe, its side, and whether the network answers with logits
SESSIONS = {
    "u2net": ("u2net", "U2netSession", "u2net", 320, False),
    "isnet-general-use": ("dis_general_use", "DisSession", "dis_general_use", 1024, False),
    "isnet-anime": ("dis_anime", "DisSession", "dis_anime", 1024, False),
    "birefnet-general": ("birefnet_general", "BiRefNetSessionGeneral", "birefnet_general", 1024, True),
    "bria-rmbg": ("bria_rmbg", "BriaRmBgSession", "bria_rmbg", 1024, False),
}
PHOTOS = {"": (1500, 2100), "_small": (300, 233)}  # the second is enlarged


def predict(name: str, photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predict with a session around a network that notes its input and answers with a probe."""
    module, kind, probe, side, logits = SESSIONS[name]
    answer = probe_logits(probe, side, side)
    answer = (answer if logits else answer.sigmoid()).numpy()
    noted = []
    session_class = getattr(import_module(f"sessions.{module}"), kind)
    session = session_class.__new__(session_class)
    session.inner_session = SimpleNamespace(
        get_inputs=lambda: [SimpleNamespace(name="x")],
        run=lambda names, inputs: noted.append(inputs["x"][0]) or [answer],
    )
    (mask,) = session.predict(Image.fromarray(photo))
    return noted[0], np.array(mask)


if __name__ == "__main__":
    package = ModuleType("sessions")
    package.__path__ = [str(Path(sys.argv[1]).resolve() / "rembg" / "sessions")]
    sys.modules |= {"sessions": package, "pooch": MagicMock(), "onnxruntime": MagicMock()}
    package.BiRefNetSessionGeneral = import_module("sessions.birefnet_general").BiRefNetSessionGeneral
    answers = {}
    for name, (*_, side, _) in SESSIONS.items():
        for suffix, sides in PHOTOS.items():
            fed, saved = predict(name, probe_photo("protocol" + suffix, *sides))
            answers[f"{name}{suffix}_input"] = fed[:, :: side // 20, :: side // 20]
            answers[f"{name}{suffix}_saved"] = saved[::24, ::24]
            answers[f"{name}{suffix}_sha256"] = np.array(hashlib.sha256(saved.tobytes()).hexdigest())
    (GOLDENS / "rembg").mkdir(exist_ok=True)
    np.savez_compressed(GOLDENS / "rembg" / "answers.npz", **answers)
