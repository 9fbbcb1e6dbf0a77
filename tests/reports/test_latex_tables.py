"""LaTeX tables print at a readable size, in either layout and in common classes, and cite what they should."""

import re
import shutil
import subprocess

import pytest
from click.testing import CliRunner
from fake_runs import make_run
from made_results import result

import disbench
from disbench.cli.main import main
from disbench.data.dataset import TEST_SPLITS
from disbench.errors import InputError
from disbench.leaderboard.entry import list_entries, read_entry
from disbench.metrics.catalogue import METRICS
from disbench.reports.citations import cite_paper, make_keys
from disbench.reports.latex_body import Body, format_symbol
from disbench.reports.latex_text import NEEDS_T1, escape_latex
from disbench.reports.plan import COLUMN_WIDTH, TEXT_WIDTH, Ruler, Space, plan_table
from disbench.reports.published import PublishedSelection
from disbench.reports.report import Report
from disbench.reports.width import measure_symbol, measure_text
from disbench.runs.result import load_run

pytestmark = pytest.mark.usefixtures("shared_bootstraps")
needs_pdflatex = pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
CLASSES = {
    "article": r"\documentclass{article}",
    "two columns": r"\documentclass[twocolumn]{article}",
    "llncs": r"\documentclass{llncs}",
    "IEEEtran": r"\documentclass[conference]{IEEEtran}",
    "acmart": r"\documentclass[sigconf,nonacm]{acmart}",
}
TITLES = {"acmart": r"\title{T}\author{A}\affiliation{\institution{I}\country{C}}\maketitle "}
TABLE_2 = {"source": "2410.10105"}  # the twelve methods of the DiffDIS paper's Table 2


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    splits = ("DIS-VD", *TEST_SPLITS)
    folder = tmp_path_factory.mktemp("runs")
    return make_run(folder, splits=splits, title="Ours", data=("DIS5K", "dis5k"), n=4).folder


def latex(*sources, **options):
    return disbench.report([*map(str, sources)], format="latex", **options)


def compiled(folder, text):
    (folder / "paper.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


def has_class(head):
    name = head.split("{")[1].split("}")[0]
    found = subprocess.run(["kpsewhich", f"{name}.cls"], capture_output=True, text=True)
    return bool(found.stdout.strip())


@needs_pdflatex
@pytest.mark.ci
@pytest.mark.slow
@pytest.mark.parametrize("layout", ["columns", "rows", None])
@pytest.mark.parametrize("name", CLASSES)
def test_a_table_fits_the_page_of_each_class(tmp_path, ours, name, layout):
    if not has_class(CLASSES[name]):
        pytest.skip(f"{name} is not installed")
    (tmp_path / "t.tex").write_text(latex("dis5k", ours, layout=layout, **TABLE_2 if layout else {}), "utf-8")
    head = CLASSES[name] + r"\usepackage{booktabs,graphicx}\begin{document}" + TITLES.get(name, "Text.")
    out = compiled(tmp_path, head + r"\input{t}\end{document}")
    for fault in ("Overfull", "Float too large", "Missing character"):
        assert fault not in out


@needs_pdflatex
@pytest.mark.ci
@pytest.mark.slow
def test_a_document_of_our_row_next_to_published_ones_has_two_columns_and_fits_a_page(tmp_path, ours):
    for layout in ("columns", "rows"):
        text = latex("dis5k", ours, layout=layout, standalone=True, **TABLE_2)
        assert r"\documentclass[10pt,twocolumn]" in text and r"\begin{table*}" in text
        out = compiled(tmp_path, text)
        assert "(1 page" in out and "Overfull" not in out


@pytest.mark.parametrize("layout", ["columns", "rows", None])
def test_text_prints_at_6_pt_or_more(ours, layout):
    for sources in (["dis5k", ours], ["dis5k"], ["mvanet", ours]):
        text = latex(*sources, layout=layout)
        points, width = re.search(r"prints at ([\d.]+) pt or more where lines are (\d+) pt long", text).groups()
        assert float(points) >= 6
        assert int(width) == (TEXT_WIDTH if r"\begin{table*}" in text else COLUMN_WIDTH)


def test_the_default_layout_is_the_one_in_fewer_pieces():
    many = Report([result(f"M{k:02}", 0.5 + k / 100, splits=("DIS-TE1",)) for k in range(24)]).build_table()
    few = Report([result("A"), result("B", 0.8)]).build_table()
    space = Space(width=TEXT_WIDTH, caption=300, notes=200)
    assert plan_table(many, space).layout == "rows"
    assert plan_table(few, space).layout == "columns"
    assert plan_table(few, space, "rows").layout == "rows"
    assert not plan_table(few, space).wide and plan_table(few, space, wide=True).wide


def test_what_is_not_readable_in_one_table_is_several_and_said(ours):
    arguments = ["report", "--format", "latex", "--layout", "columns", "--label", "tab:x", "dis5k", str(ours)]
    done = CliRunner().invoke(main, arguments)
    assert "tables in place of one, so that text prints at 6 pt or more" in done.stderr
    labels = re.findall(r"\\label\{(.*?)\}", done.stdout)
    assert labels == ["tab:x", *(f"tab:x-{k}" for k in range(2, len(labels) + 1))] and len(labels) > 1
    assert done.stdout.count(r"\caption{Continued from the table before.}") == len(labels) - 1
    # Every column is there once, and every line in every table.
    heads = re.findall(r"^Subset & Metric & (.*) \\\\$", done.stdout, re.MULTILINE)
    assert sum(len(head.split(" & ")) for head in heads) == 31
    small = CliRunner().invoke(main, [*arguments[:3], "--width", "100", "--layout", "rows", "dis5k"])
    assert re.search(r"the smallest text of the table prints at \d\.\d pt; show less", small.stderr)


@needs_pdflatex
def test_widths_are_those_of_latex(tmp_path, ours):
    """Of the two layouts of a table, of the symbols of all metrics, and of names."""
    names = ["InSPyReNet", "BiRefNet_512x512", "BEN Base + Refiner", "FlowDIS, 2 steps", "A | B < C"]
    boxes, estimates = [], []
    table = Report([load_run(ours)], published=PublishedSelection(tables=["diffdis-table-3"])).build_table()
    for layout in ("columns", "rows"):
        plan = plan_table(table, Space(width=5000.0, caption=0, notes=0), layout, wide=True)
        ((panel,),) = plan.tables
        ruler = Ruler(table=table, layout=layout, separator=plan.separator)
        estimates.append(ruler.measure_width(panel, rotated=plan.rotated))
        boxes.append(Body(table=table, plan=plan).format_tabular([panel]))
    estimates += [measure_text(name) for name in names]
    boxes += map(escape_latex, names)
    estimates.append(sum(map(measure_symbol, METRICS)))
    boxes.append("".join(map(format_symbol, METRICS)))
    macros = r"\providecommand{\best}[1]{\textbf{#1}}\let\second\underline\let\third\relax\tabcolsep=2.5pt"
    body = "\n".join(rf"\setbox0\hbox{{{box}}}\typeout{{WIDTH \the\wd0}}" for box in boxes)
    head = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
    out = compiled(tmp_path, rf"{head}{macros}{body}\end{{document}}")
    widths = [float(width) for width in re.findall(r"WIDTH ([\d.]+)pt", out)]
    assert len(widths) == len(boxes)
    for estimate, width in zip(estimates, widths, strict=True):
        assert 0.98 < estimate / width < 1.12  # rather too wide than too narrow


@needs_pdflatex
def test_names_of_any_characters_compile_without_another_encoding(tmp_path):
    latin = "".join(map(chr, range(0xA0, 0x180)))
    plain = "".join(char for char in latin if char not in NEEDS_T1)
    compiled(tmp_path, rf"\documentclass{{article}}\begin{{document}}{escape_latex(plain)}\end{{document}}")
    head = r"\documentclass{article}\usepackage[T1]{fontenc}\begin{document}"
    compiled(tmp_path, rf"{head}{escape_latex(latin)}\end{{document}}")
    text = disbench.report([result("Đ")], format="latex")
    assert text.startswith(r"% Needs \usepackage[T1]{fontenc} and \usepackage{booktabs,graphicx}.")
    assert disbench.report([result("é")], format="latex").startswith(r"% Needs \usepackage{booktabs,graphicx}.")


# -- Marks, captions and labels


def test_presets_have_macros_of_their_own_and_say_what_they_need(ours):
    bold, colour = (latex("dis5k", ours, marks=marks, metrics="mae") for marks in ("bold", "colour"))
    assert r"\providecommand{\third}[1]{#1}" in bold and "xcolor" not in bold and "third" not in caption_of(bold)
    assert colour.startswith(r"% Needs \usepackage{booktabs,graphicx,xcolor}.")
    assert "is red, the second green, the third blue" in caption_of(colour)
    assert r"\bestcolour{" in colour and r"\best{" not in colour
    assert len(re.findall(r"\\third(?:colour)?\{0", bold)) == len(re.findall(r"\\thirdcolour\{0", colour)) > 0


def caption_of(text):
    return re.search(r"\\caption\{(.*)\}\n", text)[1]


def test_caption_label_and_environment_are_chosen(ours):
    text = latex("mvanet", ours, caption="On 50 % of DIS_5K", label="tab:main", wide=True)
    assert caption_of(text).startswith(r"On 50 \% of DIS\_5K. $\uparrow$: higher is better")
    assert r"\label{tab:main}" in text and r"\begin{table*}" in text
    assert r"\begin{table}" in latex("dis5k", ours, wide=False, split="Overall")
    assert "where lines are 500 pt long" in latex("dis5k", ours, width=500)


def test_several_sources_have_footnote_marks(ours):
    text = latex("diffdis", ours, layout="rows", metrics="mae")
    assert r"DiffDIS$^{1}$ & " in text and r"DiffDIS$^{2}$ & " in text and "\nOurs & " in text
    assert r"$^{1}$~Table 2 of High-Precision" in text and "a reproduction by others." in text
    assert "(reported)" not in text
    rows = text.splitlines()
    ours_at = next(i for i, row in enumerate(rows) if row.startswith("Ours"))
    assert rows[ours_at - 1] == r"\midrule"


# -- Citations


def test_methods_and_sources_are_cited_and_their_entries_written(ours, tmp_path):
    bib = tmp_path / "refs.bib"
    text = latex("dis5k", ours, layout="rows", bib=bib, names={"InSPyReNet": "InSPyRe"})
    keys = set(re.findall(r"\\cite\{(.*?)\}", text))
    entries = re.findall(r"^@(\w+)\{(.*?),$", bib.read_text("utf-8"), re.MULTILINE)
    assert keys == {key for _, key in entries} and len(entries) == len(keys)
    assert r"InSPyRe$^{1}$~\cite{kim2022inspyrenet}" in text
    assert r"$^{1}$~Table 2 of~\cite{yu2025diffdis}" in text
    assert "Ours~" not in text
    assert ("misc", "adapting2026") in entries  # of which no authors are known
    assert "Yu, Qian and Jiang, Peng-Tao" in bib.read_text("utf-8")
    latex("mvanet", bib=bib)  # a repeated command replaces its file
    assert bib.read_text("utf-8").count("@") == 2


def test_a_bibliography_of_yours_is_not_replaced(tmp_path):
    bib = tmp_path / "refs.bib"
    bib.write_text("@misc{mine, title={Mine}}\n", "utf-8")
    with pytest.raises(InputError, match="is a file of yours, which is not replaced"):
        latex("mvanet", bib=bib, out=tmp_path / "t.tex")
    assert bib.read_text("utf-8").startswith("@misc{mine")


def test_every_entry_of_the_leaderboards_has_its_paper_in_the_bibliography():
    titles = {entry.title: cite_paper(entry.paper) for entry in map(read_entry, list_entries("dis5k"))}
    keys = make_keys(titles.values())
    assert all(re.fullmatch(r"[a-z]+20\d\d[a-z0-9]+", key) for key in keys.values()), keys
    assert make_keys(["One paper (A 2020)", "One idea (B 2020)", "(X"]) == {
        "One paper (A 2020)": "one2020", "One idea (B 2020)": "one2020-2", "(X": "x",
    }


@needs_pdflatex
@pytest.mark.ci
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("bibtex"), reason="bibtex is not installed")
def test_bibtex_reads_the_entries(tmp_path, ours):
    text = latex("dis5k", ours, standalone=True, bib=tmp_path / "refs.bib", split="Overall")
    compiled(tmp_path, text)
    done = subprocess.run(["bibtex", "paper"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "Warning--I didn't find" not in done.stdout
    compiled(tmp_path, text)
    assert "undefined" not in compiled(tmp_path, text)
