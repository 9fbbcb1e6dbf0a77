"""Every layout in which data sets are shared is opened by `data verify`, `score` and `run`, or refused in one line."""

import json
import os

import pytest
from command import call
from image_files import write
from layout_files import check, draw, put, put_folders, put_maps

import disbench
from disbench.data import dataset as dataset_module
from disbench.data.location import find_dataset, list_subsets
from disbench.errors import InputError

PAIRS = [
    ("im", "gt"),
    ("image", "mask"),
    ("images", "masks"),
    ("Imgs", "GT"),
    ("Image", "Mask"),
    ("original", "mask"),
    ("images_test", "masks_test"),
    ("images", "masks_max255"),
    ("blurred_image", "mask"),
    ("original_image", "mask"),
    ("DUTS-TE-Image", "DUTS-TE-Mask"),
    ("DUT-OMRON-image", "pixelwiseGT-new-PNG"),
]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(("images", "truths"), PAIRS)
def test_a_pair_of_folders_is_a_data_set(tmp_path, images, truths):
    folder = put_folders(tmp_path / "mine", images, truths)
    put_folders(folder, "trimap", "Edge")
    assert check(folder, put_maps(tmp_path / "maps")) == ("mine", ["mine"])


def test_a_run_shows_pictures_of_another_layout(tmp_path):
    folder = put_folders(tmp_path / "mine", "Imgs", "GT")
    run = call("run", "--model", "otsu", "--data", folder.name)
    assert run.exit_code == 0, run.output
    assert run.stderr.count("Imgs/ and GT/") == 1
    assert "mine: Imgs/ and GT/" in run.stderr
    assert "Qualitative grid" in run.stdout
    grouped = call("report", "--by", "complexity", "--parts", "2", "--format", "csv")
    assert grouped.exit_code == 0, grouped.output


MIXED = {
    "same stem": [("a.jpg", "a.png"), ("b.jpeg", "b.png")],
    "same stem, upper case": [("A.JPG", "a.png"), ("b.jpg", "B.PNG")],
    "_im and _gt": [("a_im.jpg", "a_gt.png"), ("b_im.jpg", "b_gt.png")],
    "_image and _mask": [("a_image.png", "a_mask.png"), ("b_image.png", "b_mask.png")],
    "only _gt": [("a.jpg", "a_gt.png"), ("b.jpg", "b_gt.png")],
    "only _mask": [("a.png", "a_mask.png"), ("b.png", "b_mask.png")],
}


@pytest.mark.parametrize("kind", MIXED)
def test_images_and_masks_in_one_folder_are_a_data_set(tmp_path, kind):
    folder = tmp_path / "mine"
    for seed, (image, truth) in enumerate(MIXED[kind]):
        put(folder / image, folder / truth, seed)
    if kind == "_im and _gt":
        write(folder / "a_seg.png", draw(5)[1])
    assert check(folder, put_maps(tmp_path / "maps")) == ("mine", ["mine"])
    samples = find_dataset(folder).samples
    assert [sample.name.lower() for sample in samples] == ["a", "b"]
    assert all(sample.image.name in dict(MIXED[kind]) for sample in samples)


def test_a_fault_in_one_folder_names_the_file(tmp_path):
    folder = tmp_path / "mine"
    for seed, name in enumerate("abc"):
        put(folder / f"{name}_im.jpg", folder / f"{name}_gt.png", seed)
    (folder / "b_gt.png").unlink()
    (folder / "c_im.jpg").unlink()
    (folder / "notes.txt").touch()
    with pytest.raises(InputError) as caught:
        find_dataset(folder)
    for fault in ("1 not an image (notes.txt)", "1 without a truth (b_im.jpg)", "1 without an image (c_gt.png)"):
        assert fault in str(caught.value)


def test_a_folder_of_data_sets_has_a_subset_for_each(tmp_path):
    root = tmp_path / "TestDataset"
    put_folders(root / "one", "Imgs", "GT")
    put_folders(root / "two", "Imgs", "GT", ("c",))
    maps = tmp_path / "maps"
    put_maps(maps / "one")
    put_maps(maps / "two", ("c",))
    assert check(root, maps) == ("TestDataset", ["one", "two"])
    assert check(root, maps, "--split", "TWO") == ("TestDataset", ["two"])
    refused = call("data", "verify", "--data", root, "--split", "three")
    assert refused.exit_code == 2
    assert "has no subset 'three'; " in refused.stderr
    ran = call("run", "--model", "otsu", "--data", root, "--split", "two")
    assert ran.exit_code == 0, ran.output
    assert "Qualitative grid" in ran.stdout


def test_tasks_of_data_sets_are_opened_too(tmp_path):
    put_folders(tmp_path / "all" / "COD" / "TE-x", "im", "gt")
    put_folders(tmp_path / "all" / "SOD" / "TE-y", "im", "gt")
    assert list(find_dataset(tmp_path / "all" / "COD").splits) == ["TE-x"]
    assert list(find_dataset(tmp_path / "all").splits) == ["TE-x", "TE-y"]
    put_folders(tmp_path / "all" / "SOD" / "te-X", "im", "gt")
    with pytest.raises(InputError, match=r"two data sets called te-X"):
        find_dataset(tmp_path / "all")


def test_several_splits_of_one_set_have_a_tag(tmp_path):
    for tag in ("train", "test"):
        put_folders(tmp_path / "thin", f"images_{tag}", f"masks_{tag}", (tag,))
    splits = find_dataset(tmp_path / "thin").splits
    assert {name: [sample.name for sample in splits[name]] for name in splits} == {"train": ["train"], "test": ["test"]}


@pytest.mark.parametrize("folders", [("im", "gt"), ("images", "masks"), ("Image", "GT")])
def test_dis5k_keeps_its_names_counts_and_overall_in_every_layout(tmp_path, monkeypatch, folders):
    for split in dataset_module.TEST_SPLITS:
        monkeypatch.setitem(dataset_module.SPLIT_COUNTS, split, 2)
        put_folders(tmp_path / "bundle" / split, *folders)
        put_maps(tmp_path / "maps" / split)
    put_folders(tmp_path / "bundle" / "DAVIS-S0", *folders)
    expected = "DIS5K", [*dataset_module.TEST_SPLITS, "Overall"]
    scored = call("score", "maps", "--data", "bundle", "--metrics", "mae", "--json")
    (result,) = json.loads(scored.stdout)
    assert (result["dataset"], list(result["scores"])) == expected
    assert find_dataset("bundle", "DIS-TE2").token == "dis5k"
    other = find_dataset("bundle", "DAVIS-S0")
    assert (other.title, other.token, list(other.splits)) == ("bundle", "folder:bundle", ["DAVIS-S0"])
    put_folders(tmp_path / "bundle" / "DIS-TE3", *folders, names=("extra",))
    with pytest.raises(InputError, match="3 images where DIS-TE3 has 2"):
        find_dataset("bundle")
    assert find_dataset(tmp_path / "bundle" / "DIS-TE3").title == "DIS-TE3 (own folder)"


def test_run_keys_do_not_depend_on_the_layout(tmp_path):
    keys = set()
    for images, truths in PAIRS[:4]:
        folder = put_folders(tmp_path / images / "mine", images, truths)
        keys.add(disbench.run("otsu", data=folder).folder.name)
    assert len(keys) == 1


def test_two_readings_are_refused_with_both(tmp_path):
    folder = put_folders(tmp_path / "mine", "images", "masks")
    put_folders(folder, "images", "masks_max255")
    refused = call("data", "verify", "--data", folder)
    assert refused.exit_code == 2
    assert "can be read in 2 ways: (1) images/ and masks/; (2) images/ and masks_max255/" in refused.stderr
    assert refused.stderr.count("\n") == 1
    both = call("score", put_maps(tmp_path / "maps"), "--data", folder)
    assert "(1) masks/; (2) masks_max255/" in both.stderr
    taken = call("score", "maps", "--truth", folder / "masks")
    assert taken.exit_code == 0, taken.output


@pytest.mark.parametrize("pair", [("images", "masks"), ("images_test", "masks_test")])
def test_another_pair_next_to_im_and_gt_is_a_second_reading(tmp_path, pair):
    folder = put_folders(tmp_path / "mine", "im", "gt")
    (folder / "trimap").mkdir()
    put(folder / "preview.jpg", folder / "preview.png")
    put_folders(folder / "more", "im", "gt")
    assert find_dataset(folder).title == "mine"
    put_folders(folder, *pair)
    for command in (("data", "verify"), ("score", put_maps(tmp_path / "maps"))):
        refused = call(*command, "--data", folder)
        assert refused.exit_code == 2
        assert "can be read in 2 ways: (1) im/ and gt/; (2) {}/ and {}/".format(*pair) in refused.stderr


def test_an_unknown_layout_names_the_folders_that_are_there(tmp_path):
    folder = put_folders(tmp_path / "mine", "Pictures", "Annotations")
    refused = call("score", put_maps(tmp_path / "maps"), "--data", folder)
    assert refused.exit_code == 2
    assert "mine: its folders (Annotations, Pictures) are no known layout, and it has no split of" in refused.stderr


def test_two_extensions_without_jpeg_are_two_readings(tmp_path):
    put(tmp_path / "d" / "a.bmp", tmp_path / "d" / "a.png")
    with pytest.raises(InputError, match="can be read in 2 ways"):
        find_dataset(tmp_path / "d")


def test_a_data_set_next_to_folders_of_data_sets_is_two_readings(tmp_path):
    put_folders(tmp_path / "d", "image", "mask")
    put_folders(tmp_path / "d" / "more", "image", "mask")
    with pytest.raises(InputError, match=r"\(1\) image/ and mask/; \(2\) 1 subset \(more\)"):
        find_dataset(tmp_path / "d")


@pytest.mark.parametrize("name", ["NC4K", "TE-COD10K", "duts_te", "AIM-500", "P3M-500-NP"])
def test_a_folder_named_like_a_published_set_is_marked_if_its_count_differs(tmp_path, name):
    folder = put_folders(tmp_path / name, "im", "gt")
    assert find_dataset(folder).title == f"{name} (own folder)"
    put_folders(tmp_path / "bundle" / name, "im", "gt")
    put_folders(tmp_path / "bundle" / "mine", "im", "gt")
    assert find_dataset(tmp_path / "bundle").title == "bundle (own folder)"
    assert find_dataset(tmp_path / "bundle", "mine").title == "bundle"
    notes = call("data", "verify", "--data", "bundle").stderr
    assert f"bundle: {name} has 2 images, not " in notes


def test_a_published_set_with_its_count_is_not_marked(tmp_path):
    folder = put_folders(tmp_path / "CHAMELEON", "Imgs", "GT", [f"{k}" for k in range(76)])
    assert find_dataset(folder).title == "CHAMELEON"


def test_broken_links_pipes_and_foreign_files_are_refused_in_other_layouts(tmp_path):
    folder = put_folders(tmp_path / "mine", "Imgs", "GT")
    (folder / "GT" / "c.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "Imgs" / "d.jpg")
    with pytest.raises(InputError) as caught:
        find_dataset(folder)
    assert "GT/c.png: a broken link" in str(caught.value)
    assert "Imgs/d.jpg: a pipe, socket or device" in str(caught.value)


def test_a_folder_without_a_layout_is_refused_as_before(tmp_path):
    (tmp_path / "mine" / "photos").mkdir(parents=True)
    with pytest.raises(InputError, match="no split of DIS5K; give --data a DIS5K folder or one with im/ and gt/"):
        find_dataset(tmp_path / "mine")
    with pytest.raises(InputError, match="no such folder"):
        find_dataset(tmp_path / "nowhere")


@pytest.mark.parametrize("place", ["mine/Imgs/runs", "mine/GT", "both/runs"])
def test_no_output_goes_into_a_data_set(tmp_path, place):
    put_folders(tmp_path / "mine", "Imgs", "GT")
    put(tmp_path / "both" / "a.jpg", tmp_path / "both" / "a.png")
    refused = call("run", "--model", "otsu", "--data", place.partition("/")[0], "--out", place)
    assert refused.exit_code == 2
    assert "which the command reads; choose another place with --out" in refused.stderr


def test_truths_without_images_are_scored(tmp_path):
    put_folders(tmp_path / "mine", "Imgs", "GT")
    for image in (tmp_path / "mine" / "Imgs").iterdir():
        image.unlink()
    (tmp_path / "mine" / "Imgs").rmdir()
    maps = put_maps(tmp_path / "maps")
    for data in ("mine", "mine/GT"):
        scored = call("score", maps, "--data", data, "--metrics", "mae")
        assert scored.exit_code == 0, scored.output


def test_splits_of_dis5k_are_asked_for_in_vain(tmp_path):
    put_folders(tmp_path / "d" / "one", "im", "gt")
    with pytest.raises(InputError, match=r"d: has no split of DIS5K; give --data a DIS5K folder or one with"):
        find_dataset(tmp_path / "d", "DIS-TR,DIS-VD")


def test_raw_cod10k_has_one_reading(tmp_path):
    for truths in ("GT_Object", "GT_Instance", "GT_Edge"):
        put_folders(tmp_path / "Test", "Image", truths)
    assert "GT_Object" in str(find_dataset(tmp_path / "Test").samples[0].truth)
    assert "GT_Object" in str(find_dataset(tmp_path / "Test", images=False).samples[0].truth)


def test_complexity_is_measured_and_parts_are_linked_in_other_layouts(tmp_path):
    folder = tmp_path / "mine"
    for seed, name in enumerate("abcd"):
        put(folder / f"{name}_im.jpg", folder / f"{name}_gt.png", seed)
    linked = call("data", "complexity", folder, "--parts", "2", "--out", tmp_path / "out")
    assert linked.exit_code == 0, linked.output
    names = [sample.name for k in (1, 2) for sample in find_dataset(tmp_path / "out" / f"part-{k}").samples]
    assert sorted(names) == list("abcd")


def test_names_of_folders_do_not_steer_the_terminal(tmp_path):
    put_folders(tmp_path / "red\x1b[31m" / "o\nne", "Imgs", "GT")
    shown = call("data", "verify", "--data", tmp_path / "red\x1b[31m")
    assert "\x1b" not in shown.output
    assert r"o\nne" in shown.stderr


def test_names_that_are_not_utf8_are_refused(tmp_path):
    try:
        put_folders(tmp_path / "d" / "caf\udce9", "Imgs", "GT")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    with pytest.raises(InputError, match="not UTF-8"):
        find_dataset(tmp_path / "d")


# -- Descriptions in TOML

TOML = """
title = "Leaves"
truth_kind = "alpha"
[splits.test]
images = "photos/*.jpg"
truths = "photos/*_alpha.png"
truth_suffix = "_alpha"
[splits.train]
images = "train/a"
truths = "train/b"
"""


def test_a_toml_file_describes_any_layout(tmp_path):
    for seed, name in enumerate("ab"):
        put(tmp_path / "d" / "photos" / f"{name}.jpg", tmp_path / "d" / "photos" / f"{name}_alpha.png", seed)
    (tmp_path / "d" / "photos" / "readme.txt").touch()
    put_folders(tmp_path / "d" / "train", "a", "b")
    file = tmp_path / "d" / "leaves.toml"
    file.write_text(TOML)
    put_maps(tmp_path / "maps" / "test")
    put_maps(tmp_path / "maps" / "train")
    assert check(file, "maps") == ("Leaves", ["test", "train"])
    assert check(file, "maps", "--split", "test") == ("Leaves", ["test"])


def test_a_folder_with_a_bracket_in_its_name_is_no_glob(tmp_path):
    put_folders(tmp_path, "im[1]", "gt[1]")
    (tmp_path / "x.toml").write_text("title = 'x'\n[splits.a]\ntruths='gt[1]'\nimages='im[1]'")
    assert len(find_dataset(tmp_path / "x.toml").samples) == 2


def test_the_names_that_are_listed_select(tmp_path):
    put_folders(tmp_path, "a", "b")
    (tmp_path / "x.toml").write_text("title = 'x'\n[splits.dis_vd]\ntruths='b'\n[splits.mine]\ntruths='b'")
    assert list_subsets(tmp_path / "x.toml") == ("DIS-VD",)
    with pytest.raises(InputError, match="has no subset 'dis_vd'; did you mean"):
        find_dataset(tmp_path / "x.toml", "dis_vd", images=False)
    with pytest.raises(InputError, match="DIS-VD is a split of DIS5K; select these apart from its other subsets"):
        find_dataset(tmp_path / "x.toml", "mine,DIS-VD", images=False)
    (tmp_path / "x.toml").write_text("title = 'x'\n[splits.test]\ntruths='b'\n[splits.mine]\ntruths='b'")
    assert list_subsets(tmp_path / "x.toml") == ("test", "mine")


def test_a_missing_toml_file_is_refused():
    refused = call("data", "verify", "--data", "gone.toml")
    assert refused.exit_code == 2
    assert "gone.toml: describes no data set (No such file or directory)" in refused.stderr


def test_the_kind_of_truths_is_passed_on(tmp_path):
    put_folders(tmp_path / "train", "a", "b")
    for kind in ("alpha", "binary"):
        (tmp_path / "x.toml").write_text(TOML.replace("alpha", kind, 1))
        dataset = find_dataset("x.toml", "train")
        assert {dataset.truth_kind, *(sample.truth_kind for sample in dataset.samples)} == {kind}
    kinds = {
        name: find_dataset(put_folders(tmp_path / name, "original", "mask")).truth_kind for name in ("AIM-500", "x")
    }
    assert kinds == {"AIM-500": "alpha", "x": "binary"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title = ", "describes no data set"),
        ("title = 'x'", "describes no data set (Object missing required field `splits`)"),
        ("title = 'x'\n[splits]", "it has no splits"),
        ("title = ' '\n[splits.a]\ntruths='b'", "its title has no printable characters"),
        ("title = 'x'\n[splits.a]\ntruths='b'", "the split a has no images"),
        ("title = 'x'\n[splits.'../a']\ntruths='b'\nimages='c'", "'../a' cannot name a split"),
        ("title = 'x'\n[splits.a]\ntruths='b'\nimages='c'", "b: no such folder"),
        ("title = 'x'\ntruth_kind='soft'\n[splits.a]\ntruths='b'", "truth_kind"),
        ("title = 'x'\n[splits.a]\ntruth='b'", "unknown field `truth`"),
        ("title = 'x'\n[splits.a]\ntruths=''\nimages='c'", "is not a folder"),
        (
            "title = 'x'\n[splits.a]\ntruths='b'\nimages='c'\n[splits.A]\ntruths='b'\nimages='c'",
            "the splits a and A differ only in case",
        ),
    ],
)
def test_a_toml_file_that_describes_nothing_is_refused(tmp_path, text, words):
    (tmp_path / "x.toml").write_text(text)
    refused = call("data", "verify", "--data", "x.toml")
    assert refused.exit_code == 2
    assert words in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_toml_file_cannot_pass_for_dis5k(tmp_path):
    put_folders(tmp_path, "a", "b")
    (tmp_path / "x.toml").write_text("title = 'DIS5K'\n[splits.DIS-VD]\ntruths='b'\nimages='a'")
    with pytest.raises(InputError, match="2 images where DIS-VD has 470"):
        find_dataset(tmp_path / "x.toml", "DIS-VD")
    (tmp_path / "x.toml").write_text("title = 'DIS5K'\n[splits.test]\ntruths='b'\nimages='a'")
    assert find_dataset(tmp_path / "x.toml").title == "DIS5K (own folder)"


def test_soft_and_hard_truths_are_selected_apart(tmp_path):
    for name in ("AIM-500", "CAMO"):
        put_folders(tmp_path / "mix" / name, "original", "mask")
    with pytest.raises(InputError, match=r"AIM-500 are soft .alpha., those of CAMO are not; select one with --split"):
        find_dataset(tmp_path / "mix")
    kinds = {name: find_dataset(tmp_path / "mix", name).truth_kind for name in ("AIM-500", "CAMO")}
    assert kinds == {"AIM-500": "alpha", "CAMO": "binary"}


def test_a_folder_of_one_subset_is_also_all(tmp_path):
    put_folders(tmp_path / "mine", "im", "gt")
    assert list(find_dataset(tmp_path / "mine", "ALL").splits) == ["mine"]
