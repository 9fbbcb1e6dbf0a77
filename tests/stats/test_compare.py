"""Comparing runs: the best, ties, differences and decisive images; and checking a run against its baseline."""

import json
from dataclasses import replace

import naive_statistics as naive
import numpy as np
import pytest
from click.testing import CliRunner
from fake_runs import make_run

from disbench.cli.main import main
from disbench.data.dataset import TEST_SPLITS
from disbench.errors import InputError
from disbench.leaderboard.entry import read_entry
from disbench.leaderboard.evidence import submit_run
from disbench.leaderboard.regression import check_run
from disbench.metrics.catalogue import PAPER
from disbench.runs.manifest import open_run, read_manifest
from disbench.runs.scores_file import finish_run
from disbench.stats.compare import compare

pytest_plugins = ["pytester"]


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def runs(tmp_path):
    """Three runs: a good, a slightly worse and a much worse one."""
    good = make_run(tmp_path, "good", 0.8, title="Good")
    near = make_run(tmp_path, "near", 0.79, title="Near", seed=4)
    bad = make_run(tmp_path, "bad", 0.3, title="Bad", seed=5)
    return good, near, bad


def test_lines_have_scores_intervals_marks_and_adjusted_tests(runs):
    lines = compare(runs, "f_max,mae")
    assert [(line.split, line.metric, line.n) for line in lines] == [("DIS-TE1", "f_max", 12), ("DIS-TE1", "mae", 12)]
    for line in lines:
        scores = list(line.scores.values())
        expected = [run.scores()["DIS-TE1"][line.metric] for run in runs]
        assert [score.value for score in scores] == pytest.approx(expected)
        assert all(score.low < score.value < score.high for score in scores)
        assert [score.best for score in scores].count(True) == 1
        assert [score.tied for score in scores] == [True, True, False]
        from_good, from_near = line.differences
        assert [(d.method, d.reference) for d in line.differences] == [("Bad", "Good"), ("Bad", "Near")]
        assert from_near.value == pytest.approx(scores[2].value - scores[1].value)
        assert from_good.low < from_good.value < from_good.high
        assert 0.05 > from_good.adjusted > from_good.p
    near = compare(runs, "mae", focus="Near")[0]
    assert list(near.scores) == ["Good", "Bad", "Near"]
    assert near.differences[0].p > 0.05 > near.differences[1].p
    tests = [difference for line in lines for difference in line.differences]
    for alpha in np.linspace(0.0001, 0.9999, 400):
        rejected = naive.rejected([test.p for test in tests], alpha)
        assert {i for i, test in enumerate(tests) if test.adjusted <= alpha} == rejected


def test_overall_is_compared_where_all_four_subsets_are(tmp_path):
    settings = (("a", 0.8), ("b", 0.5))
    two = [make_run(tmp_path, name, quality, splits=TEST_SPLITS, title=name) for name, quality in settings]
    assert [line.split for line in compare(two, "mae")] == [*TEST_SPLITS, "Overall"]
    assert compare(two, "mae", "Overall")[0].n == 48


def test_fewer_images_than_ten_have_no_interval_and_no_test(tmp_path):
    two = [make_run(tmp_path, name, quality, n=9, title=name) for name, quality in (("a", 0.8), ("b", 0.5))]
    (line,) = compare(two, "mae")
    (difference,) = line.differences
    assert difference.low is difference.p is difference.adjusted is None
    assert not any(score.tied for score in line.scores.values())
    assert [score.best for score in line.scores.values()] == [True, False]


def test_decisive_images_add_up_and_carry_the_difference(runs):
    good, _, _ = runs
    worse = {"003": 0.3, "007": 0.2}
    rows = [
        replace(
            row,
            measurement=replace(
                row.measurement,
                values=row.measurement.values
                | {"s_measure": row.measurement.values["s_measure"] - worse.get(row.name, -0.01)},
            ),
        )
        for row in good.rows["DIS-TE1"]
    ]
    other = replace(good, title="Other", rows={"DIS-TE1": rows})
    (line,) = compare([good, other], "s_measure")
    (difference,) = line.differences
    assert difference.value == pytest.approx((10 * 0.01 - 0.5) / 12)
    assert [name for name, _ in difference.decisive[:2]] == ["DIS-TE1/003", "DIS-TE1/007"]
    assert [contribution for _, contribution in difference.decisive[:2]] == pytest.approx([-0.3 / 12, -0.2 / 12])
    assert difference.carried_by == 2  # without 003 it is -0.1 / 11 still
    (same,) = compare([good, replace(good, title="Same")], "f_max")
    assert (same.differences[0].decisive, same.differences[0].carried_by, same.differences[0].p) == ((), 0, 1)


def add_column(run, column):
    """Return the run with one more measure."""
    return replace(run, rows={
        split: [replace(row, measurement=replace(row.measurement, values=row.measurement.values | {column: 1.0}))
                for row in rows]
        for split, rows in run.rows.items()
    })  # fmt: skip


def test_incomparable_runs_are_refused(runs, tmp_path):
    good, near, _ = runs
    for others, words in (
        ([], "at least two"),
        ([near.with_protocol("isnet")], "several protocols"),
        ([make_run(tmp_path, "vd", splits=("DIS-VD",), title="VD")], "share no whole subset"),
        ([make_run(tmp_path, "n", n=11, title="N")], "different images"),
    ):
        with pytest.raises(InputError, match=words):
            compare([good, *others])
    with pytest.raises(InputError, match=f"{near.folder}: hce under protocol pysod was not measured"):
        compare([add_column(good, "hce"), near], "hce")
    with pytest.raises(InputError, match="they share DIS-TE1"):
        compare([good, near], split="Overall")


def test_the_command_prints_and_takes_entries_and_groups_images(runs, tmp_path):
    good, near, bad = runs
    shown = call("compare", good.folder, near.folder, bad.folder, "--metrics", "mae")
    assert shown.exit_code == 0, shown.output
    assert "DIS-TE1 (12 images)" in shown.stdout
    assert shown.stdout.count("tied") == 1
    call("submit", near.folder, "--to", tmp_path / "boards")
    entry = tmp_path / "boards" / "dis-mini" / "near.json"
    outputs = [call("compare", good.folder, other, "--json", "--seed", "3").stdout for other in (near.folder, entry)]
    assert outputs[0] == outputs[1]
    assert [line["metric"] for line in json.loads(outputs[0])] == list(PAPER)
    cut = json.loads(call("compare", good.folder, bad.folder, "--by", "size", "--parts", "2", "--json").stdout)
    assert {line["n"] for line in cut} == {6}
    assert "nothing was measured" in call("compare", "mvanet", "birefnet").stderr


@pytest.fixture
def baseline(tmp_path):
    """Submit a run; returns its entry and the run."""
    run = make_run(tmp_path / "runs", splits=TEST_SPLITS)
    call("submit", run.folder, "--to", tmp_path / "boards")
    return tmp_path / "boards" / "dis-mini" / "diffdis.json", run


def shifted(run, by):
    """Return the run with S shifted on every image."""
    rows = {
        split: [
            replace(
                row,
                measurement=replace(
                    row.measurement,
                    values=row.measurement.values | {"s_measure": row.measurement.values["s_measure"] + by},
                ),
            )
            for row in rows
        ]
        for split, rows in run.rows.items()
    }
    return replace(run, rows=rows)


def test_a_run_passes_against_itself_and_its_entry(baseline):
    entry, run = baseline
    for against in (entry, run.folder):
        result = call("check", run.folder, "--against", against)
        assert result.exit_code == 0, result.output
        assert "held: 25 scores" in result.stdout


@pytest.mark.parametrize(("by", "tolerances", "passed"), [
    (-0.0005, {}, True),
    (-0.0009, {}, True),
    (-0.0012, {}, False),
    (-0.002, {}, False),
    (-0.002, {"s_measure": 0.003}, True),
    (-0.002, {"": 0.003}, True),
    (-0.002, {"": 0.003, "s_measure": 0.001}, False),
    (0.002, {"": 0}, True),
])  # fmt: skip
def test_a_score_is_worse_if_it_exceeds_the_tolerance_in_the_direction_of_the_measure(baseline, by, tolerances, passed):
    entry, run = baseline
    checks = check_run(shifted(run, by), entry, tolerances, metrics="s_measure,mae")
    assert all(check.passed for check in checks) is passed
    assert [check.difference for check in checks if check.metric == "s_measure"] == pytest.approx([by] * 5)
    first = next(check for check in checks if check.metric == "s_measure")
    assert (first.low, first.high) == pytest.approx((by, by), abs=1e-6)  # paired: it is the same on all images


def test_the_command_tolerates_a_loss_of_a_thousandth_by_default(baseline, tmp_path):
    entry, run = baseline
    for k, (by, verdict) in enumerate(((-0.0009, "held: 25 scores"), (-0.0012, "5 of 25 scores worse"))):
        manifest = read_manifest(run.folder)
        identity = manifest.identity | {"weights": f"shifted {k}"}
        folder = open_run(tmp_path / "runs", run.title, replace(manifest, identity=identity, complete=False))
        rows = [row for split in run.splits for row in shifted(run, by).rows[split]]
        finish_run(folder, rows, run.meta)
        result = call("check", folder, "--against", entry)
        assert result.stdout.splitlines()[-1] == verdict
        assert result.exit_code == k
        assert result.stdout.count("WORSE") == 5 * k


@pytest.mark.parametrize("protocols", [("pysod", "mvanet"), ("mvanet", "pysod")])
def test_the_baseline_is_the_measured_part_by_the_protocol_of_the_run(tmp_path, protocols):
    run = make_run(tmp_path / "runs")
    for protocol in protocols:
        entry = submit_run(run.with_protocol(protocol), tmp_path / "boards", metrics="f_max,mae")
    assert [measured.protocol for measured in read_entry(entry).measured] == list(protocols)
    for protocol in protocols:
        scores = run.with_protocol(protocol).scores("f_max,mae")["DIS-TE1"]
        old = {check.metric: check.old for check in check_run(run.with_protocol(protocol), entry)}
        assert old == pytest.approx(scores, abs=1e-12)
    assert run.with_protocol("pysod").scores("f_max") != run.with_protocol("mvanet").scores("f_max")


def test_less_error_is_better(tmp_path):
    good, bad = (make_run(tmp_path, name, quality) for name, quality in (("g", 0.8), ("b", 0.4)))
    for run, against, passed in ((good, bad, True), (bad, good, False)):
        (check,) = check_run(run, against.folder, metrics="mae")
        assert check.passed is passed


def test_the_command_exits_with_1_for_worse_and_2_if_nothing_compares(baseline, tmp_path):
    entry, run = baseline
    worse = make_run(tmp_path / "runs", quality=0.5, splits=TEST_SPLITS)
    result = call("check", worse.folder, "--against", entry, "--tolerance", "mae=1", "--metrics", "mae,f_max")
    assert result.exit_code == 1
    assert result.stdout.count("WORSE") == 5
    assert "5 of 10 scores worse" in result.stdout
    checked = json.loads(call("check", worse.folder, "--against", entry, "--json").stdout)
    assert not any(check["held"] for check in checked)
    for other, words in (
        (make_run(tmp_path / "o", n=11, splits=TEST_SPLITS), "different images"),
        (make_run(tmp_path / "o", splits=TEST_SPLITS[:1]), "it measures DIS-TE1"),
        (make_run(tmp_path / "o", splits=TEST_SPLITS, data=("DIS5K", "dis5k")), "one report for each data set"),
    ):
        result = call("check", other.folder, "--against", entry)
        assert result.exit_code == 2, other
        assert words in result.stderr
    for arguments, words in (
        (["--tolerance", "f_max"], "is not METRIC=NUMBER"),
        (["--tolerance", "=1"], "the metric is empty"),
        (["--tolerance", "f_maxx=1"], "unknown metric"),
        (["--tolerance", "iou_max=1"], "not among the checked metrics"),
        (["--tolerance", "-1"], "from 0 up"),
    ):
        result = call("check", run.folder, "--against", entry, *arguments)
        assert result.exit_code == 2
        assert words in result.output
    assert call("check", run.folder, "--against", tmp_path / "no.json").exit_code == 2
    changed = run.folder / "run.json"
    changed.write_text(json.dumps(json.loads(changed.read_text()) | {"protocol": "isnet"}))
    result = call("check", run.folder, "--against", entry, "--metrics", "mae,f_max")
    assert result.exit_code == 0  # it is read by the baseline's protocol


def test_a_run_that_lacks_a_subset_of_the_baseline_is_refused(tmp_path):
    old = make_run(tmp_path / "old", splits=TEST_SPLITS)
    new = make_run(tmp_path / "new", splits=TEST_SPLITS[:2])
    with pytest.raises(InputError, match="has no DIS-TE3, DIS-TE4"):
        check_run(new, old.folder)


def test_the_fixture_fails_a_test_with_the_table(baseline, tmp_path, pytester):
    entry, run = baseline
    worse = make_run(tmp_path / "runs", quality=0.5, splits=TEST_SPLITS)
    pytester.makeconftest('pytest_plugins = ["disbench.testing"]')
    pytester.makepyfile(
        f"""
        def test_held(disbench_check):
            disbench_check({str(run.folder)!r}, {str(entry)!r})

        def test_worse(disbench_check):
            disbench_check({str(worse.folder)!r}, {str(entry)!r}, f_max=0.001)
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*worse than*diffdis.json*", "*WORSE*"])


def test_weights_do_not_depend_on_the_compared_methods(runs):
    """The interval of a score is the same whichever methods it is compared with."""
    good, near, bad = runs
    two, three = compare([good, near], "mae")[0], compare([good, near, bad], "mae")[0]
    assert two.scores["Good"].low == pytest.approx(three.scores["Good"].low, abs=1e-9)
    assert np.isfinite(two.scores["Good"].high)
