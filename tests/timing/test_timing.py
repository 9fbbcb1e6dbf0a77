"""Timing: the clock, the duration, the images, the audits and the doubts. No test measures a speed."""

import json
import sys
from dataclasses import make_dataclass, replace
from pathlib import Path
from statistics import quantiles
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from fake_cuda import FakeCuda
from fake_timing import REQUEST, SHORT, FakePredictor, Ticks
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from disbench.cli.main import main
from disbench.data.location import find_dataset
from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.runs import api
from disbench.runs.manifest import RUN_ONLY_KEYS
from disbench.system.clocks import EventClock, WallClock, make_clock
from disbench.system.environment import describe_environment, measure_load
from disbench.timing import caching, measure, record, rule, scored_run, throughput
from disbench.timing.measure import time_model
from disbench.timing.record import summarise_latency


def test_on_cuda_the_device_stamps_the_times():
    cuda = FakeCuda()
    ticks = EventClock(cuda, "cuda:1")
    assert ticks.time(cuda.work, 250) == (250, 0.25)
    assert cuda.log == ["on cuda:1", "synchronize", "record", "work", "record", "wait"]
    cuda.now += 1000  # what happens between calls does not count
    assert ticks.time(cuda.work, 40)[1] == 0.04


def test_off_cuda_the_device_has_finished_before_the_clock_is_read(monkeypatch):
    log = []
    monkeypatch.setattr("disbench.system.clocks.perf_counter", lambda: log.append("clock") or float(len(log)))
    assert WallClock(lambda: log.append("finished")).time(log.append, "work") == (None, 3.0)
    assert log == ["finished", "clock", "work", "finished", "clock"]
    assert make_clock("cpu").name == "wall"


@pytest.fixture
def dataset(tmp_path, make_pairs):
    return find_dataset(make_pairs(tmp_path / "mine", [f"i{k}" for k in range(5)]))


def test_a_timing_has_every_value_and_what_it_was_made_on(dataset, tmp_path):
    timed = time_model(load_model("otsu"), dataset, REQUEST)
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
    record.write_timing(tmp_path / "t.json", timed)
    assert record.read_timing(tmp_path / "t.json") == timed


def test_enough_images_and_enough_seconds(monkeypatch):
    now = iter(np.arange(0, 1000, 0.25))  # a look at the clock in each round
    monkeypatch.setattr(rule, "perf_counter", lambda: next(now))
    seen = []

    def count(images, seconds):
        return len(list(rule.iterate_until(images, seconds, lambda *progress: seen.append(progress), "x")))

    assert count(5, 1.0) == 5
    assert 35 <= count(5, 10.0) <= 45
    assert all(0 <= done <= total for done, total, _ in seen)



@pytest.fixture
def fake(monkeypatch):
    from disbench.inference.model import Model
    from disbench.registry.loading import get_card

    return lambda flaw=None: Model(get_card("otsu"), FakePredictor(flaw))


def test_maps_that_change_from_call_to_call_fail_the_audit(dataset, fake):
    assert time_model(fake(), dataset, REQUEST).audit["maps equal those before timing"]
    assert not time_model(fake("random"), dataset, REQUEST).audit["maps equal those before timing"]


class Loaded(FakePredictor):
    """Takes a tenth of a second, or next to nothing for what it remembers; three times that while others work, too.

    loads: the calls, as ranges, during which they do
    """

    def __init__(self, remembers, loads=()):
        super().__init__()
        self.remembers, self.loads = remembers, loads
        self.now, self.seen = 0.0, set()

    def infer(self, batch):
        repeated = self.remembers and batch.tobytes() in self.seen
        self.seen.add(batch.tobytes())
        self.now += (0.001 if repeated else 0.1) * (3 if any(self.calls in load for load in self.loads) else 1)
        return super().infer(batch)

    def time(self, function, *args):
        start = self.now
        return function(*args), self.now - start


def caches(fake, remembers, load):
    model = fake()
    model.predictor = Loaded(remembers, load)
    return caching.caches_inputs(model, model.predictor, np.zeros((8, 8, 3), np.uint8))


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(start=0, length=19)  # it ends between the last new input and the last known one
@given(start=st.integers(0, 70), length=st.integers(0, 70))
def test_a_model_that_remembers_its_inputs_is_reported_and_a_loaded_machine_is_not(fake, start, length):
    load = [range(start, start + length)]
    assert caches(fake, True, load)
    assert not caches(fake, False, load)


def test_the_timed_maps_must_equal_those_of_the_scored_run(dataset, tmp_path, fake):
    run = api.run("otsu", data=dataset.location, out=tmp_path)
    assert time_model(load_model("otsu"), dataset, replace(REQUEST, run=run)).audit["maps equal the scored run's"]
    split = run.splits[0]
    other = replace(run, rows={split: [replace(row, digest="0" * 16) for row in run.rows[split]]})
    assert not time_model(load_model("otsu"), dataset, replace(REQUEST, run=other)).audit["maps equal the scored run's"]
    incomplete = replace(run, rows={split: [row for row in run.rows[split] if row.name != "i3"]})
    with pytest.raises(InputError, match="mine/i3, which is to be timed, is not in this run"):
        time_model(load_model("otsu"), dataset, replace(REQUEST, run=incomplete))
    with pytest.raises(InputError, match="of another model"):
        time_model(fake(), dataset, replace(REQUEST, run=run))



def test_a_whole_timing_on_cuda(dataset, fake, monkeypatch):
    torch = pytest.importorskip("torch")
    cuda = FakeCuda()
    for name in (name for name in dir(FakeCuda) if hasattr(torch.cuda, name) and name[0] != "_"):
        monkeypatch.setattr(torch.cuda, name, getattr(cuda, name))
    monkeypatch.setitem(sys.modules, "pynvml", cuda)
    monkeypatch.setattr(FakePredictor, "device", "cuda:1")
    model = fake()

    def infer(batch):
        cuda.work(40 * max(1, len(batch) / 4))
        return batch.mean(1)

    monkeypatch.setattr(model.predictor, "infer", infer)
    timed = time_model(model, dataset, REQUEST)
    assert timed.clock == "events" and timed.raw["infer"] == pytest.approx([0.04] * 7)
    assert timed.throughput == pytest.approx({1: 25, 2: 50, 4: 100, 8: 100})
    assert timed.memory == {"allocated": 3 << 20, "reserved": 4 << 20}
    assert cuda.log[: cuda.log.index("reset")].count("work") >= 1 + 5 + 2  # first call, each image, warm-up
    assert cuda.log[cuda.log.index("reset") : cuda.log.index("peak")].count("work") == 7
    expected = {"device": "cuda:1", "gpu": "a GPU as cuda:1", "driver": "550.54.15", "cudnn_deterministic": False}
    assert timed.environment.items() >= expected.items()
    assert timed.environment.keys() >= {"cudnn", "cudnn_benchmark", "deterministic", "tf32", "threads"}
    assert timed.load["before"]["gpu_slow_by"] == ["idle"]
    after = {"gpu_mhz": 1980, "gpu_celsius": "unknown: Not Supported", "gpu_percent": 7}
    assert timed.load["after"].items() >= after.items()
    assert timed.load["after"]["gpu_slow_by"] == ["idle", "hardware thermal slowdown"]
    assert "the GPU's hardware thermal slowdown" in timed.doubts
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert "driver" not in describe_environment("cuda:1")
    assert measure_load("cuda:1")["gpu_slow_by"].startswith("unknown: ")


def test_drift_outliers_load_and_a_slow_gpu_put_times_in_doubt(dataset, fake):
    def doubts(infer, **load):
        raw = timed.raw | {"infer": infer, "whole": [1.0] * 40}
        return replace(timed, raw=raw, load={"before": {}, "after": load}).doubts

    timed = time_model(fake(), dataset, REQUEST)
    steady = [1.0, 1.01, 0.99, 1.0] * 10
    assert doubts(steady, processes=2.1, cores=2, gpu_slow_by=["idle"]) == []
    assert doubts(steady, gpu_slow_by="unknown: power brake") == []
    assert doubts([1.0] * 20 + [1.4] * 20, processes=2.5, cores=2) == ["drift 1.40", "load 2.5 on 2 cores"]
    assert doubts([1.4] * 20 + [1.0] * 20) == ["drift 0.71"]
    assert doubts([1.0, *steady[1:-3], 9.0, 9.0, 9.0], gpu_slow_by=["power cap", "power brake"]) == [
        "3 outliers of 40",
        "the GPU's power brake",
    ]


@pytest.mark.parametrize(
    ("scored", "here", "why"),
    [
        ({"model": "a", "size": 64}, {"model": "a"}, "its size is 64, here missing"),
        ({"model": "a"}, {"model": "a", "size": 64}, "its size is missing, here 64"),
        ({"model": "a"}, {"model": "a", "size": None}, "its size is missing, here None"),
        ({"model": "a", "size": 64}, {"model": "a", "size": 32}, "its size is 64, here 32"),
    ],
)
def test_a_run_is_of_the_model_if_nothing_on_either_side_differs(monkeypatch, scored, here, why):
    run_only = dict.fromkeys(RUN_ONLY_KEYS, "its own")
    run, model = SimpleNamespace(folder="runs/a"), SimpleNamespace(identity=here)
    monkeypatch.setattr(scored_run, "read_manifest", lambda _: SimpleNamespace(identity=scored | run_only))
    with pytest.raises(InputError, match=f"runs/a: is of another model: {why}"):
        scored_run.check_same_model(model, run)
    monkeypatch.setattr(scored_run, "read_manifest", lambda _: SimpleNamespace(identity=here | run_only))
    scored_run.check_same_model(model, run)


def test_batches_grow_while_they_pay(dataset, fake, monkeypatch):
    model = fake()
    prepared = model.predictor.prepare(np.zeros((8, 8, 3), np.uint8))
    rates = throughput.measure_throughput(model, Ticks(), prepared, SHORT, None, lambda *_: None)
    assert rates == {1: 1.0, 2: 2.0, 4: 4.0, 8: 8.0, 16: 8.0}
    assert throughput.measure_throughput(model, Ticks(), prepared, SHORT, 3, lambda *_: None) == {1: 1.0, 3: 3.0}

    def full(batch):
        if len(batch) > 2:
            raise RuntimeError("CUDA out of memory")
        return batch[:, 0]

    monkeypatch.setattr(model.predictor, "infer", full)
    assert list(throughput.measure_throughput(model, Ticks(), prepared, SHORT, None, lambda *_: None)) == [1, 2]
    assert list(throughput.measure_throughput(model, Ticks(), prepared, SHORT, 3, lambda *_: None)) == [1]


@settings(deadline=None)
@given(st.lists(st.floats(1e-6, 1e3), min_size=2, max_size=60))
def test_percentiles_are_those_of_pythons_statistics(seconds):
    s, of_hundred = summarise_latency(seconds), quantiles(seconds, n=100, method="inclusive")
    assert s.n == len(seconds)
    assert (s.p50, s.p90, s.p99) == pytest.approx((of_hundred[49], of_hundred[89], of_hundred[98]), rel=1e-9)


def test_outliers_and_drift():
    steady = [1.0, 1.1, 0.9] * 10
    assert summarise_latency(steady).outliers == 0 and summarise_latency([*steady, 9.0]).outliers == 1
    assert summarise_latency([1.0] * 10 + [2.0] * 10).drift == 2


def test_parameters_and_operations_of_a_small_network():
    torch = pytest.importorskip("torch")
    from disbench.inference.parameters import count_parameters
    from disbench.timing import cost

    layer = torch.nn.Linear(3, 5)
    owner = type("Owner", (), {})()
    owner.net, owner.same = torch.nn.Sequential(layer, torch.nn.Softmax(1)), layer
    assert count_parameters(owner) == 20
    nested = SimpleNamespace(checkpoint=make_dataclass("Checkpoint", ["net"])(owner.net))
    assert count_parameters(nested) == 20  # as DiffDIS keeps its networks
    flops, uncounted = cost.count_flops(lambda: owner.net(torch.ones(2, 3)))
    assert flops == 2 * 2 * 3 * 5
    assert uncounted == ["_softmax"]
    x = torch.ones(1, 1, 4, 4)
    names = cost.count_flops(lambda: torch.nn.functional.scaled_dot_product_attention(x, x, x).exp())[1]
    attention = [name for name in names if "attention" in name]  # what it is called is the machine's
    assert names == [*attention, "exp"] and cost.list_products(names) == attention
    others = ["upsample_bilinear2d", "digamma", "_convert_weight", "symmetric"]
    assert cost.list_products([*others, "addmm", "deform_conv2d", "linear"]) == ["addmm", "deform_conv2d", "linear"]


def invoke(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_the_commands_time_and_compare_and_refuse(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(rule, "QUICK", SHORT)
    monkeypatch.setattr(measure, "make_clock", lambda device: Ticks())  # on a loaded machine an audit may be mistaken
    otsu, baseline = tmp_path / "otsu.json", tmp_path / "baseline.json"
    done = invoke("time", "--model", "otsu", "--data", dataset.location, "--quick", "--out", otsu)
    assert done.exit_code == 0 and "quick: not for a report" in done.output and "infer" in done.output
    assert "(inference, first image): 1: 1.00, 2: 2.00" in done.output
    assert "first call, which compiles and tunes: " in done.output
    assert "peak resident memory since the process began: " in done.output
    command = ("time", "--model", "all_foreground", "--data", dataset.location, "--quick", "--out", baseline)
    done = invoke(*command, "--json")
    summary = json.loads(done.stdout)
    assert summary["title"] == "All foreground" and "raw" not in summary and summary["spreads"]["whole"]["n"] == 7
    assert "8.00 (8)" in invoke("times", otsu, baseline).output
    assert invoke("times", tmp_path).output == invoke("times", otsu, baseline).output
    taken = invoke("time", "--model", "otsu", "--data", dataset.location, "--quick", "--out", otsu)
    assert taken.exit_code == 2 and "already exists" in taken.output

    record.write_timing(baseline, replace(record.read_timing(baseline), environment={"cpu": "another"}))
    refused = invoke("times", otsu, baseline)
    assert refused.exit_code == 2 and "other conditions" in refused.output
    assert invoke("times", Path(__file__)).exit_code == 2
    missing = invoke("times", tmp_path / "none.json")
    assert missing.exit_code == 2 and "none.json: no such file or folder" in missing.output
    assert "no timings in it" in invoke("times", dataset.location).output
    wrong = invoke("time", "--model", "otsu", "--size", "64", "--data", dataset.location)
    assert wrong.exit_code == 2 and "no option 'size'" in wrong.output


def test_no_timing_takes_the_place_of_another(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(rule, "QUICK", SHORT)
    monkeypatch.setattr(measure, "make_clock", lambda device: Ticks())
    monkeypatch.chdir(tmp_path)
    for batch in ((), (), ("--batch", 4)):
        done = invoke("time", "--model", "otsu", "--data", Path(dataset.location).absolute(), "--quick", *batch)
        assert done.exit_code == 0, done.output
    first, again, larger = sorted(Path("timings").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert again.name == f"{first.stem}-2.json"
    assert larger.name.startswith("otsu-batch4-") and larger.stem.rsplit("-")[-1] not in first.stem
    assert list(record.read_timing(larger).throughput) == [1, 4] and record.read_timing(larger).batch == 4
    record.check_same_conditions(record.read_timings([Path("timings")]))


def test_a_batch_that_does_not_fit_costs_no_latencies(dataset, tmp_path, monkeypatch):
    from disbench.models.otsu.predictor import Otsu

    def full(self, batch, whole=Otsu.infer):
        if len(batch) > 2:
            raise RuntimeError("CUDA out of memory")
        return whole(self, batch)

    monkeypatch.setattr(Otsu, "infer", full)
    monkeypatch.setattr(rule, "QUICK", SHORT)
    monkeypatch.setattr(measure, "make_clock", lambda device: Ticks())
    command = (
        "time",
        "--model",
        "otsu",
        "--data",
        dataset.location,
        "--quick",
        "--batch",
        3,
        "--out",
        tmp_path / "t.json",
    )
    done = invoke(*command)
    assert done.exit_code == 2 and "--batch 3: too large for the memory of cpu" in done.output
    assert list(record.read_timing(tmp_path / "t.json").throughput) == [1]


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        ({}, {"threads": 1}, None),  # one without torch, one with
        ({"tf32": {"matmul": False, "cudnn": True}}, {"tf32": {"cudnn": False}}, "tf32 cudnn is False, not True"),
        ({"threads": 1}, {"threads": 2}, "threads is 2, not 1"),
    ],
)
def test_environments_compare_where_both_know(dataset, fake, left, right, words):
    timed = time_model(fake(), dataset, REQUEST)
    environments = {Path("a"): left, Path("b"): {}, Path("c"): right}
    timings = {path: replace(timed, environment=environment) for path, environment in environments.items()}
    if words is None:
        record.check_same_conditions(timings)
    else:
        with pytest.raises(InputError, match=f"^c: timed under other conditions than a: {words}; "):
            record.check_same_conditions(timings)


def test_the_first_differing_image_is_named(dataset, fake):
    timed = time_model(fake(), dataset, REQUEST)
    for images, words in (
        (["q", *timed.images[1:]], f"image 1 is q, not {timed.images[0]}; time both"),
        (
            timed.images[:2],
            rf"image 3 is none, not {timed.images[2]} \(2 images, not 5\)",
        ),
    ):
        with pytest.raises(InputError, match=words):
            record.check_same_conditions({Path("a"): timed, Path("b"): replace(timed, images=images)})


OWN = """
from fake_timing import FakePredictor


class Predictor(FakePredictor):
    def __init__(self, card, weights, device):
        super().__init__()

    def prepare(self, image):
        print("preparing")
        return super().prepare(image)

    def infer(self, batch):
        print("inferring")
        if len(batch) > 1:
            raise ValueError("one image at a time")
        return super().infer(batch)
"""


def test_a_model_of_ones_own_that_prints_and_takes_one_image_is_timed(tmp_path, dataset):
    (tmp_path / "own.py").write_text(OWN)
    command = ("time", "--model", tmp_path / "own.py", "--data", dataset.location, "--quick", "--json")
    done = invoke(*command, "--out", tmp_path / "own.json")
    assert done.exit_code == 0, done.output
    assert list(json.loads(done.stdout)["throughput"]) == ["1"]
    refused = invoke(*command, "--batch", "2", "--out", tmp_path / "two.json")
    assert refused.exit_code == 2
    assert "too large for the memory of cpu, or for the model" in refused.stderr
    assert (tmp_path / "two.json").exists()


def test_two_timings_never_take_one_name(tmp_path):
    first, second = (record.reserve_path(tmp_path / "new" / "a.json") for _ in range(2))
    assert [first.name, second.name] == ["a.json", "a-2.json"]
