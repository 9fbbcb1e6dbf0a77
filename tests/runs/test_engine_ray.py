"""On a Ray cluster of several nodes on this machine: the same bytes as from one process, whoever is killed."""

import hashlib
import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from disbench.cli.main import main
from disbench.data.location import find_dataset
from disbench.errors import InputError
from disbench.inference.map_folder import MapFolder
from disbench.runs import api, execute
from disbench.runs.engines import ray as engine
from disbench.runs.row_log import RowLogs
from disbench.runs.spec import MeasureSpec, ModelSpec, RunConfig


def test_without_ray_the_way_out_is_told(monkeypatch, tmp_path, make_pairs):
    monkeypatch.setitem(sys.modules, "ray", None)
    folder = make_pairs(tmp_path / "mine", ["a"])
    command = ["run", "--model", "otsu", "--data", str(folder), "--out", str(tmp_path / "runs")]
    answer = CliRunner().invoke(main, [*command, "--engine", "ray"])
    assert answer.exit_code == 2 and "pip install 'disbench[ray]'" in answer.output
    answer = CliRunner().invoke(main, [*command, "--address", "here:1"])
    assert answer.exit_code == 2 and "--engine ray" in answer.output


def test_a_worker_out_of_memory_is_told_as_what_it_is():
    def make():
        raise MemoryError

    done, error = engine.Actor(Path.cwd(), make, MeasureSpec.parse(), 0, False).measure([])
    assert not done and isinstance(error, MemoryError)
    assert isinstance(engine._describe_model(Path.cwd(), make), MemoryError)


pytest.importorskip("ray", reason="Ray is not installed: pip install 'disbench[ray]'")

import ray  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def nodes():
    """A head on which nothing runs, and two nodes of one core each."""
    path = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), str(Path(__file__).parent), path]
    )  # as where it is installed
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        yield cluster, [cluster.add_node(num_cpus=1) for _ in range(2)]
    finally:
        ray.shutdown()
        cluster.shutdown()
        os.environ["PYTHONPATH"] = path


def digest(folder):
    return hashlib.sha256((folder / "scores.parquet").read_bytes()).hexdigest()


def test_a_killed_node_loses_nothing_and_repeats_nothing(tmp_path, make_pairs, nodes):
    cluster, (_, doomed) = nodes
    folder = make_pairs(tmp_path / "mine", [f"image{k:02}" for k in range(40)])
    whole = api.run("otsu", data=folder, out=tmp_path / "whole")

    killed = []

    def progress(done, total, what):
        if what == "Otsu" and done >= 8 and not killed:
            killed.append(done)
            cluster.remove_node(doomed, allow_graceful=False)
            while engine._count_room("cpu") == 2:  # until Ray has noticed
                time.sleep(0.1)

    dataset = find_dataset(folder)
    with engine.connect(cluster.address):
        assert engine._count_room("cpu") == 2
        config = RunConfig(out=tmp_path / "runs")
        result = execute.evaluate(
            ModelSpec(name="otsu"), dataset, MeasureSpec.parse(), config, engine=engine.Ray(), progress=progress
        )
    assert killed
    assert digest(result.folder) == digest(whole.folder)
    assert sum(shard.read_bytes().count(b"\n") for shard in (result.folder / "shards").iterdir()) == 40
    for row in result.rows["mine"]:
        assert result.mask(row).read_bytes() == whole.mask(row).read_bytes()


def test_what_is_unfit_or_kills_workers_is_named_and_the_rest_kept(tmp_path, make_pairs, nodes):
    cluster, _ = nodes
    folder = make_pairs(tmp_path / "mine", [f"image{k:02}" for k in range(12)])
    maps = shutil.copytree(folder / "gt", tmp_path / "maps")
    score = ["score", str(maps), "--truth", str(folder / "gt"), "--out", str(tmp_path / "runs")]
    score += ["--engine", "ray", "--address", cluster.address]
    torn = (maps / "image07.png").read_bytes()
    (maps / "image07.png").write_bytes(torn[:-30])
    answer = CliRunner().invoke(main, score)
    assert answer.exit_code == 2 and "image07.png" in answer.output and "Traceback" not in answer.output
    (run,) = (tmp_path / "runs" / "maps").iterdir()
    assert {("mine", f"image{k:02}") in RowLogs(run) for k in range(6)} == {True}

    class Deadly(MapFolder):
        def load(self, sample):
            if sample.name == "image03":
                os._exit(1)
            return super().load(sample)

    (maps / "image07.png").write_bytes(torn)
    dataset = find_dataset((None, folder / "gt"), images=False)
    deadly = Deadly("deadly", maps, dataset.samples)
    config = RunConfig(out=tmp_path / "runs", save_maps=False, workers=1)
    with pytest.raises(InputError, match=r"3 Ray workers.*image03"):
        execute.evaluate(deadly, dataset, MeasureSpec.parse(), config, engine=engine.Ray(cluster.address))
    (run,) = (tmp_path / "runs" / "deadly").iterdir()
    assert ("mine", "image02") in RowLogs(run)


def test_a_cluster_that_is_not_there_is_told(tmp_path, make_pairs, nodes):
    folder = make_pairs(tmp_path / "mine", ["a"])
    cluster, _ = nodes
    command = ["run", "--model", "otsu", "--data", str(folder), "--out", str(tmp_path / "runs"), "--engine", "ray"]
    for more, said in (
        (["--address", "nowhere"], "nowhere: no cluster is reached"),
        (["--address", cluster.address, "--device", "cuda"], "no node of the Ray cluster has a GPU"),
        (["--address", cluster.address, "--device", "cpu,cpu"], "give cuda or cpu"),
    ):
        answer = CliRunner().invoke(main, [*command, *more])
        assert answer.exit_code == 2 and said in answer.output, answer.output
