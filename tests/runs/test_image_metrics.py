"""A metric that needs the images: `score` and `run` read them, or say in one line that there are none."""

import json

import cv2
import pytest
from command import call
from image_files import write
from layout_files import draw

from disbench.data.images import read_image, read_truth
from disbench.metrics.measurement import measure
from disbench.metrics.scoring import score

KEY = "camouflage_context"


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Three folders: im, gt, and maps that are moved truths. Pictures are enlarged, so that they hold patches."""
    monkeypatch.chdir(tmp_path)
    for folder in ("mine/im", "mine/gt", "maps"):
        (tmp_path / folder).mkdir(parents=True)
    for seed, name in enumerate("ab"):
        image, truth = (cv2.resize(array, None, fx=5, fy=5, interpolation=cv2.INTER_NEAREST) for array in draw(seed))
        write(tmp_path / "mine/im" / f"{name}.png", image)
        write(tmp_path / "mine/gt" / f"{name}.png", truth)
        write(tmp_path / "maps" / f"{name}.png", cv2.blur(truth, (9, 9)))
    return tmp_path


def scores(*arguments):
    ran = call(*arguments, "--metrics", f"{KEY},mae", "--json")
    assert ran.exit_code == 0, ran.output
    return [next(iter(result["scores"].values())) for result in json.loads(ran.stdout)]


def expected(data, maps):
    images = [
        measure(
            read_truth(data / maps / f"{name}.png"), read_truth(data / f"mine/gt/{name}.png"), metrics=KEY,
            image=read_image(data / f"mine/im/{name}.png"),
        )
        for name in "ab"
    ]  # fmt: skip
    return score(images, metrics=KEY)[KEY]


def test_score_reads_the_images_of_a_data_set_or_a_folder(data):
    (by_data,) = scores("score", "maps", "--data", "mine")
    (by_folder,) = scores("score", "maps", "--truth", "mine/gt", "--images", "mine/im")
    assert by_data[KEY] == by_folder[KEY] == expected(data, "maps")
    assert 0 < by_data[KEY] < 1


def test_a_run_reads_the_images(data):
    run = scores("run", "--model", "all_foreground", "--data", "mine")
    assert 0 < run[0][KEY] < 1
    (by_maps,) = scores("run", "--model", "all_foreground", "--data", "mine", "--maps", "maps")
    assert by_maps[KEY] == expected(data, "maps")


def test_another_image_is_another_run(data):
    scores("score", "maps", "--data", "mine")
    write(data / "mine/im/a.png", read_image(data / "mine/im/a.png")[:, ::-1])
    (changed,) = scores("score", "maps", "--data", "mine")
    assert len(list((data / "runs/maps").iterdir())) == 2
    assert changed[KEY] == expected(data, "maps")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--truth", "mine/gt"), "camouflage_context: needs the images, not only ground truths; give their folder by "),
        (("--data", "mine", "--images", "mine/im"), "--images needs --truth"),
    ],
)
def test_without_images_one_line_says_so(data, arguments, why):
    refused = call("score", "maps", *arguments, "--metrics", KEY)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert why in refused.stderr
    assert not (data / "runs").exists()
