"""Prediction maps in the forms in which methods save them: folders, suffixes, zip files, floating-point values."""

import json
import shutil
import struct
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import call
from image_files import write
from layout_files import SHAPE, draw, put_folders, put_maps

from disbench.data.float_maps import read_map_header, read_prediction
from disbench.data.map_files import find_suffix
from disbench.errors import InputError
from disbench.inference.map_archive import open_maps
from disbench.system import progress


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(progress, "_announced", set(progress._announced))
    return tmp_path


def score(maps, data="mine"):
    result = call("score", maps, "--data", data, "--metrics", "mae", "--json")
    assert result.exit_code == 0, result.output
    (scored,) = json.loads(result.stdout)
    return scored, result.stderr


def refuse(maps, words, data="mine"):
    result = call("score", maps, "--data", data)
    assert result.exit_code == 2, result.output
    assert words in result.stderr.splitlines()[-1]  # the lines before say what was recognised
    assert "Traceback" not in result.output


def two_subsets(names=("c", "d")):
    put_folders(Path("mine") / "one", "Imgs", "GT")
    put_folders(Path("mine") / "two", "Imgs", "GT", names)


def test_one_folder_has_the_maps_of_all_subsets():
    two_subsets()
    put_maps(Path("maps"))
    put_maps(Path("maps"), "cd")
    assert {name: values["mae"] for name, values in score("maps")[0]["scores"].items()} == {"one": 0, "two": 0}
    Path("maps/d.png").unlink()
    refuse("maps", "1 missing (d)")


def test_one_folder_is_refused_where_a_name_is_in_two_subsets():
    two_subsets(("b", "c"))
    put_maps(Path("maps"), "abc")
    refuse("maps", "1 names are in more than one of them (b); put the maps into a folder for each")


@pytest.mark.parametrize("end", ["_pred", "-saliency", ".jpg_mask", " (1)", "_Pred"])
def test_a_suffix_that_all_maps_share_is_recognised_and_said(end):
    put_folders(Path("mine"), "im", "gt")
    scored, notes = score(put_maps(Path("maps"), end=end))
    assert scored["scores"]["mine"]["mae"] == 0
    assert f"maps: reading the maps as NAME{end.lower()}\n" in notes


def test_a_suffix_of_some_maps_is_no_suffix():
    put_folders(Path("mine"), "im", "gt")
    put_maps(Path("maps"), "a", "_pred")
    put_maps(Path("maps"), "b")
    refuse("maps", "1 missing (a); 1 extra (a_pred.png)")


def test_a_missing_map_among_maps_with_a_suffix_is_named():
    put_folders(Path("mine"), "im", "gt", "abc")
    refuse(put_maps(Path("maps"), "ab", "_pred"), "1 missing (c)")


@pytest.mark.parametrize(
    ("maps", "expected", "suffix"),
    [
        (["1_pred", "11_pred"], ["1", "11"], "_pred"),
        (["a_x_y", "b_x_y"], ["a", "b"], "_x_y"),
        (["a_x_y", "b_x_y"], ["a_x", "b_x"], "_y"),
        (["11", "21"], ["1", "2"], ""),
        (["a_1", "a_2"], ["a"], ""),
        (["a_pred"], ["a"], "_pred"),
        (["a", "b_pred"], ["a", "b"], ""),
        (["c_pred"], ["a"], ""),
        ([], ["a"], ""),
    ],
)
def test_suffixes(maps, expected, suffix):
    assert find_suffix(maps, expected) == suffix


# -- Floating-point values

HALVES = np.array([[0, 0.5 / 255, 1.5 / 255, 0.5], [1, 254.5 / 255, 0.1, 0.25]])
LEVELS = [[0, 0, 2, 128], [255, 254, 26, 64]]


def save_npy(path, values, **options):
    np.save(path, values, **options)
    return path


def save_tiff(path, values):
    path.write_bytes(cv2.imencode(".tif", values)[1].tobytes())
    return path


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        (HALVES, LEVELS),
        (HALVES[None], LEVELS),
        (HALVES[..., None], LEVELS),
        (HALVES[None, None], LEVELS),
        (HALVES.astype(">f8"), LEVELS),
        (np.asfortranarray(HALVES), LEVELS),
        (np.array([[0, 0.5, 1]], np.float32), [[0, 128, 255]]),
        (np.array([[0, 0.25, 1]], np.float16), [[0, 64, 255]]),
        (np.array([[0, 7, 255]], np.uint8), [[0, 7, 255]]),
        (np.array([[True, False]]), [[255, 0]]),
    ],
)
def test_values_from_0_to_1_are_rounded_to_levels(tmp_path, values, levels):
    path = save_npy(tmp_path / "a.npy", values)
    assert read_prediction(path).tolist() == levels
    assert read_map_header(path)[1] == np.shape(levels)


def test_a_tiff_of_floats_is_a_map(tmp_path):
    path = save_tiff(tmp_path / "a.tif", np.array([[0, 0.5, 1], [0.25, 0.75, 0.1]], np.float32))
    assert read_prediction(path).tolist() == [[0, 128, 255], [64, 191, 26]]
    whole = path.read_bytes()
    for cut in range(8, len(whole) - 1, 7):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError, match=r"a\.tif: "):
            read_prediction(path)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([[0, 1.5]]), "has values from 0 to 1.5; save floats from 0 to 1"),
        (np.array([[-0.1, 1]]), "has values from -0.1 to 1"),
        (np.array([[0, np.nan]]), "without NaN"),
        (np.array([[0, np.inf]]), "has values from 0 to inf"),
        (np.array([[0, 1]]), "has values of type int64"),
        (np.array([[0, 1]], np.uint16), "has values of type uint16"),
        (np.zeros((2, 3, 4)), "has the shape (2, 3, 4); a map has (height, width)"),
        (np.zeros(4), "has the shape (4,)"),
        (np.zeros((0, 4)), "has the shape (0, 4)"),
        (np.array([[0, 1j]]), "has values of type complex128"),
        (np.array([["a"]]), "has values of type <U1"),
    ],
)
def test_other_arrays_are_refused(tmp_path, values, words):
    path = save_npy(tmp_path / "a.npy", values)
    with pytest.raises(InputError) as caught:
        read_prediction(path)
    assert words in str(caught.value)


def test_objects_in_npy_files_are_never_loaded(tmp_path):
    path = save_npy(tmp_path / "a.npy", np.array([[print]], object), allow_pickle=True)
    with pytest.raises(InputError, match="has values of type object"):
        read_prediction(path)


def test_a_negative_side_in_a_npy_file_is_refused(tmp_path):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (-2, -4), }".ljust(117) + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(8))
    with pytest.raises(InputError, match=r"a\.npy: "):
        read_prediction(tmp_path / "a.npy")


def test_damaged_npy_files_are_refused(tmp_path):
    path = save_npy(tmp_path / "a.npy", HALVES)
    whole = path.read_bytes()
    huge = whole.replace(b"(2, 4)", b"(9999, 9999)".ljust(6))  # a header that claims more than there is
    for data in (b"", whole[:5], whole[:60], whole[:-1], whole + b"x", b"\0" * 200, huge):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"a\.npy: "):
            read_prediction(path)


def test_float_maps_are_scored_as_their_levels():
    put_folders(Path("mine"), "im", "gt")
    soft = [np.clip(draw(seed)[1] / 255, 0.1, 0.6) for seed in range(2)]
    for kind in ("npy", "tif", "png"):
        Path(kind).mkdir()
    for name, values in zip("ab", soft, strict=True):
        save_npy(Path("npy") / name, values)
        save_tiff(Path("tif") / f"{name}.tiff", values.astype(np.float32))
        write(Path("png") / f"{name}.png", np.where(values > 0.3, 153, 26).astype(np.uint8))  # 0.6 and 0.1 of 255
    expected = score("png")[0]["scores"]
    assert score("npy")[0]["scores"] == score("tif")[0]["scores"] == expected


def test_a_float_map_of_another_size_is_a_fault():
    put_folders(Path("mine"), "im", "gt", "a")
    Path("maps").mkdir()
    save_npy(Path("maps/a.npy"), np.zeros((3, 4)))
    refuse("maps", "1 of another size than the truth (a.npy)")


def test_a_ground_truth_of_floats_is_still_refused():
    put_folders(Path("mine"), "im", "gt", "a")
    Path("mine/gt/a.png").unlink()
    save_npy(Path("mine/gt/a.npy"), np.zeros(SHAPE))
    refuse(put_maps(Path("maps"), "a"), "1 not an image (a.npy)")


# -- Zip files


def zip_file(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def png(seed):
    return cv2.imencode(".png", draw(seed)[1])[1].tobytes()


@pytest.mark.parametrize("prefix", ["", "MyMethod/", "results/MyMethod/"])
def test_a_zip_file_is_scored_as_its_folder(prefix):
    two_subsets()
    names = [("one", "a"), ("one", "b"), ("two", "c"), ("two", "d")]
    members = {f"{prefix}{split}/{name}.png": png(k % 2) for k, (split, name) in enumerate(names)}
    members |= {"__MACOSX/._a.png": b"", f"{prefix}.DS_Store": b"", ".DS_Store": b""}
    zip_file("best.zip", members)
    for split, name in names:
        path = Path("maps", split, f"{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(members[f"{prefix}{split}/{name}.png"])
    zipped, _ = score("best.zip")
    unzipped, _ = score("best=maps")
    assert zipped["run"] == unzipped["run"]
    assert zipped["title"] == "best"
    assert {values["mae"] for values in zipped["scores"].values()} == {0}


def test_a_fault_in_a_zip_file_names_the_archive():
    put_folders(Path("mine"), "im", "gt")
    refuse(zip_file("best.zip", {"a.png": png(0)}), "disbench: best.zip as maps of")
    refuse("best.zip", "1 missing (b)")


def link(name, target):
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return info, target


@pytest.mark.parametrize(
    "name", ["../a.png", "/tmp/disbench-a.png", "x/../../a.png", "..\\a.png", "C:/a.png", "a\n.png", "x/..", link]
)
def test_no_member_leaves_the_folder(tmp_path, name):
    with zipfile.ZipFile("best.zip", "w") as archive:
        archive.writestr(*(link("a.png", "/etc/passwd") if name is link else (name, png(0))))
    put_folders(Path("mine"), "im", "gt", "a")
    refuse("best.zip", "leads out of the archive, or is no plain file")
    assert not Path("a.png").exists()
    assert not (tmp_path.parent / "a.png").exists()


def test_a_bomb_is_refused_before_it_is_extracted(tmp_path, monkeypatch):
    monkeypatch.setattr("disbench.inference.map_archive.SMALL", 1 << 16)
    zip_file("best.zip", {"a.png": bytes(1 << 22)})
    with pytest.raises(InputError, match=r"4,194,304 bytes, at most"), open_maps(Path("best.zip")):
        pass


def test_a_member_that_is_larger_than_it_says_is_refused(monkeypatch):
    path = zip_file(Path("best.zip"), {"a.png": bytes(5000)})
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 5000), struct.pack("<I", 50)))
    with pytest.raises(InputError, match=r"best\.zip: "), open_maps(path):
        pass


def test_two_members_of_one_name_are_refused():
    with zipfile.ZipFile("best.zip", "w") as archive:
        for name in ("a.png", "A.png"):
            archive.writestr(name, png(0))
    with pytest.raises(InputError, match="two files called A"), open_maps(Path("best.zip")):
        pass


def test_damaged_and_encrypted_archives_are_refused(monkeypatch):
    path = zip_file(Path("best.zip"), {"a.png": png(0)})
    whole = path.read_bytes()
    flagged = bytearray(whole)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        flagged[whole.index(signature) + offset] |= 1  # encrypted
    flipped = bytearray(whole)
    flipped[whole.index(b"a.png") + 20] ^= 0xFF
    for data in (b"", whole[:40], bytes(flagged), bytes(flipped)):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"best\.zip: cannot be extracted"), open_maps(path):
            pass


def test_nothing_stays_of_an_extracted_archive(tmp_path, monkeypatch):
    (tmp_path / "t").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t"))
    put_folders(Path("mine"), "im", "gt", "a")
    score(zip_file("best.zip", {"a.png": png(0)}))
    refuse(zip_file("worse.zip", {"b.png": png(0)}), "1 missing (a)")
    assert list((tmp_path / "t").iterdir()) == []


def test_a_text_next_to_the_only_folder_of_an_archive_is_no_map(folder):
    put_folders(Path("mine"), "im", "gt")
    put_maps(Path("deep/Net/maps"))
    Path("deep/README.txt").write_text("maps of Net", encoding="utf-8")
    shutil.make_archive("net", "zip", "deep")
    assert score("net.zip")[0]["scores"]["mine"]["mae"] >= 0


def test_a_title_is_the_given_one_also_for_a_folder_of_runs_of_another():
    put_folders(Path("mine"), "im", "gt")
    put_maps(Path("maps"))
    for title in ("Net (a)", "Net [a]"):
        assert score(f"{title}=maps")[0]["title"] == title
    both = json.loads(call("score", "Ours*=maps", "Ours†=maps", "--data", "mine", "--json").stdout)
    assert [run["title"] for run in both] == ["Ours*", "Ours†"]


def test_a_file_is_not_called_a_missing_folder():
    put_folders(Path("mine"), "im", "gt")
    Path("maps").touch()
    refuse("maps", "maps: a file, not a folder; give a folder")


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_damaged_zip_file_is_one_line(tmp_path, kind):
    noise = np.random.default_rng(0).bytes(3000)
    with zipfile.ZipFile(tmp_path / "maps.zip", "w", kind) as archive:
        archive.writestr("a.png", noise + bytes(3000))
    data = bytearray((tmp_path / "maps.zip").read_bytes())
    for at in range(60, 90):
        data[at] ^= 0xFF
    (tmp_path / "maps.zip").write_bytes(data)
    with pytest.raises(InputError, match=r"maps\.zip: cannot be extracted"), open_maps(tmp_path / "maps.zip"):
        pass
