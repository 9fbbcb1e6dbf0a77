"""The check that an ONNX file computes on a device what it computes on the CPU."""

import base64
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from disbench.doctor.adapter import sample_pictures
from disbench.inference.model import load_model

MAX_LEVELS = 2  # grey levels of 255
SIZE = "64"
# Opset 13: the sigmoid of a 3 x 3 convolution of (b, 3, h, w) to (b, 1, h, w), padded by 1, with all weights 1/2.
FILE = (
    "CAg6gwIKJwoBeAoBdxIGbG9naXRzIgRDb252KhEKBHBhZHNAAUABQAFAAaABBwoWCgZsb2dpdHMSA21hcCIHU2lnbW9pZBIBZyp7CAEIAwgDCAMQAUIB"
    "d0psAAAAPwAAAD8AAAA/AAAAPwAAAD8AAAA/AAAAPwAAAD8AAAA/AAAAPwAAAD8AAAA/AAAAPwAAAD8AAAA/AAAAPwAAAD8AAAA/AAAAPwAAAD8AAAA/"
    "AAAAPwAAAD8AAAA/AAAAPwAAAD8AAAA/Wh4KAXgSGQoXCAESEwoDEgFiCgIIAwoDEgFoCgMSAXdiIAoDbWFwEhkKFwgBEhMKAxIBYgoCCAEKAxIBaAoD"
    "EgF3QgQKABAN"
)


def check_onnx(device: str) -> tuple[bool | None, str]:
    """Check that an ONNX file predicts the CPU's map. Skipped without an onnxruntime for the device."""
    if find_spec("onnxruntime") is None:
        return None, "there is no onnxruntime; pip install 'disbench[onnx]'"
    import onnxruntime

    kind = device.partition(":")[0]
    provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}.get(kind)
    if provider not in onnxruntime.get_available_providers():
        return None, f"this onnxruntime does not compute on {kind}; onnxruntime-gpu does on cuda"
    image = sample_pictures(1)[0][0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.onnx")
        path.write_bytes(base64.b64decode(FILE))
        tested, expected = (load_model(path, None, name, size=SIZE).predict(image) for name in (device, "cpu"))
    worst = int(np.abs(tested.astype(int) - expected).max())
    message = f"{provider}: its map is within {worst} levels of the CPU's"
    return worst <= MAX_LEVELS and expected.min() < expected.max(), message
