"""How a comparison uses the bootstrap, the paired test and Holm's adjustment. test_resample checks their formulas."""

import json
from dataclasses import replace

import naive_statistics as naive
import numpy as np
import pytest
from click.testing import CliRunner
from fake_runs import make_run
from table_cells import intervals

from disbench.cli.main import main
from disbench.data.dataset import TEST_SPLITS
from disbench.leaderboard.evidence import make_measured
from disbench.reports import confidence, table
from disbench.stats import compare as comparison
from disbench.stats.compare import compare


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def shifted(run, by, title="Shifted", only=None):
    """Return the run with S shifted on every image, or only on the image `only`, (subset, name)."""

    def move(row):
        if only and (row.split, row.name) != only:
            return row
        values = row.measurement.values | {"s_measure": row.measurement.values["s_measure"] + by}
        return replace(row, measurement=replace(row.measurement, values=values))

    return replace(run, title=title, rows={split: [move(row) for row in rows] for split, rows in run.rows.items()})


@pytest.fixture
def runs(tmp_path):
    """Three runs: the best, a slightly worse and a much worse one."""
    settings = (("good", 0.8, 0), ("near", 0.79, 4), ("bad", 0.3, 5))
    return [make_run(tmp_path, name, quality, seed=seed, title=name) for name, quality, seed in settings]


@pytest.fixture
def p_of(monkeypatch):
    """Replace the paired test: p_of(near, bad) sets the p of every metric of the best against either rival."""

    def set_p(near, bad):
        def randomise_pairs(first, second, resamples, seed):
            mae = max(columns.scores()[-1] for columns in (first, second))
            return np.array(bad if mae > 0.2 else near)

        monkeypatch.setattr(comparison, "randomise_pairs", randomise_pairs)

    return set_p


def test_p_is_adjusted_over_all_lines_of_a_call(runs, p_of):
    p_of(near=[0.03, 0.04], bad=[0.01, 0.02])
    f_max, mae = compare(runs, "f_max,mae", focus="good")
    assert [d.p for d in (*f_max.differences, *mae.differences)] == [0.03, 0.01, 0.04, 0.02]
    near, bad = f_max.differences
    assert [bad.adjusted, near.adjusted] == pytest.approx([4 * 0.01, 3 * 0.02])
    near, bad = mae.differences
    assert [bad.adjusted, near.adjusted] == pytest.approx([3 * 0.02, 3 * 0.02])  # 1 * 0.04 is raised to the one before


def test_adjusted_p_reject_what_holms_procedure_rejects_over_all_subsets(tmp_path):
    two = [make_run(tmp_path, name, q, splits=TEST_SPLITS[:2], title=name) for name, q in (("a", 0.75), ("b", 0.7))]
    tests = [d for line in compare(two) for d in line.differences]
    assert len(tests) == 2 * 5
    for alpha in np.linspace(0.0005, 0.9995, 400):
        rejected = naive.rejected([d.p for d in tests], alpha)
        assert {i for i, d in enumerate(tests) if d.adjusted <= alpha} == rejected


@pytest.mark.parametrize(
    ("near", "bad", "tied"),
    [
        (0.03, 0.04, [True, True, True]),  # Holm: .06 and .06
        (0.02, 0.04, [True, False, False]),  # Holm: .04 and .04
        (0.06, 0.02, [True, True, False]),  # Holm: .06 and .04
    ],
)
def test_ties_with_the_best_are_adjusted_over_the_methods_of_the_line(runs, p_of, near, bad, tied):
    p_of(near=[near], bad=[bad])
    (line,) = compare(runs, "mae")
    assert [score.best for score in line.scores.values()] == [True, False, False]
    assert [score.tied for score in line.scores.values()] == tied


def test_the_observed_difference_counts_among_the_exchanges(tmp_path):
    run = make_run(tmp_path, n=40)
    (line,) = compare([run, shifted(run, 0.001)], "s_measure", resamples=100)
    assert line.differences[0].p == pytest.approx(1 / 101)  # no exchange of 40 images makes as large a difference
    assert line.differences[0].adjusted == pytest.approx(1 / 101)


@pytest.mark.parametrize(("n", "enough"), [(9, False), (10, True)])
def test_ten_images_have_intervals_and_tests_and_nine_have_none(tmp_path, n, enough):
    two = [make_run(tmp_path, name, q, n=n, title=name) for name, q in (("a", 0.8), ("b", 0.5))]
    (line,) = compare(two, "mae")
    (difference,) = line.differences
    shown = [x for score in line.scores.values() for x in (score.low, score.high)]
    shown += [difference.low, difference.high, difference.p, difference.adjusted]
    assert [x is not None for x in shown] == [enough] * 8
    entry = make_measured(two[0], "mae").scores["DIS-TE1"]["mae"]
    assert [end is not None for end in entry[1:]] == [enough] * 2
    reported = confidence.add_confidence(table.build_table(two, "mae"), two)
    assert len(intervals(reported)) == 2 * enough


def test_images_of_overall_are_named_by_their_subset(tmp_path):
    run = make_run(tmp_path, splits=TEST_SPLITS)
    (line,) = compare([run, shifted(run, -0.3, only=("DIS-TE1", "003"))], "s_measure", "Overall")
    (difference,) = line.differences
    assert line.n == 48
    assert difference.decisive[0] == ("DIS-TE1/003", pytest.approx(-0.3 / 48))


def test_identical_images_decide_nothing_and_rounding_is_no_difference(tmp_path):
    run = make_run(tmp_path, splits=TEST_SPLITS)
    comparisons = compare([run, shifted(run, -0.3, only=("DIS-TE1", "003"))], "s_measure")
    (overall,) = (comparison for comparison in comparisons if comparison.split == "Overall")
    (difference,) = overall.differences
    assert difference.decisive == (("DIS-TE1/003", pytest.approx(-0.3 / 48)),)
    assert difference.carried_by == 1
    unchanged = [comparison.differences[0] for comparison in comparisons if comparison.split in TEST_SPLITS[1:]]
    assert [(d.value, d.decisive, d.carried_by) for d in unchanged] == [(0, (), 0)] * 3


def test_the_command_takes_a_seed_and_a_number_of_resamples(runs):
    def lines(*options):
        ran = call("compare", *(run.folder for run in runs), "--metrics", "f_max,mae", "--json", *options)
        assert ran.exit_code == 0, ran.output
        return json.loads(ran.stdout)

    def ends(lines):
        return [(score["low"], score["high"]) for line in lines for score in line["scores"].values()]

    def p(lines):
        return [difference["p"] for line in lines for difference in line["differences"]]

    third, fourth = (lines("--seed", seed) for seed in (3, 4))
    assert all(a != b for a, b in zip(ends(third), ends(fourth), strict=True))
    assert p(third) != p(fourth)
    few = p(lines("--resamples", 100))
    assert [101 * x for x in few] == pytest.approx([round(101 * x) for x in few])
    assert min(few) < 1
    assert [101 * x for x in p(third)] != pytest.approx([round(101 * x) for x in p(third)])  # of 10,000: k / 10,001
