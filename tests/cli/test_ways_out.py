"""The way out that a mistake's one line names: it must be one that leads out."""

import io
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from fake_runs import make_run
from rich.console import Console

from disbench.cli.main import main
from disbench.data.dataset import TEST_SPLITS
from disbench.doctor import adapter
from disbench.metrics.catalogue import METRICS
from disbench.reports import terminal
from disbench.reports.options import LatexOptions
from disbench.reports.render import render_report
from disbench.reports.report import Report
from disbench.stats.compare import MethodScore, compare

OWN = """
class Predictor:
    device = "cpu"
    def __init__(self, card, weights, device): pass
    def prepare(self, image): return image.transpose(2, 0, 1)
    def infer(self, batch): return batch[:, 0]
    def restore(self, output, size): return output
"""


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def told(*arguments):
    """The one line."""
    ran = call(*arguments)
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1), ran.output
    return ran.stderr


@pytest.fixture
def folder(tmp_path, make_pairs, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    return make_pairs(tmp_path / "mine", ["a", "b"])


def test_a_folder_of_folders_is_not_searched_for_its_files_one_by_one(folder):
    shutil.copytree("mine/gt", "maps/net")
    assert "maps: no images in it, but folders (net)" in told("score", "maps", "--data", folder)
    assert "mine: no images in it, but folders (gt, im)" in told("score", "maps/net", "--truth", folder)


def test_maps_that_do_not_fit_name_the_truths_and_who_resizes(folder):
    shutil.copytree("mine/gt", "maps")
    cv2.imwrite("maps/a.png", np.zeros((9, 9), np.uint8))
    line = told("score", "maps", "--data", folder, "--protocol", "isnet,mvanet")
    assert "maps as maps of " in line and "mine/gt: 1 of another size" in line
    named = line.rpartition("resizes maps: ")[2].strip().split(", ")
    assert {"mvanet", "diffdis", "birefnet"} <= set(named) and not {"pysod", "isnet"} & set(named)
    ran = call("score", "maps", "--data", folder, "--protocol", ",".join(named), "--out", "r")
    assert ran.exit_code == 0, ran.output
    line = told("report", *{run.parent for run in (folder.parent / "r").glob("*/*/run.json")}, "--protocol", "pysod")
    assert "with --protocol pysod" not in line and "resize the maps yourself" in line


def test_runs_one_level_down_and_of_one_title_are_named(tmp_path):
    one, two = (make_run(tmp_path / "runs", quality=q).folder for q in (0.5, 0.7))
    above = one.parent.parent
    assert f"{above}: not a run folder" in (line := told("report", above)) and str(one) in line and str(two) in line
    assert str(one) in (line := told("report", one, two)) and str(two) in line
    assert f"({one.parent} is the latest alone)" in line
    (one / "run.json").write_text("{")
    assert "delete its run.json" in told("report", one)


def test_a_blank_after_a_comma_is_none_of_the_name(folder):
    lists = ["--metrics", "f_max, hce", "--protocol", "pysod, isnet"]
    ran = call("score", folder / "gt", "--data", folder, *lists)
    assert ran.exit_code == 0, ran.output


def test_a_baseline_on_other_data_is_not_called_unfinished(tmp_path):
    old = make_run(tmp_path / "old", splits=TEST_SPLITS)
    new = make_run(tmp_path / "new", data=("mine", "folder:mine"))
    line = told("check", new.folder, "--against", old.folder)
    assert "DiffDIS-mini on mine" in line and "run it whole" not in line


def test_a_picture_of_another_format_is_told_what_to_save_it_as(folder):
    (folder / "im" / "c.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    ran = call("predict", folder / "im", "--model", "otsu", "--out", "masks")
    assert ran.exit_code == 2
    assert ran.stderr.count("c.heic") == 1 and "save it as JPEG or PNG" in ran.stderr
    (folder / "there").touch()
    for photos, out in ((folder / "im", "m.png"), (folder / "im/a.jpg", folder / "there")):
        line = told("predict", photos, "--model", "otsu", "--out", out)
        assert f"{out}: the output is a folder" in line and "goes on" not in line


def test_a_predictor_without_identity_is_told_to_set_it():
    said = next(way for name, _, way in adapter.CHECKS if name == "key")
    assert "set self.identity to a dict" in said


def test_the_shipped_toy_is_called_one(folder):
    ran = call("predict", folder / "im/a.jpg", "--option", "size=64")
    assert ran.exit_code == 0, ran.output
    assert "trained on DIS-Mini/DIS-TR" in ran.stderr
    (folder / "net.py").write_text(OWN)
    ran = call("predict", folder / "im/a.jpg", "--model", folder / "net.py", "--again")
    assert (ran.exit_code, ran.stderr) == (0, "")


def test_a_narrow_terminal_loses_no_digit(tmp_path, monkeypatch):
    results = [make_run(tmp_path / "runs", quality=q, title=t) for q, t in ((0.5, "A long title"), (0.7, "B"))]
    shown = {}
    for width in (60, 400):
        out = io.StringIO()
        monkeypatch.setattr(terminal, "make_console", lambda out=out, width=width: Console(file=out, width=width))
        terminal.print_comparison(compare(results, "f_max", resamples=100), 100, 0)
        terminal.print_results_table([replace(result, meta={"environment": {"device": "cpu"}}) for result in results])
        shown[width] = sorted("".join(out.getvalue().split()))
    assert shown[60] == shown[400]


def test_a_tie_does_not_lie_on_the_interval_in_latex(tmp_path):
    results = [make_run(tmp_path / "runs", seed=s, title=t) for s, t in ((0, "A"), (1, "B"))]
    tex = render_report(Report(results), "latex", LatexOptions(intervals=True))
    assert r"\tied{" in tex and "rlap" not in tex
    assert "rlap" in render_report(Report(results), "latex")
    both = [results[0], results[1].with_protocol("mvanet")]
    assert r"A (pysod): \texttt{" in render_report(Report(both, metrics="f_max"), "latex")


def test_per_image_scores_have_a_place_before_any_work(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ("score", folder / "gt", "--truth", folder / "gt", "--per-image", "no/each.csv", "--out", "r")
    assert "there is no folder no; choose another place with --per-image" in told(*command)
    assert not (tmp_path / "r").exists()


def test_a_search_without_results_says_how_to_list_all_models():
    ran = call("models", "--find", "no such thing")
    assert (ran.exit_code, ran.stdout) == (0, "no model fits; `disbench models` lists all\n")


def test_a_comparison_has_the_digits_of_its_measure():
    assert terminal._number(MethodScore(value=842.5, low=700.0, high=901.25), METRICS["hce"]) == "842.5 [700.0, 901.2]"
    assert terminal._number(MethodScore(value=0.5), METRICS["f_max"], "+") == "+0.5000"


@pytest.mark.parametrize(("option", "way"), [("name", "--model"), ("weights", "--weights"), ("device", "--device")])
def test_an_argument_given_as_an_option_of_the_model_is_named(option, way):
    assert told("doctor", "--model", "otsu", "--option", f"{option}=x").endswith(f"; give {way}\n")
