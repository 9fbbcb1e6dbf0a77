"""A suite scores all methods on all data sets, resumes, continues after a fault, and makes one report."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command import call
from command_card import make_command_card
from image_files import write
from own_registry import isolate_registry

from disbench.errors import InputError
from disbench.runs import api
from disbench.runs.engines import threads
from disbench.runs.suite import read_suite

NAMES = ["a", "b", "c", "d"]
SUITE = """
title = "Three by three"
models = ["models"]
[[datasets]]
data = "kitchen"
[[datasets]]
title = "Garage & <b>"
data = "garage"
[[datasets]]
title = "Attic"
images = "attic/im"
truth = "attic/gt"
[[methods]]
model = "otsu"
[[methods]]
model = "all_foreground"
[[methods]]
title = "Mine"
maps = {{ kitchen = "maps/kitchen", "Garage & <b>" = "maps/garage", Attic = "maps/attic" }}
{more}
"""


@pytest.fixture
def place(tmp_path, make_pairs, monkeypatch):
    """A folder with three data sets, maps of a method on each, a model that is a command, and suite.toml."""
    isolate_registry(monkeypatch)
    monkeypatch.chdir(tmp_path)
    make_place(make_pairs)
    return tmp_path


@pytest.fixture(scope="module")
def finished(tmp_path_factory, make_pairs):
    """A place whose suite, with a command in it, has ended; tests read it."""
    with pytest.MonkeyPatch.context() as patch:
        isolate_registry(patch)
        patch.chdir(tmp_path_factory.mktemp("finished"))
        make_place(make_pairs)
        Path("suite.toml").write_text(SUITE.format(more='[[methods]]\nmodel = "by_command"\n'), encoding="utf-8")
        done = suite("--out", "runs")
        assert done.exit_code == 0 and "12 of 12 finished" in done.output, done.output
        yield Path.cwd()


def make_place(make_pairs):
    for count, name in enumerate(("kitchen", "garage", "attic"), 2):
        make_pairs(Path(name), NAMES[:count])
        Path("maps", name).mkdir(parents=True)
        for seed, truth in enumerate(sorted(Path(name, "gt").iterdir())):
            write(Path("maps", name, truth.name), np.random.default_rng(seed).integers(0, 256, (24, 32), np.uint8))
    make_command_card(Path("models"))
    Path("suite.toml").write_text(SUITE.format(more=""), encoding="utf-8")


def suite(*arguments, file="suite.toml"):
    return call("suite", file, *arguments)


def outputs(out):
    """Everything that must not depend on interruptions: the report, and the scores of every run."""
    files = [*sorted(out.parent.glob("suites/suite/report.*")), *sorted(out.glob("*/*/scores.parquet"))]
    return {str(file.relative_to(out.parent)): file.read_bytes() for file in files}


def records(out):
    text = (out.parent / "suites/suite/report.csv").read_text("utf-8")
    return {(r["dataset"], r["method"], r["metric"]): float(r["value"]) for r in csv.DictReader(text.splitlines())}


def test_a_suite_scores_what_single_commands_score(finished, tmp_path):
    table = records(finished / "runs")
    assert len(table) == 12 * 5
    otsu = api.run("otsu", data=finished / "garage", out=tmp_path).score("garage", "mae")["mae"]
    assert table["Garage & <b>", "Otsu", "mae"] == otsu
    (mine,) = api.score_maps(finished / "maps/attic", data=(None, finished / "attic/gt"), out=tmp_path)
    assert table["Attic", "Mine", "mae"] == mine.score("attic", "mae")["mae"]
    assert table["kitchen", "All foreground", "mae"] > 0.5


def test_the_report_has_a_block_for_each_data_set_and_escapes_names(finished):
    folder = finished / "suites/suite"
    tex = (folder / "report.tex").read_text("utf-8")
    titles = re.findall(r"\\multicolumn\{6\}\{@\{\}l\}\{\\textbf\{(.*?)\}\} ", tex)
    assert titles == ["kitchen", r"Garage \& \textless{}b\textgreater{}", "Attic"]
    assert r"Subset & Metric & Otsu & All foreground & Mine & By command \\" in tex
    assert tex.count("$F_\\beta^{max}") == 3
    assert tex.count("{") == tex.count("}")
    page = (folder / "report.html").read_text("utf-8")
    assert [page.count(f"<h2>{title}</h2>") for title in ("kitchen", "Garage &amp; &lt;b&gt;", "Attic")] == [1, 1, 1]
    assert "<b>Garage" not in page and "& <b>" not in page
    assert page.count('<table class="scores">') == 3


def test_a_method_that_fails_does_not_stop_the_others(place, monkeypatch):
    (place / "maps/garage/a.png").unlink()
    more = '[[methods]]\ntitle = "Broken"\nmodel = "by_command"\noptions = {mode = "fail"}\n'
    Path("suite.toml").write_text(SUITE.format(more=more), encoding="utf-8")
    done = suite("--out", "runs")
    assert done.exit_code == 1
    assert "8 of 12 finished" in done.output
    assert re.search(r"failed: Mine on Garage & <b>: maps/garage as maps of garage/gt: 1 missing \(a\)", done.output)
    assert done.output.count("the command of By command failed with exit status 1") >= 3
    assert len(records(place / "runs")) == 8 * 5
    page = (place / "suites/suite/report.html").read_text("utf-8")
    assert "<b>Broken</b> was not scored: runs/by_command" in page
    assert "<td data-metric=\"mae\"><span>–</span></td>" in page.replace(' class=""', "")


def test_a_fault_of_code_does_not_stop_the_others(place, monkeypatch):
    whole = threads.Threads.open

    def broken(self, model):
        if getattr(model, "name", "") == "otsu":
            raise RuntimeError("out of luck\nand more")
        return whole(self, model)

    monkeypatch.setattr(threads.Threads, "open", broken)
    done = suite("--out", "runs")
    assert done.exit_code == 1
    assert "failed: otsu on kitchen: RuntimeError: out of luck\n" in done.output
    assert "6 of 9 finished" in done.output


def test_a_missing_data_set_fails_for_its_methods_only(place):
    shutil.rmtree("garage")
    done = suite("--out", "runs")
    assert done.exit_code == 1
    assert "6 of 9 finished" in done.output
    page = (place / "suites/suite/report.html").read_text("utf-8")
    assert "No method was scored on this data set." in page
    assert "Scores on kitchen, Attic. ↑" in page


@pytest.mark.parametrize("stops", [(2, 5), *(pytest.param(s, marks=pytest.mark.slow) for s in ((1,), (9, 8)))])
def test_a_suite_that_was_stopped_ends_with_the_same_bytes(place, monkeypatch, stops):
    """Each stop ends the process after so many more rows."""
    suite("--out", "whole/runs")
    whole_open = threads.LocalSource.rows
    left = [0]

    def rows(self, *arguments):
        for row in whole_open(self, *arguments):
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            yield row

    with monkeypatch.context() as patch:
        patch.setattr(threads.LocalSource, "rows", rows)
        for stop in stops:
            left[0] = stop
            stopped = suite("--out", "runs")
            assert stopped.exit_code == 130
            assert "run the same command again to resume" in stopped.output
            assert not list(Path("suites").glob("*/report.*"))
    assert suite("--out", "runs").exit_code == 0
    assert len(outputs(place / "whole" / "runs")) == 3 + 9
    assert outputs(place / "runs") == outputs(place / "whole" / "runs")
    rows = sum(len(path.read_text().splitlines()) for path in Path("runs").glob("*/*/shards/*.jsonl"))
    assert rows == 3 * (2 + 3 + 4)  # no image was measured twice


@pytest.mark.slow
def test_a_suite_that_was_killed_twice_ends_with_the_same_bytes(tmp_path, monkeypatch, make_pairs):
    monkeypatch.chdir(tmp_path)
    make_place(make_pairs)
    text = SUITE.format(more="").replace('model = "all_foreground"', 'model = "by_command"')
    Path("suite.toml").write_text(text, encoding="utf-8")
    script = Path("models/by_command/predict.py")
    script.write_text(script.read_text("utf-8") + "time.sleep(0.5)\n", encoding="utf-8")
    command = [sys.executable, "-m", "disbench", "suite", "suite.toml", "--out"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([*command, "whole/runs"], env=environment, check=True, capture_output=True)
    for kill in (1, 5):  # finished tables
        with subprocess.Popen([*command, "runs"], env=environment, stdout=subprocess.DEVNULL) as process:
            while len(list(Path("runs").glob("*/*/scores.parquet"))) < kill:
                assert process.poll() is None, "the suite ended before it was killed"
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    subprocess.run([*command, "runs"], env=environment, check=True, capture_output=True)
    assert len(outputs(tmp_path / "whole" / "runs")) == 3 + 9
    assert outputs(tmp_path / "runs") == outputs(tmp_path / "whole" / "runs")


@pytest.mark.slow
@pytest.mark.parametrize("engine", [("--device", "cpu,cpu"), ("--engine", "ray")])
def test_a_suite_on_several_devices_or_a_cluster_gives_the_same_bytes(place, engine):
    if "ray" in engine:
        pytest.importorskip("ray")
    assert suite("--out", "whole/runs").exit_code == 0
    done = suite("--out", "runs", *engine)
    assert done.exit_code == 0, done.output
    assert outputs(place / "runs") == outputs(place / "whole" / "runs")


def plan(*arguments, file="suite.toml"):
    done = suite("--plan", "--json", *arguments, file=file)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_plan_shows_what_is_missing_done_and_left(place):
    more = '[[methods]]\nmodel = "isnet"\nweights = "isnet.pth"\n[[methods]]\nmodel = "by_command"\n'
    more += '[[methods]]\ntitle = "Theirs"\nmodel = "fp_dis"\nmaps = "no-maps"\n'
    Path("suite.toml").write_text(SUITE.format(more=more), encoding="utf-8")
    api.run("otsu", data="kitchen", out="runs")
    api.score_maps("maps/garage", title="Mine", data="garage", out="runs")
    shutil.rmtree("attic/im")
    document = plan("--out", "runs")
    cells = {(cell["method"], cell["dataset"]): cell for cell in document["cells"]}
    assert len(cells) == 18
    status = {key: cell["status"] for key, cell in cells.items()}
    assert status["otsu", "kitchen"] == "done" and cells["otsu", "kitchen"]["seconds"] == 0
    assert status["otsu", "Garage & <b>"] == "to do" and cells["otsu", "Garage & <b>"]["seconds"] > 0
    assert status["all_foreground", "kitchen"] == "to do" and cells["all_foreground", "kitchen"]["seconds"] is None
    assert status["Mine", "Garage & <b>"] == "done" and status["Mine", "kitchen"] == "to do"
    assert status["Mine", "Attic"] == "to do"  # maps need no images
    assert status["otsu", "Attic"] == "missing" and "attic/im: no such folder" in cells["otsu", "Attic"]["faults"][0]
    (fault,) = cells["isnet", "kitchen"]["faults"]
    assert fault.startswith("isnet.pth: no such file; get isnet.pth by hand from https://")
    (fault,) = cells["Theirs", "kitchen"]["faults"]
    assert fault.startswith("no-maps: no such folder or zip file; published maps: https://github.com/dongbo811/FP-DIS")
    assert status["by_command", "kitchen"] == "to do"
    assert document["seconds"] is None and document["bytes"] > 0
    printed = suite("--plan", "--out", "runs").output
    assert "unknown" in printed and "missing: isnet on kitchen, Garage & <b>" in printed
    assert sorted(path.name for path in Path("runs").iterdir()) == ["Mine", "otsu"]  # nothing was run


def test_maps_in_a_zip_file_are_planned_and_an_unknown_time_is_no_zero(place):
    Path(shutil.make_archive("mine", "zip", "maps/kitchen"))
    text = '[[datasets]]\ndata = "kitchen"\n[[methods]]\ntitle = "Mine"\nmaps = "mine.zip"\n'
    Path("suite.toml").write_text(text, encoding="utf-8")
    (cell,) = plan("--out", "runs")["cells"]
    assert cell["status"] == "to do"
    assert "Time left: unknown" in suite("--plan", "--out", "runs").output
    assert suite("--out", "runs").exit_code == 0
    assert plan("--out", "runs")["cells"][0]["status"] == "done"


def test_a_plan_counts_the_images_of_a_started_run_and_of_no_other(place, monkeypatch):
    def stop(done, total, label):
        if (label, done) == ("Otsu", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        api.run("otsu", data="garage", out="runs", progress=stop)
    api.run("all_foreground", data="garage", metrics="all,hce", out="runs")  # another run: more columns
    cells = {(cell["method"], cell["dataset"]): cell for cell in plan("--out", "runs")["cells"]}
    assert [cells["otsu", "Garage & <b>"][key] for key in ("status", "done", "images")] == ["started", 2, 3]
    assert cells["all_foreground", "Garage & <b>"]["status"] == "to do"


@pytest.mark.parametrize("more", ['title = "Otsu"\nmaps = "maps/kitchen"', 'title = "Errors"\nmodel = "otsu"'])
def test_names_in_the_report_are_checked_before_any_work(place, more):
    text = f'[[datasets]]\ndata = "kitchen"\n[[methods]]\nmodel = "otsu"\n[[methods]]\n{more}\n'
    Path("suite.toml").write_text(text, encoding="utf-8")
    for plan_only in ([], ["--plan"]):
        ran = suite("--out", "runs", *plan_only)
        assert ran.exit_code == 2 and not Path("runs").exists()
        assert re.search(r"'otsu' and 'Otsu' are both called 'Otsu'|is called 'Errors', as a picture", ran.stderr)


@pytest.mark.parametrize(
    ("size", "protocol", "metrics"),
    [(1, "birefnet,mvanet", "mae"), (2, "birefnet,mvanet", "mae"), (1, "pysod", "mae,camouflage_context")],
)
def test_a_plan_is_of_the_runs_that_the_suite_makes(place, size, protocol, metrics):
    for path in Path("maps/kitchen").iterdir():
        write(path, np.full((24 * size, 32 * size), 9, np.uint8))
    text = f'protocol = "{protocol}"\nmetrics = "{metrics}"\n[[datasets]]\ndata = "kitchen"\n'
    Path("suite.toml").write_text(text + '[[methods]]\ntitle = "M"\nmaps = "maps/kitchen"\n', encoding="utf-8")
    (before,) = plan("--out", "runs")["cells"]
    assert (before["status"], before["done"], before["images"]) == ("to do", 0, 2)
    assert suite("--out", "runs").exit_code == 0
    (after,) = plan("--out", "runs")["cells"]
    assert (after["status"], after["bytes"]) == ("done", 0)
    assert Path(after["run"]).is_dir()


@pytest.mark.parametrize(
    ("data", "protocol", "metrics", "words"),
    [
        ('truth = "kitchen/gt"', "pysod", "mae,camouflage_context", "it has no `images`"),
        ('data = "kitchen"', "birefnet,pysod", "mae", "of another size than the truth"),
    ],
)
def test_a_plan_shows_the_fault_that_the_suite_meets(place, data, protocol, metrics, words):
    for path in Path("maps/kitchen").iterdir():
        write(path, np.full((12, 16), 9, np.uint8))
    text = f'protocol = "{protocol}"\nmetrics = "{metrics}"\n[[datasets]]\n{data}\n'
    Path("suite.toml").write_text(text + '[[methods]]\ntitle = "M"\nmaps = "maps/kitchen"\n', encoding="utf-8")
    (cell,) = plan("--out", "runs")["cells"]
    assert cell["status"] == "missing"
    ran = suite("--out", "runs")
    assert ran.exit_code and words in ran.stderr and cell["faults"][0].partition(";")[0] in ran.stderr


def test_a_finished_suite_is_planned_as_done_with_every_kind_of_method(finished, monkeypatch):
    isolate_registry(monkeypatch)
    monkeypatch.chdir(finished)
    document = plan("--out", "runs")
    assert {cell["status"] for cell in document["cells"]} == {"done"}
    assert (document["seconds"], document["bytes"]) == (0, 0)


def test_protocols_stand_side_by_side_and_options_reach_the_command(place):
    more = '[[methods]]\ntitle = "By script"\nmodel = "by_command"\noptions = {mode = "good"}\n'
    Path("suite.toml").write_text(SUITE.format(more=more), encoding="utf-8")
    done = suite("--out", "runs", "--protocol", "pysod,isnet", "--metrics", "mae")
    assert done.exit_code == 0, done.output
    tex = (place / "suites/suite/report.tex").read_text("utf-8")
    assert "Otsu (pysod) & Otsu (isnet)" in tex and "By script (isnet)" in tex
    assert {metric for _, _, metric in records(place / "runs")} == {"mae"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title = 3", r"it has no \[\[methods\]\]"),
        ("[[methods]]\nmodel = 'otsu'", r"it has no \[\[datasets\]\]"),
        ("colour = 1", "the suite has the unknown key 'colour'; known: title, methods"),
        ("[[methods]]\nmodle = 'otsu'", r"\[\[methods\]\] 4 has the unknown key 'modle'; known: title, model"),
        ("[[methods]]\nmodel = 3", r"\[\[methods\]\] 4 \(Expected `str`, got `int` - at `\$.model`\)"),
        ("[[methods]]\ntitle = 'x'", r"\[\[methods\]\] 4 needs a `model` or `maps`"),
        ("[[methods]]\ntitle = 'x'\nmaps = {attic = 'x'}", "has maps of 'attic', which is no data set of the suite"),
        ("[[methods]]\nmodel = 'otsu'", "two methods are called 'otsu'; give each a `title`"),
        ("[[methods]]\nmaps = 'x'\nweights = 'y'", "the maps of 'x' take the model's place"),
        ("[[datasets]]\ndata = 'kitchen'", "two data sets are called 'kitchen'"),
        ("[[datasets]]\ntitle = 'x'", "the data set 'x' needs `data`, or `truth` with `images`"),
        ("[[datasets]]\ndata = 'x'\ntruth = 'y'", "the data set 'x' needs `data`, or"),
        ("protocol = 'pysodd'", "protocol: 'pysodd' is unknown"),
        ("metrics = 'maee'", "maee"),
        ("title = [", "not a suite"),
    ],
)
def test_a_suite_that_is_wrong_is_refused_in_one_line(tmp_path, monkeypatch, text, words):
    path = tmp_path / "s.toml"
    whole = "" if text.startswith("title = 3") or "no \\[\\[datasets" in words else SUITE.format(more="")
    whole = whole.replace('title = "Three by three"\n', "")
    path.write_text(f"{text}\n{whole}" if not text.startswith("[") else f"{whole}\n{text}\n")
    with pytest.raises(InputError, match=rf"s\.toml: .*{words}"):
        read_suite(path)
    done = call("suite", path, "--out", tmp_path / "runs")
    assert done.exit_code == 2 and len(done.output.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_a_suite_is_named_once_and_exists(tmp_path):
    for arguments, words in [
        ((), "give a suite, or --from-pysodevaltoolkit"),
        (("mini", "--from-pysodevaltoolkit", "a.json", "b.json"), "give a suite, or --from-pysodevaltoolkit"),
        (("medium",), "medium: no such file; shipped suites: dis5k, mini"),
        (("no.toml",), "no.toml: not a suite (No such file or directory)"),
    ]:
        done = call("suite", *arguments, "--out", tmp_path / "runs")
        assert done.exit_code == 2 and words in done.output, done.output


def test_a_report_is_not_written_into_a_data_set(place):
    done = suite("--out", "runs", "--report", "kitchen/gt/report")
    assert done.exit_code == 2 and "choose another place with --report" in done.output
    assert not Path("runs").exists()


def test_shipped_suites_name_models_weights_and_maps_that_cards_know():
    from disbench.leaderboard.entry import BOARDS_ROOT, list_boards
    from disbench.registry.loading import get_card

    files = sorted((BOARDS_ROOT / "suites").glob("*.toml"))
    assert [path.stem for path in files] == ["dis5k", "mini"]
    assert "suites" not in list_boards()
    table = read_suite(files[0])
    for method in table.methods:
        card = get_card(method.model)
        names = {entry.name for entry in card.weights} | {"diffdis-unet.safetensors"}
        assert card.maps if method.maps else {Path(method.weights).name, Path(method.weights).stem} & names
    published = json.loads((BOARDS_ROOT / "dis5k" / "diffdis.json").read_text("utf-8"))["reported"][0]
    assert len(table.methods) == published["source"]["column"] == 12
    assert [data.split for data in table.datasets] == ["all"]


# -- PySODEvalToolkit


def write_pysod(place, **changes):
    """The two files for kitchen and garage: masks with a prefix, maps with prefixes and suffixes."""
    for name in ("kitchen", "garage"):
        for folder, prefix, suffix in ((f"{name}-gt", "gt_", ".png"), (f"{name}-pred", f"{name}_", "_fused.png")):
            Path(folder).mkdir()
            source = Path(name, "gt") if folder.endswith("gt") else Path("maps", name)
            for path in source.iterdir():
                shutil.copy(path, Path(folder, f"{prefix}{path.stem}{suffix}"))
        Path(f"{name}-pred", "notes.txt").write_text("not a map", encoding="utf-8")
    part = {"image": {"path": "unused", "suffix": ".jpg"}}
    datasets = {
        name: part | {"mask": {"path": f"{name}-gt", "prefix": "gt_", "suffix": ".png"}}
        for name in ("kitchen", "garage")
    }
    fused = {
        name: {"path": f"{name}-pred", "prefix": f"{name}_", "suffix": "_fused.png"} for name in ("kitchen", "garage")
    }
    methods = {"Fused": fused, "Plain": {"garage": {"path": "maps/garage", "suffix": ".png"}, "kitchen": None}}
    Path("datasets.json").write_text(json.dumps(changes.get("datasets", datasets)), encoding="utf-8")
    Path("methods.json").write_text(json.dumps(changes.get("methods", methods)), encoding="utf-8")


def test_the_files_of_pysodevaltoolkit_are_a_suite(place):
    write_pysod(place)
    command = ("suite", "--from-pysodevaltoolkit", "datasets.json", "methods.json", "--out", "runs", "--metrics", "mae")
    listed = json.loads(Path("datasets.json").read_text(encoding="utf-8"))
    listed["Elsewhere"] = {"mask": {"path": "not-here"}}  # no method has maps of it
    Path("datasets.json").write_text(json.dumps(listed), encoding="utf-8")
    for _ in range(2):
        done = call(*command)
        assert done.exit_code == 0, done.output
        assert "3 of 3 finished" in done.output
    text = Path("suites/methods/report.csv").read_text("utf-8")
    values = {(r["dataset"], r["method"]): float(r["value"]) for r in csv.DictReader(text.splitlines())}
    (mine,) = api.score_maps("maps/garage", data=(None, "garage/gt"), out="other")
    mae = mine.score("garage", "mae")["mae"]
    assert values == {
        ("garage", "Fused"): mae,
        ("garage", "Plain"): mae,
        ("kitchen", "Fused"): values["kitchen", "Fused"],
    }


def test_a_file_that_is_gone_leaves_no_link_and_is_a_fault(place):
    write_pysod(place)
    command = ("suite", "--from-pysodevaltoolkit", "datasets.json", "methods.json", "--out", "runs")
    assert call(*command).exit_code == 0
    Path("garage-pred/garage_a_fused.png").unlink()
    done = call(*command)
    assert done.exit_code == 1
    assert "failed: Fused on garage: " in done.output and "1 missing (a)" in done.output


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"datasets": {"kitchen": {"image": {"path": "x"}}}}, "datasets.json: kitchen has no `mask`"),
        ({"datasets": {"kitchen": {"mask": {"path": 3}}}}, "datasets.json: not a file of PySODEvalToolkit: kitchen"),
        ({"datasets": {"kitchen": {"mask": {"path": ""}}}}, "PySODEvalToolkit: kitchen (its path is empty)"),
        ({"methods": {"A b": {}, "a/b": {}}}, "methods.json: two names differ only in case or special characters"),
        ({"datasets": {"kitchen": {"mask": {"path": "gone"}}}}, "datasets.json: kitchen: gone: No such file"),
        ({"datasets": {"kitchen": {"mask": {"path": "kitchen/gt", "prefix": "q"}}}}, "no file with prefix 'q'"),
        ({"datasets": [1]}, "datasets.json: not a file of PySODEvalToolkit"),
        ({"methods": {"M": {"elsewhere": {"path": "maps"}}}}, "methods.json: no method has maps of a data set"),
        ({"methods": {"M": {"garage": {"path": "maps/garage", "suffix": ".jpg"}}}}, "suffix '.jpg'; correct them"),
    ],
)
def test_files_of_pysodevaltoolkit_that_are_wrong_are_refused(place, changes, words):
    write_pysod(place, **changes)
    done = call("suite", "--from-pysodevaltoolkit", "datasets.json", "methods.json", "--out", "runs")
    assert done.exit_code == 2 and words in done.output, done.output
    assert "Traceback" not in done.output


def test_files_of_other_content_have_links_of_their_own(place):
    """Two commands may run at once, and read what their own files name."""
    write_pysod(place)
    command = ("suite", "--from-pysodevaltoolkit", "datasets.json", "methods.json", "--out", "runs", "--plan")
    assert call(*command).exit_code == 0
    first = {path: path.readlink() for path in Path("suites/methods").rglob("*") if path.is_symlink()}
    listed = json.loads(Path("methods.json").read_text(encoding="utf-8"))
    del listed["Fused"]
    Path("methods.json").write_text(json.dumps(listed), encoding="utf-8")
    assert call(*command).exit_code == 0
    links = {path: path.readlink() for path in Path("suites/methods").rglob("*") if path.is_symlink()}
    assert first.items() < links.items()
    assert len({path.parts[2] for path in links}) == 2
