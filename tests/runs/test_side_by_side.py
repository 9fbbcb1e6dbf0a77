"""A network on the CPU computes several images at once, in threads that share the cores and end with the run."""

import json
import signal
import threading
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from fake_timing import FakePredictor

import disbench
from disbench.cli.main import main
from disbench.data.location import find_dataset
from disbench.errors import InputError
from disbench.inference.model import Model, load_model
from disbench.registry.loading import get_card
from disbench.runs import side_by_side
from disbench.runs.engines import threads
from disbench.runs.engines.threads import LocalSource
from disbench.runs.pipeline import RowMaker
from disbench.runs.result import load_run
from disbench.runs.side_by_side import make_rows_side_by_side
from disbench.runs.spec import MeasureSpec
from disbench.runs.suite_plan import _estimate_seconds
from disbench.runs.times import stage_times

MEASURES = MeasureSpec.parse(metrics="mae")
LAYERS = 400


class Concurrent(FakePredictor):
    """A predictor that notes the images in it, and torch's threads, with a network of many layers."""

    is_concurrent = True

    def __init__(self, together=1, seconds=0.0, alone=1):
        super().__init__()
        self.meeting, self.seconds, self.alone = threading.Barrier(together), seconds, alone
        self.lock, self.inside, self.most, self.threads, self.sizes, self.layers = threading.Lock(), 0, 0, [], [], 0
        self.net = torch.nn.Sequential(*[Slow(self) for _ in range(LAYERS)])

    def infer(self, batch):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.threads.append(torch.get_num_threads())
            self.sizes.append(batch.shape[-1])
        if len(self.sizes) > self.alone:
            self.meeting.wait(30)
        self.net(torch.zeros(1))
        with self.lock:
            self.inside -= 1
        return super().infer(batch)


class Slow(torch.nn.Module):
    def __init__(self, owner):
        super().__init__()
        object.__setattr__(self, "owner", owner)

    def forward(self, x):
        time.sleep(self.owner.seconds)
        self.owner.layers += 1
        return x


@pytest.fixture
def samples(make_pairs, tmp_path):
    folder = make_pairs(tmp_path / "data", [f"image{k}" for k in range(5)])
    large = np.zeros((40, 60, 3), np.uint8)
    cv2.imwrite(str(folder / "im" / "image3.jpg"), large)
    cv2.imwrite(str(folder / "gt" / "image3.png"), large[..., 0])
    return find_dataset(folder).samples


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def make_maker(predictor):
    return RowMaker(stages=Model(get_card("otsu"), predictor), measures=MEASURES, save_map=None)


def test_the_largest_image_is_alone_and_the_others_share_the_cores(samples, four_threads):
    predictor = Concurrent(together=2)
    rows = list(make_rows_side_by_side(make_maker(predictor), samples, 2, pytest.fail))
    assert [row.name for row in rows] == ["image3", "image0", "image1", "image2", "image4"]
    assert predictor.most == 2 and predictor.sizes[0] == 60
    assert predictor.threads == [4, 2, 2, 2, 2] and torch.get_num_threads() == 4
    alone = make_maker(Concurrent())
    assert {row.name: row.digest for row in rows} == {s.name: alone.make(s).digest for s in samples}
    assert list(make_rows_side_by_side(alone, [], 2, pytest.fail)) == []


def test_no_image_is_the_last_alone_with_a_share_of_the_cores(samples, four_threads):
    predictor = Concurrent(together=2, alone=2)
    rows = list(make_rows_side_by_side(make_maker(predictor), samples[:4], 2, pytest.fail))
    assert [row.name for row in rows] == ["image3", "image0", "image1", "image2"]
    assert predictor.threads == [4, 4, 2, 2]
    predictor = Concurrent(alone=1)
    assert len(list(make_rows_side_by_side(make_maker(predictor), samples, 3, pytest.fail))) == 5
    assert sorted(predictor.threads) == [1, 1, 1, 4, 4]


@pytest.mark.parametrize(("free", "peak"), [(2 << 30, 1 << 30), (None, 1 << 10), (1 << 40, None)])
def test_no_more_images_are_computed_at_once_than_half_of_the_memory_holds(samples, monkeypatch, free, peak):
    monkeypatch.setattr(side_by_side, "start_peak", lambda: 1 << 9)
    monkeypatch.setattr(side_by_side, "read_resident", lambda name: peak)
    monkeypatch.setattr(side_by_side, "free_memory", lambda: free)
    announced, noted = [], []
    monkeypatch.setattr(side_by_side, "announce_once", announced.append)
    predictor = Concurrent()
    assert len(list(make_rows_side_by_side(make_maker(predictor), samples, 3, noted.append))) == 5
    assert predictor.most == 1
    assert announced == ["Otsu: 1 image at a time, since it is not known that the memory holds 3"]
    assert noted == [1]


def test_processes_of_a_machine_share_its_memory(monkeypatch):
    monkeypatch.setattr(side_by_side, "read_resident", lambda name: 3 << 30)
    monkeypatch.setattr(side_by_side, "free_memory", lambda: 32 << 30)
    assert [side_by_side._count_fitting(1 << 30, processes) for processes in (1, 2, 100)] == [8, 4, 1]
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert side_by_side._count_fitting(1 << 30, 1) == 2


@pytest.fixture
def heard():
    """Ctrl-C interrupts, though a shell ignores it on behalf of what runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_networks_end_with_the_run(samples, heard):
    predictor = Concurrent(together=2)
    rows = make_rows_side_by_side(make_maker(predictor), samples, 2, pytest.fail)
    next(rows)
    predictor.seconds = 0.05  # so that an image takes 20 s
    done = predictor.layers
    press = signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)
    threading.Timer(0.5, *press).start()
    with pytest.raises(KeyboardInterrupt):
        next(rows)
    assert predictor.layers - done < LAYERS
    assert not torch.nn.modules.module._global_forward_pre_hooks


def test_rows_in_flight_are_finished_before_a_fault_is_raised(samples):
    samples[1].image.write_bytes(b"no image")
    rows, names = make_rows_side_by_side(make_maker(Concurrent()), samples, 2, pytest.fail), []
    with pytest.raises(InputError, match=r"image1\.jpg"):
        for row in rows:
            names.append(row.name)  # a list would be lost with the fault
    assert names[:2] == ["image3", "image0"] and len(names) >= 3


def test_only_networks_of_disbench_on_the_cpu_are_computed_side_by_side(monkeypatch, four_threads):
    monkeypatch.setattr(threads, "count_cores", lambda: 16)
    monkeypatch.setattr(Model, "environment", {})

    def count(predictor, processes=1, **changes):
        source = LocalSource(Model(replace(get_card("isnet"), **changes), predictor), processes)
        return source.description.at_once, source.default_workers

    assert count(Concurrent()) == (4, 4)  # torch's threads, of which the user may allow fewer than cores
    assert count(Concurrent(), processes=2) == (2, 2)
    assert count(Concurrent(), processes=4) == (1, 0)
    assert count(FakePredictor()) == (1, 0)
    assert count(Concurrent(), source="own.py") == (1, 0)
    on_gpu = Concurrent()
    on_gpu.device = "cuda:0"
    assert count(on_gpu) == (1, 16)


def test_a_run_records_and_prints_the_images_at_once(make_pairs, tmp_path, monkeypatch, four_threads):
    monkeypatch.setattr(threads, "count_cores", lambda: 2)
    data = make_pairs(tmp_path / "data", ["a", "b", "c"])
    command = ["run", "--model", "u2netp", "--weights", "untrained", "--option", "size=64", "--data", str(data)]
    scores = []
    for workers, text in (("2", " ms per image on cpu, 2 at once ("), ("0", " ms per image on cpu (")):
        out = tmp_path / workers
        ran = CliRunner().invoke(main, [*command, "--workers", workers, "--out", str(out), "--device", "cpu"])
        assert ran.exit_code == 0 and text in ran.stdout, ran.stderr
        run = next(out.glob("*/*/run.json"))
        meta = json.loads(run.read_text(encoding="utf-8"))["meta"]
        assert (meta["workers"], meta.get("at_once")) == (int(workers), 2 if workers == "2" else None)
        page = (run.parent / "report" / "report.html").read_text(encoding="utf-8")
        assert (", 2 at once</td>" in page) == (workers == "2")
        whole = stage_times(load_run(run.parent)).total
        assert _estimate_seconds(out / "u2netp") == pytest.approx(whole / (2 if workers == "2" else 1))
        scores.append([line for line in ran.stdout.splitlines() if "↑" in line or "↓" in line])
    assert scores[0] == scores[1]


@pytest.mark.parametrize("case", ["one image", "little memory"])
def test_a_run_records_what_was_computed_at_once_and_not_what_was_planned(
    make_pairs, tmp_path, monkeypatch, four_threads, case
):
    if case == "little memory":
        monkeypatch.setattr(side_by_side, "free_memory", lambda: 2)
    data = make_pairs(tmp_path / "data", ["a"] if case == "one image" else ["a", "b", "c"])
    given = {"weights": "untrained", "device": "cpu", "options": {"size": "64"}}
    run = disbench.run("u2netp", data=data, out=tmp_path, workers=2, **given)
    assert run.meta["workers"] == 2 and "at_once" not in run.meta


@pytest.mark.parametrize("name", ["u2netp", "diffdis"])
def test_maps_are_those_of_one_after_the_other(name):
    """Of the smallest networks that disbench ships, whose threads could mix up their images."""
    model = load_model(name, device="cpu", size="64")
    assert model.is_concurrent
    images = [np.random.default_rng(k).integers(0, 256, (48, 64, 3), np.uint8) for k in range(6)]
    expected = [model.predict(image) for image in images]
    with side_by_side._share_cores(2), side_by_side.ThreadPoolExecutor(3) as pool:
        for mask, plain in zip(pool.map(model.predict, images), expected, strict=True):
            np.testing.assert_allclose(mask.astype(int), plain, atol=1)
