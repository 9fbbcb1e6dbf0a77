"""Timing: whose clock, how long, on what, and what makes a timing worth nothing. No test measures a speed."""

import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from disbench import evaluate, timing
from disbench.cli import main
from disbench.clocks import EventClock, WallClock, clock
from disbench.data import find
from disbench.errors import InputError
from disbench.models import load
from disbench.runs import OF_RUNS
from disbench.timing import Rule, spread, time_model

SHORT = Rule(warm_images=2, warm_seconds=1e-9, images=7, seconds=1e-9)


class FakeCuda:
    """A device whose time passes only while it works, and which tells what it was asked in what order."""

    def __init__(self):
        self.now, self.log = 0.0, []

    @contextmanager
    def device(self, name):
        self.log.append(f"on {name}")
        yield

    def synchronize(self):
        self.log.append("synchronize")

    def Event(self, enable_timing):
        assert enable_timing
        return FakeEvent(self)

    def work(self, milliseconds):
        self.log.append("work")
        self.now += milliseconds
        return milliseconds


class FakeEvent:
    def __init__(self, cuda):
        self.cuda = cuda

    def record(self):
        self.cuda.log.append("record")
        self.at = self.cuda.now

    def synchronize(self):
        self.cuda.log.append("wait")

    def elapsed_time(self, end):
        assert self.cuda.log[-1] == "wait", "read before the device has come to it"
        return end.at - self.at


def test_on_cuda_the_device_itself_says_when():
    cuda = FakeCuda()
    ticks = EventClock(cuda, "cuda:1")
    assert ticks.time(cuda.work, 250) == (250, 0.25)
    assert cuda.log == ["on cuda:1", "synchronize", "record", "work", "record", "wait"]
    cuda.now += 1000  # what happens between calls does not count
    assert ticks.time(cuda.work, 40)[1] == 0.04


def test_elsewhere_the_device_has_finished_before_the_clock_is_read(monkeypatch):
    log = []
    monkeypatch.setattr("disbench.clocks.perf_counter", lambda: log.append("clock") or float(len(log)))
    assert WallClock(lambda: log.append("finished")).time(log.append, "work") == (None, 3.0)
    assert log == ["finished", "clock", "work", "finished", "clock"]
    assert clock("cpu").name == "wall"


@pytest.fixture
def dataset(tmp_path, make_pairs):
    return find(make_pairs(tmp_path / "mine", [f"i{k}" for k in range(5)]))


def test_a_timing_has_every_value_and_what_it_was_made_on(dataset, tmp_path):
    timed = time_model(load("otsu"), dataset, SHORT)
    assert {stage: len(values) for stage, values in timed.raw.items()} == dict.fromkeys(
        ("prepare", "infer", "restore", "whole"), 7
    )
    parts = np.sum([timed.raw[stage] for stage in ("prepare", "infer", "restore")], axis=0)
    assert (np.array(timed.raw["whole"]) >= parts).all()
    assert sorted(timed.images) == sorted(f"mine/i{k}" for k in range(5))
    assert timed.audit.keys() == {"maps equal those before timing", "repeated inputs are computed"}
    assert timed.quick and timed.clock == "wall" and 1 in timed.throughput and timed.parameters == 0
    assert timed.flops is None or timed.flops == 0
    assert timed.environment["packages"]["disbench"]
    timing.write(tmp_path / "t.json", timed)
    assert timing.read(tmp_path / "t.json") == timed


def test_enough_images_and_enough_seconds(monkeypatch):
    now = iter(np.arange(0, 1000, 0.25))  # two looks at the clock in each round: half a second
    monkeypatch.setattr(timing, "perf_counter", lambda: next(now))
    seen = []

    def count(images, seconds):
        return len(list(timing._until(images, seconds, lambda *told: seen.append(told), "x")))

    assert count(5, 1.0) == 5
    assert 15 <= count(5, 10.0) <= 25
    assert all(0 <= done <= total for done, total, _ in seen)


class Fake:
    """A predictor that is the mean of three channels, spoiled in one way."""

    device, identity = "cpu", {"weights": "none"}

    def __init__(self, flaw=None):
        self.flaw, self.calls = flaw, 0

    def prepare(self, image):
        return image.transpose(2, 0, 1).astype(np.float32) / 255

    def infer(self, batch):
        self.calls += 1
        noise = 0.5 if self.flaw == "random" and self.calls % 2 else 0
        return np.clip(batch.mean(1) - noise, 0, 1)

    def restore(self, output, size):
        return (output * 255).astype(np.uint8)


@pytest.fixture
def fake(monkeypatch):
    from disbench.models import card
    from disbench.predict import Model

    return lambda flaw=None: Model(card("otsu"), Fake(flaw))


def test_maps_that_change_from_call_to_call_fail_the_audit(dataset, fake):
    assert time_model(fake(), dataset, SHORT).audit["maps equal those before timing"]
    assert not time_model(fake("random"), dataset, SHORT).audit["maps equal those before timing"]


def test_a_model_that_remembers_its_inputs_is_found(fake, monkeypatch):
    model, image = fake(), np.zeros((8, 8, 3), np.uint8)
    seen = set()

    def seconds(remembers):
        def one(model, ticks, pixels):
            known = pixels.tobytes() in seen
            seen.add(pixels.tobytes())
            return None, {"infer": 0.001 if known and remembers else 0.1}

        return one

    monkeypatch.setattr(timing, "_one", seconds(True))
    assert timing._remembers(model, model.clock, image, 9)
    monkeypatch.setattr(timing, "_one", seconds(False))
    assert not timing._remembers(model, model.clock, image, 9)


def test_the_timed_maps_are_held_to_a_scored_run(dataset, tmp_path, fake):
    run = evaluate.run("otsu", data=dataset.where, out=tmp_path)
    assert time_model(load("otsu"), dataset, SHORT, run=run).audit["maps equal the scored run's"]
    split = run.splits[0]
    other = replace(run, rows={split: [replace(row, digest="0" * 16) for row in run.rows[split]]})
    assert not time_model(load("otsu"), dataset, SHORT, run=other).audit["maps equal the scored run's"]
    with pytest.raises(InputError, match="of another model"):
        time_model(fake(), dataset, SHORT, run=run)


@pytest.mark.parametrize(
    ("scored", "here", "why"),
    [
        ({"model": "a", "size": 64}, {"model": "a"}, "its size is 64, here not there"),
        ({"model": "a"}, {"model": "a", "size": 64}, "its size is not there, here 64"),
        ({"model": "a"}, {"model": "a", "size": None}, "its size is not there, here None"),
        ({"model": "a", "size": 64}, {"model": "a", "size": 32}, "its size is 64, here 32"),
    ],
)
def test_a_run_is_of_the_model_if_nothing_on_either_side_differs(monkeypatch, scored, here, why):
    of_the_run = dict.fromkeys(OF_RUNS, "its own")
    run, model = SimpleNamespace(folder="runs/a"), SimpleNamespace(identity=here)
    monkeypatch.setattr(timing, "read_manifest", lambda _: SimpleNamespace(identity=scored | of_the_run))
    with pytest.raises(InputError, match=f"runs/a: of another model: {why}"):
        timing._check_same(model, run)
    monkeypatch.setattr(timing, "read_manifest", lambda _: SimpleNamespace(identity=here | of_the_run))
    timing._check_same(model, run)


def test_batches_grow_while_they_pay(dataset, fake, monkeypatch):
    model, image = fake(), np.zeros((8, 8, 3), np.uint8)

    class Ticks:
        """A device that takes as long for a batch as for one image, up to 8."""

        name = "fake"

        def time(self, function, batch):
            return function(batch), max(1.0, len(batch) / 8)

    found = timing._throughput(model, Ticks(), image, SHORT, None, lambda *_: None)
    assert found == {1: 1.0, 2: 2.0, 4: 4.0, 8: 8.0, 16: 8.0}
    assert timing._throughput(model, Ticks(), image, SHORT, 3, lambda *_: None) == {3: 3.0}

    def full(batch):
        if len(batch) > 2:
            raise RuntimeError("CUDA out of memory")
        return batch[:, 0]

    monkeypatch.setattr(model.predictor, "infer", full)
    assert list(timing._throughput(model, Ticks(), image, SHORT, None, lambda *_: None)) == [1, 2]


@settings(deadline=None)
@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=60))
def test_spreads_are_ordered(seconds):
    s = spread(seconds)
    assert s.n == len(seconds) and min(seconds) <= s.p50 <= s.p90 <= s.p99 <= max(seconds)


def test_outliers_and_drift():
    steady = [1.0, 1.1, 0.9] * 10
    assert spread(steady).outliers == 0 and spread([*steady, 9.0]).outliers == 1
    assert spread([1.0] * 10 + [2.0] * 10).drift == 2


def test_parameters_and_operations_of_a_small_network():
    torch = pytest.importorskip("torch")
    from disbench import work

    layer = torch.nn.Linear(3, 5)
    owner = type("Owner", (), {})()
    owner.net, owner.same = torch.nn.Sequential(layer, torch.nn.Softmax(1)), layer
    assert work.parameters(owner) == 20
    flops, uncounted = work.flops(lambda: owner.net(torch.ones(2, 3)))
    assert flops == 2 * 2 * 3 * 5
    assert uncounted == ["_softmax"]


def invoke(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_the_commands(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "QUICK", SHORT)
    monkeypatch.setattr(timing, "_remembers", lambda *_: False)  # on a loaded machine it may be mistaken
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    done = invoke("time", "--model", "otsu", "--data", dataset.where, "--quick", "--out", one)
    assert done.exit_code == 0 and "quick: not for a report" in done.output and "infer" in done.output
    done = invoke("time", "--model", "all_foreground", "--data", dataset.where, "--quick", "--out", other, "--json")
    summary = json.loads(done.stdout)
    assert summary["title"] == "All foreground" and "raw" not in summary and summary["spreads"]["whole"]["n"] == 7
    assert "Otsu" in invoke("times", one, other).output

    timing.write(other, replace(timing.read(other), environment={"cpu": "another"}))
    refused = invoke("times", one, other)
    assert refused.exit_code == 2 and "other conditions" in refused.output
    assert invoke("times", Path(__file__)).exit_code == 2
    wrong = invoke("time", "--model", "otsu", "--size", "64", "--data", dataset.where)
    assert wrong.exit_code == 2 and "no option 'size'" in wrong.output
