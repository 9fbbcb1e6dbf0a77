"""Reports: what is compared and marked, what is refused, and that every format carries it whole."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_results import HOSTILE, MINI, result
from markupsafe import escape

import disbench
from disbench.data.dataset import TEST_SPLITS, Sample
from disbench.errors import InputError
from disbench.leaderboard.papers.tex_text import plain_text
from disbench.metrics.catalogue import METRICS, PAPER
from disbench.metrics.scoring import per_image
from disbench.reports import cases, grid, html, image_list, latex, latex_text, markdown, page, table, tiles
from disbench.reports.formats import FORMATS
from disbench.reports.grid_figure import draw_grid
from disbench.reports.grid_style import GridStyle
from disbench.reports.options import HtmlOptions, LatexOptions, MarkdownOptions
from disbench.reports.render import render_report, write_report
from disbench.reports.report import Report
from disbench.runs.manifest import mask_path

TEXT = [format for format in FORMATS if format != "xlsx"]


@pytest.fixture
def saved(tmp_path):
    """A result with saved maps and the samples behind it: a bar on a plain image, the worse the later."""
    run = result(splits=("DIS-TE1",), n=9, folder=tmp_path)
    samples = []
    for i, row in enumerate(run.rows["DIS-TE1"]):
        shape = (60, 80) if i % 2 else (80, 60)
        truth = np.zeros(shape, np.uint8)
        truth[10:20, 5:50] = 255
        paths = tmp_path / f"{i}.jpg", tmp_path / f"{i}.png", mask_path(tmp_path, row)
        paths[2].parent.mkdir(parents=True, exist_ok=True)
        for path, pixels in zip(paths, (np.full((*shape, 3), 90, np.uint8), truth, np.roll(truth, i)), strict=True):
            cv2.imwrite(str(path), pixels)
        samples.append(Sample("DIS-TE1", row.name, *paths[:2]))
    return run, samples


@pytest.mark.parametrize(
    ("metric", "values", "ranks"),
    [
        ("s_measure", [0.900, 0.9051, 0.9049, 0.863, 0.904], ["third", "best", "best", None, "second"]),
        ("mae", [0.100, 0.036, 0.0361, 0.029], ["third", "second", "second", "best"]),
        ("f_max", [0.7, None, 0.8], ["second", None, "best"]),
        ("f_max", [0.8, 0.8], ["best", "best"]),
        ("f_max", [0.8], [None]),
        ("f_max", [0.8, None], [None, None]),
    ],
)
def test_marks_follow_the_printed_value_and_its_direction(metric, values, ranks):
    assert [cell.rank for cell in table.make_cells(metric, values)] == ranks


def test_layout_has_subsets_in_order_overall_last_and_a_dash_for_what_is_missing():
    built = table.build_table([result("A", splits=("DIS-TE1",)), result("B", splits=("DIS-VD", *TEST_SPLITS))])
    assert [split for split, _ in built.groups] == ["DIS-VD", *TEST_SPLITS, "Overall"]
    assert [line.metric for line in built.lines[:5]] == list(PAPER)
    assert {line.split: [cell.text == "–" for cell in line.cells] for line in built.lines} == {
        "DIS-VD": [True, False],
        "DIS-TE1": [False, False],
        **{split: [True, False] for split in (*TEST_SPLITS[1:], "Overall")},
    }
    assert built.lines[-1].n == 12
    assert "all 12 images of DIS-TE1 to DIS-TE4" in built.caption


@pytest.mark.parametrize("format", TEXT)
def test_every_format_shows_the_metrics_asked_for(format):
    results = [result("A", 0.9), result("B", 0.8)]
    text = render_report(Report(results, metrics="ber_min,iou_whole"), format)
    symbols = {"latex": r"\mathrm{BER}^{min}", "html": "BER min", "markdown": "BER min", "typst": '"BER"^"min"'}
    assert symbols.get(format, "ber_min") in text
    built = table.build_table(results, "ber_min,iou_whole")
    assert [line.metric for line in built.lines[:2]] == ["ber_min", "iou_whole"]
    assert {line.cells[0].rank for line in built.lines} == {"best"}


def test_html_explains_the_standard_metrics_and_those_shown():
    text = render_report(Report([result()], metrics="mae,iou_whole"), "html")
    assert "10 measures, and what they are" in text
    assert METRICS["iou_whole"].formula in text
    assert METRICS["kappa_max"].reference not in text


def test_overall_is_not_shown_where_a_test_subset_is_missing_everywhere():
    built = table.build_table([result(splits=TEST_SPLITS[:3])])
    assert "Overall" not in [line.split for line in built.lines]
    assert "Overall" not in built.caption


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (result("B", dataset="DIS5K", token="dis5k"), ["A", MINI, "B", "DIS5K"]),
        (replace(result("B"), signature=result("B").signature.replace("minmax", "raw")), ["A", "minmax", "B", "raw"]),
        (result("B", n=2), ["A (3 images)", "B (2)"]),
        (result("B", foreground=4000), ["A", "B", "different images of DIS-TE1"]),
        (result("A"), ["'A'"]),
    ],
)
def test_results_that_are_not_comparable_are_refused_by_name(other, named):
    with pytest.raises(InputError) as error:
        table.build_table([result("A"), other])
    assert [word for word in named if word not in str(error.value)] == []


def test_nothing_to_report_is_an_input_error():
    with pytest.raises(InputError, match="nothing to report"):
        render_report(Report([]), "csv")


@pytest.mark.parametrize("format", TEXT)
def test_every_format_carries_title_scores_and_each_signature(format):
    results = [result("A", 0.9), result("B", 0.8, splits=("DIS-VD", *TEST_SPLITS))]
    text = render_report(Report(results), format)
    assert MINI in text
    for run in results:
        shown = {"html": escape, "latex": latex.allow_breaks}.get(format, str)(run.signature)
        assert shown in text
        mae = run.scores()["Overall"]["mae"]
        assert (repr(mae) if format == "csv" else f"{mae:.3f}") in text


def test_csv_reads_back_exactly():
    results = [result(HOSTILE, 0.9), result("B", 0.8, splits=("DIS-TE1",))]
    records = list(csv.DictReader(io.StringIO(render_report(Report(results), "csv"))))
    assert len(records) == len(PAPER) * (5 + 1)
    scores = {run.title: run.scores() for run in results}
    for record in records:
        assert float(record["value"]) == scores[record["method"]][record["split"]][record["metric"]]
        assert record["direction"] == METRICS[record["metric"]].direction
        assert int(record["n"]) == (12 if record["split"] == "Overall" else 3)
    assert {(r["method"], r["signature"]) for r in records} == {(r.title, r.signature) for r in results}


def f_of(quality):
    """F of a map of `measurement` above 128: a quarter of what is wrong in either half is taken for the other."""
    precision = quality / (quality + (1 - quality) / 2)
    return 1.3 * precision * quality / (0.3 * precision + quality)


@pytest.mark.parametrize("format", TEXT)
def test_printed_scores_are_those_worked_out_by_hand(format):
    expected = {  # of qualities .90, .87 and .84; of what is wrong, half is at 128 and half at the far end
        "f_max": (f_of(0.90) + f_of(0.87) + f_of(0.84)) / 3,
        "f_weighted": 0.87 * 0.9,
        "s_measure": 0.87,
        "mae": 0.13 * 0.75,
    }
    text = render_report(Report([result("A", splits=("DIS-TE1",))], metrics=",".join(expected)), format)
    if format == "csv":
        records = {record["metric"]: record for record in csv.DictReader(io.StringIO(text))}
        assert {key: float(record["value"]) for key, record in records.items()} == pytest.approx(expected, abs=1e-9)
    elif format in ("json", "model-index"):  # which have all digits
        values = [float(value) for value in re.findall(r"value\W+([\d.e-]+)", text)]
        assert values == pytest.approx([*expected.values()], abs=1e-9)
    else:
        cell = {"html": "<span>{}</span>", "latex": " & {}", "markdown": "| {} |", "typst": ', "{}"'}[format]
        shown = {"f_max": "0.916", "f_weighted": "0.783", "s_measure": "0.870"}
        assert [key for key, digits in shown.items() if cell.format(digits) not in text] == []


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1, max_size=20))
def test_markdown_rows_keep_their_columns_whatever_a_method_is_called(title):
    text = markdown.render_markdown(table.build_table([result(title)]))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in rows} == {4}
    assert not re.search(r"(?<!\\)(?:\\\\)*<(?!/?ins>)", "".join(rows))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=30))
def test_latex_escapes_everything_active(text):
    bare = re.sub(r"\\(?:text\w+\{\}|[{}#$%&_])|\$\\\w+\$|-\{\}(?=-)", "", latex.escape_latex(text))
    assert not set(bare) & set("\\{}#$%&_^~\n")
    assert all(c <= "ſ" for c in bare)
    assert "--" not in latex.escape_latex(text)


def test_the_start_of_a_line_is_no_option_of_the_one_before_it():
    methods = [result(title, dataset="[v2] set") for title in ("*Ours", "[12] Net")]
    for layout in ("rows", "columns"):
        lines = render_report(Report(methods), "latex", LatexOptions(layout=layout)).splitlines()
        assert not [line for line in lines if line.lstrip().startswith(("[", "*"))]
    assert r"\\ {}[b]" in latex_text.stack_words("a long enough [b] and [c]")


def test_hyphens_are_printed_as_they_are():
    assert latex.escape_latex("a-b--c---d") == "a-b-{}-c-{}-{}-d"
    assert plain_text(latex.escape_latex("a-b--c---d"))[0] == "a-b--c---d"


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
@pytest.mark.parametrize("standalone", [True, False])
def test_latex_compiles(tmp_path, standalone):
    methods = [result(f"{HOSTILE} {k}", 0.5 + 0.04 * k, dataset=HOSTILE) for k in range(12)]
    options = LatexOptions(standalone=standalone)
    (tmp_path / "table.tex").write_text(render_report(Report(methods), "latex", options))
    document = r"""\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs,graphicx}
\begin{document}\input{table}\end{document}"""
    (tmp_path / "paper.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table" if standalone else "paper"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    (tmp_path / "table.tex").write_text(render_report(Report([result()], metrics="all"), "latex", options))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0 and "Float too large" not in done.stdout  # it has more lines than a page


class Page(HTMLParser):
    """The tags of a page, and what it would load or link to."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.json, self.data = [], [], False, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.links += [attributes[key] for key in ("src", "href", "srcset", "data") if attributes.get(key)]
        self.json = tag == "script" and attributes.get("type") == "application/json"

    def handle_data(self, text):
        if self.json:
            self.data = json.loads(text)
            self.json = False


def test_html_needs_nothing_else_and_escapes_names(saved):
    run, samples = saved
    names = {"title": HOSTILE, "meta": {"environment": {HOSTILE: HOSTILE}}, "dataset": HOSTILE}
    run = replace(run, **names)
    options = HtmlOptions(cases=cases.make_cases([run], samples, 3))
    text = render_report(Report([run, replace(run, title="B")]), "html", options)
    page = Page(text)
    assert page.tags.count("script") == 2  # the data and the page's own
    assert [link for link in page.links if not link.startswith(("#", "data:image/webp;base64,"))] == []
    assert not re.search(r"url\(|@import|https?://", text)
    assert page.tags.count("img") == 3 * 4 + 1  # three cases, and the dialog's


def test_html_lists_every_image_with_its_scores():
    results = [result("A", 0.9), result("B", 0.8, splits=("DIS-TE2",))]
    listed = Page(render_report(Report(results), "html")).data
    assert len(listed["images"]) == 12
    expected = per_image(results[1].measurements("DIS-TE2"))["mae"]
    column = listed["values"]["mae"][1]
    assert [value for value in column if value is not None] == pytest.approx(expected, abs=5e-5)
    assert [image[0] for image, value in zip(listed["images"], column, strict=True) if value] == ["DIS-TE2"] * 3


def test_html_lists_only_the_worst_images_of_the_last_method_where_there_are_too_many(monkeypatch):
    best, last = result("A", 0.9, splits=("DIS-TE1",), n=8), result("B", 0.8, splits=("DIS-TE1",), n=8)
    text = render_report(Report([best, last]), "html")
    assert len(Page(text).data["images"]) == 8 and "The list has" not in text
    monkeypatch.setattr(html, "MAX_LISTED_IMAGES", 3)
    text = render_report(Report([best, last]), "html")
    listed = Page(text).data
    assert listed["images"] == [["DIS-TE1", f"image {i}"] for i in (5, 6, 7)]  # whose quality is lowest
    assert [len(column) for columns in listed["values"].values() for column in columns] == [3] * 10
    assert "The list has 3 of 8 images: those on which B is worst by Fᵦ max." in text


def test_images_that_the_last_method_lacks_are_listed_by_the_method_before_it():
    """Images of which A is best lie in the middle of those of B."""
    results = [result("A", 0.8, splits=("DIS-TE1",), n=4), result("B", 0.75, splits=("DIS-TE2",), n=4)]
    listed = image_list.format_image_scores(results, ["A", "B"], 3)
    assert [tuple(image) for image in listed["images"]] == [
        ("DIS-TE1", "image 3"),
        ("DIS-TE2", "image 2"),
        ("DIS-TE2", "image 3"),
    ]
    assert listed["values"]["mae"][1][0] is None and None not in listed["values"]["mae"][1][1:]


def test_html_says_when_times_do_not_compare():
    other = result("B", meta={"environment": {"cpu": "another CPU"}})
    assert "these times do not compare" in render_report(Report([result("A"), other]), "html")
    assert "were timed in the same environment" in render_report(Report([result("A"), result("B")]), "html")


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_every_symbol_becomes_html(metric):
    assert not set("\\{}_^") & set(page.format_symbol_html(metric.latex))


def test_cases_go_from_easy_to_hard_without_the_extremes():
    run = result(splits=("DIS-TE1",), n=9)
    assert [row.name for row in cases.select_rows([run], 3)] == ["image 1", "image 4", "image 7"]
    assert len(cases.select_rows([run], 20)) == 9


def test_grid_is_one_row_per_case_at_the_width_asked_for(saved, tmp_path):
    run, samples = saved
    selected = cases.make_cases([run], samples, 3)
    figure = draw_grid(selected, GridStyle(width=4))
    assert len(figure.axes[0].images) == 3 * 4
    figure.savefig(tmp_path / "grid.png")
    assert cv2.imread(str(tmp_path / "grid.png")).shape[1] == 4 * 300
    assert {tile.shape[1] for tile in tiles.make_tiles(selected[0], 64).values()} == {64}
    with pytest.raises(InputError, match="--save"):
        grid.write_grid(tmp_path / "grid.png", cases.make_cases([run], []))


def test_errors_are_coloured_by_side_and_strength():
    mask, truth = np.array([[0, 255, 255, 0]], np.uint8), np.array([[0, 255, 0, 255]], np.uint8)
    agreed, false, missed = (205, 205, 205), tiles.FALSE_POSITIVE, tiles.FALSE_NEGATIVE
    assert tiles.colour_errors(mask, truth)[0].tolist() == [[0, 0, 0], list(agreed), list(false), list(missed)]


def test_a_map_of_another_size_is_named(saved):
    run, samples = saved
    case = cases.make_cases([run], samples, 1)[0]
    cv2.imwrite(str(case.masks["DiffDIS"]), np.zeros((5, 5), np.uint8))
    with pytest.raises(InputError, match="image 4"):
        tiles.make_tiles(case, 64)


def test_write_takes_the_format_from_the_suffix(tmp_path):
    write_report(tmp_path / "report.md", Report([result()]))
    assert (tmp_path / "report.md").read_text() == render_report(Report([result()]), "markdown")
    with pytest.raises(InputError, match=r"\.docx"):
        write_report(tmp_path / "report.docx", Report([result()]))


def test_reports_load_no_heavy_library():
    code = (
        "import sys, disbench.reports.api, disbench.reports.html, disbench.reports.latex, disbench.reports.markdown;"
        "print(*{'torch', 'matplotlib', 'pandas', 'scipy.stats'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


def test_options_of_another_format_are_refused():
    with pytest.raises(TypeError, match="latex takes LatexOptions, not MarkdownOptions"):
        render_report(Report([result()]), "latex", MarkdownOptions(intervals=True))


@pytest.mark.parametrize("caption", ["- a list", "+ a list", "1. a list", "23) a list", "= a heading", "*bold*"])
def test_the_caption_of_markdown_is_text_however_it_begins(caption):
    lines = disbench.report(result(), caption=caption).splitlines()
    (line,) = [line for line in lines if "higher is better" in line]
    assert not re.match(r"[-+=*]|\d+[.)]", line)
    assert line.replace("\\", "").startswith(f"{caption}. ↑")
