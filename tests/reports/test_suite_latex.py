"""The LaTeX of a suite fits the page, whatever its size and the names in it."""

import re
import shutil
import subprocess

import pytest
from made_results import HOSTILE, result

from disbench.reports.latex_text import escape_prose, stack_words
from disbench.reports.suite import DataResults, make_blocks, render_suite_latex

LONG_NAME = "camouflaged_objects_of_all_kinds_that_were_labelled_in_2024_and_checked_twice_in_2025"
SUITES = {  # name -> methods, data sets, metrics
    "small": (["Otsu", "All foreground"], ["DIS5K"], None),
    "wide": ([f"A method of a long name {k}" for k in range(12)], ["DIS5K", "my-images"], None),
    "long": (["Otsu", "Mine"], [f"set {k}" for k in range(14)], None),
    "every measure": (["Otsu", "Mine"], ["DIS5K", "my-images"], "all"),
    "hostile": ([f"{HOSTILE} {k}" for k in range(4)], [HOSTILE, LONG_NAME], None),
}
PAPER = r"""\documentclass%s{article}\usepackage[T1]{fontenc}\usepackage{booktabs,graphicx}
\begin{document}Text.\input{report}\end{document}"""


def render(name):
    methods, sets, metrics = SUITES[name]
    data = [
        DataResults(
            title=title,
            results=[
                result(method, 0.5 + 0.03 * k, ("DIS-VD",), dataset=title, token=f"folder:{title}")
                for k, method in enumerate(methods)
            ],
        )
        for title in sets
    ]
    return render_suite_latex(name, make_blocks(data, methods, metrics))


def test_many_data_sets_are_several_tables_with_labels_of_their_own():
    text = render("long")
    titles = re.findall(r"\\multicolumn\{4\}\{@\{\}l\}\{\\textbf\{(.*?)\}\}", text)
    assert titles == [f"set {k}" for k in range(14)]
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert labels == [f"tab:disbench-{k}" for k in range(1, len(labels) + 1)] and len(labels) > 1
    captions = re.findall(r"\\caption\{(.*?)\. Scores on (.*?)\. ", text)
    assert captions[0] == (f"long, part 1 of {len(labels)}", "set 0, set 1, set 2")
    assert [text.count(word) for word in (r"\begin{table}", r"\end{table}", r"\bottomrule")] == [len(labels)] * 3
    assert re.findall(r"\\label\{(.*?)\}", render("small")) == ["tab:disbench"]


def test_long_words_may_break_and_others_do_not():
    assert escape_prose("On a_b, and so on") == r"On a\_b, and so on"
    broken = escape_prose(f"On {'x' * 35} #")
    assert broken == r"On " + r"\allowbreak{}".join(["x" * 10] * 3 + ["x" * 5]) + r" \#"
    assert stack_words("Otsu") == "Otsu"
    assert stack_words("A_method of a long name") == r"\shortstack{A\_method of a \\ long name}"


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
@pytest.mark.parametrize("columns", ["", "[twocolumn]"])
@pytest.mark.parametrize("name", SUITES)
def test_it_compiles_and_nothing_leaves_the_page(tmp_path, name, columns):
    (tmp_path / "report.tex").write_text(render(name), "utf-8")
    (tmp_path / "paper.tex").write_text(PAPER % columns, "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    for fault in ("Overfull", "Float too large", "Missing character", "multiply defined"):
        assert fault not in done.stdout
