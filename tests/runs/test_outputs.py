"""No output of a command damages a data set, a run, or another input."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from command import call
from fake_runs import make_run
from fixed_data import write_data

from disbench.errors import InputError
from disbench.runs.outputs import check_output, list_data_folders


def contents(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != ".lock"}


def find_run(method):
    return next(method.iterdir())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A data set, maps of it, a run on it, and links to its files."""
    root = tmp_path_factory.mktemp("outputs")
    write_data(root)
    done = call("score", f"M1={root / 'maps'}", "--data", root / "data", "--out", root / "runs", "--save")
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(root / "maps.zip", "w") as archive:
        for path in (root / "maps").iterdir():
            archive.write(path, path.name)
    shutil.copytree(root / "data" / "gt", root / "trimaps")
    soft = ("--truth-kind", "alpha", "--trimaps", root / "trimaps", "--metrics", "sad_unknown", "--save")
    for arguments in (("Zipped=maps.zip",), ("Soft=maps", *soft)):
        title, _, maps = arguments[0].partition("=")
        done = call("score", f"{title}={root / maps}", *arguments[1:], "--data", root / "data", "--out", root / "runs")
        assert done.exit_code == 0, done.output
    (root / "suite.toml").write_text('[[methods]]\ntitle = "M1"\nmaps = "maps"\n[[datasets]]\ndata = "data"\n')
    (root / "sets.json").write_text('{"D": {"mask": {"path": "data/gt", "suffix": ".png"}}}')
    (root / "methods.json").write_text('{"M1": {"D": {"path": "maps", "suffix": ".png"}}}')
    (root / "photos").mkdir()
    (root / "photos" / "a.png").write_bytes((root / "data" / "im" / "a.png").read_bytes())
    (root / "link").symlink_to(root / "data" / "gt")
    (root / "chosen").mkdir()
    (root / "chosen" / "a.png").symlink_to(root / "data" / "gt" / "a.png")
    return root


RUN = "runs/M1/KEY"
COMMANDS = [
    "run --model otsu --data data --out data/runs",
    "run --model otsu --data data --out data/gt",
    "run --model otsu --data data --out link/deeper",
    "run --model otsu --data data --out data/im/../gt/x",
    "run --model otsu --data data --out maps --maps maps",
    f"run --model otsu --data data --out {RUN}/masks",
    "score maps --data data --out data",
    "score maps --data data --out maps/runs",
    "score maps --truth data/gt --out data/gt",
    "score maps --data data --out new --per-image data/gt/b.csv",
    "score maps --data data --out new --per-image maps/b.csv",
    f"score maps --data data --out new --per-image {RUN}/scores.parquet",
    f"curves {RUN} --out data/gt/b.png",
    f"curves {RUN} --out link/b.png",
    f"curves {RUN} --out chosen/a.png",
    f"curves {RUN} --out {RUN}/run.json",
    f"curves {RUN} --out data/new.csv",
    f"grid {RUN} --out data/im/a.png",
    f"grid {RUN} --out {RUN}/masks/data/a.png",
    f"view {RUN} --out data/view",
    f"view {RUN} --out {RUN}/masks",
    f"report {RUN} --out data/report.html",
    f"report {RUN} --out data/gt/a.csv",
    f"report {RUN} --format csv --out {RUN}/run.json",
    f"report {RUN} --format csv --out {RUN}/scores.parquet",
    f"report {RUN} --format csv --out {RUN}/shards",
    f"submit {RUN} --to data",
    f"submit {RUN} --to {RUN}",
    "predict data/im --model otsu --again --out data/gt",
    "predict photos --model otsu --again --out data/gt",
    "predict data --model otsu --out data",
    f"predict photos --model otsu --again --out {RUN}/masks/data",
    f"curves {RUN} --out maps/a.png",
    f"curves {RUN} --out maps/new.csv",
    f"grid {RUN} --out maps/a.png",
    f"view {RUN} --out maps/view",
    f"report {RUN} --format csv --out maps/a.png",
    f"submit {RUN} --to maps",
    "report runs/Zipped/KEY --format csv --out maps.zip",
    "grid runs/Soft/KEY --out trimaps/a.png",
    "data freeze --data data --out data/gt/a.png",
    "data complexity maps --csv maps/a.png",
    "suite suite.toml --out maps/runs",
    "suite suite.toml --out data/gt",
    "suite suite.toml --out new --report maps/report",
    "suite suite.toml --out new --report suite.toml",
    "suite --from-pysodevaltoolkit sets.json methods.json --out data/gt/runs",
    "suite --from-pysodevaltoolkit sets.json methods.json --out new --report maps",
    "data freeze --data data --out data/list.json",
    f"data freeze --data data --out {RUN}/run.json",
    "data complexity data --csv data/gt/a.png",
    "data complexity data/gt --csv data/gt/new.csv",
    "data complexity data --parts 2 --out data",
    "time --model otsu --data data --quick --out data/im/time.json",
    "train --model isnet --data data --out data/gt",
    "train --model isnet --data mini --validate data --out data/training",
    "train mini --data data --out data",
    "diffdis ablate --data data --out data",
    "diffdis vae-ceiling --data data --out data/gt",
    "diffdis noise-spread --data data --out data/gt",
    "diffdis export --weights maps --out maps",
]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_harmful_output_is_refused_before_any_work(line, place, monkeypatch):
    monkeypatch.chdir(place)
    before = contents(place)
    done = call(*re.sub(r"(runs/\w+)/KEY", lambda match: str(find_run(Path(match[1]))), line).split())
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("disbench: "), done.stderr
    assert done.stderr.count("\n") == 1
    assert re.search("choose another (place with )?--", done.stderr), done.stderr
    assert contents(place) == before
    assert not (place / "new").exists()


@pytest.mark.parametrize(
    "line",
    [
        f"report {RUN} --out {RUN}/report/mine.html",
        f"report {RUN} --out {RUN}/table.tex",
        f"curves {RUN} --out curves.png",
        f"curves {RUN} --out curves.png",
        "predict photos --model otsu --out photos/masks",
        "score maps --data data --out .",
        "data freeze --data data --out data.json",
    ],
)
def test_a_harmless_output_is_written(line, place, monkeypatch):
    monkeypatch.chdir(place)
    key = next((place / "runs" / "M1").iterdir()).name
    if "report/mine" in line:
        (place / "runs" / "M1" / key / "report").mkdir()
    done = call(*line.replace("KEY", key).split())
    assert done.exit_code == 0, done.output


def test_who_works_in_the_folder_of_a_data_set_may_write_next_to_im_and_gt(place, monkeypatch):
    monkeypatch.chdir(place / "data")
    for location in (".", place / "data"):
        check_output(Path("runs"), list_data_folders(location))
        for out in ("gt", "im/runs"):
            with pytest.raises(InputError, match=r"inside"):
                check_output(Path(out), list_data_folders(location))


def test_a_timing_and_an_entry_are_not_overwritten_by_a_report_on_them(place, monkeypatch):
    monkeypatch.chdir(place)
    key = next((place / "runs" / "M1").iterdir()).name
    (place / "timing.html").write_text(json.dumps({}))
    done = call("report", f"runs/M1/{key}", "--times", "timing.html", "--out", "timing.html")
    assert done.exit_code == 2
    assert "the same file as timing.html" in done.stderr
    assert (place / "timing.html").read_text() == "{}"


def test_an_entry_with_measured_scores_only_is_not_overwritten_by_a_report_on_it(tmp_path):
    run = make_run(tmp_path / "runs")
    assert call("submit", run.folder, "--to", tmp_path / "boards").exit_code == 0
    (entry,) = (tmp_path / "boards").glob("*/*.json")
    before = entry.read_bytes()
    done = call("report", entry, "--format", "csv", "--out", entry)
    assert done.exit_code == 2
    assert f"the same file as {entry}" in done.stderr
    assert entry.read_bytes() == before


def test_a_folder_that_links_to_itself_and_a_long_name_cause_no_traceback(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for out in (tmp_path / "loop", tmp_path / ("n" * 300)):
        check_output(out, [tmp_path / "other"])
        with pytest.raises(InputError, match="inside"):
            check_output(out, [tmp_path])
