"""Data sets in parquet files, in the form of Hugging Face, and the cache of what is extracted from them."""

from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest
from command import call
from layout_files import check, parquet_row, put_maps, put_parquet

from disbench.data.location import find_dataset
from disbench.errors import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))


def test_parquet_files_are_a_data_set(tmp_path):
    data = tmp_path / "cards"
    rows = [parquet_row(seed, (f"im/{name}.jpg", None)) for seed, name in enumerate("abc")]
    put_parquet(data / "data" / "train-00000-of-00002.parquet", rows[:2])
    put_parquet(data / "data" / "train-00001-of-00002.parquet", rows[2:])
    put_parquet(data / "data" / "test-00000-of-00001.parquet", rows[:1])
    put_maps(tmp_path / "maps" / "train", "abc")
    put_maps(tmp_path / "maps" / "test", "a")
    assert check(data, "maps") == ("cards", ["test", "train"])
    ran = call("run", "--model", "otsu", "--data", data, "--split", "test")
    assert "Qualitative grid" in ran.stdout, ran.output
    put_parquet(tmp_path / "converted" / "default" / "train" / "0000.parquet", rows)
    assert {name: len(s) for name, s in find_dataset(tmp_path / "converted").splits.items()} == {"train": 3}
    put_parquet(tmp_path / "old" / "data" / "train-00000-of-00001-0a1b2c3d4e5f6a7b.parquet", rows)
    assert list(find_dataset(tmp_path / "old").splits) == ["train"]
    (data / "data" / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(InputError, match="1 of 2 files of train; download the others"):
        find_dataset(data)


@pytest.mark.parametrize(
    "paths",
    [
        (None, None),
        ("x.jpg", "x.jpg"),
        ("../a.jpg", "../b\n.jpg"),
        (".png", "b.png"),
        ("..", "."),
        ("a" * 300 + ".jpg", "b.jpg"),
        ("C:a.png", "b.png"),
    ],
)
def test_parquet_rows_without_plain_names_are_numbered(tmp_path, paths):
    rows = [parquet_row(seed, (path, None)) for seed, path in enumerate(paths)]
    put_parquet(tmp_path / "d" / "train.parquet", rows)
    samples = find_dataset(tmp_path / "d").samples
    assert [sample.name for sample in samples] == ["000000", "000001"]
    assert all(sample.truth.is_relative_to(tmp_path / "cache") for sample in samples)


def test_hostile_paths_in_parquet_stay_in_the_cache(tmp_path):
    rows = [parquet_row(0, ("../../../a.jpg", None)), parquet_row(1, ("/etc/b.jpg", "..\\..\\c.png"))]
    put_parquet(tmp_path / "d" / "train.parquet", rows)
    samples = find_dataset(tmp_path / "d").samples
    assert [sample.name for sample in samples] == ["a", "b"]
    assert all(sample.truth.resolve().is_relative_to(tmp_path / "cache") for sample in samples)
    assert not (tmp_path / "a.png").exists()


def test_parquet_is_extracted_again_after_the_cache_is_cleared(tmp_path):
    put_parquet(tmp_path / "d" / "train.parquet", [parquet_row(0)])
    first = find_dataset(tmp_path / "d").samples[0].truth
    assert "removed " in call("data", "clear-cache").stdout
    assert not first.exists()
    assert np.array_equal(find_dataset(tmp_path / "d").samples[0].truth.read_bytes(), first.read_bytes())


def test_unfit_parquet_is_refused_in_one_line(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path / "d"
    folder.mkdir()
    tables = {
        "a data set has images in `image`": pa.table({"photo": [b"x"]}),
        "its column image is no struct of bytes and path, but binary": pa.table({"image": [b"x"], "mask": [b"y"]}),
    }
    for words, table in tables.items():
        pq.write_table(table, folder / "train.parquet")
        with pytest.raises(InputError, match=words):
            find_dataset(folder)
    for row, words in (
        ({"image": None, "mask": None}, "has no bytes"),
        (parquet_row(0) | {"mask": {"bytes": b"no picture", "path": None}}, "not a readable image"),
    ):
        put_parquet(folder / "train.parquet", [row])
        with pytest.raises(InputError, match=words):
            find_dataset(folder)
    (folder / "train.parquet").write_bytes(b"PAR1 damaged")
    with pytest.raises(InputError, match="not a readable parquet file"):
        find_dataset(folder)
    assert not list((tmp_path / "cache" / "parquet-v1").glob("*"))


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    put_parquet(tmp_path / "d" / "train.parquet", [parquet_row(0)])
    (tmp_path / "file").touch()
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "file"))
    refused = call("data", "verify", "--data", "d")
    assert refused.exit_code == 2
    assert "set DISBENCH_CACHE to another folder" in refused.stderr


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b""), lambda path: rmtree(path.parent)])
def test_a_file_that_is_lost_from_the_cache_is_extracted_again(tmp_path, damage):
    put_parquet(tmp_path / "d" / "train.parquet", [parquet_row(k) for k in range(3)])
    whole = find_dataset(tmp_path / "d").samples
    content = whole[1].truth.read_bytes()
    damage(whole[1].truth)
    damage(whole[1].image)
    assert find_dataset(tmp_path / "d").samples == whole
    assert whole[1].truth.read_bytes() == content
