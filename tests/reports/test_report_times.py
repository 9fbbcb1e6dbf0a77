"""Times in the HTML report: of runs, of leaderboard entries, and as `disbench time` measured them."""

import re
from dataclasses import replace

import msgspec
import pytest
from click.testing import CliRunner
from fake_runs import make_run
from made_results import result

from disbench.cli.main import main
from disbench.leaderboard.evidence import load_measured, submit_run
from disbench.reports import cost_plots, table, time_plots
from disbench.reports.terminal import print_results_table
from disbench.reports.times import collect_times, match_timings
from disbench.runs.manifest import read_manifest, write_manifest
from disbench.runs.result import load_run
from disbench.runs.times import stage_times
from disbench.timing import record, rule

pytestmark = pytest.mark.usefixtures("shared_bootstraps")

HOSTILE = "<script>alert(1)</script>"
GPU = {"cpu": "a CPU", "device": "cuda", "gpu": f"a GPU {HOSTILE}", "packages": {"torch": "2"}}


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def timing_of(run, scale=1.0, **changed):
    """What `disbench time` would write about the model of a run; `whole` takes 2, 3 and 40 ms times scale."""
    seconds = [0.002 * scale, 0.003 * scale, 0.04 * scale]
    raw = {"prepare": [1e-4] * 3, "infer": [0.001 * scale] * 3, "restore": [1e-4] * 3, "whole": seconds}
    content = {
        "title": run.title,
        "identity": {name: run.identity[name] for name in ("model", "weights")},
        "environment": GPU,
        "load": {},
        "dataset": "a set",
        "images": ["a"],
        "rule": msgspec.to_builtins(rule.FULL),
        "quick": False,
        "clock": "events",
        "first_call": 1.0,
        "raw": raw,
        "throughput": {1: 500 / scale, 2: 800.5 / scale, 4: 700 / scale},
        "memory": {},
        "parameters": 1,
        "flops": None,
        "uncounted": [],
        "audit": {"maps equal those before timing": True},
    }
    return msgspec.convert(content | changed, record.Timing, strict=False)


@pytest.fixture
def runs(tmp_path):
    return [make_run(tmp_path / "runs", name, quality, title=name) for name, quality in (("A", 0.8), ("B", 0.5))]


@pytest.fixture
def files(runs, tmp_path):
    for k, run in enumerate(runs):
        record.write_timing(tmp_path / "timings" / f"{k}.json", timing_of(run, 1 + k))
    return tmp_path / "timings"


def test_the_total_is_the_median_of_sums_and_not_the_sum_of_medians():
    run = result(splits=("DIS-TE1",), n=3)
    seconds = [{"prepare": prepare, "infer": infer} for prepare, infer in ((1.0, 9.0), (2.0, 1.0), (3.0, 2.0))]
    rows = [replace(row, seconds=stages) for row, stages in zip(run.rows["DIS-TE1"], seconds, strict=True)]
    times = stage_times(replace(run, rows={"DIS-TE1": rows}))
    assert (times.stages, times.total, times.n) == ({"prepare": 2, "infer": 2}, 5, 3)


def test_a_terminal_shows_milliseconds_per_image(runs, capsys):
    run = replace(runs[0], meta=runs[0].meta | {"environment": {"device": "cpu"}})
    assert sorted(row.seconds["infer"] for row in run.rows["DIS-TE1"])[5:7] == pytest.approx([0.15, 0.16])
    print_results_table([run])
    assert "A: 155 ms per image on cpu (infer 155; medians)\n" in capsys.readouterr().out


def report(runs, *arguments):
    return call("report", "--format", "html", *arguments, *(run.folder for run in runs))


def test_an_entry_stands_against_time_as_the_run_that_it_was_submitted_from(runs, tmp_path):
    manifest = read_manifest(runs[0].folder)
    write_manifest(runs[0].folder, replace(manifest, meta=manifest.meta | {"workers": 3}))
    entry = submit_run(load_run(runs[0].folder), tmp_path / "boards")
    (measured,) = load_measured(entry)
    recorded = stage_times(load_run(runs[0].folder))
    assert stage_times(measured) == recorded and recorded.record["workers"] == 3
    board, other = replace(measured, title="Board"), load_run(runs[1].folder)
    drawn = time_plots.compare_times(table.build_table([board, other]), [board, other], collect_times([board, other]))
    (group,) = drawn.environments
    assert [dot.label for dot in group.plots["mae"].dots] == ["Board", "B"]
    assert f"{1000 * recorded.total:,.1f} ms per image on a CPU" in group.plots["mae"].dots[0].title
    elsewhere = replace(board, meta=board.meta | {"environment": {"cpu": "another CPU"}})
    results = [elsewhere, other]
    apart = time_plots.compare_times(table.build_table(results), results, collect_times(results))
    assert (apart.environments, apart.unmatched) == ([], ["Board on another CPU", "B on a CPU"])
    page = call("report", "--format", "html", f"Board={entry}", runs[1].folder).stdout
    assert "timed on a CPU</figcaption>" in page and '<th scope="row">Board</th>' in page


def test_timings_take_the_place_of_the_times_of_runs(runs, files):
    page = report(runs, "--times", files).stdout
    assert "by the rules of <code>disbench time</code>" in page
    first, second = re.findall(r"F\S* max [\d.]+ [^<]*ms per image[^<]*", page)[1::-1]
    assert "3.0 ms per image, 800.50 images/s at batch 2 on a GPU &lt;script&gt;" in first  # the median, not the mean
    assert "6.0 ms per image, 400.25 images/s at batch 2" in second
    assert ">800.50</td><td>2</td>" in page and "packages torch</th><td>2</td>" in page
    assert "<script>alert" not in page
    page = report(runs, "--times", files / "0.json").stdout
    assert "Only one method was timed" in page and "Not timed: B." in page and "400.25" not in page


def test_scores_stand_against_parameters_operations_and_memory_where_these_are_known(runs, tmp_path):
    runs.append(make_run(tmp_path / "runs", "C", 0.6, title="C"))
    costs = [
        {"parameters": 996_578_667, "flops": 2_500_000_000_000, "memory": {"allocated": 3 * 2**30, "reserved": 1}},
        {"parameters": 1_131_181, "flops": None, "memory": {"allocated": 50 * 2**20, "reserved": 1}},
        {"parameters": 0, "flops": 40_000_000, "memory": {"allocated": 2**20, "reserved": 1}},
    ]
    for k, (run, cost) in enumerate(zip(runs, costs, strict=True)):
        record.write_timing(tmp_path / "timings" / f"{k}.json", timing_of(run, **cost))
    times = match_timings(runs, [tmp_path / "timings"])
    drawn = {plots.name: plots for plots in cost_plots.compare_costs(table.build_table(runs), runs, times)}
    titles = {name: [dot.title.split(", ", 1)[1] for dot in plots.plots["mae"].dots] for name, plots in drawn.items()}
    assert titles == {
        "parameters": ["997 M parameters", "1.13 M parameters"],
        "operations": ["2,500 GFLOPs per image", "0.04 GFLOPs per image"],
        "memory": ["3,072 MiB", "50 MiB", "1 MiB"],
    }
    assert [list(plots.omitted) for plots in drawn.values()] == [["C"], ["B"], []]
    assert drawn["memory"].source.startswith("Peak memory allocated on the device")
    page = report(runs, "--times", tmp_path / "timings").stdout
    assert "Parameters of all networks of a method, as loaded. Not shown, without a number: C." in page
    assert "2,500 GFLOPs per image" in page and "against memory</figcaption>" in page


def test_parameters_come_from_the_runs_if_nothing_was_timed(runs):
    counts = (4_920_000, "many")
    recorded = [replace(run, meta=run.meta | {"parameters": n}) for run, n in zip(runs, counts, strict=True)]
    assert cost_plots.compare_costs(table.build_table(recorded), recorded, {}) == []  # one alone has no rival
    recorded[1] = replace(runs[1], meta=runs[1].meta | {"parameters": 1_131_181})
    (plots,) = cost_plots.compare_costs(table.build_table(recorded), recorded, {})
    words = [dot.title.split(", ", 1)[1] for dot in plots.plots["f_max"].dots]
    assert words == ["4.92 M parameters", "1.13 M parameters"]
    assert cost_plots.compare_costs(replace(table.build_table(recorded), by="size/4"), recorded, {}) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"identity": {"model": "A", "weights": "others"}}, 'weights of A is "0.8 12 0'),
        ({"identity": {"model": "C"}, "title": "C"}, "0.json: times C, but no run is of its model"),
        ({"environment": GPU | {"gpu": "another"}}, "timed under other conditions"),
        ({"quick": True}, "not for a report"),
        ({"audit": {"maps equal the scored run's": False}}, "its audit failed (maps equal the scored run's)"),
    ],
)
def test_a_timing_that_does_not_belong_is_refused_in_one_line(runs, files, changed, words):
    record.write_timing(files / "0.json", timing_of(runs[0], **changed))
    done = report(runs, "--times", files)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert words in done.stderr


def test_two_timings_of_one_run_and_times_without_a_place_are_refused(runs, files, tmp_path):
    record.write_timing(tmp_path / "again.json", timing_of(runs[0]))
    twice = report(runs, "--times", files, "--times", tmp_path / "again.json")
    assert twice.exit_code == 2 and "give one of the two" in twice.stderr
    assert "only an HTML report shows times" in call("report", "--times", files, runs[0].folder).stderr
    assert "no timings in it" in report(runs, "--times", runs[0].folder / "shards").stderr


def test_a_timing_at_one_size_is_not_that_of_a_run_at_another(runs, files):
    manifest = read_manifest(runs[0].folder)
    write_manifest(runs[0].folder, replace(manifest, identity=manifest.identity | {"size": "64"}))
    folder = runs[0].folder.rename(runs[0].folder.with_name("other-size"))  # its own name is that of its key
    done = call("report", "--format", "html", "--times", files, folder, runs[1].folder)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "0.json: times A" in done.stderr and "size of A is '64', not None" in done.stderr
