"""A ground truth without a level above 128 is a mask of 0 and 1, or empty, or refused; never empty in silence."""

import json

import numpy as np
import pytest
from command import call
from image_files import write
from PIL import Image

import disbench
from disbench.data.hashing import hash_file
from disbench.data.images import read_map, read_truth
from disbench.data.location import find_dataset
from disbench.data.truth_cache import load_complexity, truth_cache_folder
from disbench.errors import InputError
from disbench.metrics.measurement import measure_soft
from disbench.metrics.protocols import PROTOCOLS
from disbench.system.caches import cache_folder, write_checked

SHAPE = np.zeros((24, 32), np.uint8)
SHAPE[6:15, 8:20] = 1


@pytest.mark.parametrize("top", [2, 3, 20, 127, 128])
def test_ids_and_faint_masks_are_refused(tmp_path, top):
    path = tmp_path / "a.png"
    write(path, SHAPE * np.uint8(top))
    with pytest.raises(InputError) as caught:
        read_truth(path)
    assert str(caught.value) == (
        f"{path}: its largest level is {top}, so no pixel is foreground, which begins above 128; "
        "save the mask with 0 and 255"
    )
    assert read_map(path).max() == top  # a map may have any levels


@pytest.mark.parametrize("top", [2, 20, 128])
def test_arrays_have_the_rule_of_files(top):
    truth = SHAPE * np.uint8(top)
    message = f"its largest level is {top}, so no pixel is foreground, which begins above 128; save the mask with 0"
    with pytest.raises(InputError, match=f"^truth: {message}"):
        disbench.measure(truth, truth)
    with pytest.raises(InputError, match=rf"^target\[0\]: {message}"):
        disbench.Meter().update(truth, truth)
    with pytest.raises(InputError, match=rf"^target\[0\]: {message}"):
        disbench.Meter().update(truth, truth / np.float32(255))
    assert measure_soft(truth, truth).height == 24  # a soft truth may have any levels


@pytest.mark.parametrize("top", [129, 200, 255])
def test_a_truth_with_foreground_is_read_as_it_is(tmp_path, top):
    path = tmp_path / "a.png"
    write(path, SHAPE * np.uint8(top))
    assert np.array_equal(read_truth(path), SHAPE * np.uint8(top))


def test_an_empty_truth_is_valid(tmp_path):
    write(tmp_path / "a.png", SHAPE * 0)
    assert not read_truth(tmp_path / "a.png").any()


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGB", "LA"])
def test_zeros_and_ones_are_a_mask_in_every_form(tmp_path, mode):
    path = tmp_path / "a.png"
    Image.fromarray(SHAPE * np.uint8(255 if mode == "1" else 1)).convert(mode).save(path)
    assert np.array_equal(read_truth(path), SHAPE * 255)


def test_a_palette_of_greys_with_ids_is_refused(tmp_path):
    image = Image.frombytes("P", SHAPE.shape[::-1], (SHAPE * 2).tobytes())
    image.putpalette([level for level in range(256) for _ in range(3)])
    image.save(tmp_path / "a.png")
    with pytest.raises(InputError, match="its largest level is 2"):
        read_truth(tmp_path / "a.png")


def test_sixteen_bits_that_round_to_one_are_faint_and_not_a_mask(tmp_path):
    write(tmp_path / "a.png", SHAPE.astype(np.uint16) * 300)
    with pytest.raises(InputError, match="its largest level is 1,"):
        read_truth(tmp_path / "a.png")


@pytest.fixture
def folder(tmp_path, make_pairs, monkeypatch):
    """A data set whose second truth has ids, and maps for it."""
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    folder = make_pairs(tmp_path / "d", ["a", "b"])
    (folder / "maps").mkdir()
    for name in ("a", "b"):
        write(folder / "maps" / f"{name}.png", SHAPE * 255)
    write(folder / "gt" / "b.png", SHAPE * 7)
    return folder


def commands(folder):
    data = ("--data", folder)
    for protocol in PROTOCOLS:
        yield "score", folder / "maps", *data, "--protocol", protocol
    yield "score", folder / "maps", "--truth", folder / "gt"
    yield "run", "--model", "otsu", *data, "--out", folder.parent / "out"
    yield "data", "complexity", folder


def test_every_command_that_reads_truths_stops_and_names_it(folder):
    for command in commands(folder):
        result = call(*command)
        assert result.exit_code == 2, command
        assert f"{folder / 'gt' / 'b.png'}: its largest level is 7" in result.stderr
        assert result.stderr.count("\n") == 1


def test_verify_names_it(folder):
    result = call("data", "verify", "--data", folder)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{folder / 'gt' / 'b.png'}: its largest level is 7")


def test_training_stops_and_names_it(folder):
    pytest.importorskip("torch")
    from disbench.models._training.data import load_pictures

    with pytest.raises(InputError, match=r"b\.png: its largest level is 7"):
        load_pictures(find_dataset(folder).samples, 16)


def test_a_cached_complexity_of_an_earlier_version_does_not_hide_it(folder):
    truth = folder / "gt" / "b.png"
    old = json.dumps({"ipq": 0.0, "contours": 0, "points": 0}).encode()
    write_checked(cache_folder("truths", "v1") / f"complexity-{hash_file(truth)}.json", old)
    with pytest.raises(InputError, match="its largest level is 7"):
        load_complexity(truth)
    assert not list(truth_cache_folder().glob("*")), "a refused truth is not cached"
