"""The audit of published tables finds the mistakes of papers and planted ones, and nothing else."""

from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from disbench.data.dataset import OVERALL, TEST_SPLITS
from disbench.leaderboard.audit import apply_corrections, audit_tables
from disbench.leaderboard.entry import BOARDS_ROOT, list_entries
from disbench.leaderboard.rules import DIRECTIONS
from disbench.leaderboard.tables import Published, collect_published

METRICS = ("f_weighted", "e_mean", "mae")
METHODS = ("A", "B", "C", "D")
SUBSETS = (*TEST_SPLITS, OVERALL)


def test_the_four_mistakes_of_table_2_are_found_and_nothing_else():
    paths = [*list_entries("dis5k"), *(BOARDS_ROOT / "tables").glob("*.json")]
    tables = [table for table in collect_published(paths) if "2410.10105" in table.paper]
    assert [table.table for table in tables] == [f"Table {k}" for k in (1, 2, 3, 4, 5)]
    findings = {(f.rule, f.table, f.places): dict(f.fixes) for f in audit_tables(tables)}
    swapped = (("IFA", "DIS-TE4", "s_measure"), ("PGNet", "DIS-TE4", "s_measure"))
    assert findings == {
        ("swapped", "Table 2", swapped): {swapped[0]: "0.811", swapped[1]: "0.841"},
        ("mean", "Table 2", (place := (("MVANet", OVERALL, "f_weighted"),))): {place[0]: "0.861"},
        ("mean", "Table 2", (place := (("DiffDIS", OVERALL, "e_mean"),))): {place[0]: "0.951"},
        ("marks", "Table 2", (("InSPyReNet", "DIS-TE4", "s_measure"), ("DiffDIS", "DIS-TE4", "s_measure"))): {},
    }


def test_the_mistakes_of_two_later_papers_are_found_and_nothing_else():
    tables = collect_published([BOARDS_ROOT / "tables" / f"{name}.json" for name in ("lawdis", "pdfnet")])
    mean, copied = audit_tables(tables)
    assert (mean.rule, mean.places) == ("mean", (("FP-DIS", OVERALL, "mae"),))
    assert [text for _, text in mean.fixes] == ["0.057"]
    assert copied.rule == "copied"
    assert {place[:2] for place in copied.places} == {("FP-DIS", "DIS-VD"), ("UDUN", "DIS-VD")}


def table_2():
    return next(table for table in collect_published(list_entries("dis5k")) if table.table == "Table 2")


def test_a_corrected_table_differs_only_in_the_findings_and_has_none():
    table = table_2()
    corrected = apply_corrections(table)
    assert audit_tables([corrected]) == []
    changed = {
        (m, s, k)
        for m in table.columns
        for s, k in table.lines
        if (table.text(m, s, k), table.mark(m, s, k)) != (corrected.text(m, s, k), corrected.mark(m, s, k))
    }
    assert changed == {place for finding in audit_tables([table]) for place in finding.places}


def rounded(value: Decimal) -> str:
    return str(value.quantize(Decimal("0.001"), ROUND_HALF_EVEN))


@st.composite
def tables(draw):
    """A table whose numbers are those of unrounded ones, marked right."""
    exact = st.integers(200_000, 900_000).map(lambda n: Decimal(n) / 1_000_000)
    columns = {}
    for method in METHODS:
        cells = {split: {metric: draw(exact) for metric in METRICS} for split in TEST_SPLITS}
        cells[OVERALL] = {metric: sum(cells[split][metric] for split in TEST_SPLITS) / 4 for metric in METRICS}
        columns[method] = {s: {m: rounded(v) for m, v in row.items()} for s, row in cells.items()}
    return marked(Published("A paper", "Table 1", columns))


def marked(table: Published) -> Published:
    marks = {}
    for subset, metric in table.lines:
        values = {method: float(table.text(method, subset, metric)) for method in METHODS}
        places = sorted(set(values.values()), reverse=DIRECTIONS[metric] == "higher")
        for method, value in values.items():
            if value in places[:2]:
                mark = "best" if value == places[0] else "second"
                marks.setdefault(method, {}).setdefault(subset, {})[metric] = mark
    return replace(table, marks=marks)


@settings(max_examples=40, deadline=None)
@given(tables())
def test_no_alarm_where_unrounded_numbers_allow_the_table(table):
    assert audit_tables([table]) == []


@settings(max_examples=40, deadline=None)
@given(tables(), st.sampled_from(METHODS), st.sampled_from(METRICS), st.integers(3, 90), st.booleans())
def test_a_wrong_overall_is_found_and_corrected(table, method, metric, units, up):
    place = (method, OVERALL, metric)
    right = Decimal(table.text(*place))
    wrong = str(right + Decimal(units if up else -units) / 1000)
    planted = marked(table.changed({place: wrong}))
    (finding,) = audit_tables([planted])
    assert (finding.rule, finding.places) == ("mean", (place,))
    ((_, fix),) = finding.fixes
    assert abs(Decimal(fix) - right) <= Decimal("0.001")


@settings(max_examples=60, deadline=None)
@given(tables(), st.permutations(METHODS), st.sampled_from(METRICS), st.permutations(METRICS), st.booleans(), st.data())
def test_swapped_numbers_are_found_where_they_are(table, methods, metric, metrics, between_methods, data):
    subset = data.draw(st.sampled_from(TEST_SPLITS))
    a, b = (methods[0], subset, metric), (methods[1], subset, metric)
    if not between_methods:
        a, b = (methods[0], subset, metrics[0]), (methods[0], subset, metrics[1])
    assume(abs(Decimal(table.text(*a)) - Decimal(table.text(*b))) >= Decimal("0.012"))
    planted = marked(table.changed({a: table.text(*b), b: table.text(*a)}))
    (finding,) = audit_tables([planted])
    assert finding.rule == "swapped"
    assert {a, b} <= set(finding.places)
    if finding.fixes:
        assert dict(finding.fixes) == {a: table.text(*a), b: table.text(*b)}
        assert apply_corrections(planted).columns == table.columns


@settings(max_examples=40, deadline=None)
@given(tables(), st.sampled_from(METHODS), st.sampled_from(SUBSETS), st.sampled_from(METRICS), st.data())
def test_a_wrong_mark_is_found_on_its_line(table, method, subset, metric, data):
    right = table.mark(method, subset, metric)
    mark = data.draw(st.sampled_from([m for m in ("best", "second", None) if m != right]))
    marks = {m: {s: dict(row) for s, row in cells.items()} for m, cells in table.marks.items()}
    row = marks.setdefault(method, {}).setdefault(subset, {})
    row.pop(metric, None)
    if mark:
        row[metric] = mark
    shared = [table.mark(m, subset, metric) for m in METHODS].count("best") > 1
    assume(not (shared and right == "second" and mark is None))  # as papers mark that have two best and no second
    (finding,) = audit_tables([replace(table, marks=marks)])
    assert finding.rule == "marks"
    assert (method, subset, metric) in finding.places


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("91.8", {"range", "mean"}),
        ("-0.1", {"range", "mean"}),
        ("O.918", {"number"}),
        ("9e-1", {"number"}),
        ("0.918", set()),
    ],
)
def test_cells_that_hold_no_score_are_found(text, rules):
    cells = {subset: {"e_mean": "0.918"} for subset in (*TEST_SPLITS, OVERALL)}
    table = Published("A paper", "Table 1", {"A": cells | {"DIS-TE2": {"e_mean": text}}, "B": cells})
    assert {finding.rule for finding in audit_tables([table])} == rules


@pytest.mark.parametrize(("text", "rules"), [("-0.2", []), ("-1.0", []), ("-1.1", ["range"]), ("1.1", ["range"])])
def test_kappa_goes_down_to_minus_one(text, rules):
    cells = {"A": {"DIS-VD": {"kappa_max": text}}, "B": {"DIS-VD": {"kappa_max": "0.9"}}}
    assert [finding.rule for finding in audit_tables([Published("A paper", "Table 1", cells)])] == rules


ROW = {"s_measure": "0.8", "f_max": "0.7", "e_mean": "0.9", "f_weighted": "0.6", "mae": "0.1"}


@pytest.mark.parametrize(("equal", "rules"), [(3, []), (4, ["copied"]), (5, ["copied"])])
def test_four_equal_numbers_of_a_subset_are_copied_and_three_are_not(equal, rules):
    row = dict(list(ROW.items())[:equal])
    findings = audit_tables([Published("A paper", "Table 1", {"A": {"DIS-VD": row}, "B": {"DIS-VD": dict(row)}})])
    assert [finding.rule for finding in findings] == rules
    assert all(len(finding.places) == 2 * equal for finding in findings)


def test_one_other_number_among_many_is_no_copy():
    columns = {"A": {"DIS-VD": ROW}, "B": {"DIS-VD": ROW | {"mae": "0.2"}}}
    assert audit_tables([Published("A paper", "Table 1", columns)]) == []


def test_fewer_decimals_than_most_of_the_measure_are_found():
    row = {"DIS-VD": {"mae": "0.029"}}
    table = Published("A paper", "Table 1", {"A": row, "B": row, "C": {"DIS-VD": {"mae": "0.03"}}})
    assert [(f.rule, f.places) for f in audit_tables([table])] == [("digits", (("C", "DIS-VD", "mae"),))]


@pytest.mark.parametrize(
    ("pair", "wrong"),
    [
        ({"f_mean": "0.850", "f_max": "0.849"}, True),
        ({"f_mean": "0.849", "f_max": "0.849"}, False),
        ({"iou_max": "0.900", "dice_max": "0.890"}, True),
        ({"mse": "0.050", "mae": "0.040"}, True),
        ({"f_adaptive": "0.850", "f_max": "0.849"}, False),
    ],
)
def test_pairs_that_no_map_has_are_found(pair, wrong):
    findings = audit_tables([Published("A paper", "Table 1", {"A": {"DIS-VD": pair}})])
    assert [finding.rule for finding in findings] == ["pair"] * wrong


def test_the_maximum_of_a_pooled_curve_may_lie_below_the_mean_of_the_maxima_and_not_above():
    def overall(text):
        cells = {split: {"f_max": "0.900"} for split in TEST_SPLITS} | {OVERALL: {"f_max": text}}
        return [finding.rule for finding in audit_tables([Published("A paper", "Table 1", {"A": cells})])]

    assert overall("0.896") == []
    assert overall("0.904") == ["mean"]
    assert overall("0.880") == ["mean"]


@pytest.mark.parametrize("metric", ["iou_whole", "auc_pr"])
def test_what_is_no_mean_of_images_is_not_compared_with_the_mean(metric):
    cells = {split: {metric: "0.900"} for split in TEST_SPLITS} | {OVERALL: {metric: "0.880"}}
    assert audit_tables([Published("A paper", "Table 1", {"A": cells})]) == []


def test_third_marks_are_checked_where_a_table_has_them():
    cells = {method: {"DIS-VD": {"mae": text}} for method, text in zip("ABC", ("0.1", "0.2", "0.3"), strict=True)}
    marks = {method: {"DIS-VD": {"mae": mark}} for method, mark in zip("ABC", ("best", "second", "third"), strict=True)}
    table = Published("A paper", "Table 1", cells, marks)
    assert audit_tables([table]) == []
    assert [f.places for f in audit_tables([replace(table, marks=marks | {"C": {}})])] == []  # marks no third
    tied = cells | {"B": {"DIS-VD": {"mae": "0.1"}}}
    tied_marks = marks | {"B": {"DIS-VD": {"mae": "best"}}}
    assert audit_tables([replace(table, columns=tied, marks=tied_marks)]) == []  # two best, the next is third
    wrong = replace(table, marks=marks | {"C": {"DIS-VD": {"mae": "second"}}, "B": {"DIS-VD": {"mae": "third"}}})
    assert [f.places for f in audit_tables([wrong])] == [(("B", "DIS-VD", "mae"), ("C", "DIS-VD", "mae"))]


def test_two_tables_of_a_paper_must_agree_on_a_method():
    first = Published("A paper", "Table 1", {"A": {"DIS-VD": {"mae": "0.029", "e_mean": "0.9"}}})
    second = replace(first, table="Table 2", columns={"A": {"DIS-VD": {"mae": "0.028"}}})
    assert [(f.rule, f.places) for f in audit_tables([first, second])] == [("differs", (("A", "DIS-VD", "mae"),))]
    assert audit_tables([first, replace(second, paper="Another")]) == []
