"""DIS-Mini: the same pixels everywhere, exact masks, and a cache that survives interruptions."""

import errno
import json
import os
import re
import subprocess
import sys
import time
import zlib
from contextlib import contextmanager
from pathlib import Path
from subprocess import TimeoutExpired
from threading import Thread
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from disbench.data import mini
from disbench.data.complexity import measure_complexity
from disbench.data.scenes.canvas import Paint, View, draw, shrink
from disbench.data.scenes.families import FAMILIES
from disbench.data.scenes.parts import rod, sheet
from disbench.data.scenes.scene import blend, scene_name
from disbench.errors import InputError

GOLDEN = json.loads((Path(__file__).parents[1] / "goldens" / "mini.json").read_text())
SMALL = (0.02, 0.03)


@pytest.fixture(scope="module")
def scenes():
    return [mini.render("tr", i) for i in range(len(FAMILIES))]


def test_pixels_are_frozen(scenes):
    # The shipped weights were trained on these pixels, and published scores measured on their like.
    digests = {s.name: f"{zlib.crc32(s.image.tobytes()):08x} {zlib.crc32(s.truth.tobytes()):08x}" for s in scenes}
    assert digests == GOLDEN


def test_every_family_has_a_scene_and_a_name_that_parses(scenes):
    fields = [re.fullmatch(r"\d+#(\w+)#(\d+)#(\w+)#tr\d{4}", s.name).groups() for s in scenes]
    assert {(group, category) for group, _, category in fields} == {(f.group, f.category) for f in FAMILIES}
    assert all(FAMILIES[int(number) - 1].category == category for _, number, category in fields)


def test_masks_are_binary_and_hold_a_sensible_share(scenes):
    for scene in scenes:
        assert scene.image.shape == (*scene.truth.shape, 3)
        assert set(np.unique(scene.truth)) == {0, 255}
        assert 0.01 < (scene.truth > 0).mean() < 0.6


def test_the_edges_of_the_image_are_those_of_the_mask(scenes):
    def edge_strength(scene, shift):
        grey = cv2.cvtColor(scene.image, cv2.COLOR_RGB2GRAY).astype(np.float64)
        border = cv2.morphologyEx(scene.truth, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
        return np.hypot(*np.gradient(grey))[np.roll(border, shift, (0, 1))].mean()

    sharper = [edge_strength(s, (0, 0)) > 1.2 * edge_strength(s, (5, 5)) for s in scenes]
    assert np.mean(sharper) > 0.9


def view(fill=0.5):
    return View(
        yaw=0,
        pitch=0,
        roll=0,
        distance=1000,
        fill=fill,
        centre=(0.5, 0.5),
        light=np.array([0, 0, 1.0]),
        thinnest=0.001,
        slim=1,
    )


def test_coverage_is_exact():
    square = sheet([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)])
    layer = draw([square], view(fill=0.515), (100, 100), [Paint((200, 100, 50), 0)])
    row = layer[50, :, 3]
    assert row.sum() / 255 == pytest.approx(51.5, abs=0.3)
    assert row[50] == 255 and row[20] == 0 and 150 < row[24] < 230  # the edge lies at 24.25


@pytest.mark.parametrize("size", [(1, 1), (16, 5), (37, 50)])
def test_sub_pixels_are_averaged_as_opencv_does(size):
    rng = np.random.default_rng(0)
    for steps in (256, 3):  # 3: half of the averages are half-way between integers
        canvas = rng.integers(0, steps, (4 * size[0], 4 * size[1], 4), np.uint8)
        expected = cv2.resize(canvas, size[::-1], interpolation=cv2.INTER_AREA).reshape(*size, 4)
        assert np.array_equal(shrink(canvas), expected)


def test_a_layer_covers_its_background_by_its_coverage():
    rng = np.random.default_rng(0)
    layer, background = (rng.integers(0, 256, (37, 20, channels), np.uint8) for channels in (4, 3))
    wear, grain = (rng.integers(low, high, (37, 20), np.uint8) for low, high in ((213, 256), (0, 9)))
    share = layer[..., 3:].astype(int)
    front = layer[..., :3] * wear[..., None].astype(int) // 256
    behind = background * (256 - share - share // 128) // 256
    mixed = front + behind + grain[..., None] - grain.max() // 2
    assert np.array_equal(blend(layer, background, wear, grain), mixed.clip(0, 255))


def test_the_nearer_bar_is_in_front():
    far, near = rod((-1, 0, -0.5), (1, 0, -0.5), 0.2, 0), rod((0, -1, 0.5), (0, 1, 0.5), 0.2, 1)
    layer = draw([near, far], view(), (80, 80), [Paint((255, 0, 0), 0), Paint((0, 255, 0), 0)])
    red, green, _, alpha = layer[40, 40].tolist()
    assert green > 5 * red and alpha == 255


def test_splits_have_their_counts_and_share_no_scene():
    every = [member for split in mini.SPLITS for member in mini.list_members(split)]
    assert {split: len(mini.list_members(split)) for split in mini.SPLITS} == mini.SPLITS
    assert len(set(every)) == len(every) == len({scene_name(*member) for member in every})


@pytest.mark.ci
@pytest.mark.slow
def test_test_parts_ascend_in_complexity():
    picked = range(0, 48, 4)  # a quarter of them, for the time it takes
    ranks = {i: measure_complexity(mini.render("te", i).truth).rank for i in picked}
    parts = [mini.TEST_PARTS[i] for i in sorted(picked, key=ranks.get)]
    assert parts == sorted(parts)


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """DIS-Mini with a DIS-TR of six small pictures."""
    render = mini.render
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path))
    monkeypatch.setitem(mini.SPLITS, "DIS-TR", 6)
    monkeypatch.setattr(mini, "render", lambda stream, index: render(stream, index, SMALL))
    return tmp_path


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_any_interruption_gives_the_same_files(tiny, monkeypatch):
    seen = []
    root = mini.ensure_rendered(["DIS-TR"], lambda done, total: seen.append((done, total)), alone=True)
    assert seen == [(k, 6) for k in range(1, 7)]
    whole = contents(root)
    assert len(whole) == 12 and {path.parts[:2] for path in whole} == {("DIS-TR", "im"), ("DIS-TR", "gt")}

    def interrupt(done, total):
        if done == 3:
            raise KeyboardInterrupt

    monkeypatch.setenv("DISBENCH_CACHE", str(tiny / "second"))
    with pytest.raises(KeyboardInterrupt):
        mini.ensure_rendered(["DIS-TR"], interrupt, alone=True)
    part = contents(mini.mini_folder())
    assert 6 <= len(part) < 12
    next(mini.mini_folder().rglob("*.png")).unlink()
    assert contents(mini.ensure_rendered(["DIS-TR"], alone=True)) == whole


@pytest.fixture
def begin(monkeypatch):
    """begin(work, wait): let work(), in a thread, take the place of the other process; returns the scenes rendered."""
    rendered, render = [], mini.write_scene

    def write(*member):
        rendered.append(member[-1])
        render(*member)

    def replace(work, wait):
        @contextmanager
        def run_beside(module, *splits):
            assert (module, splits) == ("disbench.data.mini", ("DIS-TR",))
            thread = Thread(target=work)
            thread.start()
            while thread.is_alive() and not rendered:
                time.sleep(0.01)
            yield SimpleNamespace(wait=lambda seconds: wait(thread, seconds))
            thread.join()

        monkeypatch.setattr(mini, "run_beside", run_beside)
        return rendered

    monkeypatch.setattr(mini, "write_scene", write)
    return replace


def test_two_processes_render_from_both_ends(tiny, monkeypatch, begin):
    whole = contents(mini.ensure_rendered(["DIS-TR"], alone=True))
    monkeypatch.setenv("DISBENCH_CACHE", str(tiny / "second"))
    rendered, seen = begin(lambda: mini._render_backwards(["DIS-TR"]), Thread.join), []
    rendered.clear()
    assert contents(mini.ensure_rendered(["DIS-TR"], lambda done, total: seen.append((done, total)))) == whole
    assert rendered[0] == 5 and set(rendered) == set(range(6))
    assert len(rendered) <= 7  # where they meet, one may be rendered twice
    assert seen == sorted(seen) and seen[-1] == (6, 6)


def stop_waiting(*_):
    raise TimeoutExpired("python", 1)


@pytest.mark.parametrize("wait", [Thread.join, stop_waiting])
def test_a_process_that_died_or_hangs_is_not_needed(tiny, begin, wait):
    rendered = begin(lambda: None, wait)
    assert len(contents(mini.ensure_rendered(["DIS-TR"]))) == 12
    assert rendered == list(range(6))


def test_the_other_process_renders(monkeypatch, tmp_path):
    """It is left one picture to render, so that this takes a second."""
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    missing = mini.list_missing(["DIS-VD"])
    for files in (mini.list_files(*member) for member in missing[:-1]):
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    subprocess.run([sys.executable, "-P", "-m", "disbench.data.mini", "DIS-VD"], check=True)
    assert mini.list_missing(["DIS-VD"]) == []
    assert cv2.imread(str(mini.list_files(*missing[-1])[0])).shape[:2] == mini.render(*missing[-1][1:]).truth.shape


def test_what_is_there_is_not_rendered_again(tiny, monkeypatch):
    mini.ensure_rendered(["DIS-TR"], alone=True)
    monkeypatch.setattr(mini, "render", None)
    mini.ensure_rendered(["DIS-TR"], alone=True)


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"file.dis-mini-v1.*DISBENCH_CACHE"):
        mini.ensure_rendered(["DIS-VD"])


def test_a_full_cache_is_named(tiny, monkeypatch):
    def refuse(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(InputError, match=r"dis-mini-v1.*No space left on device.*set DISBENCH_CACHE"):
        mini.ensure_rendered(["DIS-TR"], alone=True)
    assert contents(tiny) == {}


def test_a_user_without_a_home_learns_what_to_set(monkeypatch):
    def refuse():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("DISBENCH_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(mini.Path, "home", refuse)
    with pytest.raises(InputError, match=r"set DISBENCH_CACHE"):
        mini.ensure_rendered(["DIS-VD"])
