"""What a person at the command line meets: one line for a mistake, the right exit status, quick starts."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from command import call
from layout_files import parquet_row, put_folders, put_parquet

from disbench.cli.main import main
from disbench.system import progress

HEAVY = ("torch", "numba", "matplotlib", "scipy", "pandas", "diffusers", "pyarrow", "cv2")


@pytest.fixture
def folder(tmp_path, make_pairs, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    return make_pairs(tmp_path / "mine", ["a", "b"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--model", "otzu"], "did you mean otsu?"),
        (["run", "--model", "otsu", "--split", "DIS-TE7"], "known: DIS-TR"),
        (["run", "--model", "otsu", "--data", "nowhere"], "nowhere: no such folder"),
        (["run", "--model", "otsu", "--data", "mine", "--weights", "x"], "omit --weights"),
        (["run", "--model", "otsu", "--truth", "mine/gt"], "--images together with --truth"),
        (["score", "mine/im", "--truth", "nowhere"], "nowhere: no such folder"),
        (["score", "mine/im", "--truth", "nowhere", "--metrics", "mae,iou"], "unknown metric 'iou'; did you mean iou_"),
        (["score", "mine/gt", "--truth", "mine/gt", "--data", "mine"], "omit one of them"),
        (["score", "mine/gt", "other/gt", "--data", "mine"], "two folders are called 'gt'; give each a title"),
        (["report", "mine"], "not a run folder"),
        (["report", "mine", "--out", "x.txt"], "x.txt: no format has this suffix; known: .html"),
        (["data", "verify", "--data", "mine", "--against", "no.json"], "no.json"),
        (["data", "freeze", "--data", "mine", "--out", "no/list.json"], "No such file or directory\n"),
        (["run", "--model", "otsu", "--data", "red\x1b[31m\nline"], r"red\x1b[31m\nline: no such folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(folder, arguments, words):
    result = call(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.startswith("disbench: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


def test_what_the_output_cannot_show_is_escaped(folder):
    """As where Windows writes into a pipe, in an encoding without Greek."""
    narrow = CliRunner(charset="cp1252").invoke(main, ["metrics", "f_max"])
    assert narrow.exit_code == 0, narrow.exception
    assert narrow.stdout.startswith(r"f_max: F\u1d66 max, higher is better.")


def test_run_score_and_report(folder):
    ran = call("run", "--model", "otsu", "--data", folder, "--json")
    assert ran.exit_code == 0, ran.output
    (first,) = json.loads(ran.stdout)
    assert first["dataset"] == "mine"
    scored = call("score", f"copy={first['run']}/masks", "--data", folder, "--json")
    (second,) = json.loads(scored.stdout)
    assert second["scores"] == first["scores"]
    table = call("report", first["run"], second["run"], "--out", "t.csv")
    assert table.exit_code == 0, table.output
    assert {line.split(",")[4] for line in (folder.parent / "t.csv").read_text().splitlines()[1:]} == {"Otsu", "copy"}
    shown = call("run", "--model", "otsu", "--data", folder)
    assert "mine (2)" in shown.stdout
    assert "report.html" in shown.stdout


def test_metrics_are_chosen_for_any_run(folder):
    ran = call("run", "--model", "otsu", "--data", folder, "--metrics", "iou_max,ber_min", "--json")
    (result,) = json.loads(ran.stdout)
    assert list(result["scores"]["mine"]) == ["iou_max", "ber_min"]
    report = call("report", result["run"], "--metrics", "mae,iou_max", "--format", "csv")
    assert [line.split(",")[2] for line in report.stdout.splitlines()[1:]] == ["mae", "iou_max"]
    shown = call("score", f"{result['run']}/masks", "--data", folder, "--metrics", "kappa_whole")
    assert "κ whole" in shown.stdout
    assert "Fᵦ" not in shown.stdout


def test_a_folder_of_maps_may_have_an_equals_sign(folder):
    (folder / "gt").rename(folder / "lr=0.1")
    for argument, title in ((f"{folder}/lr=0.1", "lr=0.1"), (f"B={folder}/lr=0.1", "B")):
        scored = call("score", argument, "--truth", folder / "lr=0.1", "--json")
        assert json.loads(scored.stdout)[0]["title"] == title


def test_a_progress_bar_takes_any_title(folder):
    command = [sys.executable, "-m", "disbench", "score", f"[/x]={folder / 'gt'}", "--truth", folder / "gt"]
    env = os.environ | {"FORCE_COLOR": "1"}  # rich then draws into a pipe as into a terminal
    ran = subprocess.run(command, capture_output=True, text=True, cwd=folder.parent, env=env)
    assert ran.returncode == 0, ran.stderr
    assert "[/x]" in ran.stderr


def test_verify_tells_a_changed_copy(folder):
    assert call("data", "freeze", "--data", folder, "--out", "list.json").exit_code == 0
    assert call("data", "verify", "--data", folder, "--against", "list.json").exit_code == 0
    (folder / "im" / "a.jpg").write_bytes((folder / "im" / "b.jpg").read_bytes())
    differs = call("data", "verify", "--data", folder, "--against", "list.json")
    assert differs.exit_code == 1
    assert "mine/a: another image" in differs.stderr


def test_complexity_ranks_and_cuts_a_folder(folder):
    rows = json.loads(call("data", "complexity", folder, "--parts", "2", "--out", "cut", "--json").stdout)
    assert [row["part"] for row in rows] == [1, 2]
    assert rows[0]["rank"] <= rows[1]["rank"]
    ran = call("run", "--model", "otsu", "--data", "cut/part-2", "--json")
    assert list(json.loads(ran.stdout)[0]["scores"]) == ["part-2"]
    (folder / "gt" / "a.png").replace(folder / "gt" / "c.png")  # a part that is cut anew may be of other files
    (folder / "im" / "a.jpg").replace(folder / "im" / "c.jpg")
    again = call("data", "complexity", folder, "--parts", "2", "--out", "cut")
    assert (again.exit_code, "cut/part-1: exists" in again.stderr) == (2, True)
    assert len(list(folder.parent.glob("cut/*/*/*"))) == 4
    more = call("data", "complexity", folder, "--parts", "3")
    assert (more.exit_code, more.stderr) == (2, "disbench: 2 images cannot be cut into 3 parts; choose fewer parts\n")


def test_complexity_is_that_of_the_masks_that_have_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put_folders(Path("d"), "original", "mask")
    shutil.copytree("d/mask", "d/gt")
    for path in sorted(Path("d/gt").iterdir()):
        path.rename(path.with_stem(f"other-{path.stem}"))
    assert call("data", "complexity", "d", "--parts", "2", "--out", "cut").exit_code == 0
    linked = {path.resolve().relative_to(tmp_path) for path in Path("cut").glob("*/gt/*")}
    assert linked == set(Path("d/mask").iterdir())


def test_parts_of_parquet_files_outlive_the_cache(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    put_parquet(tmp_path / "d" / "train.parquet", [parquet_row(0), parquet_row(1)])
    assert call("data", "complexity", "d", "--parts", "2", "--out", "cut").exit_code == 0
    assert call("data", "clear-cache").exit_code == 0
    for part in ("cut/part-1", "cut/part-2"):
        assert "1 images, paired" in call("data", "verify", "--data", part).stdout


def test_verify_names_a_damaged_file_and_compares_it_with_nothing(folder):
    (folder / "gt" / "a.png").write_bytes((folder / "gt" / "a.png").read_bytes()[:-20])
    ran = call("data", "verify", "--data", folder)
    assert (ran.exit_code, ran.stdout.splitlines()[-1]) == (1, "damaged")
    assert "gt/a.png" in ran.stderr


def test_lists_are_for_people_and_programs():
    assert "otsu" in call("models").stdout
    assert "https://drive.google.com" in call("models", "diffdis").stdout
    assert {m["name"] for m in json.loads(call("models", "--json").stdout)} >= {"diffdis", "otsu", "all_foreground"}
    assert {m["key"] for m in json.loads(call("metrics", "--json").stdout)} >= {"f_max", "mae", "iou_whole"}
    listed = call("metrics").stdout.splitlines()
    assert "hce: HCE, lower is better; only on request" in listed
    assert "mae: M, lower is better" in listed
    assert any("counts summed over the images" in line for line in listed)
    assert max(len(line) for line in listed if line.startswith(" ")) <= 80
    assert [line.split(":")[0] for line in call("metrics", "hce,f_max").stdout.splitlines()] == ["hce", "f_max"]
    assert "unknown metric 'f_mx'; did you mean f_max" in call("metrics", "f_mx").stderr


def test_models_are_filtered_and_described():
    names = [m["name"] for m in json.loads(call("models", "--status", "verified", "--find", "ECCV", "--json").stdout)]
    assert names == ["ifa", "isnet", "rembg:isnet-anime", "rembg:isnet-general-use"]
    shown = call("models", "IS-Net").stdout
    assert "Resize: torch-bilinear, not antialiased" in shown
    assert "Weights isnet.pth (177 MB; licence: not stated; trained on: DIS5K/DIS-TR)" in shown
    assert "disbench run --model isnet --maps DIR" in shown


def test_a_described_model_is_folded_at_the_width_of_the_terminal(monkeypatch):
    """Addresses and commands stay whole; a pipe gets whole lines."""
    whole = call("models", "birefnet").stdout
    monkeypatch.setenv("COLUMNS", "80")
    lines = call("models", "birefnet").stdout.splitlines()
    assert all(len(line) <= 80 for line in lines if not line.startswith(("  by hand:", "  from:", "  then:")))
    assert max(map(len, whole.splitlines())) > 200
    assert " ".join(" ".join(lines).split()) == " ".join(whole.split())


def test_weights_are_listed_with_the_options_that_they_need():
    shown = call("models", "birefnet").stdout
    assert "BiRefNet_lite-2K/model.safetensors --option size=2560x1440 --data" in shown


def test_weights_that_are_not_there_are_told_before_any_work():
    missing = call("run", "--model", "isnet", "--data", "nowhere")
    assert missing.exit_code == 2
    assert "IS-Net needs --weights: get isnet.pth by hand from https://" in missing.stderr


def test_what_is_wrong_with_options_is_told_before_the_references_run(tmp_path):
    wrong = call(
        "run",
        "--model",
        "isdnet",
        "--weights",
        "untrained",
        "--option",
        "size=x",
        "--split",
        "DIS-VD",
        "--out",
        tmp_path,
    )
    assert wrong.exit_code == 2 and "size" in wrong.stderr
    assert not any(tmp_path.iterdir())


def test_published_maps_stand_in_for_a_model(folder):
    ran = call("run", "--model", "isnet", "--maps", folder / "gt", "--data", folder, "--json")
    result = json.loads(ran.stdout)[0]
    assert (result["title"], result["scores"]["mine"]["mae"]) == ("IS-Net, maps", 0)
    both = call("run", "--model", "isnet", "--maps", folder / "gt", "--weights", "isnet.pth", "--data", folder)
    assert both.exit_code == 2
    assert "--maps takes the model's place" in both.stderr
    for options in (["--save"], ["--alone"], ["--references", "all"]):
        refused = call("run", "--model", "isnet", "--maps", folder / "gt", "--data", folder, *options)
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
        assert "omit --save, --alone and --references" in refused.stderr


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        (["run", "--model", "otsu", "--option", "size=64", "--option", "size=96"], "--option size: given twice"),
        (["report", "--name", "A=B", "--name", "A=C"], "--name A: given twice"),
        (["run", "--model", "otsu", "--input", "depth=x", "--input", "depth=y"], "--input depth: given twice"),
        (["run", "--model", "otsu", "--device", ""], "--device: got an empty text"),
        (["run", "--model", "otsu", "--alone", "--references", "all"], "--alone skips the baseline rows"),
    ],
)
def test_options_that_contradict_each_other_are_refused(command, fault):
    answer = call(*command)
    assert (answer.exit_code, answer.stderr.count("\n")) == (2, 1)
    assert fault in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], HEAVY),
        (["models"], HEAVY),
        (["metrics"], ("torch", "numba", "matplotlib", "scipy.stats", "diffusers")),
    ],
)
def test_what_a_command_does_not_need_it_does_not_import(arguments, absent):
    code = (
        "import sys; from disbench.cli.main import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        f"print([m for m in {absent!r} if m in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        ("score", ("torch", "matplotlib", "pandas", "scipy.stats", "scipy.ndimage", "PIL", "jinja2")),
        ("report", ("torch", "matplotlib", "pandas", "scipy", "numba", "PIL", "jinja2")),
        ("curves", ("torch", "matplotlib", "pandas", "scipy", "numba", "PIL", "jinja2")),
    ],
)
def test_a_command_on_runs_loads_no_more_than_it_needs(folder, command, absent):
    arguments = {
        "score": ["score", folder / "gt", "--data", folder, "--json"],
        "report": ["report", "--format", "csv", "--by", "size", "--parts", "2"],
        "curves": ["curves", "--out", "c.csv"],
    }
    if command != "score":
        call(*arguments["score"])
    code = (
        "import sys; from disbench.cli.main import main\n"
        f"try: main({[str(a) for a in arguments[command]]!r})\n"
        "except SystemExit as end: assert not end.code\n"
        f"print([m for m in {absent!r} if m in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder.parent)
    assert (ran.returncode, ran.stderr.splitlines()[-1:]) == (0, ["[]"])  # after a line about compiling, if need be


def test_scoring_needs_no_torch(folder):
    code = (
        "import sys; sys.modules['torch'] = None; from disbench.cli.main import main\n"
        f"main(['score', {str(folder / 'gt')!r}, '--truth', {str(folder / 'gt')!r}, '--json'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder.parent)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)[0]["scores"]["mine"]["f_max"] == 1.0


def test_training_without_torch_says_what_to_install(folder):
    code = (
        "import sys; sys.modules['torch'] = None; from disbench.cli.main import main\n"
        "main(['train', 'recipe.toml', '--out', 'out'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder.parent)
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert "disbench[train]" in ran.stderr


def test_a_title_steers_no_terminal_and_is_no_markup(folder):
    shown = call("score", f"\x1b[31m[red]x={folder / 'gt'}", "--truth", folder / "gt")
    assert shown.exit_code == 0, shown.output
    assert "\\x1b[31m[red]x" in shown.stdout
    assert "\x1b[31m" not in shown.stdout


def test_a_run_without_maps_says_why_there_is_no_grid(folder):
    shown = call("run", "--model", "otsu", "--data", folder, "--no-save")
    assert "No qualitative grid" in shown.stdout


def test_two_runs_of_one_method_stand_together_under_titles(folder):
    first = json.loads(call("run", "--model", "otsu", "--data", folder, "--json").stdout)[0]["run"]
    refused = call("report", first, first)
    assert refused.exit_code == 2
    assert "TITLE=RUN" in refused.stderr
    table = call("report", f"before={first}", f"after={first}")
    assert "| before | after |" in table.stdout


def test_a_file_gets_whole_lines_and_a_narrow_terminal_its_own(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = call("models").stdout.splitlines()
    summary = "Every pixel is foreground: the least that max F can be."
    assert any(line.startswith("all_foreground") and summary in line for line in lines)
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, call("models").stdout.splitlines()[:-8])) <= 60


def test_every_command_says_in_one_line_what_it_does(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert "..." not in call("--help").stdout.partition("Commands:")[2]
    assert "..." not in call("data", "--help").stdout.partition("Commands:")[2]
    assert "..." not in call("leaderboard", "--help").stdout.partition("Commands:")[2]


def test_a_grid_of_runs_without_maps_is_refused(folder):
    for name, more in (("A", ["--save"]), ("B", [])):
        assert call("score", f"{name}=mine/gt", "--data", "mine", *more).exit_code == 0
    refused = call("grid", "--out", "g.png", "A", "B")
    assert (refused.exit_code, Path("g.png").exists()) == (2, False)
    assert "B: its maps were not saved; repeat the command of its run with --save" in refused.stderr


def test_glyphs_that_the_font_lacks_are_announced_once(folder, monkeypatch):
    for name in ("日本", "Net"):
        assert call("score", f"{name}=mine/gt", "--data", "mine", "--save").exit_code == 0
    monkeypatch.setattr(progress, "_announced", set())
    commands = ("grid", "--out", "g.png"), ("curves", "--out", "c.png")
    said = "".join(call(*command, "runs/日本", "Net").stderr for command in commands)
    assert said.count("not in the font of figures") == said.count("\n") == 1


def test_faults_of_two_folders_name_both(folder):
    shutil.copytree("mine/im", "elsewhere/photos")
    Path("elsewhere/photos/a.jpg").unlink()
    refused = call("run", "--model", "otsu", "--images", "elsewhere/photos", "--truth", "mine/gt")
    assert "elsewhere/photos with mine/gt: 1 without an image (a.png)" in refused.stderr


def test_an_output_in_a_folder_that_is_missing_names_the_folder(folder):
    refused = call("data", "freeze", "--data", "mine", "--out", "nowhere/list.json")
    assert (refused.exit_code, refused.stderr) == (2, "disbench: nowhere: No such file or directory\n")


def test_repeating_is_not_advised_where_it_cannot_help(folder, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", "mine/gt")

    monkeypatch.setattr("disbench.runs.execute.evaluate_maps", refuse)
    refused = call("score", "mine/gt", "--data", "mine")
    assert (refused.exit_code, refused.stderr) == (2, "disbench: mine/gt: Permission denied\n")


@pytest.mark.parametrize("option", ["--report", "--out"])
def test_a_suite_whose_output_is_a_file_is_refused_before_any_work(folder, option):
    Path("file").touch()
    Path("s.toml").write_text('[[datasets]]\ndata="mine"\n[[methods]]\nmodel="otsu"\n', encoding="utf-8")
    refused = call("suite", "s.toml", option, "file")
    assert (refused.exit_code, Path("runs").exists()) == (2, False)
    assert f"file: a file, not a folder; choose another place with {option}" in refused.stderr


def test_an_entry_is_looked_for_in_the_folder_that_has_it(folder):
    Path("boards/dis-mini").mkdir(parents=True)
    Path("boards/dis-mini/x.json").write_text("{}", encoding="utf-8")
    assert "boards: has no entries in it; give boards/dis-mini" in call("leaderboard", "check", "boards").stderr


def test_a_shard_without_a_result_is_an_empty_document(folder):
    for command in (["run", "--model", "otsu"], ["score", "M=mine/gt"]):
        ran = call(*command, "--data", "mine", "--shard", "1/2", "--json")
        assert (ran.exit_code, json.loads(ran.stdout)) == (0, [])
        assert "Shard 1/2 is finished" in ran.stderr
