"""The key of a run describes what was decoded: a file that changes after it was hashed is refused, and named."""

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from hostile import accepted, call, files, refused

from disbench import load as load_public
from disbench.data import digest_cache, images, truth_cache
from disbench.data.hashing import ChangedFileError, hash_file, load_hashed
from disbench.data.images import read_map
from disbench.errors import InputError
from disbench.inference.map_folder import MapFolder
from disbench.runs import execute
from disbench.runs.engines.base import check_identity
from disbench.runs.engines.devices import DeviceSource
from disbench.runs.engines.ray import RaySource
from disbench.runs.row_log import RowLogs

NAMES = ["a", "b", "c"]
COMMANDS = {
    "run": ["run", "--model", "otsu", "--data", "d", "--no-save"],
    "run on devices": ["run", "--model", "model.py", "--data", "d", "--device", "cpu,cpu", "--no-save"],
    "score": ["score", "maps", "--data", "d"],
    "score in this thread": ["score", "maps", "--data", "d", "--workers", "0"],
    "score with maps": ["score", "maps", "--data", "d", "--save"],
}
MODEL = """
class Predictor:
    def __init__(self, card, weights, device):
        self.device, self.level = "cpu", float(open(weights).read()) if weights else 0.5
    def prepare(self, image): return image.mean(2)[None]
    def infer(self, batch): return batch[:, 0] * self.level
    def restore(self, output, size): return output.astype("uint8")
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, make_pairs):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    make_pairs(tmp_path / "d", NAMES)
    shutil.copytree("d/gt", "maps")
    Path("model.py").write_text(MODEL, encoding="utf-8")


def change(path):
    """Write another picture of the same size; it can be read."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(path), 255 - pixels)


@pytest.fixture
def change_when_hashed(monkeypatch):
    """change_when_hashed(path): the file changes as soon as a run has its key."""

    def prepare(path):
        def open_and_change(*arguments):
            monkeypatch.setattr(execute, "open_run", opened)
            folder = opened(*arguments)
            change(path)
            return folder

        opened = execute.open_run
        monkeypatch.setattr(execute, "open_run", open_and_change)

    return prepare


CHANGES = [
    ("run", "d/im/b.jpg"),
    ("run", "d/gt/b.png"),
    ("score", "maps/b.png"),
    ("score", "d/gt/b.png"),
    ("score in this thread", "maps/b.png"),
    ("score with maps", "maps/b.png"),
    pytest.param("run on devices", "d/im/b.jpg", marks=pytest.mark.slow),
    pytest.param("run on devices", "d/gt/b.png", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("command", "path"), CHANGES)
def test_a_file_that_changes_after_it_was_hashed_is_named_and_nothing_of_it_is_stored(
    command, path, change_when_hashed
):
    original = Path(path).read_bytes()
    accepted(call(*COMMANDS[command], "--out", "whole"))
    (whole,) = Path("whole").glob("*/*")
    change_when_hashed(path)
    refused(call(*COMMANDS[command]), f"{path}: changed after it was hashed", "run the same command again")
    (folder,) = Path("runs").glob("*/*")
    assert folder.name == whole.name
    assert ("d", "b") not in RowLogs(folder)
    assert not list(folder.glob("masks/*/b.png"))
    accepted(call(*COMMANDS[command]))  # what the message says
    assert len(list(Path("runs").glob("*/*"))) == 2
    Path(path).write_bytes(original)
    accepted(call(*COMMANDS[command]))
    assert (folder / "scores.parquet").read_bytes() == (whole / "scores.parquet").read_bytes()


@pytest.mark.parametrize("path", ["d/gt/b.png", "d/im/b.jpg"])
def test_a_change_that_size_and_dates_do_not_show_is_found(path, monkeypatch):
    """The cache of digests takes the file for the one it knows; the bytes that are decoded say otherwise."""
    monkeypatch.setattr(digest_cache, "_stamp", lambda path: (1, 2, 3, 4))
    accepted(call(*COMMANDS["run"], "--out", "before"))
    change(path)
    refused(call(*COMMANDS["run"]), f"{path}: changed after it was hashed")
    accepted(call(*COMMANDS["run"]))
    keys = {folder.name for folder in Path().glob("*/otsu/*")}
    assert len(keys) == 2
    complete = [folder for folder in Path("runs/otsu").iterdir() if (folder / "scores.parquet").exists()]
    assert len(complete) == 1


def test_a_map_that_got_another_size_after_its_size_was_checked_is_not_resized():
    (sample, *_) = samples = execute.hash_dataset(load_data()).samples
    maps = MapFolder("m", Path("maps"), samples, resize="bilinear")
    assert maps.resized == 0
    large = np.zeros((48, 64), np.uint8)
    assert maps.finish(large, (24, 32))[0].shape == (48, 64)  # so that it is refused
    cv2.imwrite("maps/a.png", large)
    assert hash_file(Path("maps/a.png")) == maps.digests[sample.key]  # hashed at first use
    cv2.imwrite("maps/a.png", large + 1)
    with pytest.raises(ChangedFileError, match=r"maps/a\.png"):
        maps.load(sample)


def load_data():
    from disbench.data.location import find_dataset

    return find_dataset("d", images=False)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp", ".jpg"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_format_is_decoded_from_the_bytes_that_are_checked(suffix, channels, monkeypatch):
    """No reader opens the file again: it is removed as soon as it was read."""
    path = Path(f"x{suffix}")
    pixels = np.full((8, 9, channels), 255, np.uint8)
    cv2.imwrite(str(path), pixels)
    digest = hash_file(path)
    expected = read_map(path)
    with pytest.raises(ChangedFileError):
        read_map(path, "0" * 64)
    read = images.read_bytes

    def read_and_remove(*arguments):
        data = read(*arguments)
        path.unlink()
        return data

    monkeypatch.setattr(images, "read_bytes", read_and_remove)
    assert np.array_equal(read_map(path, digest), expected)


@pytest.mark.parametrize("path", ["w.txt", "model.py"])
def test_weights_and_code_that_change_while_they_are_loaded_are_named(path, monkeypatch):
    from disbench.inference import model

    Path("w.txt").write_text("0.25", encoding="utf-8")
    load = model.load_predictor

    def load_and_change(*arguments):
        predictor = load(*arguments)
        Path(path).write_text(Path(path).read_text(encoding="utf-8") + " ", encoding="utf-8")
        return predictor

    run = ["run", "--model", "model.py", "--weights", "w.txt", "--data", "d"]
    with monkeypatch.context() as patched:
        patched.setattr(model, "load_predictor", load_and_change)
        refused(call(*run), f"{path}: changed after it was hashed")
    assert not Path("runs").exists()
    accepted(call(*run))


def test_a_file_that_changes_while_a_library_reads_it_is_named():
    paths = [Path("model.py"), Path("d/gt/a.png")]
    assert load_hashed(paths, lambda: 7) == (7, [hash_file(path) for path in paths])
    with pytest.raises(ChangedFileError, match=r"d/gt/a\.png: changed"):
        load_hashed(paths, lambda: change(paths[1]))


def test_code_of_the_same_size_and_date_is_not_mistaken_for_older_code():
    """Python's own cache of compiled code compares the size and the second of a file."""
    image = np.full((4, 4, 3), 100, np.uint8)
    os.utime("model.py", (1, 1))
    assert load_public("model.py").predict(image)[0, 0] == 50
    Path("model.py").write_text(MODEL.replace("0.5", "0.2"), encoding="utf-8")
    os.utime("model.py", (1, 1))
    assert load_public("model.py").predict(image)[0, 0] == 20


def test_a_model_that_another_process_loads_must_be_the_same():
    """Of a cluster's worker that takes the place of a lost one, and of a process on a second device."""
    Path("w.txt").write_text("0.25", encoding="utf-8")
    source = RaySource(lambda: load_public("model.py", weights="w.txt"), describe_model())
    source.load()
    Path("w.txt").write_text("0.75", encoding="utf-8")
    with pytest.raises(InputError, match=r"model.py: a Ray worker loaded other content \(weights_file\)"):
        source.load()

    class Pipe:
        def __init__(self):
            self.description = describe_model()

        def recv(self):
            return self.description

    pipes = {Pipe(): None}
    Path("w.txt").write_text("0.25", encoding="utf-8")
    with pytest.raises(InputError, match=r"the process on cpu:1 loaded other content \(weights_file\)"):
        DeviceSource(["cpu:0", "cpu:1"], pipes | {Pipe(): None})
    check_identity({"a": {"b": [1]}}, describe_as({"a": {"b": [1]}}), "x")


def describe_model():
    from disbench.runs.engines.base import describe

    return describe(load_public("model.py", weights="w.txt"))


def describe_as(identity):
    from dataclasses import replace

    Path("w.txt").write_text("1", encoding="utf-8")
    return replace(describe_model(), identity=identity)


def test_tensors_of_a_safetensors_file_do_not_change_with_it():
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    from disbench.models._parts.weights import read_weights, separate_from_file

    save_file({"weight": torch.ones(1, 1 << 12)}, "w.safetensors")
    tensors = read_weights(Path("w.safetensors"))
    module = torch.nn.Linear(1 << 12, 1, bias=False)
    module.load_state_dict(load_file("w.safetensors"), assign=True)
    separate_from_file(module)
    with Path("w.safetensors").open("r+b") as file:  # as `cp` writes over a file
        file.seek(-(1 << 12), os.SEEK_END)
        file.write(bytes(1 << 12))
    assert tensors["weight"].min() == module.weight.min() == 1


def test_a_complexity_is_not_cached_under_the_digest_of_another_file():
    path = Path("d/gt/a.png")
    digest = hash_file(path)
    cv2.imwrite(str(path), np.zeros((24, 32), np.uint8))
    with pytest.raises(ChangedFileError, match=r"a\.png"):
        truth_cache.load_complexity(path, digest)
    assert not files("cache")


def test_a_resumed_run_checks_what_it_adds(change_when_hashed):
    """Rows of before the change stay, those after it are refused."""
    command = ["score", "maps", "--data", "d", "--workers", "0"]
    change_when_hashed("maps/c.png")
    refused(call(*command), "maps/c.png")
    (folder,) = Path("runs/maps").iterdir()
    assert [name for name in NAMES if ("d", name) in RowLogs(folder)] == ["a", "b"]


def test_a_cluster_gets_the_digests_of_maps():
    import pickle

    samples = load_data().samples
    maps = MapFolder("m", Path("maps"), samples)
    identity = maps.identity
    there = pickle.loads(pickle.dumps(maps))
    change("maps/a.png")
    assert there.identity == identity
    with pytest.raises(ChangedFileError):
        there.load(samples[0])
