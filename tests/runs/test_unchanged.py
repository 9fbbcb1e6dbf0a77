"""Saved maps and data sets are compared with the digests of the run before anything is drawn from them."""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from command import call
from fixed_data import write_data

import disbench
from disbench.reports.publish import publish_run
from disbench.runs.manifest import read_manifest, write_manifest
from disbench.runs.result import load_run


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A data set and a run on it with saved maps."""
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path)
    run = disbench.run("otsu", data=tmp_path / "data")
    (tmp_path / "run").symlink_to(run.folder)
    return tmp_path


def drawings(place):
    yield call("grid", "run", "--out", "grid.html")
    yield call("view", "run", "--out", "view")


def write_other(path):
    cv2.imwrite(str(path), 255 - cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


@pytest.mark.parametrize(("kind", "word"), [("gt", "ground truths"), ("im", "images")])
def test_a_changed_data_set_is_not_drawn(place, kind, word):
    write_other(place / "data" / kind / "b.png")
    for done in drawings(place):
        assert done.exit_code == 2
        line = (
            f"disbench: {place}/data/{kind}: its {word} of data are not those that Otsu was measured on; restore them, "
            "or run the model again\n"
        )
        assert done.stderr == line
    assert not (place / "grid.html").exists()
    assert not (place / "view").exists()
    done = call("report", "run", "--out", "report.html")
    assert done.exit_code == 0, done.output
    assert done.stderr.startswith("disbench: no pictures in the report: ")
    assert "data:image" not in (place / "report.html").read_text()


@pytest.mark.parametrize("damage", ["another map", "truncated", "another size"])
def test_a_damaged_map_is_refused_by_readers_and_recreated_by_its_run(place, damage):
    path = place / "run" / "masks" / "data" / "a.png"
    content = path.read_bytes()
    if damage == "another map":
        write_other(path)
    elif damage == "another size":
        cv2.imwrite(str(path), np.zeros((5, 5), np.uint8))
    else:
        path.write_bytes(content[:60])
    damaged = path.read_bytes()
    for done in (*drawings(place), call("report", "run", "--out", "report.html")):
        line = "run/masks/data/a.png: not the map that was measured; repeat the command of its run, which recreates it"
        assert (done.exit_code, done.stderr) == (2, f"disbench: {line}\n")
    assert path.read_bytes() == damaged
    scores = (place / "run" / "scores.parquet").read_bytes()
    disbench.run("otsu", data=place / "data")
    assert path.read_bytes() == content
    assert (place / "run" / "scores.parquet").read_bytes() == scores
    assert [done.exit_code for done in drawings(place)] == [0, 0]
    assert "data:image" in (place / "grid.html").read_text()


def test_a_map_of_an_unfinished_run_is_recreated(place):
    path = place / "run" / "masks" / "data" / "a.png"
    content = path.read_bytes()
    write_other(path)
    write_manifest(place / "run", replace(read_manifest(place / "run"), complete=False))
    disbench.run("otsu", data=place / "data")
    assert path.read_bytes() == content


def test_maps_that_are_whole_are_neither_computed_nor_read_again(place, monkeypatch):
    monkeypatch.setattr("disbench.data.digest_cache.RACY", 0)
    disbench.run("otsu", data=place / "data")
    reads = []
    monkeypatch.setattr("disbench.runs.unchanged._hash_map", lambda path: reads.append(path))
    logs = list((place / "run" / "shards").iterdir())
    disbench.run("otsu", data=place / "data")
    assert reads == []
    assert list((place / "run" / "shards").iterdir()) == logs


def test_scored_maps_are_drawn_though_their_run_read_no_images(place):
    done = call("score", "maps", "--data", "data", "--save", "--out", "scored")
    assert done.exit_code == 0, done.output
    run = next((place / "scored" / "maps").iterdir())
    assert call("grid", run, "--out", "grid.html").exit_code == 0
    write_other(place / "data" / "gt" / "b.png")
    assert "ground truths" in call("grid", run, "--out", "grid.html").stderr


def test_a_run_whose_images_changed_since_is_reported_without_pictures(place):
    result = load_run(place / "run")
    grid = place / "run" / "report" / "grid.png"
    shutil.rmtree(grid.parent, ignore_errors=True)
    cv2.imwrite(str(next((place / "data" / "im").iterdir())), np.zeros((16, 24, 3), np.uint8))
    paths = publish_run([result])
    assert paths["HTML report"].exists() and not grid.exists()
