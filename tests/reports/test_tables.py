"""Tables as users arrange them: subsets, order, names, decimals, ranking, and a caption that says what was ranked."""

import io
import json
import re

import pytest
from click.testing import CliRunner
from fake_runs import make_run
from hypothesis import given, settings
from hypothesis import strategies as st

import disbench
from disbench.cli.main import main
from disbench.data.dataset import TEST_SPLITS
from disbench.errors import InputError
from disbench.reports.arrange import Arrangement, arrange_table
from disbench.reports.caption import COLOUR_MARKS, PLAIN_MARKS
from disbench.reports.cells import Cell, Source
from disbench.reports.published import PublishedSelection
from disbench.reports.ranking import RANKINGS
from disbench.reports.report import Report
from disbench.reports.table import Table, TableLine
from disbench.runs.result import load_run

pytestmark = pytest.mark.usefixtures("shared_bootstraps")

DIRECTIONS = {"f_max": max, "mae": min}
ORDER = ("best", "second", "third")


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


# -- The caption against the marks

LABELS = ("reported", "[2]", "[3, reproduced]", "pysod", "diffdis")


@st.composite
def tables(draw):
    """A table of columns from one to five sources, with printed marks at random in published columns."""
    labels = draw(st.lists(st.sampled_from(LABELS), min_size=1, max_size=6))
    labels.sort(key=LABELS.index)
    columns = tuple((f"M{k}", label) for k, label in enumerate(labels))
    lines = []
    for metric in DIRECTIONS:
        cells = []
        for _, label in columns:
            digits = draw(st.integers(900, 906))
            is_printed = "[" in label or label == "reported"
            cells.append(
                Cell(
                    value=digits / 1000,
                    text=f"{digits / 1000:.3f}",
                    rank=draw(st.sampled_from(["best", "second", None])) if is_printed else None,
                    training=draw(st.sampled_from([None, None, "contaminated", "sees_truth", "unstated"])),
                )
                if draw(st.integers(0, 5))
                else Cell(value=None, text="–", rank=None)
            )
        lines.append(TableLine("DIS-TE1", metric, 500, tuple(cells)))
    sources = tuple(
        Source(label=label, text=f"Table of {label}", paper=label)
        for label in dict.fromkeys(labels)
        if "[" in label or label == "reported"
    )
    signatures = tuple(f"signature of {label}" for label in labels)
    return Table(
        title="DIS5K", columns=columns, signatures=signatures, lines=tuple(lines), sources=sources,
        rank_all=draw(st.booleans()),
    )


def claims(caption):
    """What a caption claims: the groups in which scores compete, and what becomes of published marks."""
    if "Only measured scores are ranked" in caption:
        return ("by protocol" if "within its protocol" in caption else "measured"), "none"
    if "of all methods (" in caption or "of all protocols" in caption:
        return "all", "ranked"
    printed = "the marks" in caption and "of the publication" in caption
    if "measured scores are ranked among themselves" in caption:
        return ("by protocol" if "each protocol by itself" in caption else "measured"), "printed"
    if printed:
        return "nothing", "printed"
    return ("by protocol" if "each protocol by itself" in caption else "all"), "ranked"


def expected_marks(before, line, caption, rank_all):
    """The marks that a line must have if its caption is true, and whether a score has no rival, from the caption."""
    groups, published = claims(caption)
    rank_unclean = "ranked all the same" in caption or rank_all
    marks, competing = [], {}
    columns = zip(before.columns, before_cells(before, line), line.cells, strict=True)
    for place, ((_, label), old, cell) in enumerate(columns):
        is_printed = "[" in label or label == "reported"
        marks.append(old.rank if is_printed and published == "printed" else None)
        if is_printed and published != "ranked":
            continue
        if cell.value is None or groups == "nothing" or ("reproduced" in label and "are not ranked)" in caption):
            continue
        if cell.training in ("contaminated", "sees_truth") and not rank_unclean:
            continue
        competing.setdefault(label if groups == "by protocol" else "", {})[place] = cell.text
    for texts in competing.values():
        if len(texts) > 1:
            best_first = sorted(set(map(float, texts.values())), reverse=DIRECTIONS[line.metric] is max)
            for place, text in texts.items():
                k = best_first.index(float(text))
                marks[place] = ORDER[k] if k < 3 else None
    return marks, 1 in map(len, competing.values())


def before_cells(table, line):
    (old,) = (other for other in table.lines if other.metric == line.metric)
    return old.cells


@settings(max_examples=150, deadline=None)
@given(tables(), st.sampled_from([*RANKINGS, None]), st.sampled_from([PLAIN_MARKS, COLOUR_MARKS]))
def test_the_caption_states_exactly_what_was_ranked(table, ranking, looks):
    if all(cell.value is None for cell in table.cells):
        return
    built = arrange_table(table, Arrangement(ranking=ranking))
    kept = [table.columns.index(column) for column in built.columns]
    before = Table(
        title="", columns=built.columns, signatures=(), lines=tuple(
            TableLine(line.split, line.metric, line.n, tuple(line.cells[i] for i in kept)) for line in table.lines
        ),
    )
    caption = " ".join(built.describe(looks))
    ranks = {cell.rank for cell in built.cells} - {None}
    assert ("score of each measure" in caption) == bool(ranks & looks.keys())
    for rank, look in looks.items():
        pattern = rf"\b{rank} (best )?(score of each measure on a subset is )?{look}"
        assert bool(re.search(pattern, caption)) == (rank in ranks)
    if not ranks & looks.keys():
        return
    has_lone = False
    for line in built.lines:
        marks, lone = expected_marks(before, line, caption, built.rank_all)
        assert [cell.rank for cell in line.cells] == marks
        has_lone |= lone
    assert ("A score without a rival has no mark." in caption) == has_lone


def test_marks_of_a_publication_that_has_no_second_are_not_called_second():
    built = Report(published=PublishedSelection(tables=["diffdis-table-3"])).build_table()
    assert "the second" not in built.caption
    assert "the marks are those of the publication" in built.caption


# -- Our row next to published ones


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    data = ("DIS5K", "dis5k")
    root = tmp_path_factory.mktemp("runs")
    return make_run(root, "ours", 0.97, splits=("DIS-VD", *TEST_SPLITS), title="Ours", data=data, n=4).folder


def load(*sources, **options):
    return json.loads(disbench.report([*map(str, sources)], format="json", **options))


def test_ours_next_to_a_publication_is_ranked_with_it(ours):
    content = load("dis5k", ours, source="2410.10105", metrics="mae")
    assert content["ranking"] == "together"
    for line in content["lines"]:
        ranked = [cell for cell in line["cells"] if cell["rank"] == "best"]
        assert {cell["text"] for cell in ranked} == {min((c["text"] for c in line["cells"]), key=float)}
    assert "published and measured" in content["caption"]
    assert "protocol pysod; published: the protocols of their authors" in content["caption"]
    assert [column["source"] for column in content["columns"]] == [1] * 12 + [None]


def test_only_measured_scores_are_ranked_on_request(ours):
    content = load("mvanet", ours, metrics="mae", rank="measured")
    assert {cell["rank"] for line in content["lines"] for cell in line["cells"]} == {None}
    assert "score of each measure" not in content["caption"]


def test_subsets_are_selected_and_empty_columns_left_out(ours):
    content = load("flowdis-1-step", "mvanet", ours, split="DIS-TE1..2", metrics="f_max")
    assert [line["split"] for line in content["lines"]] == ["DIS-TE1", "DIS-TE2"]
    assert [column["method"] for column in content["columns"]] == ["MVANet", "Ours"]
    assert len(content["sources"]) == 1
    stderr = call("report", "--split", "overall,DIS-VD", "--metrics", "f_max", "flowdis-1-step", "ben", ours).stderr
    assert "without any score here, and left out: BEN Base + Refiner" in stderr


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"split": "DIS-TE9"}, "--split DIS-TE9: not in this table, which has DIS-VD, DIS-TE1"),
        ({"split": ","}, "no subset given"),
        ({"order": ["Nobody"]}, "--order Nobody: no method has this name"),
        ({"names": {"MVNet": "M"}}, "--name MVNet: no method has this name; did you mean MVANet"),
        ({"names": {"DiffDIS": "X", "MVANet": "X"}}, "the same name"),
        ({"digits": 0}, "--digits 0"),
        ({"rank": "all"}, "unknown ranking 'all'; known: together, by-source, measured"),
        ({"layout": "diagonal", "format": "latex"}, "unknown layout 'diagonal'"),
        ({"layout": "rows", "format": "csv"}, "--layout: not in csv; the formats with it are latex, markdown, xlsx"),
        ({"cite": True}, "--cite: not in markdown; the formats with it are latex"),
        ({"wide": False}, "--wide and --narrow: not in markdown"),
        ({"label": "a}b", "format": "latex"}, "--label a}b"),
        ({"label": "a> #b", "format": "typst"}, "--label a> #b: give letters"),
        ({"label": "a/b", "format": "typst"}, "--label a/b: give letters, digits and : . _ -, as"),
        ({"standalone": True}, "--standalone: not in markdown; the formats with it are latex"),
        ({"intervals": True, "format": "typst"}, "--intervals: not in typst; the formats with it are latex, markdown"),
        ({"bib": "refs.bib"}, "--bib: not in markdown; the formats with it are latex"),
        ({"width": "x", "format": "latex"}, "width: got "),
        ({"order": 5}, "order: got "),
        ({"names": {"Mine": 5}}, "names: got "),
        ({"label": 5, "format": "latex"}, "label: got "),
        ({"split": 5}, "split: got "),
        ({"marks": "loud", "format": "typst"}, "unknown marks 'loud'; known: bold, colour"),
        ({"width": 3, "format": "latex"}, "--width 3"),
        ({"cite": True, "standalone": True, "format": "latex"}, "give --bib FILE"),
        ({"bib": "refs.txt", "format": "latex"}, "give a file NAME.bib"),
        ({"format": "model-index"}, "give a run"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(option, words):
    with pytest.raises(InputError) as error:
        disbench.report(["mvanet", "diffdis"], source="2410", **option)
    assert words in str(error.value)


def test_methods_get_an_order_and_short_names(ours):
    def names(**options):
        content = load("mvanet", "diffdis", "isnet", ours, source="2410", **options)
        return [column["method"] for column in content["columns"]]

    assert names() == ["IS-Net", "MVANet", "DiffDIS", "Ours"]
    assert names(order=["ours", "DiffDIS"]) == ["Ours", "DiffDIS", "IS-Net", "MVANet"]
    assert names(order=["mvanet", "...", "is-net"]) == ["MVANet", "DiffDIS", "Ours", "IS-Net"]
    assert names(names={"isnet": "IS", "Ours": "New"}, order=["New", "isnet"]) == ["New", "IS", "MVANet", "DiffDIS"]
    text = call("report", "--name", "mvanet=MV", "--order", "Ours,...", "mvanet", ours).stdout
    assert text.splitlines()[2].startswith("| Subset | Metric | Ours | MV")


def test_published_numbers_get_no_more_decimals_than_they_have(ours):
    def texts(digits):
        content = load("diffdis", ours, metrics="f_max", digits=digits)
        line = next(line for line in content["lines"] if (line["split"], line["metric"]) == ("DIS-TE1", "f_max"))
        return [cell["text"] for cell in line["cells"]], content["sources"]

    printed, sources = texts(2)
    assert printed[:2] == ["0.90", "0.88"] and len(printed[2]) == 4
    assert all(source.endswith("; rounded") for source in sources)
    printed, sources = texts(4)
    assert printed[:2] == ["0.903", "0.8785"] and len(printed[2]) == 6
    assert not any("rounded" in source for source in sources)


# -- Layouts and formats


def test_markdown_and_workbooks_have_methods_as_rows_on_request(ours):
    text = disbench.report(["diffdis", str(ours)], layout="rows", metrics="mae", split="DIS-TE1,DIS-TE2", source="2410")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert [row for row in rows if row.startswith("| Method")] == ["| Method | M ↓ |"] * 2
    assert text.index("**DIS-TE1**") < text.index("| Method") < text.index("**DIS-TE2**")
    assert [row.split(" | ")[0] for row in rows[2:4]] == ["| DiffDIS¹", "| Ours"]
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(io.BytesIO(disbench.report([str(ours)], format="xlsx", layout="rows", metrics="mae")))
    assert [cell.value for cell in book["Scores"]["A"]][:3] == [None, "Method", "Ours"]
    assert book["Scores"].max_column == 7


def test_json_reads_back_exactly(tmp_path):
    run = make_run(tmp_path, splits=("DIS-VD", *TEST_SPLITS), n=12)
    content = load(run.folder, metrics="mae")
    values = {line["split"]: line["cells"][0]["value"] for line in content["lines"]}
    assert values["Overall"] == run.scores("mae")["Overall"]["mae"]
    assert content["columns"][0]["protocol"] == "pysod" and not content["columns"][0]["published"]
    low, high = content["lines"][0]["cells"][0]["interval"]
    assert low < values["DIS-VD"] < high


def test_a_model_index_is_what_the_hub_reads(ours):
    text = disbench.report(["mvanet", str(ours)], format="model-index", metrics="mae,f_max", split="DIS-TE1,Overall")
    cards = pytest.importorskip("huggingface_hub")
    card = cards.ModelCard(f"---\n{text}---\n")
    results = card.data.eval_results
    assert card.data.model_name == "Ours"
    assert [(r.dataset_name, r.metric_type) for r in results] == [
        ("DIS5K DIS-TE1", "f_max"), ("DIS5K DIS-TE1", "mae"), ("DIS5K Overall", "f_max"), ("DIS5K Overall", "mae"),
    ]
    scores = load_run(ours).scores("mae")
    assert results[1].metric_value == scores["DIS-TE1"]["mae"]
    assert "pysod" in results[0].metric_args["signature"]
    assert cards.repocard_data.eval_results_to_model_index("Ours", results)


HOSTILE = 'a"]) #panic() $x$ \\ <b> {y}\n= z'


def test_names_are_inert_in_typst_and_yaml(tmp_path):
    run = make_run(tmp_path, title=HOSTILE)
    text = disbench.report([str(run.folder)], format="typst")
    literals = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
    assert "panic" in text and "panic" not in literals
    yaml = pytest.importorskip("yaml")
    (model,) = yaml.safe_load(disbench.report([str(run.folder)], format="model-index"))["model-index"]
    assert model["name"] == HOSTILE


@pytest.mark.parametrize("layout", ["columns", "rows"])
@pytest.mark.parametrize("marks", ["bold", "colour"])
def test_typst_compiles(ours, layout, marks):
    typst = pytest.importorskip("typst")
    text = disbench.report(["dis5k", str(ours)], format="typst", layout=layout, marks=marks)
    assert typst.compile(text.encode(), format="pdf").startswith(b"%PDF")
