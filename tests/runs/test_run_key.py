"""The run key holds everything that decides a score, and nothing of the place where a run was made."""

from dataclasses import replace

import numpy as np
import pytest
from fake_runs import make_run
from image_files import write

from disbench.data.dataset import DataSet, Sample
from disbench.data.hashing import combine_digests
from disbench.data.location import find_dataset
from disbench.errors import InputError
from disbench.inference.map_folder import MapFolder
from disbench.inference.model import Model, load_model
from disbench.runs import api, execute, pipeline
from disbench.runs.comparable import check_comparable
from disbench.runs.engines.threads import LocalSource
from disbench.runs.manifest import Manifest, read_manifest, write_manifest
from disbench.runs.result import load_latest
from disbench.runs.spec import MeasureSpec, RunConfig

DISC = np.zeros((24, 32), np.uint8)
DISC[6:18, 8:20] = 255


@pytest.fixture
def folder(tmp_path, make_pairs):
    return make_pairs(tmp_path / "mine", ["a", "b"])


def otsu(folder, out):
    return api.run("otsu", data=folder, out=out, save_maps=False)


def run_stages(stages, dataset, out):
    """Run a model or a folder of maps in this process, and return the folder of the run."""
    config = RunConfig(out=out, save_maps=False, workers=0)
    return execute.execute(LocalSource(stages), dataset, MeasureSpec.parse(), config).folder


def make_manifest(identity):
    splits = {"a": 1}
    return Manifest(
        title="title", dataset="data", token="token", protocol="pysod", splits=splits, identity=identity
    )


class Maps(MapFolder):
    """Saved maps that say that they were computed on `device`."""

    def __init__(self, dataset, root, device):
        super().__init__("maps", root, dataset.samples)
        self.device = device

    @property
    def environment(self):
        return {}


def test_the_key_of_an_identity_is_what_it_was():
    """Sorted JSON of the identity, SHA-256, 12 digits: by `printf '{"a":1,"b":[2,"é"]}' | sha256sum`."""
    assert make_manifest({"a": 1, "b": [2, "é"]}).key == "992f8d0a5d61"


def test_the_order_of_an_identity_is_not_in_the_key():
    assert make_manifest({"a": 1, "b": 2}).key == make_manifest({"b": 2, "a": 1}).key
    assert make_manifest({"a": {"x": 1, "y": 2}}).key == make_manifest({"a": {"y": 2, "x": 1}}).key
    assert make_manifest({"a": 1, "b": 2}).key != make_manifest({"a": 2, "b": 1}).key


def test_only_the_identity_is_in_the_key():
    first = make_manifest({"a": 1})
    others = {"title": "t", "dataset": "d", "protocol": "mvanet", "splits": {}, "complete": True, "meta": {"x": 1}}
    assert replace(first, **others).key == first.key


def test_another_kernel_version_is_another_run(tmp_path, folder, monkeypatch):
    first = otsu(folder, tmp_path / "runs")
    assert otsu(folder, tmp_path / "runs").folder == first.folder
    monkeypatch.setattr(execute, "KERNEL_VERSION", "x")
    assert otsu(folder, tmp_path / "runs").folder != first.folder


def test_the_kind_of_device_is_in_the_key_and_its_number_is_not(tmp_path, folder):
    dataset = find_dataset(folder)

    def run(device):
        return run_stages(Maps(dataset, folder / "gt", device), dataset, tmp_path / "runs")

    assert run("cuda:0") == run("cuda:1") == run("cuda")
    assert run("cpu") != run("cuda:0")


def test_the_preprocessing_that_a_card_declares_is_in_the_identity(tmp_path, folder):
    dataset, model = find_dataset(folder), load_model("otsu")
    changed = Model(replace(model.card, pipeline=model.card.pipeline | {"size": 7}), model.predictor)
    assert changed.identity != model.identity
    folders = {run_stages(stages, dataset, tmp_path / "runs") for stages in (model, changed)}
    assert len(folders) == 2


def test_maps_exchanged_between_two_splits_are_other_maps(tmp_path):
    """The files of both splits have the same names, so only the split tells them apart."""
    samples = []
    for split, level in (("one", 100), ("two", 200)):
        for kind in ("truths", "maps"):
            (tmp_path / kind / split).mkdir(parents=True)
        truth = tmp_path / "truths" / split / "a.png"
        write(truth, DISC)
        write(tmp_path / "maps" / split / "a.png", np.full_like(DISC, level))
        samples.append(Sample(split, "a", None, truth))
    dataset = DataSet("two splits", "token", tmp_path, {sample.split: (sample,) for sample in samples})

    def run():
        maps = MapFolder("maps", tmp_path / "maps", samples)
        return maps.identity, run_stages(maps, dataset, tmp_path / "runs")

    first = run()
    assert run() == first
    files = [tmp_path / "maps" / split / "a.png" for split in ("one", "two")]
    contents = [file.read_bytes() for file in files]
    for file, content in zip(files, reversed(contents), strict=True):
        file.write_bytes(content)
    exchanged = run()
    assert exchanged[0] != first[0] and exchanged[1] != first[1]


def test_the_digest_of_a_split_does_not_depend_on_the_order_of_its_files():
    assert combine_digests([("a", "1"), ("b", "2")]) == combine_digests([("b", "2"), ("a", "1")])
    assert combine_digests([("a", "1"), ("b", "2")]) != combine_digests([("a", "2"), ("b", "1")])


def test_the_digest_of_a_map_holds_its_shape():
    """By `{ printf '(2, 3)'; printf '\\1%.0s' {1..6}; } | sha256sum`."""
    assert pipeline.hash_mask(np.ones((2, 3), np.uint8)) == "404fe6a87d90dc56"
    assert pipeline.hash_mask(np.ones((2, 3), np.uint8)) != pipeline.hash_mask(np.ones((3, 2), np.uint8))


def test_the_latest_runs_are_those_on_the_data_set_of_the_very_last(tmp_path, make_pairs):
    make_pairs(tmp_path / "x", ["a"])
    make_pairs(tmp_path / "y", ["b"])
    for model, data, finished in (("otsu", "x", 1), ("all_foreground", "y", 2)):
        run = api.run(model, data=tmp_path / data, out=tmp_path / "runs", save_maps=False)
        meta = run.meta | {"finished": f"200{finished}-01-01T00:00:00+00:00"}
        write_manifest(run.folder, replace(read_manifest(run.folder), meta=meta))
    (last,) = load_latest(tmp_path / "runs")
    assert (last.title, last.dataset, last.folder) == (run.title, "y", run.folder)


def test_results_of_two_kernel_versions_are_refused_even_under_different_protocols(tmp_path):
    run = make_run(tmp_path)
    other = run.with_protocol("mvanet")
    check_comparable([run, other])
    version = next(field for field in other.signature.split("|") if field.startswith("kernel:"))
    newer = replace(other, signature=other.signature.replace(version, f"{version}1"))
    with pytest.raises(InputError, match="different rules"):
        check_comparable([run, newer])


def test_the_place_of_a_data_set_is_not_in_the_key(tmp_path, make_pairs):
    """Nor are the times of its files: only their bytes and names."""
    first = otsu(make_pairs(tmp_path / "x" / "mine", ["a"]), tmp_path / "runs")
    second = otsu(make_pairs(tmp_path / "y" / "mine", ["a"]), tmp_path / "others")
    assert first.folder.name == second.folder.name
