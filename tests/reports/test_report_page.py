"""The HTML report: what it plots, what it refuses to compare, and that nothing from outside acts in it."""

import base64
import hashlib
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_results import HOSTILE, result

from disbench.metrics.catalogue import METRICS
from disbench.metrics.scoring import score
from disbench.reports import confidence, plots, table
from disbench.reports.render import render_report
from disbench.reports.times import group_by_environment, own_times
from disbench.runs.times import flatten_environment

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

    found = plots.pareto_front(costs, values, higher)
    assert {pairs[i] for i in found} == {pairs[i] for i in range(len(pairs)) if not beaten(i)}
    assert [costs[i] for i in found] == sorted({costs[i] for i in found})


def test_only_what_was_timed_alike_stands_against_time():
    gpu = {"cpu": "a CPU", "device": "cuda", "gpu": "a GPU"}
    threads = ENVIRONMENT | {"threads": 2}  # of one that uses torch; the others have no word on it
    runs = [timed("A", 0.01), timed("B", 0.02, 0.8, gpu), timed("C", 0.03, 0.95, threads), timed("D", 0.03)]
    runs[3].rows["DIS-TE1"][:] = [replace(row, seconds={}) for row in runs[3].rows["DIS-TE1"]]
    found = plots.collect_trades(table.build_table(runs), runs, own_times(runs))
    (plot,) = found.plots
    assert (plot.environment, plot.split, found.alone, found.untimed) == ("a CPU", "DIS-TE1", ["B on a GPU"], ["D"])
    assert [dot.label for dot in plot.panels["f_max"].dots] == ["A", "C"]
    assert "30.0 ms per image on a CPU" in plot.panels["mae"].dots[1].title
    text = render_report(runs, "html")
    assert "no other was timed in their environment on their images: B on a GPU." in text
    assert "Not timed: D." in text
    assert "on DIS-TE1, timed on a CPU</figcaption>" in text
    apart = [timed("A", 0.01), timed("B", 0.02, 0.8, gpu)]
    assert plots.collect_trades(table.build_table(apart), apart, own_times(apart)).plots == []
    assert "so their times do not compare and nothing is drawn" in render_report(apart, "html")
    assert group_by_environment([*map(flatten_environment, runs[:3]), threads | {"threads": 1}]) == [[0, 2], [1], [3]]


def test_each_environment_has_a_plot_of_its_own():
    other = ENVIRONMENT | {"threads": 2, "packages": {"torch": "2"}}
    of_one = {"A": ENVIRONMENT | {"threads": 1}, "B": ENVIRONMENT | {"threads": 1}, "C": other, "D": other, "E": other}
    runs = [timed(name, 0.01 * (k + 1), 0.8, environment) for k, (name, environment) in enumerate(of_one.items())]
    found = plots.collect_trades(table.build_table(runs), runs, own_times(runs))
    assert [(plot.environment, [dot.label for dot in plot.panels["mae"].dots]) for plot in found.plots] == [
        ("a CPU (threads 2)", ["C", "D", "E"]),
        ("a CPU (threads 1)", ["A", "B"]),
    ]
    assert "A plot for each environment" in render_report(runs, "html")


def test_each_part_by_complexity_is_scored_by_itself():
    runs = [result("A", n=4), result("B", 0.7, n=4)]
    ranks = {(row.split, row.name): 10.0 ** int(row.name[-1]) for rows in runs[0].rows.values() for row in rows}
    panels = plots.plot_by_complexity(table.build_table(runs), runs, ranks)
    assert [panel.title for panel in panels] == ["f_max", "f_weighted", "e_mean", "s_measure", "mae"]
    hardest = [row.measurement for rows in runs[1].rows.values() for row in rows if row.name == "image 3"]
    dots = [dot for dot in panels[0].dots if dot.method == 1]
    assert dots[-1].title == f"B: {score(hardest)['f_max']:.3f} on 4 images (1,000 to 1,000)"
    assert [dot.x for dot in dots] == sorted(dot.x for dot in dots)
    assert plots.plot_by_complexity(table.build_table(runs), runs, {}) == []
    assert 'id="complexity"' in render_report(runs, "html", ranks=ranks)
    assert 'id="complexity"' not in render_report(runs, "html")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_axes_hold_their_values(values):
    up, ticks = plots._axis(values)
    assert all(0 <= up(value) <= plots.SCALE for value in values)
    assert len({text for _, text in ticks}) == len(ticks) < 10
    across, ticks = plots._log_axis([value * 1000 for value in values])
    assert all(0 <= across(value * 1000) <= plots.SCALE for value in values)


def test_labels_lie_apart():
    heights = plots._apart([(10, 50)] * 5, ["a name"] * 5)
    assert all(b - a >= plots.HIGH for a, b in zip(sorted(heights), sorted(heights)[1:], strict=False))


def test_only_the_page_s_own_style_and_script_may_act():
    text = render_report([result(HOSTILE), result("</style></script><script>1")], "html")
    for kind in ("style", "script"):
        (own,) = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in text
    assert "unsafe-inline" not in text
    assert not re.search(r"<[^>]*\s(style|on\w+)=", text)
    assert text.count("<script") == 2
    assert "<script>alert" not in text


def test_numbers_stand_without_a_script_and_intervals_where_known():
    of = {"splits": ("DIS-TE1", "DIS-TE2"), "n": 12}
    runs = [result("A", 0.9, **of), result("B", 0.8, **of), result("C", 0.8999, **of)]
    text = render_report(runs, "html")
    shown = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    for run in runs:
        for split, scores in run.scores(("f_max", "mae")).items():
            for value in scores.values():
                assert f"· {split} · " in shown
                assert f"<span>{value:.3f}</span>" in shown
    known = confidence.add_confidence(table.build_table(runs), runs)
    for (split, metric, _), (low, high) in confidence.intervals(known).items():
        words = rf"{split} · {re.escape(METRICS[metric].symbol)} = [\d.]+ · 95 % interval {low:.4f} to {high:.4f}"
        assert len(re.findall(words, shown)) >= 2  # in both layouts
    assert shown.count("not significantly worse than the best · ") >= 2 * len(confidence.tied(known)) > 0
    assert 'class="tied"' in shown
    assert not re.search(r"<(section|tr|td|table|div)[^>]* hidden", shown)


@pytest.mark.parametrize("by", ["", "size/2"])
def test_groups_of_images_stand_against_no_time(by):
    runs = [replace(timed(name, 0.1), by=by) for name in "AB"]
    assert (plots.collect_trades(table.build_table(runs), runs, own_times(runs)) is None) == bool(by)
