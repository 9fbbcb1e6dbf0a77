"""The examples of docs/training-metrics.md run, each in the order of its section, and give the same scores."""

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import disbench

torch = pytest.importorskip("torch")
PAGE = Path(__file__).parents[2] / "docs" / "training-metrics.md"
SECTIONS = {
    title: re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for title, text in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
}
NAMES = [f"image-{i}" for i in range(5)]


class Pictures(torch.utils.data.Dataset):
    """Five images with ground truths of one size; `form` makes an item of an image, its truth and its name."""

    def __init__(self, form):
        self.form = form

    def __len__(self):
        return len(NAMES)

    def __getitem__(self, i):
        truth = torch.zeros(1, 12, 16)
        truth[:, 2:9, 3 + i : 9 + i] = 1
        noise = torch.rand(3, 12, 16, generator=torch.Generator().manual_seed(i))
        return self.form(truth * 0.5 + noise * 0.5, truth, NAMES[i])


class Model(torch.nn.Module):
    """A network as the Trainer calls it."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, pixels, truths):
        logits = self.network(pixels)
        return {"loss": torch.nn.functional.binary_cross_entropy_with_logits(logits, truths), "logits": logits}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The names that the examples take as given, and the scores that they must find."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 1, 3, padding=1)
    loader = torch.utils.data.DataLoader(Pictures(lambda *item: item), batch_size=2)
    expected = disbench.Meter(metrics="f_max,f_weighted,mae")
    with torch.no_grad():
        for i in range(len(NAMES)):
            image, truth, name = loader.dataset[i]
            soft = (network(image[None])[0, 0].sigmoid().numpy() * 255).round().astype(np.uint8)
            expected.update(soft, truth[0].numpy().astype(bool), name)
    dataset = Pictures(lambda image, truth, name: {"pixels": image, "truths": truth})
    names = {"network": network, "loader": loader, "model": Model(network), "dataset": dataset}
    return names, expected.compute()


def run(title, names, count):
    """Run the first examples of a section. Returns what is then defined."""
    module = types.ModuleType("example")  # classes look for the module that they are defined in
    sys.modules["example"] = module
    vars(module).update(names)
    for code in SECTIONS[title][:count]:
        exec(compile(code, title, "exec"), vars(module))
    return vars(module)


def test_every_section_with_an_example_has_a_test():
    assert {title: len(blocks) for title, blocks in SECTIONS.items() if blocks} == {
        "PyTorch": 2, "torchmetrics": 1, "Lightning": 1, "Hugging Face Trainer": 1
    }  # fmt: skip


def test_the_example_of_pytorch(place):
    names, expected = place
    ran = run("PyTorch", names, 1)
    assert ran["scores"]["pysod/f_max"] == expected["f_max"]
    assert ran["scores"]["pysod/mae"] == expected["mae"]
    assert set(ran["scores"]) == {f"{p}/{key}" for p in ("pysod", "diffdis") for key in ("f_max", "e_adaptive", "mae")}
    assert ran["meter"].names == NAMES
    assert ran["validate"](names["network"], names["loader"]) == ran["scores"]  # the next epoch


def test_the_example_of_processes_without_torchmetrics(place, tmp_path):
    names, _ = place
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        ran = run("PyTorch", names, 2)
    finally:
        torch.distributed.destroy_process_group()
    assert ran["scores"] == ran["meter"].compute()


def test_the_example_of_torchmetrics(place):
    pytest.importorskip("torchmetrics.metric")
    names, expected = place
    ran = run("torchmetrics", names, 1)
    assert ran["scores"] == {f"val/{key}": value for key, value in expected.items()}


@pytest.mark.slow
def test_the_example_of_lightning(place):
    pytest.importorskip("lightning")
    names, expected = place
    ran = run("Lightning", names, 1)
    assert ran["scores"] == {f"val/{key}": pytest.approx(expected[key], abs=1e-6) for key in ("f_max", "mae")}


@pytest.mark.slow
def test_the_example_of_the_trainer(place):
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    names, expected = place
    scores = run("Hugging Face Trainer", names, 1)["scores"]
    assert (scores["eval_f_max"], scores["eval_mae"]) == (expected["f_max"], expected["mae"])
