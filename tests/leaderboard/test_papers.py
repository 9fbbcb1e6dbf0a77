"""Tables of a paper's source are read as they are, and what is not read is said."""

import csv
import io
import json
from pathlib import Path

import pytest
from fake_runs import make_run
from hostile import call, refused

from disbench.data.dataset import OVERALL, TEST_SPLITS
from disbench.leaderboard.entry import list_entries
from disbench.leaderboard.papers.names import read_number, recognise_metric, recognise_subset
from disbench.leaderboard.papers.paper import audit_paper
from disbench.leaderboard.tables import collect_published
from disbench.metrics.catalogue import PAPER
from disbench.reports.published import tables_of_entries

ROOT = Path(__file__).parents[2]
REPORTS, PAGE = ROOT / "reports", ROOT / "docs" / "leaderboard.md"


def audit(path, text, suffix=".tex"):
    file = path / f"paper{suffix}"
    file.write_text(text, encoding="utf-8")
    return audit_paper(file)


def rules(table):
    return [finding.rule for finding in table.findings]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (r"F_β^{max} ↑", "f_max"), ("maxF", "f_max"), ("F^{max}_β", "f_max"), ("F_{β}^{mx}", "f_max"),
        (r"F_β^{ω}", "f_weighted"), ("F^w_β", "f_weighted"), ("wF", "f_weighted"), ("weighted F-measure", "f_weighted"),
        ("E_{φ}^{m}", "e_mean"), ("mE", "e_mean"), ("E^m_ξ", "e_mean"), ("adpE", "e_adaptive"), ("E^{max}_φ", "e_max"),
        ("S_{α}", "s_measure"), ("S_m ↑", "s_measure"), ("S-measure", "s_measure"), ("M ↓", "mae"), ("MAE", "mae"),
        ("HCE_{γ} ↓", "hce"), ("HCE", "hce"), ("Fᵦ ω ↑", "f_weighted"), ("Eᵩ m ↑", "e_mean"), ("Sₘ ↑", "s_measure"),
        ("meanF", "f_mean"), ("BIoU mean", "biou_mean"), ("mBA", "mba"), ("IoU bin", "iou_binary"),
    ],
)  # fmt: skip
def test_measures_are_recognised_as_papers_write_them(text, key):
    metric = recognise_metric(text)
    assert (metric.key, metric.is_assumed) == (key, False)


@pytest.mark.parametrize(("text", "key"), [("F_β", "f_max"), ("E_φ", "e_mean"), ("mIoU", "iou_binary")])
def test_a_measure_without_variant_is_an_assumption(text, key):
    metric = recognise_metric(text)
    assert (metric.key, metric.is_assumed) == (key, True)


@pytest.mark.parametrize("text", ["FPS", "Params (M)", "(M)", "FLOPs (G)", "MACs", "BiRefNet", "IFA", "", "Year"])
def test_what_is_no_measure_is_none(text):
    assert recognise_metric(text) is None


@pytest.mark.parametrize(
    ("text", "subset"),
    [
        ("DIS-TE1", "DIS-TE1"), ("TE3 (500)", "DIS-TE3"), ("DIS-VD", "DIS-VD"), ("DIS5K-TE2", "DIS-TE2"),
        ("Overall", OVERALL), ("Overall DIS-TE(1-4)", OVERALL), ("DIS-TE (1–4)", OVERALL), ("Average", OVERALL),
        ("Overall (2,000)", OVERALL), ("DIS-TE(ALL)", OVERALL), ("DIS-TE", OVERALL),
        ("HRSOD-TE", None), ("DUTS-TE1x", None), ("BiRefNet TR+TEs", None), ("", None),
    ],
)  # fmt: skip
def test_subsets_are_recognised_as_papers_write_them(text, subset):
    assert recognise_subset(text) == subset


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0.921", ("0.921", "")), (".921", ("0.921", "")), ("0.921 ± 0.003", ("0.921", "")), ("1,205", ("1205", "")),
        ("0.921 [0.9, 0.93]", ("0.921", "")), ("0.921^{†}", ("0.921", "^{†}")), ("0.921‡", ("0.921", "‡")),
        ("0.921 ≈", ("0.921", "≈")), ("0.07l", None), ("0,921", None), ("1.2.3", None), ("0.9/0.8", None), (".", None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_they_are_printed(text, number):
    assert read_number(text) == number


ROWS = r"""
% \begin{tabular}{ll} a comment & is no table \\ \end{tabular}
\newcommand{\Fmax}{$F_\beta^{max}\uparrow$}
\newcommand{\ours}{Ours}
\newcommand{\rone}[1]{\textcolor{red}{#1}}
\begin{table*}
\caption{Comparison \cite{x} on DIS5K.}
\resizebox{\linewidth}{!}{
\begin{tabular}{l|c|cccc|c}
\toprule
\multirow{2}{*}{Method} & \multirow{2}{*}{Venue} & \multicolumn{2}{c}{DIS-TE1 (500)} &
  \multicolumn{2}{c|}{Overall} & Params \\ \cmidrule(lr){3-4}\cmidrule(lr){5-6}
 & & \Fmax & $\mathcal{M}\downarrow$ & \Fmax & $\mathcal{M}\downarrow$ & (M) \\ \midrule
\rowcolor{gray!10} IS-Net~\cite{x} & ECCV'22 & .740 & .074 & 0.799 & 0.070 & 44.0 \\
BiRefNet$^{\dagger}$ \citep{y} & 2024 & \underline{0.866} & \underline{0.036} & \underline{0.906}&\underline{.031}&5\\%
U$^2$Net & 2020 & 0.700 & -- & 0.801$\pm$0.002 & 0.07l & 40 \\ \hline
\textbf{\ours} & -- & \rone{0.893} & \rone{0.030} & \rone{0.905} & \rone{0.026} & 86.5 \\[2pt]
\bottomrule
\end{tabular}}
\end{table*}
"""


def test_methods_as_rows_in_latex(tmp_path):
    (table,) = audit(tmp_path, ROWS)
    assert table.table.columns == {
        "IS-Net": {"DIS-TE1": {"f_max": "0.740", "mae": "0.074"}, OVERALL: {"f_max": "0.799", "mae": "0.070"}},
        "BiRefNet": {"DIS-TE1": {"f_max": "0.866", "mae": "0.036"}, OVERALL: {"f_max": "0.906", "mae": "0.031"}},
        "U2Net": {"DIS-TE1": {"f_max": "0.700"}, OVERALL: {"f_max": "0.801"}},
        "Ours": {"DIS-TE1": {"f_max": "0.893", "mae": "0.030"}, OVERALL: {"f_max": "0.905", "mae": "0.026"}},
    }
    assert table.table.table == "table 1 (line 9)"
    (finding,) = table.findings
    assert finding.message == (
        "f_max on Overall: 0.906 of BiRefNet is marked second but is best; 0.905 of Ours is marked best but is second"
    )
    assert table.unread == [
        "column 2 (Venue): no measure that disbench knows (3 cells)",
        "column 7 (Params (M)): no measure that disbench knows (4 cells)",
        "row 5, column 6: '0.07l' is not one number",
    ]
    assert table.notes == ["underline is read as second", r"\rone is read as best"]


COLUMNS = r"""
\begin{tabular}{c|c|cccc}
\hline
Datasets & Metric & IS-Net & \begin{tabular}{c}BiRef\\Net \cite{x}\end{tabular} & \textbf{Ours} & FPS\\
 & & ECCV 22 & CAAI 24 & -- & --\\ \hline
\multirow{3}{*}{\rotatebox{90}{DIS-VD}} & $maxF_\beta\uparrow$ & 79.1 & 89.7 & \textbf{91.8} & 1\\
 & $F_\beta^m$ & 72.0 & 80.0 & \textbf{93.0} & 1\\
 & $E_\phi \uparrow$ & 85.6 & 93.7 & \textbf{94.8} & 1\\ \hline
\end{tabular}
"""


def test_methods_as_columns_in_latex_in_percent(tmp_path):
    (table,) = audit(tmp_path, COLUMNS)
    assert table.table.columns["BiRef Net"] == {"DIS-VD": {"f_max": "0.897", "f_mean": "0.800", "e_mean": "0.937"}}
    assert list(table.table.columns) == ["IS-Net", "BiRef Net", "Ours"]
    assert [finding.message for finding in table.findings] == [
        "Ours on DIS-VD: f_mean 0.930 is greater than f_max 0.918, which cannot be"
    ]
    assert table.unread == [
        "row 2 (ECCV 22): names no subset, measure or method",
        "column 6 (FPS): names no method (3 cells)",
    ]
    assert table.notes[:2] == [
        "E_{φ} ↑ names no variant and is read as e_mean",
        "f_max, f_mean, e_mean: printed in percent, read as hundredths",
    ]


SECTIONS = r"""
\begin{table}\caption{On DIS-VD and others}
\begin{tabular}{lcc}\toprule
Method & S$_\alpha$ & HCE$_\gamma$\\\midrule
\multicolumn{3}{c}{\textit{DIS-TE1}}\\
A & 0.8 & 1,205\\
B & 0.9 & 149\\ \midrule
\multicolumn{3}{c}{DIS-TE2}\\
A & 0.7 & 305\\
A & 0.6 & 306\\
\end{tabular}\end{table}
"""


def test_subsets_as_rows_between_methods_and_methods_of_one_name(tmp_path):
    (table,) = audit(tmp_path, SECTIONS)
    assert table.table.columns == {
        "A": {"DIS-TE1": {"s_measure": "0.8", "hce": "1205"}, "DIS-TE2": {"s_measure": "0.7", "hce": "305"}},
        "B": {"DIS-TE1": {"s_measure": "0.9", "hce": "149"}},
        "A (row 7)": {"DIS-TE2": {"s_measure": "0.6", "hce": "306"}},
    }


def test_the_caption_names_the_subset_where_no_heading_does(tmp_path):
    source = r"\begin{table}\caption{On DIS-VD.}\begin{tabular}{lc}Method & MAE\\A & 0.1\\\end{tabular}\end{table}"
    assert audit(tmp_path, source)[0].table.columns == {"A": {"DIS-VD": {"mae": "0.1"}}}
    (table,) = audit(tmp_path, source.replace("DIS-VD", "our data"))
    assert table.table.columns == {"A": {"(no subset named)": {"mae": "0.1"}}}
    assert table.notes == ["neither heading nor caption names the subset, so the mean is not checked"]


MARKDOWN = """
| Method | DIS-VD |  | DIS-TE(1-4) | |
|---|---|---|---|---|
|  | wF | MAE | wF | MAE |
| IS-Net [a](https://x.org) | <ins>0.717</ins> | **0.074** | <u>0.726</u> | <u>0.070</u> |
| Ours\\_2 † | __0.800__ | <u>0.080</u> | **0.810** | <b>0.060</b> |

and one with subset and measure in a heading

Method | DIS-VD maxF | TE1 Sm
---|---|---
A | 0.8 | 0.9
"""


def test_tables_in_markdown(tmp_path):
    first, second = audit(tmp_path, MARKDOWN, ".md")
    assert first.table.columns == {
        method: {"DIS-VD": {"f_weighted": a, "mae": b}, OVERALL: {"f_weighted": c, "mae": d}}
        for method, a, b, c, d in (
            ("IS-Net a", "0.717", "0.074", "0.726", "0.070"), ("Ours_2", "0.800", "0.080", "0.810", "0.060")
        )
    }
    assert first.table.mark("Ours_2", OVERALL, "mae") == "best"
    assert first.table.mark("IS-Net a", OVERALL, "mae") == "second"
    assert rules(first) == []
    assert second.table.columns == {"A": {"DIS-VD": {"f_max": "0.8"}, "DIS-TE1": {"s_measure": "0.9"}}}


def test_a_wide_csv_file_and_the_mean_of_its_subsets(tmp_path):
    head = "Method;" + ";".join(f"{split} MAE" for split in (*TEST_SPLITS, "Average"))
    (table,) = audit(tmp_path, f"{head}\nC;0.1;0.2;0.3;0.4;0.75\nD;0.1;0.2;0.3;0.4;0.3\n", ".csv")
    assert [finding.message for finding in table.findings] == [
        "mae of C, Overall: 0.75 is printed, 0.25 follows from DIS-TE1 to DIS-TE4",
        "mae of C on Overall: 0.75 has 2 decimals, others have 1",
    ]


def test_a_bold_row_marks_no_rank(tmp_path):
    source = r"""\begin{tabular}{lcccc}Method & TE1 Sm & TE2 Sm & TE3 Sm & TE4 Sm\\
    A & \underline{0.800} & \underline{0.900} & 0.700 & \underline{0.910}\\B & 0.700 & 0.800 & \underline{0.900} & 0.5\\
    Ours & \textbf{0.600} & \textbf{0.700} & \textbf{0.500} & \textbf{0.920}\end{tabular}"""
    (table,) = audit(tmp_path, source)
    assert "bold marks no rank" in table.notes
    assert "underline is read as best" in table.notes
    assert "Ours" not in table.table.marks


PARTS = r"""
\begin{table}\caption{Scores}\begin{tabular}{lcc}
 & \multicolumn{2}{c}{DIS-TE1} \\ Method & $S_m$ & MAE \\
A$^1$ & 0.8 & \textbf{0.1} \\ A$^2$ & \textbf{0.9} & 0.2 \\
 & \multicolumn{2}{c}{DIS-TE2} \\ Method & $S_m$ & MAE \\
A$^1$ & 0.7 & \textbf{0.1} \\ A$^2$ & \textbf{0.8} & 0.x \\
\end{tabular} \begin{tabular}{lc} Method & TE3 MAE \\ A$^1$ & \textbf{0.1} \\ A$^2$ & 0.3 \end{tabular}
\end{table}
\begin{table}\caption{Continued from Table 1.}\begin{tabular}{lc}
Method & TE4 MAE \\ A$^1$ & \textbf{0.1} \\ A$^2$ & 0.x \end{tabular}
\end{table}
\begin{table}\caption{Another}\begin{tabular}{lc}Method & TE4 MAE \\ A & 0.4 \end{tabular}\end{table}
"""


def test_a_table_without_measures_is_said_not_to_be_read(tmp_path):
    other = r"\begin{tabular}{lc}Setting & Value\\ steps & 10\\ size & 1024\end{tabular}"
    *_, last = audit(tmp_path, PARTS + other)
    assert last.table.columns == {}
    assert last.unread == ["table 5 (line 13), rows 1 to 3: no heading names a measure (2 numbers)"]


def test_parts_of_a_table_are_one_table(tmp_path):
    table, other = audit(tmp_path, PARTS)
    mae = {split: {"mae": "0.1"} for split in ("DIS-TE3", "DIS-TE4")}
    assert table.table.columns == {
        "A": {"DIS-TE1": {"s_measure": "0.8", "mae": "0.1"}, "DIS-TE2": {"s_measure": "0.7", "mae": "0.1"}} | mae,
        "A (2)": {"DIS-TE1": {"s_measure": "0.9", "mae": "0.2"}, "DIS-TE2": {"s_measure": "0.8"}}
        | {"DIS-TE3": {"mae": "0.3"}},
    }
    assert table.unread == [
        "table 1 (line 2), row 8, column 3: '0.x' is not one number",
        "table 3 (line 9), row 3, column 2: '0.x' is not one number",
    ]
    assert rules(table) == []
    assert other.table.columns == {"A": {"DIS-TE4": {"mae": "0.4"}}}
    assert [finding.message for finding in other.findings] == [
        "mae of A on DIS-TE4: 0.1 in table 1 (line 2), 0.4 in table 4 (line 12)"
    ]


THIRD = ("red", "green", "blue")


def test_colours_of_best_second_and_third_are_read_and_a_wrong_one_is_found(tmp_path):
    def cell(value, ranks):
        return rf"\textcolor{{{THIRD[ranks]}}}{{{value}}}" if ranks < 3 else str(value)

    values = [[0.9, 0.8, 0.7, 0.6], [0.6, 0.9, 0.8, 0.7], [0.7, 0.6, 0.9, 0.8]]
    columns = [sorted(column, reverse=True) for column in values]
    rows = [[cell(column[i], ranked.index(column[i])) for column, ranked in zip(values, columns, strict=True)]
            for i in range(4)]  # fmt: skip
    source = r"\begin{tabular}{lccc}Method & TE1 Sm & TE2 Sm & TE3 Sm\\"
    source += r"\\".join(f"M{i} & {' & '.join(row)}" for i, row in enumerate(rows)) + r"\end{tabular}"
    (table,) = audit(tmp_path, source)
    assert rules(table) == []
    assert {mark for row in table.table.marks["M0"].values() for mark in row.values()} == {"best", "third"}
    (table,) = audit(tmp_path, source.replace(r"\textcolor{green}{0.8}", r"\textcolor{blue}{0.8}", 1))
    assert rules(table) == ["marks"]


def table_2():
    return next(table for table in collect_published(list_entries("dis5k")) if table.table == "Table 2")


@pytest.mark.parametrize("suffix", [".tex", ".md", ".csv"])
def test_a_report_of_a_published_table_is_read_back(tmp_path, suffix):
    file = tmp_path / f"r{suffix}"
    result = call("report", "dis5k", "--source", "2410.10105", "--out", file)
    assert result.exit_code == 0, result.output
    (table,) = audit_paper(file)
    published = table_2()
    assert (table.unread, table.table.columns) == ([], published.columns)
    if suffix == ".csv":  # has no marks
        assert rules(table) == ["swapped", "mean", "mean"]
    else:
        assert table.table.marks == {method: cells for method, cells in published.marks.items() if cells}
        assert rules(table) == ["swapped", "mean", "mean", "marks"]


@pytest.mark.parametrize("suffix", [".tex", ".md", ".csv"])
def test_a_report_of_many_sources_is_read_back(tmp_path, suffix):
    file = REPORTS / f"dis5k{suffix}"
    if suffix == ".md":  # whose default is a table for each subset
        file = tmp_path / "dis5k.md"
        assert call("report", "dis5k", "--layout", "columns", "--out", file).exit_code == 0
    (table,) = audit_paper(file)
    columns = table_2().columns
    assert table.unread == []
    assert {method: table.table.columns[method] for method in columns} == columns
    tables = tables_of_entries(list_entries("dis5k"))
    assert table.table.count_numbers() == sum(len(t.line(s, m)) for t in tables for s, m in t.lines if m in PAPER)
    assert [rule for rule in rules(table) if rule != "marks"] == ["swapped", "mean", "mean"]


def test_a_report_with_a_table_for_each_subset_is_read_back():
    tables = audit_paper(REPORTS / "dis5k.md")
    subsets = [{subset for cells in table.table.columns.values() for subset in cells} for table in tables]
    assert subsets == [{name} for name in ("DIS-VD", *TEST_SPLITS, "Overall")]
    columns = table_2().columns
    for table, (subset,) in zip(tables, subsets, strict=True):
        assert {method: table.table.columns[method][subset] for method in columns} == {
            method: cells[subset] for method, cells in columns.items()
        }


@pytest.mark.parametrize("suffix", [".tex", ".md", ".csv"])
def test_a_report_of_runs_is_read_back(tmp_path, suffix):
    titles = {0.7: "My_Net & Co.", 0.5: "Net-2 (large)"}
    runs = [make_run(tmp_path, quality=q, n=5, splits=TEST_SPLITS, title=title) for q, title in titles.items()]
    file = tmp_path / f"r{suffix}"
    keys = "f_max,f_weighted,e_mean,s_measure,mae"
    result = call("report", *(run.folder for run in runs), "--metrics", keys, "--out", file)
    assert result.exit_code == 0, result.output
    (table,) = audit_paper(file)
    assert (table.unread, rules(table)) == ([], [])
    expected = {
        run.title: {s: {k: f"{v:.3f}" for k, v in row.items()} for s, row in run.scores(keys).items()} for run in runs
    }
    assert table.table.columns == expected


def verdicts(tmp_path, **texts):
    head = ",".join(f"TE1 {key}" for key in texts)
    (table,) = audit(tmp_path, f"Method,{head}\nA,{','.join(texts.values())}\n", ".csv")
    return [(verdict.verdict, verdict.protocols) for verdict in table.verdicts if verdict.method], table


def test_numbers_that_binary_maps_cannot_have(tmp_path):
    impossible = ("impossible", ("diffdis",))
    assert verdicts(tmp_path, maxF="0.850", meanF="0.845")[0] == [impossible]
    assert verdicts(tmp_path, maxF="0.850", meanF="0.846")[0] != [impossible]  # 1/255 and rounding
    assert verdicts(tmp_path, mE="0.950", adpE="0.940")[0][0] == impossible
    assert verdicts(tmp_path, mE="0.941", adpE="0.940")[0] == []  # equal before rounding
    assert verdicts(tmp_path, mE="0.910", adpE="0.940")[0] == []
    assert verdicts(tmp_path, maxF="0.850", MAE="0.040")[0] == []


def test_what_depends_on_the_maps_is_unlikely_and_has_evidence_that_the_command_prints(tmp_path):
    (row,), table = verdicts(tmp_path, maxF="0.850", meanF="0.849")
    assert row[0] == "unlikely" and "pysod" in row[1] and "diffdis" not in row[1]
    (verdict,) = table.verdicts
    gaps = [e.scores["f_max"] - e.scores["f_mean"] for e in verdict.evidence if e.protocol == "pysod"]
    assert f"by {min(gaps):.3f} to {max(gaps):.3f}" in verdict.message


@pytest.mark.slow
@pytest.mark.ci
def test_the_command_of_the_evidence_prints_it(tmp_path):
    _, table = verdicts(tmp_path, maxF="0.850", meanF="0.849")
    (verdict,) = table.verdicts
    result = call(*verdict.command.split()[1:], "--format", "csv")
    names = ("method", "protocol", "split", "metric")
    printed = {tuple(row[n] for n in names): float(row["value"]) for row in csv.DictReader(io.StringIO(result.stdout))}
    shown = {(e.method, e.protocol, e.subset, key): score for e in verdict.evidence for key, score in e.scores.items()}
    assert shown == pytest.approx(printed, abs=1e-12)


def test_measures_that_a_code_does_not_compute(tmp_path):
    _, table = verdicts(tmp_path, Sm="0.9", HCE="100")
    assert {(v.protocols, v.message) for v in table.verdicts} == {
        (("isnet",), "their authors' code does not compute s_measure"),
        (("pdfnet", "mvanet-2024", "mvanet-2024-11"), "their authors' code does not compute hce"),
    }


def test_the_command_prints_findings_and_what_was_not_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("paper.tex").write_text(ROWS, encoding="utf-8")
    result = call("leaderboard", "audit", "paper.tex")
    assert result.exit_code == 1
    assert f"```text\n{result.stdout}```" in PAGE.read_text("utf-8")
    result = call("leaderboard", "audit", "paper.tex", "--json")
    (table,) = json.loads(result.stdout)["tables"]
    assert table["table"]["columns"]["IS-Net"]["DIS-TE1"]["f_max"] == "0.740"
    assert table["unread"][2] == "row 5, column 6: '0.07l' is not one number"


DEEP = r"\begin{tabular}{lc}Method & MAE\\A & " + "{" * 500 + r"\end{tabular}"
LAUGHS = "".join("\\def\\" + a + "{" + f"\\{b} " * 400 + "}" for a, b in ("ab", "bc", "cd", "de")) + r"\def\e{x}\a"
BROKEN = {
    "nothing.tex": (b"", "none of its 0 tables has scores"),
    "prose.md": (b"# No table\n", "none of its 0 tables has scores"),
    "other.csv": (b"a,b\n1,2\n", "none of its 1 tables has scores"),
    "bytes.tex": (b"\xff\xfe", "not LaTeX with tables (it is not UTF-8 text, from byte 0)"),
    "large.md": (b" " * ((1 << 21) + 1), "larger than 2 MiB"),
    "deep.tex": (DEEP.encode(), "nested too deeply"),
    "wide.tex": (rb"\begin{tabular}{l}" + rb"\multicolumn{999}{c}{x} & " * 60 + rb"\end{tabular}", "more than 50,000"),
    "high.tex": (rb"\begin{tabular}{l}" + rb"\multirow{999}{*}{x} & " * 60 + rb"\end{tabular}", "more than 50,000"),
    "span.tex": (rb"\begin{tabular}{l}\multicolumn{99999}{c}{x} & \end{tabular}", "a cell spans '99999'"),
    "laughs.tex": (LAUGHS.encode(), "expand to much more than the file"),
    "many.tex": (rb"\begin{tabular}{l}x\end{tabular}" * 300, "more than 200 tables"),
    "methods.md": (b"|Method|TE1 Sm|\n|-|-|\n" + b"".join(b"|M%d|0.5|\n" % i for i in range(501)), "has 501 methods"),
    "quote.csv": (b'Method,"x"y\n', "not a CSV table"),
    "long.csv": (b"method,split,metric,value\nA,DIS-VD\n", "a line has 2 fields"),
    "twice.csv": (b"method,split,metric,value\n" + b"A,DIS-VD,mae,0.1\n" * 2, "A, DIS-VD, mae occurs twice"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    content, words = BROKEN[name]
    Path(name).write_bytes(content)
    refused(call("leaderboard", "audit", name), f"{name}: ", words)


def test_a_missing_file_and_a_folder_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(call("leaderboard", "audit", "p.tex"), "p.tex: no such file")
    Path("p.tex").mkdir()
    refused(call("leaderboard", "audit", "p.tex"), "p.tex: not LaTeX with tables")


@pytest.mark.parametrize("suffix", [".tex", ".md"])
@pytest.mark.parametrize(
    "text",
    [text * 50_000 for text in ("{", r"\a{", "**", "_{", "<font color", r"\def\a{", "$", "__")]
    + [text * 6000 for text in ("|", r"\begin{tabular}", r"\multirow{2}")],
)
def test_hostile_text_ends_soon(tmp_path, text, suffix):
    row = f"| Method | TE1 Sm |\n|-|-|\n| A{text} | 0.5 |"
    table = rf"\begin{{tabular}}{{lc}}Method & TE1 Sm\\A{text} & 0.5\\\end{{tabular}}"
    file = tmp_path / f"p{suffix}"
    file.write_text(row if suffix == ".md" else table)
    result = call("leaderboard", "audit", file)
    assert result.exit_code in (0, 1, 2)
    assert isinstance(result.exception, SystemExit | None)


def test_text_of_a_paper_does_not_steer_the_terminal(tmp_path):
    file = tmp_path / "p.csv"
    file.write_text("Method,TE1 Sm\nA\x1b[31m,0.5\n\x1b[31mB,0.5x\n")
    result = call("leaderboard", "audit", file)
    assert "\x1b" not in result.stdout
    assert "0.5x" in result.stdout
