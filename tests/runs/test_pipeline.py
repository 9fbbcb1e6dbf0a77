"""The path of an image: which thread uses the device, and how many images are ahead of it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from fake_cuda import FakeCuda
from fake_timing import FakePredictor

from disbench.data.location import find_dataset
from disbench.errors import InputError
from disbench.inference.model import Model
from disbench.registry.loading import get_card
from disbench.runs import ahead
from disbench.runs.ahead import AheadLimit, count_bytes, map_ahead
from disbench.runs.engines import threads
from disbench.runs.engines.threads import LocalSource
from disbench.runs.pipeline import RowMaker, make_rows
from disbench.runs.spec import MeasureSpec
from disbench.system.clocks import EventClock
from disbench.timing.stages import time_image

MEASURES = MeasureSpec.parse(metrics="mae")
LARGE = 100_000_000


class DeviceArray:
    """An array on the fake device: copying it to the host is work of the device, by the thread that asks."""

    def __init__(self, array, cuda):
        self.array, self.cuda, self.ndim = array, cuda, array.ndim

    def __getitem__(self, key):
        return DeviceArray(self.array[key], self.cuda)

    def cpu(self):
        self.cuda.threads.append(threading.current_thread())
        self.cuda.work(5)
        return self.array


class OnDevice(FakePredictor):
    def __init__(self, cuda):
        super().__init__()
        self.cuda, self.restored = cuda, []

    def infer(self, batch):
        self.cuda.threads.append(threading.current_thread())
        self.cuda.work(40)
        return DeviceArray(super().infer(batch), self.cuda)

    def restore(self, output, size):
        self.restored.append(type(output))
        return super().restore(output, size)


@pytest.fixture
def model():
    cuda = FakeCuda()
    cuda.threads = []
    loaded = Model(get_card("otsu"), OnDevice(cuda))
    loaded.clock = EventClock(cuda, "cuda:0")
    return loaded


def test_only_the_thread_that_infers_uses_the_device(model, make_pairs, tmp_path):
    """Otherwise its work would lie between the events of another image."""
    samples = find_dataset(make_pairs(tmp_path / "data", [f"image{k}" for k in range(6)])).samples
    rows = list(make_rows(RowMaker(stages=model, measures=MEASURES, save_map=None), samples, 3))
    assert set(model.predictor.cuda.threads) == {threading.current_thread()}
    assert model.predictor.restored == [np.ndarray] * 6
    assert [row.seconds["infer"] for row in rows] == pytest.approx([0.04] * 6)
    assert all(list(row.seconds) == ["prepare", "infer", "restore"] for row in rows)


def test_the_copy_to_the_host_counts_as_restoring(model, make_pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(Model, "finish", lambda self, output, size: (np.zeros(size, np.uint8), {"restore": 2.0}))
    monkeypatch.setattr(Model, "compute", lambda self, prepared: (prepared[0], {"infer": 1.0, "restore": 0.5}))
    samples = find_dataset(make_pairs(tmp_path / "data", ["a"])).samples
    [row] = make_rows(RowMaker(stages=model, measures=MEASURES, save_map=None), samples, 0)
    assert row.seconds["restore"] == 2.5


def test_a_timed_image_is_restored_on_the_host_too(model):
    mask, seconds = time_image(model, model.clock, np.full((8, 8, 3), 255, np.uint8))
    assert mask.min() == 255 and model.predictor.restored == [np.ndarray] and seconds["infer"] == 0.04


def test_images_ahead_are_bound_by_their_bytes(monkeypatch):
    monkeypatch.setattr(ahead, "free_memory", lambda: 100 * LARGE)  # of which a quarter
    limit = AheadLimit(256)
    assert limit.count == 2  # until a size is known
    limit.observe((np.empty(LARGE // 2, np.uint8), torch.empty(LARGE // 2, dtype=torch.uint8)))
    assert limit.count == 25
    limit.observe(np.empty(10, np.uint8))  # the largest counts
    assert limit.count == 25
    limit.observe(np.empty(40 * LARGE, np.uint8))  # never touched, so no memory is taken
    assert limit.count == 1


def test_processes_of_a_machine_share_the_bytes(monkeypatch):
    monkeypatch.setattr(ahead, "free_memory", lambda: None)
    assert AheadLimit(9).bytes == ahead.MAX_BYTES and AheadLimit(9, processes=4).bytes == ahead.MAX_BYTES // 4
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert AheadLimit(9, processes=4).bytes == ahead.MAX_BYTES // 8
    monkeypatch.delenv("LOCAL_WORLD_SIZE")
    monkeypatch.setenv("SLURM_STEP_TASKS_PER_NODE", "2(x3),1")
    assert AheadLimit(9).bytes == ahead.MAX_BYTES // 2
    monkeypatch.setenv("SLURM_STEP_TASKS_PER_NODE", "odd")
    assert AheadLimit(9).bytes == ahead.MAX_BYTES


def test_a_run_holds_no_more_images_than_fit(model, make_pairs, tmp_path, monkeypatch):
    samples = find_dataset(make_pairs(tmp_path / "data", [f"image{k:02}" for k in range(12)])).samples
    prepared = model.load(samples[0])[0]
    monkeypatch.setattr(ahead, "free_memory", lambda: 4 * 3 * count_bytes(prepared))
    started, most_ahead, load, compute = [], [], Model.load, Model.compute

    def count_load(self, sample):
        started.append(sample)
        return load(self, sample)

    def count_compute(self, item):
        most_ahead.append(len(started) - len(most_ahead))
        return compute(self, item)

    monkeypatch.setattr(Model, "load", count_load)
    monkeypatch.setattr(Model, "compute", count_compute)
    assert len(list(make_rows(RowMaker(stages=model, measures=MEASURES, save_map=None), samples, 8))) == 12
    assert max(most_ahead) <= 3 + 1  # and the image that is computed


def test_processes_share_the_cores(monkeypatch):
    monkeypatch.setattr(threads, "count_cores", lambda: 128)
    monkeypatch.setattr(Model, "environment", {})
    model = Model(get_card("otsu"), FakePredictor())
    model.device = "cuda:0"
    assert [LocalSource(model, count).default_workers for count in (1, 4, 200)] == [128, 32, 1]


@pytest.mark.parametrize("broken_by", ["the function", "the items"])
def test_what_is_in_flight_is_finished_before_a_fault_is_raised(broken_by):
    def check(number, stage):
        if number in (1, 3) and stage == broken_by:
            raise InputError(f"item {number}")
        return number

    results = []
    with ThreadPoolExecutor(2) as pool, pytest.raises(InputError, match="item 1"):
        items = (check(number, "the items") for number in range(5))
        for result in map_ahead(pool, lambda number: check(number, "the function"), items, lambda: 2):
            results.append(result)  # a list would be lost with the fault
    assert results == ([0, 2] if broken_by == "the function" else [0])
