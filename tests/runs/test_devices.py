"""One run on several devices of a machine: only the parent writes rows, whatever happens to its children.

The devices are "cpu,cpu". The model is a file, which can set a trap: what a child does on one of the images.
"""

import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import MappingProxyType

import pytest

from disbench.data.images import read_image
from disbench.data.location import find_dataset
from disbench.errors import InputError
from disbench.runs import api
from disbench.runs.engines.devices import Devices
from disbench.runs.shard import ShardSpec
from disbench.runs.spec import MeasureSpec, ModelSpec

NAMES = [f"image{k:02}" for k in range(8)]
DEVICES = "cpu,cpu"
IN_CI = [pytest.mark.ci, pytest.mark.slow]
# The map is the brightness. What takes the place of LOADING and TRAPPED is different in each test.
MODEL = """
import hashlib, os, signal, time
from pathlib import Path

class Predictor:
    device = "cpu"
    identity = {}

    def __init__(self, card, weights, device):
        LOADING

    def prepare(self, image):
        if Path("trap").exists() and hashlib.sha256(image.tobytes()).hexdigest() == Path("trap").read_text():
            TRAPPED
        return image.mean(2)[None]

    def infer(self, batch):
        return batch[:, 0] / 255

    def restore(self, output, size):
        return (output * 255).astype("uint8")
"""


@pytest.fixture
def here(tmp_path, make_pairs, monkeypatch):
    """The working folder, with the images under data/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    make_pairs(tmp_path / "data", NAMES)
    return tmp_path


def write_model(trapped="pass", loading="pass"):
    Path("model.py").write_text(MODEL.replace("TRAPPED", trapped).replace("LOADING", loading), encoding="utf-8")


def set_trap(name):
    """Let the model do something special on this image."""
    image = read_image(Path("data", "im", f"{name}.jpg"))
    Path("trap").write_text(hashlib.sha256(image.tobytes()).hexdigest(), encoding="utf-8")


def run(**options):
    return api.run("model.py", data="data", **options)


def digest(result):
    return hashlib.sha256((result.folder / "scores.parquet").read_bytes()).hexdigest()


def logged_names():
    """The names of the images that have a row, of the only run."""
    (folder,) = Path("runs", "model").iterdir()
    lines = [line for path in (folder / "shards").iterdir() for line in path.open()]
    return [json.loads(line)["name"] for line in lines if line.endswith("\n")]


def test_two_devices_give_the_tables_and_maps_of_one(here):
    """Maps are saved if they are wanted, also by a second run of the same images."""
    write_model()
    alone = run(out="whole")
    progress = []
    without_maps = run(device=DEVICES, save_maps=False, progress=lambda *call: progress.append(call))
    assert [call for call in progress if call[2] == "model.py"] == [(k, 8, "model.py") for k in range(1, 9)]
    assert without_maps.meta["environment"]["device"] == "cpu" and without_maps.meta["workers"] == 0
    assert not list(without_maps.folder.rglob("*.png"))
    with_maps = run(device=DEVICES)
    assert digest(with_maps) == digest(without_maps) == digest(alone)
    for row in alone.rows["data"]:
        assert with_maps.mask(row).read_bytes() == alone.mask(row).read_bytes()
    assert len(list(with_maps.folder.rglob("*.png"))) == len(NAMES)


def test_a_model_may_start_processes_of_its_own(here):
    write_model(loading="import multiprocessing; p = multiprocessing.Process(target=print); p.start(); p.join()")
    assert len(run(device=DEVICES).rows["data"]) == 8


def test_a_model_spec_crosses_processes_whatever_mapping_its_options_are(here):
    options = {"size": "64"}
    spec = ModelSpec(name="otsu", options=MappingProxyType(options))
    options["size"] = "128"
    assert pickle.loads(pickle.dumps(spec)).options == {"size": "64"}


@pytest.mark.parametrize("device", ["cpu,cuda:0", "cpu,", ","])
def test_devices_of_several_kinds_make_no_run(here, device):
    with pytest.raises(InputError, match=f"--device {device}: give several devices of one kind"):
        run(device=device)


def test_an_unfit_image_is_reported_when_the_other_child_is_done(here):
    write_model()
    torn = Path("data", "im", "image04.jpg")
    torn.write_bytes(torn.read_bytes()[:-100])  # its size can still be read, its pixels cannot
    with pytest.raises(InputError, match=r"image04\.jpg"):
        run(device=DEVICES)
    assert set(NAMES[1::2]) <= set(logged_names())


def test_a_killed_child_is_named_and_the_run_resumes_to_the_same_bytes(here):
    """The child that has image03 kills itself there; the other one computes all of its images."""
    write_model(trapped="os.kill(os.getpid(), signal.SIGKILL)")
    expected = digest(run(out="whole"))
    set_trap("image03")
    with pytest.raises(InputError, match=r"the process on cpu was killed, .*; run the same command again to resume"):
        run(device=DEVICES)
    assert sorted(logged_names()) == [name for name in NAMES if name not in NAMES[3::2]]
    Path("trap").unlink()
    first = logged_names()
    assert digest(run(device=DEVICES)) == expected
    assert sorted(logged_names()) == NAMES, "no image was computed twice"
    assert len(first) == 5


def test_a_child_that_dies_before_its_images_come_is_named_too(here):
    """The rows of the other child arrive first, then the error."""
    names = []
    with Devices(["cpu", "cpu"]).open(ModelSpec(name="otsu")) as source:
        _, second = source.workers.values()
        second.kill()
        second.join()
        rows = source.rows(find_dataset("data").samples, MeasureSpec.parse(), None, None)
        with pytest.raises(InputError, match="was killed"):
            for row in rows:
                names.append(row.name)
    assert names == NAMES[::2]


@pytest.mark.parametrize(
    ("loading", "message"),
    [
        ("raise ValueError('no')", r"model\.py: no predictor \(ValueError: no\)"),
        ("Path('one').touch(exist_ok=False)", r"model\.py: no predictor \(FileExistsError"),  # in the second child
        ("os._exit(3)", "the process on cpu failed; its error is above"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_reported_before_there_is_a_run(here, loading, message):
    write_model(loading=loading)
    with pytest.raises(InputError, match=message):
        run(device=DEVICES)
    assert not Path("runs").exists()


@pytest.mark.slow
@pytest.mark.ci
def test_another_error_waits_for_the_other_child_as_well(here):
    write_model(trapped="raise MemoryError")
    set_trap("image00")
    with pytest.raises(MemoryError):
        run(device=DEVICES)
    assert sorted(logged_names()) == NAMES[1::2]


@pytest.mark.parametrize(
    ("send", "number", "status"),
    [
        # As a terminal does it: to the whole group of processes.
        pytest.param(os.killpg, signal.SIGINT, 130, id="Ctrl-C", marks=IN_CI),
        pytest.param(os.kill, signal.SIGINT, 130, id="SIGINT", marks=IN_CI),
        pytest.param(os.kill, signal.SIGKILL, -signal.SIGKILL, id="SIGKILL", marks=IN_CI),
    ],
)
def test_a_stopped_parent_keeps_the_rows_and_its_children_end(here, send, number, status):
    write_model(trapped="Path('there').touch(); time.sleep(2)")
    set_trap("image06")
    command = [sys.executable, "-m", "disbench", "run", "--model", "model.py", "--data", "data", "--device", DEVICES]
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    options = {"env": os.environ | {"PYTHONPATH": path}, "start_new_session": True, "preexec_fn": heed_interrupts}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options) as process:
        wait_for(lambda: process.poll() is not None or (Path("there").exists() and logged_names()))
        assert process.poll() is None, process.stderr.read()
        send(process.pid, number)
        _, message = process.communicate()
    assert process.returncode == status and "Traceback" not in message
    if status == 130:
        assert message.endswith("interrupted; progress is saved; run the same command again to resume\n")
    wait_for(lambda: group_is_gone(process.pid))
    rows = logged_names()
    assert rows and len(set(rows)) == len(rows) < len(NAMES)
    Path("trap").unlink()
    resumed = run()
    assert sorted(logged_names()) == NAMES, "no image was computed twice"
    assert digest(resumed) == digest(run(out="whole"))


def heed_interrupts():
    """Undo what a shell does to jobs in the background, which ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(condition):
    while not condition():
        time.sleep(0.01)


def group_is_gone(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.slow
@pytest.mark.ci
def test_a_shard_on_several_devices_has_the_images_of_the_shard(here):
    write_model()
    assert run(device=DEVICES, shard=ShardSpec(1, 2)) is None
    assert sorted(logged_names()) == NAMES[1::2]
    complete = run(shard=ShardSpec(0, 2))
    assert sorted(logged_names()) == NAMES
    assert digest(complete) == digest(run(out="whole"))
