"""A training reads every layout that a run reads, and finds what to train and what to validate on by the names."""

import numpy as np
import pytest
from command import call
from image_files import write
from layout_files import draw, parquet_row, put, put_folders, put_parquet

from disbench.data.dataset import Sample
from disbench.errors import InputError
from disbench.models._training.data import find_training_samples, read_pair

TOML = """
title = "Discs"
[splits.{train}]
images = "a/*_im.png"
truths = "a/*_gt.png"
image_suffix = "_im"
truth_suffix = "_gt"
[splits.val]
images = "b/images"
truths = "b/masks"
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def find(location, validation=None):
    return tuple(
        [f"{sample.split}/{sample.name}" for sample in samples]
        for samples in find_training_samples(location, validation)
    )


def put_toml(here, train="train"):
    put(here / "a/k_im.png", here / "a/k_gt.png")
    put_folders(here / "b", "images", "masks", ["v"])
    (here / "d.toml").write_text(TOML.format(train=train))
    return "d.toml"


def test_a_data_set_without_subsets_is_trained_on_as_a_whole(here):
    put_folders(here / "pairs", "Imgs", "GT")
    put(here / "mixed/a.jpg", here / "mixed/a.png")
    put_parquet(here / "rows/0000.parquet", [parquet_row(0, ("a.jpg", None))])
    assert find("pairs") == (["pairs/a", "pairs/b"], [])
    assert find("mixed") == (["mixed/a"], [])
    assert find("rows") == (["rows/a"], [])
    assert find("pairs", "mixed") == (["pairs/a", "pairs/b"], ["mixed/a"])


def test_subsets_are_told_apart_by_their_names(here):
    for split, name in (("train", "t"), ("validation", "v"), ("test", "x")):
        put_parquet(here / f"rows/{split}-00000-of-00001.parquet", [parquet_row(0, (f"{name}.jpg", None))])
    for folder in ("TR-HRSOD", "DUTS_train", "TE-HRSOD", "HRSOD-VD"):
        put_folders(here / "sets" / folder, "im", "gt", ["a"])
    assert find("rows") == (["train/t"], ["validation/v"])
    assert find("sets") == (["DUTS_train/a", "TR-HRSOD/a"], ["HRSOD-VD/a"])
    assert find(put_toml(here)) == (["train/k"], ["val/v"])
    assert find("d.toml", "rows") == (["train/k"], ["validation/v"])
    put_folders(here / "tests/CAMO", "Imgs", "GT", ["c"])
    put_folders(here / "tests/NC4K", "Imgs", "GT", ["n"])
    assert find("d.toml", "tests") == (["train/k"], ["CAMO/c", "NC4K/n"])


def test_tags_of_folders_are_subsets(here):
    for tag in ("train", "test"):
        put_folders(here / "thin", f"images_{tag}", f"masks_{tag}", [tag])
    assert find("thin") == (["train/train"], [])


def test_mini_and_dis5k_are_trained_on_by_their_splits(here):
    for split in ("DIS-TR", "DIS-VD", "DIS-TE1"):
        put_folders(here / "DIS5K" / split, "im", "gt")
    with pytest.raises(InputError, match="DIS-TR: 2 images where DIS-TR has 3000"):
        find("DIS5K")
    assert find("DIS5K/DIS-TE1", "DIS5K/DIS-VD") == (["DIS-TE1/a", "DIS-TE1/b"], ["DIS-VD/a", "DIS-VD/b"])


def test_a_soft_truth_is_read_as_it_is(here):
    put(here / "a.jpg", here / "a.png")
    image, truth = read_pair(Sample("x", "a", here / "a.jpg", here / "a.png", truth_kind="alpha"))
    assert image.shape == (12, 16, 3)
    np.testing.assert_array_equal(truth, draw(0)[1])
    write(here / "a.png", truth // 4)
    assert read_pair(Sample("x", "a", here / "a.jpg", here / "a.png", truth_kind="alpha"))[1].max() == 63


@pytest.mark.parametrize(
    ("location", "validation", "why"),
    [
        ("tests", None, "tests: none of its subsets (CAMO, NC4K) is called train; give --data the folder to train on"),
        ("gone.toml", None, "gone.toml: "),
        ("pairs", "gone", "--validate: gone: no such folder"),
        ("pairs", "empty", "--validate: empty: "),
        ("pairs", "own", "--validate: own: has only subsets to train on (train)"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_in_one_line(here, location, validation, why):
    (here / "empty").mkdir()
    put_folders(here / "pairs", "im", "gt")
    put_folders(here / "own" / "train", "im", "gt")
    for name in ("CAMO", "NC4K"):
        put_folders(here / "tests" / name, "Imgs", "GT", ["c"])
    more = ("--validate", validation) if validation else ()
    refused = call("train", "--model", "isnet", "--data", location, *more, "--out", "out", "--device", "cpu")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1), refused.output
    assert why in refused.stderr


def test_a_data_set_of_the_hub_is_trained_on(here, monkeypatch):
    pytest.importorskip("huggingface_hub")
    from hub_server import serve_hub

    put_parquet(here / "x.parquet", [parquet_row(k, (f"{name}.jpg", None)) for k, name in enumerate("ab")])
    contents = {"data/train-00000-of-00001.parquet": (here / "x.parquet").read_bytes()}
    with serve_hub(monkeypatch, here / "cache", {"some/cards": contents}):
        assert find("hf:some/cards") == (["train/a", "train/b"], [])
