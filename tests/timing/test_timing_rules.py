"""The rules of a timing: which images are drawn, which maps are audited, and what the commands print."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from fake_timing import REQUEST, SHORT, FakePredictor, Ticks

from disbench.cli.main import main
from disbench.data.location import find_dataset
from disbench.inference.model import Model, load_model
from disbench.registry.loading import get_card
from disbench.runs import api
from disbench.runs.scores_file import finish_run
from disbench.timing import measure, record, rule
from disbench.timing.measure import time_model


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def quick(monkeypatch):
    """Let `disbench time --quick` take 7 images, by a clock of its own."""
    monkeypatch.setattr(rule, "QUICK", SHORT)
    monkeypatch.setattr(measure, "make_clock", lambda device: Ticks())


NAMES = [f"i{k:02}" for k in range(20)]  # more images than a timing takes


def test_sixteen_of_more_images_are_drawn_by_the_seed(tmp_path, make_pairs):
    dataset, names = find_dataset(make_pairs(tmp_path / "mine", NAMES)), [f"mine/{name}" for name in NAMES]
    requests = [replace(REQUEST, seed=seed) for seed in (0, 0, 1)]
    first, again, other = (time_model(load_model("otsu"), dataset, request).images for request in requests)
    assert len(first) == len(set(first)) == 16
    assert set(first) < set(names)
    assert set(first) != set(names[:16])
    assert first == again
    assert set(other) != set(first)


def test_the_command_draws_other_images_for_another_seed(tmp_path, make_pairs, quick):
    folder = make_pairs(tmp_path / "mine", NAMES)
    drawn = []
    for seed in ((), ("--seed", 0), ("--seed", 1)):
        timed = call(
            "time", "--model", "otsu", "--data", folder, "--quick", "--json",
            "--out", tmp_path / f"{len(drawn)}.json", *seed,
        )  # fmt: skip
        assert timed.exit_code == 0, timed.output
        drawn.append(json.loads(timed.stdout)["images"])
    default, zero, first = drawn
    assert default == zero
    assert set(first) != set(zero)
    assert len(first) == 16


class SpoiledOnce(FakePredictor):
    """Answers one of its calls, counted from 1, with an empty map."""

    def __init__(self, call):
        super().__init__()
        self.call = call

    def infer(self, batch):
        output = super().infer(batch)
        return output * 0 if self.calls == self.call else output


@pytest.mark.parametrize(
    ("call", "passed"),
    [
        (8, True),  # after the first call and one for each of 5 images, 2 warm up
        (9, False),  # the first image that is timed
        (11, False),
        (13, False),  # the fifth and last image
        (14, True),  # the first image for the second time, which is not compared
    ],
)
def test_a_map_that_differs_at_one_timed_image_fails_the_audit(tmp_path, make_pairs, call, passed):
    dataset = find_dataset(make_pairs(tmp_path / "mine", [f"i{k}" for k in range(5)]))
    timed = time_model(Model(get_card("otsu"), SpoiledOnce(call)), dataset, REQUEST)
    assert timed.audit["maps equal those before timing"] is passed


class Slow(FakePredictor):
    """Takes the same time for every image, by a clock that only it moves."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds, self.now = seconds, 0.0

    def infer(self, batch):
        self.now += self.seconds * len(batch)
        return super().infer(batch)


@pytest.fixture
def time_slow(tmp_path, make_pairs, monkeypatch):
    """time_slow(seconds per image, rule): the timing, all seconds that it took, and the reports of its progress."""
    dataset = find_dataset(make_pairs(tmp_path / "mine", NAMES))

    def time_with(seconds, timing_rule, **request):
        model, reports = Model(get_card("otsu"), Slow(seconds)), []
        for module in ("timing.rule", "timing.stages", "system.clocks"):
            monkeypatch.setattr(f"disbench.{module}.perf_counter", lambda: model.predictor.now)
        request = replace(REQUEST, rule=timing_rule, **request)
        timed = time_model(model, dataset, request, lambda *report: reports.append(report))
        return timed, model.predictor.now, reports

    return time_with


@pytest.mark.parametrize(("seconds", "images"), [(1.0, 3), (1.05, 2), (2.0, 2)])
def test_a_quick_look_at_a_slow_model_is_short_and_says_what_it_left_out(time_slow, seconds, images):
    timed, taken, _ = time_slow(seconds, rule.QUICK)
    assert taken <= 22
    assert timed.quick and len(timed.raw["whole"]) == images
    assert set(timed.throughput) == ({1} if 2 * seconds > 3 else {1, 2})
    compared = min(images, 3 // seconds)
    assert timed.audited == {
        "maps equal those before timing": f"{compared:.0f} of 16 images",
        "repeated inputs are computed": "new inputs against one that was seen, in each round: 1",
    }
    assert all(timed.audit.values())
    assert len(timed.images) == 16  # the same as of a fast model, so that the two compare


def test_a_quick_look_at_a_fast_model_and_a_full_timing_of_a_slow_one_are_whole(time_slow):
    fast, _, _ = time_slow(0.01, rule.QUICK)
    assert len(fast.raw["whole"]) == 100  # a second
    assert fast.audited["maps equal those before timing"] == "16 of 16 images"
    assert fast.audited["repeated inputs are computed"].endswith(": 10")
    full, _, _ = time_slow(1.0, rule.FULL)
    assert len(full.raw["whole"]) == 100 and not full.quick
    assert full.audited["maps equal those before timing"] == "16 of 16 images"
    assert full.audited["repeated inputs are computed"].endswith(": 5")  # 10 seconds
    assert "rule longest" not in full.conditions  # as in timings of earlier versions


def test_every_phase_reports_its_begin_and_its_end(time_slow):
    _, _, reports = time_slow(1.0, rule.QUICK)
    phases = {label: [report[:2] for report in reports if report[2] == label] for _, _, label in reports}
    assert list(phases) == [
        *("first call", "maps before timing", "warm-up", "timing", "caching"),
        *("batches of 1", "batches of 2", "operations"),
    ]
    for reported in phases.values():
        assert reported[0][0] == 0
        assert reported[-1][0] == reported[-1][1]


def test_a_cache_is_noticed_in_a_single_pair(time_slow, monkeypatch):
    answers = {}

    def remember(self, batch):
        self.now += 0.01
        if batch.tobytes() not in answers:
            self.now += self.seconds
            answers[batch.tobytes()] = FakePredictor.infer(self, batch)
        return answers[batch.tobytes()]

    monkeypatch.setattr(Slow, "infer", remember)
    timed, _, _ = time_slow(1.0, rule.QUICK, batch=1)  # larger batches are remembered too, and never stop paying
    assert timed.audit["repeated inputs are computed"] is False


def test_times_are_printed_with_the_fastest_first(tmp_path, make_pairs, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)  # whole lines, however wide the terminal is that the test runs in
    timed = time_model(load_model("otsu"), find_dataset(make_pairs(tmp_path / "mine", ["a"])), REQUEST)
    files = []
    for title, p50 in (("Slow", 0.3), ("Fast", 0.1), ("Middling", 0.2)):
        # means rank them otherwise than medians do
        whole = [p50] * 6 + [30 * (0.4 - p50)]
        files.append(tmp_path / f"{title}.json")
        record.write_timing(files[-1], replace(timed, title=title, raw=timed.raw | {"whole": whole}))
    shown = call("times", *files)
    assert shown.exit_code == 0, shown.output
    assert [line.split()[:2] for line in shown.stdout.splitlines()[1:]] == [
        ["Fast", "100.0"],
        ["Middling", "200.0"],
        ["Slow", "300.0"],
    ]
    listed = json.loads(call("times", *files, "--json").stdout)
    assert [timing["title"] for timing in listed] == ["Fast", "Middling", "Slow"]


def test_the_command_exits_with_status_1_after_a_failed_audit(tmp_path, make_pairs, quick):
    folder = make_pairs(tmp_path / "mine", ["a", "b"])
    run = api.run("otsu", data=folder, out=tmp_path / "runs")
    command = ("time", "--model", "otsu", "--data", folder, "--quick", "--run", run.folder)
    passed = call(*command, "--out", tmp_path / "passed.json")
    assert passed.exit_code == 0, passed.output
    assert passed.stderr == ""
    rows = [replace(row, digest="0" * 16 if row.name == "b" else row.digest) for row in run.rows["mine"]]
    finish_run(run.folder, rows, run.meta)
    for as_json in ((), ("--json",)):
        out = tmp_path / f"failed{len(as_json)}.json"
        failed = call(*command, "--out", out, *as_json)
        assert failed.exit_code == 1
        assert failed.stderr == "disbench: audit failed: maps equal the scored run's\n"
        assert record.read_timing(out).audit["maps equal the scored run's"] is False  # the file is written all the same


@pytest.mark.parametrize("seed", [0, 1])
def test_percentiles_are_of_all_values_in_any_order(seed):
    seconds = [float(k) for k in range(1, 101)]
    random.Random(seed).shuffle(seconds)
    spread = record.summarise_latency(seconds)
    assert (spread.n, spread.p50, spread.p90, spread.p99) == pytest.approx((100, 50.5, 90.1, 99.01))
    assert spread.outliers == 0
    assert np.isclose(record.summarise_latency([2.0]).p99, 2.0)
