"""`disbench doctor`: each fault of an adapter fails the check that is named after it."""

import json
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from disbench.cli.main import main
from disbench.doctor import adapter, installation
from disbench.inference.model import Model


def pair(seed):
    image = np.random.default_rng(seed).integers(0, 60, (64, 80, 3), np.uint8)
    truth = np.zeros((64, 80), np.uint8)
    truth[20:40, 10 + seed : 50] = 255
    return image + truth[..., None] // 2, truth


PAIRS = [pair(seed) for seed in (0, 5, 9)]


class Adapter:
    """A correct adapter, which BREAKS breaks in one way each."""

    device, calls = "cpu", 0

    def __init__(self):
        self.identity = {"level": 100}

    def prepare(self, image):
        return torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1) / 255

    def infer(self, batch):
        return (batch.mean(1) * 20 - 8).sigmoid()

    def restore(self, output, size):
        return (output * 255).numpy().astype(np.uint8)


def make_model(**methods):
    card = SimpleNamespace(name="x", title="X", pipeline={}, external_path=None, is_shipped=True)
    card.status, card.inputs, card.sees_truth = "trivial", (), False
    return Model(card, type("Broken", (Adapter,), methods)())


def drift(self, batch):
    self.calls += 1
    return Adapter.infer(self, batch) * (1 - 0.1 * (self.calls % 2))


def remembered(self, batch):
    previous, self.calls = self.calls, float(batch.mean())
    return Adapter.infer(self, batch) * (0.5 if previous > self.calls else 1)


def in_place(self, image):
    prepared = Adapter.prepare(self, image)
    image[:] = 0
    return prepared


def stretched(self, output, size):
    low, high = output.min(), output.max()
    if low == high:
        raise ZeroDivisionError("spread")
    return Adapter.restore(self, (output - low) / (high - low), size)


BREAKS = {
    "prepare": [
        {"prepare": lambda self, image: Adapter.prepare(self, image)[None]},
        {"prepare": in_place},
        {"prepare": lambda self, image: Adapter.prepare(self, image) / 0 * 0},
    ],
    "infer": [
        {"infer": lambda self, batch: Adapter.infer(self, batch)[:, None]},
        {"infer": lambda self, batch: (Adapter.infer(self, batch) > 0.5).int()},
        {"infer": lambda self, batch: Adapter.infer(self, batch).log() * torch.inf},
    ],
    "restore": [
        {"restore": lambda self, output, size: output.numpy()},
        {"restore": lambda self, output, size: np.zeros(size[::-1], np.uint8)},
    ],
    "repeatable": [{"infer": drift}],
    "order": [{"infer": remembered}],
    "batch": [
        {"infer": lambda self, batch: Adapter.infer(self, batch[:1])},
        {"infer": lambda self, batch: Adapter.infer(self, batch - batch.mean())},
        {"infer": lambda self, batch: Adapter.infer(self, batch) * (0.99 if len(batch) > 1 else 1)},
        {"infer": lambda self, batch: Adapter.infer(self, batch) * (torch.nan if len(batch) > 1 else 1)},
    ],
    "odd sizes": [{"infer": lambda self, batch: Adapter.infer(self, batch[..., : batch.shape[-1] // 16 * 16])}],
    "plain pictures": [{"restore": stretched}],
    "key": [{"identity": property(lambda self: {"net": Adapter}, lambda self, value: None)}],
    "score": [
        {"infer": lambda self, batch: 1 - Adapter.infer(self, batch)},
        {"infer": lambda self, batch: batch[:, 0] * 0},
    ],
}


def test_a_correct_adapter_passes():
    verdicts = list(adapter.diagnose_adapter(make_model(), PAIRS))
    assert [verdict.check for verdict in verdicts if not verdict.ok] == []
    assert [verdict.check for verdict in verdicts] == list(BREAKS)


FAULTS = [(check, methods) for check, variants in BREAKS.items() for methods in variants]


@pytest.mark.parametrize(("check", "methods"), FAULTS)
def test_a_fault_fails_its_check_and_stops_no_other(check, methods):
    pairs = [(image.copy(), truth) for image, truth in PAIRS]
    verdicts = {verdict.check: verdict for verdict in adapter.diagnose_adapter(make_model(**methods), pairs)}
    assert verdicts.keys() == BREAKS.keys()
    assert not verdicts[check].ok
    assert verdicts[check].message and verdicts[check].fix


@pytest.mark.parametrize(("scale", "ok"), [(1 - 1e-2, False), (1 - 3e-3, False), (1 - 1e-4, True)])
def test_a_batch_may_differ_by_a_thousandth_of_the_range(scale, ok):
    """Sums in another order differ by less; 1 % is a fault."""
    model = make_model(infer=lambda self, batch: Adapter.infer(self, batch) * (scale if len(batch) > 1 else 1))
    verdicts = {verdict.check: verdict for verdict in adapter.diagnose_adapter(model, PAIRS)}
    assert verdicts["batch"].ok == ok
    assert [name for name, verdict in verdicts.items() if not verdict.ok] == ([] if ok else ["batch"])


def test_the_command_prints_verdicts_and_exits_with_1_for_a_failed_check(monkeypatch):
    monkeypatch.setattr(adapter, "sample_pictures", lambda: PAIRS)
    good = CliRunner().invoke(main, ["doctor", "--model", "otsu"])
    assert good.exit_code == 0, good.output
    assert "ok   batch: a batch of two equals two batches of one" in good.stdout
    bad = CliRunner().invoke(main, ["doctor", "--model", "all_foreground", "--json"])
    assert bad.exit_code == 1
    assert [check["check"] for check in json.loads(bad.stdout)["checks"] if not check["ok"]] == ["score"]
    unknown = CliRunner().invoke(main, ["doctor", "--model", "otzu"])
    assert (unknown.exit_code, unknown.stderr) == (2, "disbench: unknown model 'otzu'; did you mean otsu?\n")


def test_the_sample_images_are_those_of_dis_mini():
    ((image, truth),) = adapter.sample_pictures(1)
    assert (image.dtype, image.shape[:2], image.shape[2]) == (np.uint8, truth.shape, 3)
    assert set(np.unique(truth)) >= {0, 255}


def test_the_command_prints_the_installation(monkeypatch):
    record = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).stdout)
    assert record["devices"][0] == "cpu"
    assert record["extras"]["models"]["torch"] == torch.__version__
    assert record["memory"]["free"]["cpu"] > 0 and "14.4 GB" in record["memory"]["models"]["diffdis"]
    monkeypatch.setattr(installation, "find_version", lambda name: None if name == "onnxruntime" else "1")
    shown = CliRunner().invoke(main, ["doctor"]).stdout
    assert "disbench[onnx]: without onnxruntime; pip install 'disbench[onnx]'" in shown
    assert "disbench[train]: complete" in shown
    assert "free memory: cpu " in shown and "memory of diffdis: at 1024 pixels about 7.2 GB" in shown
    described = CliRunner().invoke(main, ["models", "diffdis"]).stdout
    assert "Memory: at 1024 pixels about 7.2 GB" in described


def test_the_extras_are_those_of_the_package():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    wanted = {
        extra: {name.split(">")[0] for name in names} for extra, names in project["optional-dependencies"].items()
    }
    shown = wanted.keys() - {"all", "dev", "docs"}
    packages = {extra: wanted[extra] - {"disbench[models]"} for extra in shown}
    assert packages == {extra: set(names) for extra, names in installation.EXTRAS.items()}
