"""Comparing runs: who is best, tied, different, and by which images; and a run against its baseline."""

import json
from dataclasses import replace

import naive_statistics as naive
import numpy as np
import pytest
from click.testing import CliRunner
from made import make_run

from disbench.cli import main
from disbench.compare import compare
from disbench.data import TEST
from disbench.errors import InputError
from disbench.leaderboard import read
from disbench.leaderboard.evidence import submit
from disbench.metrics import PAPER
from disbench.regression import check
from disbench.runs import finish, open_run, read_manifest

pytest_plugins = ["pytester"]


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def runs(tmp_path):
    """Good, a copy of it a little worse on every image, and one much worse."""
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
        near, bad = line.differences
        assert bad.value == pytest.approx(scores[2].value - scores[0].value)
        assert bad.low < bad.value < bad.high
        assert near.p > 0.05 > bad.adjusted > bad.p
    tests = [difference for line in lines for difference in line.differences]
    for alpha in np.linspace(0.0001, 0.9999, 400):
        rejected = naive.rejected([test.p for test in tests], alpha)
        assert {i for i, test in enumerate(tests) if test.adjusted <= alpha} == rejected


def test_overall_is_compared_where_all_four_subsets_are(tmp_path):
    two = [make_run(tmp_path, name, quality, splits=TEST, title=name) for name, quality in (("a", 0.8), ("b", 0.5))]
    assert [line.split for line in compare(two, "mae")] == [*TEST, "Overall"]
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
    assert [due for _, due in difference.decisive[:2]] == pytest.approx([-0.3 / 12, -0.2 / 12])
    assert difference.carried_by == 2  # without 003 it is -0.1 / 11 still
    (same,) = compare([good, replace(good, title="Same")], "f_max")
    assert (same.differences[0].decisive, same.differences[0].carried_by, same.differences[0].p) == ((), 0, 1)


def having(run, column):
    """The same run with one more measure."""
    return replace(run, rows={
        split: [replace(row, measurement=replace(row.measurement, values=row.measurement.values | {column: 1.0}))
                for row in rows]
        for split, rows in run.rows.items()
    })  # fmt: skip


def test_what_does_not_compare_is_refused(runs, tmp_path):
    good, near, _ = runs
    for others, words in (
        ([], "at least two"),
        ([near.under("isnet")], "several protocols"),
        ([make_run(tmp_path, "vd", splits=("DIS-VD",), title="VD")], "share no whole subset"),
        ([make_run(tmp_path, "n", n=11, title="N")], "different images"),
    ):
        with pytest.raises(InputError, match=words):
            compare([good, *others])
    with pytest.raises(InputError, match=f"{near.folder}: hce under protocol pysod was not measured"):
        compare([having(good, "hce"), near], "hce")
    with pytest.raises(InputError, match="they share DIS-TE1"):
        compare([good, near], split="Overall")


def test_the_command_prints_takes_entries_and_cuts(runs, tmp_path):
    good, near, bad = runs
    shown = call("compare", good.folder, near.folder, bad.folder, "--metrics", "mae")
    assert shown.exit_code == 0, shown.output
    assert "DIS-TE1 (12 images)" in shown.stdout
    assert shown.stdout.count("tied") == 1
    call("submit", near.folder, "--to", tmp_path / "boards")
    entry = tmp_path / "boards" / "dis-mini" / "near.json"
    found = [json.loads(call("compare", good.folder, b, "--json", "--seed", "3").stdout) for b in (near.folder, entry)]
    assert found[0] == found[1]
    assert [line["metric"] for line in found[0]] == list(PAPER)
    cut = json.loads(call("compare", good.folder, bad.folder, "--by", "size", "--parts", "2", "--json").stdout)
    assert {line["n"] for line in cut} == {6}
    assert "nothing was measured" in call("compare", "mvanet", "birefnet").stderr


@pytest.fixture
def baseline(tmp_path):
    """A submitted run: its entry, and the run."""
    run = make_run(tmp_path / "runs", splits=TEST)
    call("submit", run.folder, "--to", tmp_path / "boards")
    return tmp_path / "boards" / "dis-mini" / "diffdis.json", run


def shifted(run, by):
    """The same run with another S on every image."""
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


def test_a_run_holds_against_itself_and_its_entry(baseline):
    entry, run = baseline
    for against in (entry, run.folder):
        result = call("check", run.folder, "--against", against)
        assert result.exit_code == 0, result.output
        assert "held: 25 scores" in result.stdout


@pytest.mark.parametrize(("by", "tolerances", "held"), [
    (-0.0005, {}, True),
    (-0.0009, {}, True),
    (-0.0012, {}, False),
    (-0.002, {}, False),
    (-0.002, {"s_measure": 0.003}, True),
    (-0.002, {"": 0.003}, True),
    (-0.002, {"": 0.003, "s_measure": 0.001}, False),
    (0.002, {"": 0}, True),
])  # fmt: skip
def test_worse_is_what_exceeds_the_tolerance_in_the_direction_of_the_measure(baseline, by, tolerances, held):
    entry, run = baseline
    found = check(shifted(run, by), entry, tolerances)
    assert all(one.held for one in found) is held
    assert [one.difference for one in found if one.metric == "s_measure"] == pytest.approx([by] * 5)
    one = next(one for one in found if one.metric == "s_measure")
    assert (one.low, one.high) == pytest.approx((by, by), abs=1e-6)  # paired: it is the same on all images


def test_the_command_tolerates_a_loss_of_a_thousandth_by_default(baseline, tmp_path):
    entry, run = baseline
    for k, (by, verdict) in enumerate(((-0.0009, "held: 25 scores"), (-0.0012, "5 of 25 scores worse"))):
        manifest = read_manifest(run.folder)
        identity = manifest.identity | {"weights": f"shifted {k}"}
        folder = open_run(tmp_path / "runs", run.title, replace(manifest, identity=identity, complete=False))
        rows = [row for split in run.splits for row in shifted(run, by).rows[split]]
        finish(folder, rows, run.meta)
        result = call("check", folder, "--against", entry)
        assert result.stdout.splitlines()[-1] == verdict
        assert result.exit_code == k
        assert result.stdout.count("WORSE") == 5 * k


@pytest.mark.parametrize("protocols", [("pysod", "mvanet"), ("mvanet", "pysod")])
def test_the_baseline_is_the_measured_part_of_the_runs_own_protocol(tmp_path, protocols):
    run = make_run(tmp_path / "runs")
    for protocol in protocols:
        entry = submit(run.under(protocol), tmp_path / "boards", metrics="f_max,mae")
    assert [one.protocol for one in read(entry).measured] == list(protocols)
    for protocol in protocols:
        scores = run.under(protocol).scores("f_max,mae")["DIS-TE1"]
        assert {one.metric: one.old for one in check(run.under(protocol), entry)} == pytest.approx(scores, abs=1e-12)
    assert run.under("pysod").scores("f_max") != run.under("mvanet").scores("f_max")


def test_less_error_is_better(tmp_path):
    good, bad = (make_run(tmp_path, name, quality) for name, quality in (("g", 0.8), ("b", 0.4)))
    for run, against, held in ((good, bad, True), (bad, good, False)):
        (one,) = check(run, against.folder, metrics="mae")
        assert one.held is held


def test_the_command_ends_with_1_for_worse_and_2_where_nothing_compares(baseline, tmp_path):
    entry, run = baseline
    worse = make_run(tmp_path / "runs", quality=0.5, splits=TEST)
    result = call("check", worse.folder, "--against", entry, "--tolerance", "mae=1", "--metrics", "mae,f_max")
    assert result.exit_code == 1
    assert result.stdout.count("WORSE") == 5
    assert "5 of 10 scores worse" in result.stdout
    checked = json.loads(call("check", worse.folder, "--against", entry, "--json").stdout)
    assert not any(one["held"] for one in checked)
    for other, words in (
        (make_run(tmp_path / "o", n=11, splits=TEST), "different images"),
        (make_run(tmp_path / "o", splits=TEST[:1]), "it measures DIS-TE1"),
        (make_run(tmp_path / "o", splits=TEST, data=("DIS5K", "dis5k")), "one report for each data set"),
    ):
        result = call("check", other.folder, "--against", entry)
        assert result.exit_code == 2, other
        assert words in result.stderr
    for arguments, words in (
        (["--tolerance", "f_max"], "is not METRIC=NUMBER"),
        (["--tolerance", "f_maxx=1"], "unknown metric"),
        (["--tolerance", "iou_max=1"], "not among what is checked"),
        (["--tolerance", "-1"], "from 0 up"),
    ):
        result = call("check", run.folder, "--against", entry, *arguments)
        assert result.exit_code == 2
        assert words in result.output
    assert call("check", run.folder, "--against", tmp_path / "no.json").exit_code == 2
    changed = run.folder / "run.json"
    changed.write_text(changed.read_text().replace('"pysod"', '"isnet"'))
    assert call("check", run.folder, "--against", entry).exit_code == 0  # it is read by the baseline's protocol


def test_a_subset_that_the_run_lacks_is_no_comparison(tmp_path):
    old = make_run(tmp_path / "old", splits=TEST)
    new = make_run(tmp_path / "new", splits=TEST[:2])
    with pytest.raises(InputError, match="it has no DIS-TE3, DIS-TE4"):
        check(new, old.folder)


def test_the_fixture_fails_a_test_with_the_table(baseline, tmp_path, pytester):
    entry, run = baseline
    worse = make_run(tmp_path / "runs", quality=0.5, splits=TEST)
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


def test_weights_do_not_depend_on_what_is_compared(runs):
    """An interval of a score is the same alone, in a comparison, and in an entry."""
    good, near, bad = runs
    two, three = compare([good, near], "mae")[0], compare([good, near, bad], "mae")[0]
    assert two.scores["Good"].low == pytest.approx(three.scores["Good"].low, abs=1e-9)
    assert np.isfinite(two.scores["Good"].high)
