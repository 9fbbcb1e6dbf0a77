"""Run keys as they were when each was written down: one for every kind of model.

A key names the folder of a run. Where a key changes, every run made before is orphaned, and `disbench run` measures all
images again. Only a new KERNEL_VERSION, or another network or preprocessing, may change one.

No key here depends on the machine. The data set is written byte by byte, since image encoders differ between versions,
and the files of networks lie in goldens/keys. A run's `environment` is in run.json, but not in its key. Two kinds of
model have no key here, because the versions of other packages decide it: "untrained" weights, which torch draws, and
hf: repositories, whose weights do not ship with disbench.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from fixed_data import png, save, write_data
from own_registry import isolate_registry

from disbench.cli.main import main

TESTS = Path(__file__).parents[1]
NETWORKS = TESTS / "goldens" / "keys"
PREDICTOR = b'''"""Dark pixels are foreground."""

import numpy as np


class Predictor:
    def __init__(self, card, weights, device, level="100"):
        self.device = "cpu"
        self.level = int(level)
        self.identity = {"level": self.level}

    def prepare(self, image):
        return image.mean(2)[None]

    def infer(self, batch):
        return (batch[:, 0] < self.level).astype(np.float32)

    def restore(self, output, size):
        return (output * 255).astype(np.uint8)
'''
TRUTHS = "248090a1c24c5da274a218b855bde5c860ca155778c4dace9942b4d04eb5fdcc"
IMAGES = "65d1703bd27cb756290ae4ae17a882b1ccd9c38b273e1929efd4155914781a2c"
MAPS = "9e6763e6d442ba8f8a3ffe0d14631160401396f3f66030c8f11dbf596fd5d42e"
CARD = b"""title = "Dark"
predictor = "predictor:Predictor"
status = "trivial"

[protocol]
size = "native"
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with `data` and `maps`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    write_data(tmp_path)
    return tmp_path


def run_folder(*arguments):
    """`<model>/<key>`, by the command."""
    ran = CliRunner().invoke(main, [*map(str, arguments), "--out", "runs", "--json"])
    assert ran.exit_code == 0, ran.output
    (run,) = {result["run"] for result in json.loads(ran.stdout)}
    return Path(run).relative_to("runs").as_posix()


def test_a_model_without_weights(here):
    assert run_folder("run", "--model", "otsu", "--data", "data") == "otsu/127645bc48d6"
    assert run_folder("run", "--model", "all_foreground", "--data", "data") == "all_foreground/00ebda068bcb"


def test_other_columns_are_another_key(here):
    command = ("run", "--model", "otsu", "--data", "data")
    assert run_folder(*command, "--protocol", "diffdis,isnet") == "otsu/ab5010b21fc2"
    assert run_folder(*command, "--metrics", "f_max,mba") == "otsu/6109999a37a7"


@pytest.mark.parametrize(
    ("options", "key"), [((), "cf6db57e20df"), (("--option", "size=64", "--option", "steps=2"), "f79c2de8fe5c")]
)
def test_shipped_weights_with_and_without_an_option(here, options, key):
    """The first image is torn, so that the run ends when it has its folder, before the network computes."""
    pytest.importorskip("diffusers")
    image = here / "data" / "im" / "a.png"
    image.write_bytes(image.read_bytes()[:100])
    command = ["run", "--model", "diffdis", "--data", "data", "--device", "cpu", "--out", "runs", *options]
    ran = CliRunner().invoke(main, command)
    assert ran.exit_code == 2 and "a.png" in ran.stderr
    assert [folder.name for folder in (here / "runs" / "diffdis").iterdir()] == [key]


def test_weights_of_a_baseline_count_by_their_tensors():
    """The digest that is in the key of every trained baseline; `printf` and `sha256sum` give the same."""
    torch = pytest.importorskip("torch")
    from disbench.models._parts.weights import digest_tensors

    tensors = {"b": torch.tensor([1.0, 2.0]), "a": torch.tensor(3)}
    assert digest_tensors(sorted(tensors.items())) == "318c7100806cdd0bbb848cfa34f8653df9e02c57662048a0d2734846e8a7f23d"


def test_a_python_file(here):
    save(here / "dark.py", PREDICTOR)
    save(here / "level.pth", b"weights")
    command = ("run", "--model", "dark.py", "--data", "data")
    assert run_folder(*command) == "dark/0270a368ee86"
    assert run_folder(*command, "--option", "level=90") == "dark/85663701bd6a"
    assert run_folder(*command, "--weights", "level.pth") == "dark/6e53c3be8f2b"


def test_a_folder_of_models(here, monkeypatch):
    isolate_registry(monkeypatch)
    save(here / "own" / "golden_dark" / "card.toml", CARD)
    save(here / "own" / "golden_dark" / "predictor.py", PREDICTOR)
    command = ("run", "--models", here / "own", "--model", "golden-dark", "--data", "data")
    assert run_folder(*command) == "golden_dark/6f5cf32423ff"


@pytest.mark.slow
@pytest.mark.ci
def test_a_plug_in(here):
    """Installed by hand, as pip does it: the package, and next to it the record of its entry points."""
    site, record = here / "site", here / "site" / "golden_plugin-1.dist-info"
    save(site / "golden_plugin" / "__init__.py", b"")
    save(site / "golden_plugin" / "plugged_dark" / "card.toml", CARD)
    save(site / "golden_plugin" / "plugged_dark" / "predictor.py", PREDICTOR)
    save(record / "METADATA", b"Metadata-Version: 2.1\nName: golden-plugin\nVersion: 1\n")
    save(record / "entry_points.txt", b"[disbench.models]\ngolden = golden_plugin\n")
    path = os.pathsep.join([str(TESTS.parent), str(site)])
    command = [sys.executable, "-m", "disbench", "run", "--model", "plugged_dark", "--data", "data", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})
    assert ran.returncode == 0, ran.stderr
    assert Path(json.loads(ran.stdout)[0]["run"]).as_posix() == "runs/plugged_dark/cfdb3c4d20ae"


def test_an_onnx_file(here):
    pytest.importorskip("onnxruntime")
    save(here / "mean.onnx", (NETWORKS / "mean.onnx").read_bytes())
    command = ("run", "--model", "mean.onnx", "--data", "data", "--device", "cpu")
    assert run_folder(*command, "--option", "size=32") == "mean/0b16b3546fc5"
    assert run_folder(*command, "--option", "size=24x32", "--option", "stretch=min-max") == "mean/131292d68388"


def test_a_torchscript_file(here):
    pytest.importorskip("torch")
    save(here / "mean.pt", (NETWORKS / "mean.pt").read_bytes())
    command = ("run", "--model", "mean.pt", "--data", "data", "--device", "cpu")
    assert run_folder(*command, "--option", "size=32") == "mean/47c24d78b3c6"


def test_saved_maps(here):
    assert run_folder("score", "mine=maps", "--data", "data") == "mine/97bab1e573ff"
    assert run_folder("score", "mine=maps", "--truth", "data/gt") == "mine/97bab1e573ff"


def test_saved_maps_that_a_protocol_resizes(here):
    small = png([bytes([20] * 6 + [230] * 6)] * 8, 1)
    save(here / "maps" / "a.png", small)
    assert run_folder("score", "mine=maps", "--data", "data", "--protocol", "mvanet") == "mine/c71dcb828043"


def test_the_fields_of_an_identity(here):
    """What the key hashes, by name. The digests are by sha256sum of the files, and of lines of name, tab and digest."""
    folder = run_folder("run", "--model", "otsu", "--data", "data")
    identity = json.loads((here / "runs" / folder / "run.json").read_text())["identity"]
    assert identity.keys() == {"model", "card", "device", "data", "kernel", "resized", "columns"}
    assert identity["data"] == {"data": {"truths": TRUTHS, "images": IMAGES}}
    assert (identity["model"], identity["device"], identity["resized"]) == ("otsu", "cpu", "native")
    folder = run_folder("score", "mine=maps", "--data", "data")
    identity = json.loads((here / "runs" / folder / "run.json").read_text())["identity"]
    assert identity.keys() == {"maps", "device", "data", "kernel", "resized", "columns"}
    assert identity["maps"] == MAPS
