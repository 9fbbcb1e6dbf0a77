"""Splits are found whole, or one error names every fault."""

import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from image_files import write

from disbench.data.complexity import split_equally
from disbench.data.dataset import SPLIT_COUNTS, parse_splits
from disbench.data.identity import hash_dataset, identify_splits
from disbench.data.layouts import read_layout
from disbench.data.location import find_dataset
from disbench.data.map_files import match_maps
from disbench.data.pairing import read_pairs
from disbench.data.verify import find_unreadable, freeze_dataset, list_differences, read_frozen, write_frozen
from disbench.errors import InputError

NAMES = ["1#A#2#Bag#3.jpg_o", "Ünï", "plain"]


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("DIS-TE1..4", ["DIS-TE1", "DIS-TE2", "DIS-TE3", "DIS-TE4"]),
        ("dis-te2..DIS-TE3", ["DIS-TE2", "DIS-TE3"]),
        ("DIS-TE3, DIS-TE1", ["DIS-TE1", "DIS-TE3"]),
        ("DIS-VD", ["DIS-VD"]),
        ("all", ["DIS-VD", "DIS-TE1", "DIS-TE2", "DIS-TE3", "DIS-TE4"]),
    ],
)
def test_split_expressions(expression, names):
    assert list(parse_splits(expression)) == names


@pytest.mark.parametrize("expression", ["DIS-TE5", "DIS-TE4..1", "test", ",", "DIS-TE1..9"])
def test_an_unknown_split_is_answered_with_the_known_ones(expression):
    with pytest.raises(InputError, match="DIS-TR, DIS-VD, DIS-TE1"):
        parse_splits(expression)


def test_pairs_match_by_stem_whatever_the_extension_and_case(tmp_path, make_pairs):
    folder = make_pairs(tmp_path / "d", NAMES)
    (folder / "im" / "plain.jpg").rename(folder / "im" / "PLAIN.JPG")
    (folder / "im" / ".DS_Store").touch()
    samples = read_pairs("d", folder / "im", folder / "gt")
    assert sorted(s.name for s in samples) == sorted(NAMES)
    assert {s.image.suffix.lower() for s in samples} == {".jpg"}
    assert next(s for s in samples if s.name == NAMES[0]).category == "Bag"


def test_one_name_in_two_unicode_forms_is_one_name(tmp_path, make_pairs):
    """Archives made on macOS decompose accents."""
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    folder = make_pairs(tmp_path / "d", [composed])
    (folder / "gt" / f"{composed}.png").rename(folder / "gt" / f"{decomposed}.png")
    (sample,) = read_pairs("d", folder / "im", folder / "gt")
    assert (sample.image.stem, sample.truth.stem) == (composed, decomposed)
    for name in (composed, decomposed):
        maps = tmp_path / f"maps of {len(name)}"
        maps.mkdir()
        shutil.copy(sample.truth, maps / f"{name}.png")
        assert match_maps([sample], maps) == ({sample.name: maps / f"{name}.png"}, 0)


def test_one_error_names_every_fault(tmp_path, make_pairs):
    folder = make_pairs(tmp_path / "d:", ["good", "unpaired", "lonely", "torn", "wide", "twice"])
    (folder / "gt" / "unpaired.png").unlink()
    (folder / "im" / "lonely.jpg").unlink()
    (folder / "gt" / "torn.png").write_bytes(b"not a picture")
    write(folder / "gt" / "wide.png", np.zeros((24, 33), np.uint8))
    write(folder / "im" / "twice.png", np.zeros((24, 32), np.uint8))
    (folder / "im" / "notes.txt").touch()
    with pytest.raises(InputError) as caught:
        read_pairs("d", folder / "im", folder / "gt")
    for name in ("unpaired.jpg", "lonely.png", "torn.png", "wide.jpg", "twice.png", "notes.txt"):
        assert name in str(caught.value)
    assert "good" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_shrunken_split_is_refused_and_whole_ones_are_read(tmp_path, make_pairs):
    for split in ("DIS-TE1", "DIS-VD"):
        make_pairs(tmp_path / "DIS5K" / split, ["a", "b"])
    counts = dict.fromkeys(SPLIT_COUNTS, 2)
    assert list(read_layout(tmp_path, ("DIS-VD", "DIS-TE1"), counts)) == ["DIS-VD", "DIS-TE1"]
    make_pairs(tmp_path / "DIS5K" / "DIS-TE3", ["a", "b", "c"])
    with pytest.raises(InputError, match="3 images where DIS-TE3 has 2"):
        read_layout(tmp_path, ("DIS-VD", "DIS-TE3"), counts)
    with pytest.raises(InputError, match=r"2 images where DIS-TE1 has 500.*--data"):
        find_dataset(tmp_path, "DIS-TE1")
    with pytest.raises(InputError, match=r"DIS-TE2: no such folder.*DIS-VD, DIS-TE1, DIS-TE3"):
        find_dataset(tmp_path, "DIS-TE2")


def test_any_folder_is_a_data_set_and_never_dis5k(tmp_path, make_pairs):
    folder = make_pairs(tmp_path / "DIS-TE1", ["a", "b"])
    dataset = find_dataset(folder)
    assert (dataset.token, len(dataset.samples), dataset.title) == ("folder:DIS-TE1", 2, "DIS-TE1 (own folder)")
    assert find_dataset((folder / "im", folder / "gt")).splits == dataset.splits
    assert find_dataset((None, folder / "gt"), images=False).samples[0].image is None
    with pytest.raises(InputError, match="omit --split"):
        find_dataset(folder, "DIS-VD")
    with pytest.raises(InputError, match="no such folder"):
        find_dataset(tmp_path / "nowhere")


def test_the_environment_and_the_working_folder_name_the_data(tmp_path, make_pairs, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_pairs(Path("DIS5K"), ["b", "c"])
    dataset = find_dataset()
    assert (dataset.title, [sample.name for sample in dataset.samples]) == ("DIS5K (own folder)", ["b", "c"])
    monkeypatch.setenv("DISBENCH_DATA", str(make_pairs(tmp_path / "mine", ["a"])))
    assert find_dataset().title == "mine"
    assert find_dataset("DIS5K").title == "DIS5K (own folder)"


def test_maps_must_be_the_subset_and_nothing_else(tmp_path, make_pairs):
    samples = find_dataset(make_pairs(tmp_path / "d", ["a", "b", "c"])).samples
    maps = make_pairs(tmp_path / "maps", ["a", "b", "d"]) / "gt"
    (maps / "a.png").write_bytes(b"not a picture")
    write(maps / "b.png", np.zeros((12, 16), np.uint8))
    with pytest.raises(InputError) as caught:
        match_maps(samples, maps)
    for fault in ("missing (c)", "extra (d.png)", "unreadable (gt/a.png)", "of another size than the truth (b.png)"):
        assert f"1 {fault}" in str(caught.value)


def test_names_that_cannot_be_written_down_are_refused(tmp_path, make_pairs):
    folder = make_pairs(tmp_path / "d", ["a"])
    try:
        (folder / "gt" / "caf\udce9.png").touch()  # é in Latin-1
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    with pytest.raises(InputError, match="1 whose name is not UTF-8"):
        find_dataset(folder)


def test_a_folder_cannot_take_the_name_of_the_pooled_row(tmp_path, make_pairs):
    with pytest.raises(InputError, match="give it another name"):
        find_dataset(make_pairs(tmp_path / "Overall", ["a"]))


def test_digests_follow_content_not_place(tmp_path, make_pairs):
    first = identify_splits(hash_dataset(find_dataset(make_pairs(tmp_path / "x" / "d", NAMES))))
    again = identify_splits(hash_dataset(find_dataset(make_pairs(tmp_path / "y" / "d", NAMES))))
    assert first == again
    write(tmp_path / "y" / "d" / "gt" / "plain.png", np.full((24, 32), 255, np.uint8))
    changed = identify_splits(hash_dataset(find_dataset(tmp_path / "y" / "d")))
    assert changed["d"]["truths"] != first["d"]["truths"]
    assert changed["d"]["images"] == first["d"]["images"]


def test_verify_and_freeze(tmp_path, make_pairs):
    folder = make_pairs(tmp_path / "d", NAMES)
    write_frozen(freeze_dataset(find_dataset(folder)), tmp_path / "frozen.json")
    frozen = read_frozen(tmp_path / "frozen.json")
    assert find_unreadable(find_dataset(folder), lambda *_: None) == []
    assert list_differences(frozen, freeze_dataset(find_dataset(folder))) == []
    image = folder / "im" / "plain.jpg"
    image.write_bytes(image.read_bytes()[:-40])
    assert ["plain.jpg" in line for line in find_unreadable(find_dataset(folder), lambda *_: None)] == [True]
    assert list_differences(frozen, freeze_dataset(find_dataset(folder))) == ["d/plain: another image"]


def test_a_split_differs_from_a_frozen_one_in_four_ways(tmp_path, make_pairs):
    folder = make_pairs(tmp_path / "d", ["a", "b", "e", "f"])
    frozen = freeze_dataset(find_dataset(folder))
    for kind in ("im", "gt"):
        next((folder / kind).glob("b.*")).unlink()
        shutil.copy(next((folder / kind).glob("a.*")), folder / kind / f"c{'.jpg' if kind == 'im' else '.png'}")
    shutil.copy(folder / "im" / "a.jpg", folder / "im" / "e.jpg")
    shutil.copy(folder / "gt" / "a.png", folder / "gt" / "f.png")
    expected = ["d/b: missing", "d/c: extra", "d/e: another image", "d/f: another truth"]
    assert list_differences(frozen, freeze_dataset(find_dataset(folder))) == expected
    assert list_differences({}, freeze_dataset(find_dataset(folder))) == ["d: not in the frozen list"]


def test_parts_are_equal_and_ascending():
    assert split_equally([5.0, 1.0, 9.0, 2.0], 2) == [2, 1, 2, 1]
    assert sorted(split_equally([3.0] * 10, 4)) == [1, 1, 1, 2, 2, 3, 3, 3, 4, 4]


def test_an_unreadable_file_is_reported_with_the_reason(tmp_path, make_pairs):
    folder = make_pairs(tmp_path / "d", ["a", "b"])
    (folder / "im" / "a.jpg").write_bytes(b"no picture")
    header = b"IHDR" + struct.pack(">IIBBBBB", 20000, 20000, 8, 0, 0, 0, 0)
    (folder / "gt" / "b.png").write_bytes(
        b"\x89PNG\r\n\x1a\n\0\0\0\r" + header + struct.pack(">I", zlib.crc32(header)) + b"\0\0\0\4IDAT" + bytes(8)
    )
    with pytest.raises(InputError) as caught:
        find_dataset(folder)
    foreign = "im/a.jpg: not a readable image (not BMP, JPEG, PNG, TIFF or WebP"
    for reason in (foreign, "gt/b.png: not a readable image, as it is too large"):
        assert reason in str(caught.value)
