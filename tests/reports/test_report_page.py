"""The HTML report: its plots, what it refuses to compare, and that nothing from outside acts in it."""

import base64
import hashlib
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_results import HOSTILE, result
from table_cells import intervals, tied

from disbench.metrics.catalogue import METRICS
from disbench.metrics.scoring import score
from disbench.reports import confidence, plots, scales, table, time_plots, trade_offs
from disbench.reports.options import HtmlOptions
from disbench.reports.render import render_report
from disbench.reports.report import Report
from disbench.reports.times import collect_times, group_by_environment
from disbench.runs.times import flatten_environment

pytestmark = pytest.mark.usefixtures("shared_bootstraps")

ENVIRONMENT = {"cpu": "a CPU", "device": "cpu"}


def timed(title, seconds, quality=0.9, environment=ENVIRONMENT, splits=("DIS-TE1",)):
    run = result(title, quality, splits=splits, n=9, meta={"environment": environment})
    rows = {split: [replace(row, seconds={"infer": seconds}) for row in rows] for split, rows in run.rows.items()}
    return replace(run, rows=rows)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=12), st.booleans())
def test_the_front_is_what_no_other_method_beats(pairs, higher):
    costs, values = zip(*pairs, strict=True)
    sign = 1 if higher else -1

    def beaten(i):
        return any(c <= costs[i] and sign * v >= sign * values[i] and (c, v) != (costs[i], values[i]) for c, v in pairs)

    front = trade_offs.pareto_front(costs, values, higher=higher)
    assert {pairs[i] for i in front} == {pairs[i] for i in range(len(pairs)) if not beaten(i)}
    assert [costs[i] for i in front] == sorted({costs[i] for i in front})


def test_only_methods_timed_in_one_environment_share_a_plot():
    gpu = {"cpu": "a CPU", "device": "cuda", "gpu": "a GPU"}
    threads = ENVIRONMENT | {"threads": 2}  # recorded only for models that use torch
    runs = [timed("A", 0.01), timed("B", 0.02, 0.8, gpu), timed("C", 0.03, 0.95, threads), timed("D", 0.03)]
    runs[3].rows["DIS-TE1"][:] = [replace(row, seconds={}) for row in runs[3].rows["DIS-TE1"]]
    comparison = time_plots.compare_times(table.build_table(runs), runs, collect_times(runs))
    (group,) = comparison.environments
    assert (group.environment, group.split) == ("a CPU", "DIS-TE1")
    assert (comparison.unmatched, comparison.untimed) == (["B on a GPU"], ["D"])
    assert [dot.label for dot in group.plots["f_max"].dots] == ["A", "C"]
    assert "30.0 ms per image on a CPU" in group.plots["mae"].dots[1].title
    text = render_report(Report(runs), "html")
    assert "no other was timed in their environment on their images: B on a GPU." in text
    assert "Not timed: D." in text
    assert "on DIS-TE1, timed on a CPU</figcaption>" in text
    apart = [timed("A", 0.01), timed("B", 0.02, 0.8, gpu)]
    assert time_plots.compare_times(table.build_table(apart), apart, collect_times(apart)).environments == []
    assert "so their times do not compare and are not drawn" in render_report(Report(apart), "html")
    assert group_by_environment([*map(flatten_environment, runs[:3]), threads | {"threads": 1}]) == [[0, 2], [1], [3]]


def test_each_environment_has_a_plot_of_its_own():
    other = ENVIRONMENT | {"threads": 2, "packages": {"torch": "2"}}
    single = ENVIRONMENT | {"threads": 1}
    environments = {"A": single, "B": single, "C": other, "D": other, "E": other}
    runs = [timed(name, 0.01 * k, 0.8, environment) for k, (name, environment) in enumerate(environments.items(), 1)]
    comparison = time_plots.compare_times(table.build_table(runs), runs, collect_times(runs))
    labels = [(group.environment, [dot.label for dot in group.plots["mae"].dots]) for group in comparison.environments]
    assert labels == [
        ("a CPU (threads 2)", ["C", "D", "E"]),
        ("a CPU (threads 1)", ["A", "B"]),
    ]
    assert "A plot for each environment" in render_report(Report(runs), "html")


def test_each_part_by_complexity_is_scored_by_itself():
    runs = [result("A", n=4), result("B", 0.7, n=4)]
    ranks = {(row.split, row.name): 10.0 ** int(row.name[-1]) for rows in runs[0].rows.values() for row in rows}
    complexity_plots = plots.plot_by_complexity(table.build_table(runs), runs, ranks)
    assert [plot.title for plot in complexity_plots] == ["f_max", "f_weighted", "e_mean", "s_measure", "mae"]
    hardest = [row.measurement for rows in runs[1].rows.values() for row in rows if row.name == "image 3"]
    dots = [dot for dot in complexity_plots[0].dots if dot.method == 1]
    assert dots[-1].title == f"B: {score(hardest)['f_max']:.3f} on 4 images (1,000 to 1,000)"
    assert [dot.x for dot in dots] == sorted(dot.x for dot in dots)
    assert plots.plot_by_complexity(table.build_table(runs), runs, {}) == []
    assert 'id="complexity"' in render_report(Report(runs), "html", HtmlOptions(complexity=ranks))
    assert 'id="complexity"' not in render_report(Report(runs), "html")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_axes_hold_their_values(values):
    linear = scales.linear_scale(values)
    assert all(0 <= linear.to_units(value) <= scales.SIDE for value in values)
    assert len({text for _, text in linear.ticks}) == len(linear.ticks) < 10
    logarithmic = scales.log_scale([value * 1000 for value in values])
    assert all(0 <= logarithmic.to_units(value * 1000) <= scales.SIDE for value in values)


def test_labels_lie_apart():
    heights = scales.place_labels([(10, 50)] * 5, ["a name"] * 5)
    assert all(b - a >= scales.LABEL_HEIGHT for a, b in zip(sorted(heights), sorted(heights)[1:], strict=False))


def test_only_the_page_s_own_style_and_script_may_act():
    text = render_report(Report([result(HOSTILE), result("</style></script><script>1")]), "html")
    for kind in ("style", "script"):
        (text_of_page,) = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text_of_page.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in text
    assert "unsafe-inline" not in text
    assert not re.search(r"<[^>]*\s(style|on\w+)=", text)
    assert text.count("<script") == 2
    assert "<script>alert" not in text


def test_numbers_stand_without_a_script_and_intervals_where_known():
    images = {"splits": ("DIS-TE1", "DIS-TE2"), "n": 12}
    runs = [result("A", 0.9, **images), result("B", 0.8, **images), result("C", 0.8999, **images)]
    text = render_report(Report(runs), "html")
    shown = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    for run in runs:
        for split, scores in run.scores(("f_max", "mae")).items():
            for value in scores.values():
                assert f"· {split} · " in shown
                assert f"<span>{value:.3f}</span>" in shown
    with_confidence = confidence.add_confidence(table.build_table(runs), runs)
    for (split, metric, _), (low, high) in intervals(with_confidence).items():
        words = rf"{split} · {re.escape(METRICS[metric].symbol)} = [\d.]+ · 95 % interval {low:.4f} to {high:.4f}"
        assert len(re.findall(words, shown)) >= 2  # in both layouts
    assert shown.count("not significantly worse than the best · ") >= 2 * len(tied(with_confidence)) > 0
    assert 'class="tied"' in shown
    assert not re.search(r"<(section|tr|td|table|div)[^>]* hidden", shown)


@pytest.mark.parametrize("by", ["", "size/2"])
def test_groups_of_images_stand_against_no_time(by):
    runs = [replace(timed(name, 0.1), by=by) for name in "AB"]
    assert (time_plots.compare_times(table.build_table(runs), runs, collect_times(runs)) is None) == bool(by)
