"""The viewer's folder: which files it holds, what it refuses, and that names cannot leave it."""

import json
import re
import threading
from dataclasses import replace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from made_results import HOSTILE, result
from PIL import Image

import disbench
from disbench.cli.main import main
from disbench.data.dataset import Sample
from disbench.errors import InputError
from disbench.reports import viewer
from disbench.reports.publish import find_samples
from disbench.runs.manifest import mask_path

SHAPE = (30, 40)


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def data_of(index):
    return json.loads(re.search(r'id="data">(.*?)</script>', index.read_text(), re.DOTALL)[1])


@pytest.fixture
def scene(tmp_path):
    """A run with saved maps of a plain image, one in another format with a 0/1 truth, one turned by EXIF."""
    run = replace(result(HOSTILE, splits=("DIS-TE1",), n=3), folder=tmp_path / "run")
    truth = np.zeros(SHAPE, np.uint8)
    truth[5:15, 5:30] = 255
    samples = []
    for i, (row, suffix) in enumerate(zip(run.rows["DIS-TE1"], (".jpg", ".bmp", ".jpg"), strict=True)):
        paths = tmp_path / f"{i}{suffix}", tmp_path / f"{i}-truth.png"
        exif = Image.Exif()
        exif[viewer.ORIENTATION] = 6 if i == 2 else 1
        options = {"exif": exif} if suffix == ".jpg" else {}
        Image.fromarray(np.full((*SHAPE, 3), 90, np.uint8)).save(paths[0], **options)
        cv2.imwrite(str(paths[1]), truth // 255 if i == 1 else truth)
        mask_path(run.folder, row).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(mask_path(run.folder, row)), np.roll(truth, 2, axis=1))
        samples.append(Sample("DIS-TE1", row.name, *paths))
    return run, samples, truth


def test_every_image_has_its_files_as_they_were_scored(scene, tmp_path):
    run, samples, truth = scene
    index = viewer.write_viewer(tmp_path / "out", [run], samples)
    data = data_of(index)
    assert data["methods"] == [HOSTILE]
    assert data["files"] == ["image.jpg", "image.png", "image.png"]  # as a browser shows them otherwise
    assert data["sizes"] == [list(SHAPE)] * 3
    for i, sample in enumerate(samples):
        folder = index.parent / "pictures" / f"{i:05}"
        assert (folder / "image.jpg").exists() == (i == 0)
        assert np.array_equal(cv2.imread(str(folder / "truth.png"), cv2.IMREAD_UNCHANGED), truth)
        mask = run.mask(run.rows["DIS-TE1"][i])
        assert (folder / "0.png").read_bytes() == mask.read_bytes()
        assert cv2.imread(str(folder / "thumb.webp")).shape == (180, 3 * 240, 3)
        assert data["images"][i] == [sample.split, sample.name]
    assert "<script>alert" not in index.read_text()


def test_a_folder_of_other_files_is_refused_and_an_earlier_viewer_is_replaced(scene, tmp_path):
    run, samples, _ = scene
    other = tmp_path / "other" / "pictures"
    other.mkdir(parents=True)
    (other / "mine.jpg").touch()
    with pytest.raises(InputError, match="holds other files"):
        viewer.write_viewer(tmp_path / "other", [run], samples)
    assert (other / "mine.jpg").exists()
    index = viewer.write_viewer(tmp_path / "out", [run], samples)
    (index.parent / "pictures" / "00009").mkdir()
    assert viewer.write_viewer(tmp_path / "out", [run], samples) == index
    assert sorted(path.name for path in (index.parent / "pictures").glob("0*")) == ["00000", "00001", "00002"]


def test_missing_images_and_maps_are_reported(scene, tmp_path):
    run, samples, _ = scene
    with pytest.raises(InputError, match="DIS-TE1/image 2: its image is missing"):
        viewer.write_viewer(tmp_path / "out", [run], samples[:2])
    run.mask(run.rows["DIS-TE1"][1]).unlink()
    with pytest.raises(InputError, match=r"lacks maps of images: 1 \(image 1\); repeat the command of its run"):
        viewer.write_viewer(tmp_path / "out", [run], samples)
    assert not (tmp_path / "out").exists()


def test_scored_maps_are_viewed_where_they_were_kept(tmp_path, make_pairs, monkeypatch):
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    folder = make_pairs(tmp_path / "mine", ["a", "b"])
    run = disbench.run("otsu", data=folder, out=tmp_path / "runs")
    score = ["score", f"copy={run.folder / 'masks'}", "--data", folder, "--out", tmp_path / "runs", "--json"]
    (scored,) = json.loads(call(*score).stdout)
    lost = call("view", scored["run"], run.folder, "--out", tmp_path / "out")
    assert (lost.exit_code, lost.stderr.count("\n")) == (2, 1)
    assert "copy: its maps were not saved" in lost.stderr
    assert call(*score, "--save").exit_code == 0
    done = call("view", scored["run"], run.folder, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert data_of(tmp_path / "out" / "index.html")["methods"] == ["copy", "Otsu"]


def test_viewers_in_one_folder_come_one_after_the_other(tmp_path, make_pairs, monkeypatch):
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    names = [f"image{i}" for i in range(12)]
    folders = [make_pairs(tmp_path / name, names) for name in ("one", "two")]
    for path in (folders[1] / "gt").iterdir():
        cv2.imwrite(str(path), 255 - cv2.imread(str(path), 0))
    runs = [disbench.run("otsu", data=folder, out=tmp_path / "runs") for folder in folders]
    files = [path for place in (*folders, tmp_path / "runs") for path in place.rglob("*.[pj][np]g")]
    before = {path: path.read_bytes() for path in files}
    threads = [
        threading.Thread(target=viewer.write_viewer, args=(tmp_path / "out", [run], find_samples(run)))
        for run in runs * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path: path.read_bytes() for path in files} == before
    shown = (tmp_path / "out" / "pictures" / "00000" / "truth.png").read_bytes()
    assert shown in [(folder / "gt" / f"{names[0]}.png").read_bytes() for folder in folders]
