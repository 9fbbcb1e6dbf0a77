"""`disbench doctor`: each fault that an adapter may have is found by the check that is named after it."""

import json
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from disbench import doctor
from disbench.cli import main
from disbench.cli_doctor import EXTRAS
from disbench.predict import Model


def pair(seed):
    image = np.random.default_rng(seed).integers(0, 60, (64, 80, 3), np.uint8)
    truth = np.zeros((64, 80), np.uint8)
    truth[20:40, 10 + seed : 50] = 255
    return image + truth[..., None] // 2, truth


PAIRS = [pair(seed) for seed in (0, 5, 9)]


class Fit:
    """A fit adapter; the classes below break it, each in one way."""

    device, calls = "cpu", 0

    def __init__(self):
        self.identity = {"level": 100}

    def prepare(self, image):
        return torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1) / 255

    def infer(self, batch):
        return (batch.mean(1) * 20 - 8).sigmoid()

    def restore(self, output, size):
        return (output * 255).numpy().astype(np.uint8)


def made(**methods):
    return Model(SimpleNamespace(name="x", title="X", protocol={}, outside=None), type("Broken", (Fit,), methods)())


def drift(self, batch):
    self.calls += 1
    return Fit.infer(self, batch) * (1 - 0.1 * (self.calls % 2))


def remembered(self, batch):
    before, self.calls = self.calls, float(batch.mean())
    return Fit.infer(self, batch) * (0.5 if before > self.calls else 1)


def in_place(self, image):
    prepared = Fit.prepare(self, image)
    image[:] = 0
    return prepared


def stretched(self, output, size):
    low, high = output.min(), output.max()
    if low == high:
        raise ZeroDivisionError("spread")
    return Fit.restore(self, (output - low) / (high - low), size)


BREAKS = {
    "prepare": [
        {"prepare": lambda self, image: Fit.prepare(self, image)[None]},
        {"prepare": in_place},
        {"prepare": lambda self, image: Fit.prepare(self, image) / 0 * 0},
    ],
    "infer": [
        {"infer": lambda self, batch: Fit.infer(self, batch)[:, None]},
        {"infer": lambda self, batch: (Fit.infer(self, batch) > 0.5).int()},
        {"infer": lambda self, batch: Fit.infer(self, batch).log() * torch.inf},
    ],
    "restore": [
        {"restore": lambda self, output, size: output.numpy()},
        {"restore": lambda self, output, size: np.zeros(size[::-1], np.uint8)},
    ],
    "repeatable": [{"infer": drift}],
    "order": [{"infer": remembered}],
    "batch": [
        {"infer": lambda self, batch: Fit.infer(self, batch[:1])},
        {"infer": lambda self, batch: Fit.infer(self, batch - batch.mean())},
        {"infer": lambda self, batch: Fit.infer(self, batch) * (0.99 if len(batch) > 1 else 1)},
    ],
    "odd sizes": [{"infer": lambda self, batch: Fit.infer(self, batch[..., : batch.shape[-1] // 16 * 16])}],
    "plain pictures": [{"restore": stretched}],
    "key": [{"identity": property(lambda self: {"net": Fit}, lambda self, value: None)}],
    "score": [
        {"infer": lambda self, batch: 1 - Fit.infer(self, batch)},
        {"infer": lambda self, batch: batch[:, 0] * 0},
    ],
}


def test_a_fit_adapter_passes():
    verdicts = list(doctor.diagnose(made(), PAIRS))
    assert [one.check for one in verdicts if not one.ok] == []
    assert [one.check for one in verdicts] == list(BREAKS)


@pytest.mark.parametrize(("check", "methods"), [(check, one) for check, some in BREAKS.items() for one in some])
def test_a_fault_is_found_and_stops_no_other_check(check, methods):
    pairs = [(image.copy(), truth) for image, truth in PAIRS]
    verdicts = {one.check: one for one in doctor.diagnose(made(**methods), pairs)}
    assert verdicts.keys() == BREAKS.keys()
    assert not verdicts[check].ok
    assert verdicts[check].found and verdicts[check].fix


@pytest.mark.parametrize(("scale", "ok"), [(1 - 1e-2, False), (1 - 3e-3, False), (1 - 1e-4, True)])
def test_a_batch_may_differ_by_a_thousandth_of_the_range(scale, ok):
    """As sums in another order do; 1 % is a fault."""
    model = made(infer=lambda self, batch: Fit.infer(self, batch) * (scale if len(batch) > 1 else 1))
    verdicts = {one.check: one for one in doctor.diagnose(model, PAIRS)}
    assert verdicts["batch"].ok == ok
    assert [name for name, one in verdicts.items() if not one.ok] == ([] if ok else ["batch"])


def test_the_command(monkeypatch):
    monkeypatch.setattr(doctor, "pictures", lambda: PAIRS)
    good = CliRunner().invoke(main, ["doctor", "--model", "otsu"])
    assert good.exit_code == 0, good.output
    assert "ok   batch: two at once are what they are one by one" in good.stdout
    bad = CliRunner().invoke(main, ["doctor", "--model", "all_foreground", "--json"])
    assert bad.exit_code == 1
    assert [one["check"] for one in json.loads(bad.stdout)["checks"] if not one["ok"]] == ["score"]
    unknown = CliRunner().invoke(main, ["doctor", "--model", "otzu"])
    assert (unknown.exit_code, unknown.stderr) == (2, "disbench: unknown model 'otzu'; did you mean otsu?\n")


def test_its_pictures_are_those_of_dis_mini():
    ((image, truth),) = doctor.pictures(1)
    assert (image.dtype, image.shape[:2], image.shape[2]) == (np.uint8, truth.shape, 3)
    assert set(np.unique(truth)) >= {0, 255}


def test_an_installation(monkeypatch):
    record = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).stdout)
    assert record["devices"][0] == "cpu"
    assert record["extras"]["models"]["torch"] == torch.__version__
    monkeypatch.setattr("disbench.cli_doctor._version", lambda name: None if name == "onnxruntime" else "1")
    shown = CliRunner().invoke(main, ["doctor"]).stdout
    assert "disbench[onnx]: without onnxruntime; pip install 'disbench[onnx]'" in shown
    assert "disbench[train]: complete" in shown


def test_the_extras_are_those_of_the_package():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    wanted = {
        extra: {name.split(">")[0] for name in names} for extra, names in project["optional-dependencies"].items()
    }
    own = {extra: names - {"disbench[models]"} for extra, names in wanted.items() if extra not in ("all", "dev")}
    assert own == {extra: set(names) for extra, names in EXTRAS.items()}


def test_the_gpu_is_held_to_the_cpu_by_checks_that_the_cpu_passes(monkeypatch):
    from disbench import doctor_gpu

    monkeypatch.setattr(doctor_gpu, "SIZE", "64")
    verdicts = {one.check: one for one in doctor_gpu.diagnose("cpu")}
    assert list(verdicts) == list(doctor_gpu.CHECKS)
    assert [name for name, one in verdicts.items() if not one.ok and name != "clocks"] == []  # clocks: a loaded machine
    monkeypatch.setattr(doctor_gpu, "load_model", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("no kernel\nat")))
    verdicts = {one.check: one for one in doctor_gpu.diagnose("cpu")}
    assert not verdicts["maps in fp32"].ok and verdicts["maps in fp32"].found == "RuntimeError: no kernel"


def test_the_sensors_of_a_gpu(monkeypatch):
    from disbench import doctor_gpu

    monkeypatch.setattr(doctor_gpu, "find_spec", lambda name: None)
    ok, found = doctor_gpu._sensors("cuda")
    assert ok and "without nvidia-ml-py; pip install 'disbench[gpu]'" in found
    monkeypatch.setattr(doctor_gpu, "find_spec", lambda name: name)
    told = {"processes": 1, "gpu_mhz": 1980, "gpu_slow_by": []}
    monkeypatch.setattr(doctor_gpu, "load", lambda device: told)
    assert doctor_gpu._sensors("cuda") == (True, "gpu_mhz 1980, gpu_slow_by nothing")
    told |= dict.fromkeys(("gpu_mhz", "gpu_slow_by"), "unknown: Not Supported")
    assert not doctor_gpu._sensors("cuda")[0]


def test_without_a_gpu_the_check_of_one_says_so():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is one here")
    done = CliRunner().invoke(main, ["doctor", "--gpu"])
    assert done.exit_code == 2 and "sees no GPU here" in done.output
