"""The device that was asked for does the work and is checked first, and too little memory is one line."""

import numpy as np
import pytest
import torch
from fake_timing import FakePredictor
from onnx_files import onnx_file

import disbench
from disbench.errors import DeviceMemoryError, DeviceMismatchError, InputError
from disbench.inference import model as models
from disbench.models._own import onnx
from disbench.registry import loading
from disbench.registry.loading import get_card
from disbench.runs.execute import list_references
from disbench.runs.spec import ModelSpec
from disbench.system.progress import show_announcements

IMAGE = np.zeros((8, 8, 3), np.uint8)
NO_MEMORY = torch.OutOfMemoryError(
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 7.79 GiB of which 1.20 GiB is free."
)
NUMPY_MODEL = """
class Predictor:
    def __init__(self, card, weights, device):
        self.identity = {}

    def prepare(self, image):
        return image.transpose(2, 0, 1) / 255

    def infer(self, batch):
        return batch.mean(1)

    def restore(self, output, size):
        return (output * 255).astype("uint8")
"""


@pytest.mark.parametrize("name", ["otsu", "all_foreground"])
def test_a_method_of_the_cpu_refuses_another_device(name):
    with pytest.raises(DeviceMismatchError, match=r"cuda:1: .* computes on cpu; give --device cpu, or omit it"):
        disbench.load(name, device="cuda:1")
    assert disbench.load(name, device="cpu").device == disbench.load(name).device == "cpu"


def test_a_file_without_torch_refuses_another_device(tmp_path):
    (tmp_path / "plain.py").write_text(NUMPY_MODEL)
    with pytest.raises(InputError, match=r"--device cuda: plain\.py computes on cpu"):
        disbench.load(tmp_path / "plain.py", device="cuda")
    assert disbench.load(tmp_path / "plain.py").device == "cpu"


def test_baselines_next_to_a_network_on_a_gpu_take_their_own_device():
    references = list_references(ModelSpec(name="isnet", device="cuda"))
    assert {spec.name: spec.device for spec in references} == {"all_foreground": None, "otsu": None, "u2netp": "cuda"}


@pytest.mark.parametrize("name", ["diffdis", "genpercept", "lawdis", "isnet", "birefnet", "u2netp"])
def test_a_missing_device_is_reported_before_weights_are_fetched(name, monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("has CUDA")
    monkeypatch.setattr(models, "resolve_weights", lambda *_: pytest.fail("weights are looked for first"))
    with pytest.raises(InputError, match="--device cuda: not on this machine"):
        disbench.load(name, weights="some/name", device="cuda")


@pytest.fixture
def without_libraries(monkeypatch):
    """An onnxruntime that was built for CUDA, and that falls back to the CPU as its libraries are missing."""
    monkeypatch.setattr(onnx.onnxruntime, "get_available_providers", lambda: [onnx.CUDA, "CPUExecutionProvider"])
    monkeypatch.setattr(onnx, "_providers", lambda device: ["CPUExecutionProvider"])


def test_onnx_on_the_cpu_is_no_run_on_cuda(tmp_path, without_libraries):
    file = onnx_file(tmp_path / "net.onnx")
    with pytest.raises(DeviceMismatchError, match=r"cuda: .*net\.onnx: onnxruntime cannot use CUDA here") as refused:
        disbench.load(file, device="cuda")
    assert "\n" not in str(refused.value)
    said = []
    with show_announcements(said.append):
        loaded = disbench.load(file)
    assert loaded.device == "cpu" and loaded.environment["device"] == "cpu"
    (line,) = said
    assert line.startswith("onnxruntime cannot use CUDA here") and line.endswith(": net.onnx runs on the CPU")


def test_onnx_on_cuda_says_so(tmp_path, without_libraries, monkeypatch):
    file = onnx_file(tmp_path / "net.onnx")
    monkeypatch.setattr(onnx.onnxruntime.InferenceSession, "get_providers", lambda self: [onnx.CUDA])
    assert onnx.OnnxFile(file, "cuda:1").device == "cuda:1" and onnx.OnnxFile(file, None).device == "cuda"


def test_too_little_memory_is_one_line_with_a_way_out():
    class Full(FakePredictor):
        memory_advice = "--option precision=fp16"

        def infer(self, batch):
            raise NO_MEMORY

    with pytest.raises(DeviceMemoryError) as failed:
        models.Model(get_card("otsu"), Full()).predict(IMAGE)
    assert str(failed.value) == (
        "Otsu: out of memory on cpu (it needs 2.50 GiB more, 1.20 GiB are free); --option precision=fp16 needs less, "
        "or give another --device"
    )


def test_weights_that_do_not_fit_are_one_line(monkeypatch):
    def load(*_):
        raise NO_MEMORY

    monkeypatch.setattr(loading, "import_attribute", lambda *_: load)
    monkeypatch.setattr(loading.inspect, "signature", lambda _: type("S", (), {"parameters": {}}))
    with pytest.raises(DeviceMemoryError, match=r"Otsu: out of memory on cuda \(it needs 2\.50 GiB more"):
        loading.load_predictor(get_card("otsu"), None, "cuda", {})


def test_other_errors_of_torch_stay_as_they_are():
    class Broken(FakePredictor):
        def infer(self, batch):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        models.Model(get_card("otsu"), Broken()).predict(IMAGE)
