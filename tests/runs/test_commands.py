"""A method that is an external command is run on whole subsets, and its maps are scored like any others."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command import call
from command_card import CARD, make_command_card
from own_registry import isolate_registry

from disbench.data import dataset
from disbench.data.hashing import ChangedFileError
from disbench.data.images import read_map
from disbench.doctor import adapter
from disbench.errors import InputError
from disbench.inference.command import load_command
from disbench.inference.model import load_model
from disbench.registry import discovery, loading
from disbench.reports.terminal import print_results_table
from disbench.runs import api
from disbench.runs.shard import parse_shard
from disbench.runs.times import stage_times

NAMES = ["a", "b c", "-d#e", "ü;$(x)"]


@pytest.fixture
def folder(tmp_path, make_pairs):
    return make_pairs(tmp_path / "mine", NAMES)


@pytest.fixture
def card(tmp_path, monkeypatch):
    isolate_registry(monkeypatch)
    folder = make_command_card(tmp_path / "models")
    discovery.ROOTS.append(str(folder.parent))
    return folder


def run(folder, out, mode="good", **options):
    return api.run("by_command", data=folder, out=out, options={"mode": mode}, **options)


def calls(card):
    path = card / "calls.txt"
    return path.read_text().splitlines() if path.exists() else []


def test_the_maps_of_a_command_are_scored_and_kept(tmp_path, folder, card):
    result = run(folder, tmp_path / "runs")
    assert calls(card) == ["000001.jpg 000002.jpg 000003.jpg 000004.jpg"]
    expected = np.zeros((24, 32), np.uint8)
    expected[:, 8:16] = 200
    for row in result.rows["mine"]:
        assert np.array_equal(read_map(result.mask(row)), expected)
    log = (result.folder / "command" / "mine.log").read_text()
    assert log.splitlines()[0].startswith("$ ") and "mode good" in log
    assert sorted(path.name for path in (result.folder / "command" / "maps").iterdir()) == []
    assert result.title == "By command"


def test_the_time_of_a_command_is_that_of_a_process_and_never_of_stages(tmp_path, folder, card, capsys):
    result = run(folder, tmp_path / "runs")
    process = result.meta["process"]
    assert process["images"] == {"mine": 4} and process["seconds"]["mine"] > 0
    assert process["measured"] == "whole process, including loading"
    assert stage_times(result) is None
    assert all(row.seconds == {} for row in result.rows["mine"])
    print_results_table([result])
    printed = capsys.readouterr().out
    assert "s for 4 images (whole process, including loading)" in printed
    assert "ms per image" not in printed


def test_the_scores_are_those_of_the_same_maps_without_the_command(tmp_path, folder, card):
    result = run(folder, tmp_path / "runs")
    (scored,) = api.score_maps(result.folder / "masks" / "mine", data=folder, out=tmp_path / "scored")
    assert (result.folder / "scores.parquet").read_bytes() == (scored.folder / "scores.parquet").read_bytes()


def test_a_finished_run_does_not_call_the_command_again(tmp_path, folder, card):
    first = run(folder, tmp_path / "runs")
    assert run(folder, tmp_path / "runs").folder == first.folder
    assert len(calls(card)) == 1


def test_a_stopped_run_scores_the_maps_that_are_there(tmp_path, folder, card):
    def stop(done, total, label):
        if label == "By command" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder, tmp_path / "runs", progress=stop)
    result = run(folder, tmp_path / "runs")
    assert len(calls(card)) == 1
    whole = run(folder, tmp_path / "whole")
    assert (result.folder / "scores.parquet").read_bytes() == (whole.folder / "scores.parquet").read_bytes()


def test_subsets_that_are_finished_are_not_predicted_again(tmp_path, card, make_pairs, monkeypatch):
    for split, count in (("DIS-TE1", 2), ("DIS-TE2", 3)):
        make_pairs(tmp_path / "DIS5K" / split, [f"1#Frame#1#Chair#{split}-{i}" for i in range(count)])
        monkeypatch.setitem(dataset.SPLIT_COUNTS, split, count)
    with pytest.raises(InputError, match=r"DIS-TE2\.log: the command of By command failed with exit status 1"):
        run(tmp_path / "DIS5K", tmp_path / "runs", "once", split="DIS-TE1..2")
    result = run(tmp_path / "DIS5K", tmp_path / "runs", "once", split="DIS-TE1..2")
    assert [len(line.split()) for line in calls(card)] == [2, 3, 3]
    assert result.meta["process"]["images"] == {"DIS-TE1": 2, "DIS-TE2": 3}
    whole = run(tmp_path / "DIS5K", tmp_path / "whole", "once", split="DIS-TE1..2")
    assert (result.folder / "scores.parquet").read_bytes() == (whole.folder / "scores.parquet").read_bytes()


def test_a_lost_map_repeats_the_whole_subset(tmp_path, folder, card):
    result = run(folder, tmp_path / "runs")
    result.mask(result.rows["mine"][0]).unlink()
    run(folder, tmp_path / "runs")
    assert calls(card)[1] == "000001.jpg 000002.jpg 000003.jpg 000004.jpg"


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("fail", r"mine\.log: the command of By command failed with exit status 1; see its output there"),
        ("few", r"mine\.log: the command of By command wrote no map of 1 \(-d#e\.jpg\)"),
        ("extra", r"mine\.log: .* wrote what is no map of an image: 1 \(other\.png\)"),
        ("small", r"the maps that By command wrote as .* 4 of another size .*; the output .* is in .*mine\.log"),
    ],
)
def test_a_command_that_fails_is_one_line_that_names_its_log(tmp_path, folder, card, mode, words):
    place = ("--data", folder, "--out", tmp_path / "runs")
    done = call("run", "--model", "by_command", *place, "--option", f"mode={mode}")
    assert done.exit_code == 2
    with pytest.raises(InputError, match=words):
        run(folder, tmp_path / "runs", mode)
    (log,) = (tmp_path / "runs").glob("by_command/*/command/mine.log")
    assert f"mode {mode}" in log.read_text()
    assert ("no GPU here" in log.read_text()) == (mode == "fail")
    assert len(done.output.strip().splitlines()) <= 2
    assert not list((tmp_path / "runs").glob("by_command/*/shards/*.jsonl")) or not any(
        path.read_bytes() for path in (tmp_path / "runs").glob("by_command/*/shards/*.jsonl")
    )


def test_maps_of_another_size_follow_the_rule_of_the_protocol(tmp_path, folder, card):
    result = run(folder, tmp_path / "runs", "small", protocol="diffdis")
    assert result.size == "pillow-bicubic:4"
    (scored,) = _score_small(tmp_path, folder, result)
    assert result.scores("mae") == scored.scores("mae")
    assert result.signature == scored.signature


def _score_small(tmp_path, folder, result):
    """Score the same maps as `score` does, made by hand."""
    from image_files import write

    maps = tmp_path / "small"
    maps.mkdir()
    mask = np.zeros((12, 16), np.uint8)
    mask[:, 4:8] = 200
    for row in result.rows["mine"]:
        write(maps / f"{row.name}.png", mask)
    return api.score_maps(maps, data=folder, out=tmp_path / "scored", protocol="diffdis")


def test_a_command_that_hangs_is_ended_after_its_timeout(tmp_path, folder, monkeypatch):
    isolate_registry(monkeypatch)
    make_command_card(tmp_path / "models", timeout=0.3)
    discovery.ROOTS.append(str(tmp_path / "models"))
    with pytest.raises(InputError, match=r"mine\.log: the command of By command was ended after 0\.3 s"):
        run(folder, tmp_path / "runs", "hang")


def test_a_command_that_changes_an_image_is_not_scored(tmp_path, folder, card):
    with pytest.raises(ChangedFileError, match=r"-d#e\.jpg: changed"):
        run(folder, tmp_path / "runs", "spoil")


def test_a_program_that_is_missing_is_named(tmp_path, folder, card):
    text = (card / "card.toml").read_text().replace(repr(sys.executable), '"no-such-program"')
    (card / "card.toml").write_text(text)
    with pytest.raises(InputError, match=r"card\.toml: its command cannot be started \(no-such-program: No such file"):
        run(folder, tmp_path / "runs")


def test_an_option_that_no_program_can_take_is_reported(tmp_path, folder, card):
    with pytest.raises(InputError, match=r"card\.toml: its command cannot be started \(.*embedded null byte\)"):
        run(folder, tmp_path / "runs", "a\0b")


def test_the_key_has_command_options_weights_and_named_files(tmp_path, folder, card):
    def key(**options):
        return run(folder, tmp_path / "runs", **options).folder.name

    first = key()
    script = card / "predict.py"
    script.write_text(script.read_text() + "\n")
    second = key()
    text = (card / "card.toml").read_text()
    (card / "card.toml").write_text(text.replace('"{mode}"', '"{mode}", "settings.yaml", "{weights}"'))
    (card / "settings.yaml").write_text("a: 1")
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"1")
    third = key(weights=str(weights))
    (card / "settings.yaml").write_text("a: 2")
    fourth = key(weights=str(weights))
    weights.write_bytes(b"2")
    fifth = key(weights=str(weights))
    assert len({first, second, third, fourth, fifth}) == 5
    weights.write_bytes(b"1")
    assert key(weights=str(weights)) == fourth


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"{{images}}", ', "", r"`command` has no {images}; add the argument"),
        ('"{{images}}"', '"{{pictures}}", "{{images}}"', r"`command` has {pictures}, which means nothing"),
        ('mode = "good"', 'mode = "good", size = "3"', r"`command` has no {size} for the option"),
        ('mode = "good"', 'mode = "good", device = "3"', r"option 'device' is a name of disbench's own"),
        ("timeout = {timeout}", "timeout = -1", r"`timeout` is -1"),
        ("timeout = {timeout}", 'predictor = "a:b"', r"both a predictor and a command"),
        ("command = [{python}", 'command = ["", {python}', r"`command` has no program"),
        ("command = [{python}", "command = [3, {python}", r"Expected `str`, got `int`"),
    ],
)
def test_a_command_that_cannot_work_is_refused_with_its_card(tmp_path, monkeypatch, old, new, words):
    isolate_registry(monkeypatch)
    assert old in CARD
    make_command_card(tmp_path / "models", text=CARD.replace(old, new))
    discovery.ROOTS.append(str(tmp_path / "models"))
    with pytest.raises(InputError, match=rf"by_command/card\.toml: .*{words}"):
        loading.get_card("by_command")


def test_options_of_a_card_without_a_command_are_refused(tmp_path, monkeypatch):
    isolate_registry(monkeypatch)
    folder = make_command_card(tmp_path / "models")
    (folder / "card.toml").write_text('title = "x"\nstatus = "trivial"\npredictor = "a:b"\ntimeout = 3\n')
    discovery.ROOTS.append(str(tmp_path / "models"))
    with pytest.raises(InputError, match="`options` and `timeout` belong to a `command`"):
        loading.get_card("by_command")


def test_what_a_command_cannot_do_is_refused(tmp_path, folder, card):
    for options, words in [
        ({"weights": "w.pth"}, "By command has no weights; omit --weights"),
        ({"device": "cuda"}, "takes no device"),
        ({"shard": parse_shard("1/2")}, "predicts whole subsets; omit --shard"),
    ]:
        with pytest.raises(InputError, match=words):
            run(folder, tmp_path / "runs", **options)
    with pytest.raises(InputError, match="has no option 'size'; known: mode"):
        api.run("by_command", data=folder, out=tmp_path / "runs", options={"size": "3"})
    with pytest.raises(InputError, match="external command, which only predicts whole subsets: `disbench run --model"):
        load_model("by_command")
    assert calls(card) == []


def test_a_command_is_described_and_diagnosed(card, monkeypatch):
    truth = np.zeros((24, 32), np.uint8)
    truth[:, 8:16] = 255
    pairs = [(np.full((24, 32, 3), 9, np.uint8), truth)] * 3
    monkeypatch.setattr(adapter, "sample_pictures", lambda: pairs)
    described = call("models", "by_command")
    assert "predict.py '{images}' '{maps}'" in described.output
    (entry,) = json.loads(call("models", "by_command", "--json").stdout)
    assert entry["command"][-1] == "{mode}" and entry["options"] == {"mode": "good"}
    done = call("doctor", "--model", "by_command")
    assert "ok   command: 3 maps in" in done.output and "ok   maps: one per image" in done.output
    assert "ok   score: max F 1.000 on 3 images" in done.output
    done = call("doctor", "--model", "by_command", "--option", "mode=fail")
    assert done.exit_code == 1
    assert "FAIL command: the command of By command failed with exit status 1" in done.output
    assert "last line of its output: no GPU here" in done.output


def test_an_interruption_ends_the_program_and_its_children(tmp_path, folder, card):
    """Ctrl-C reaches only disbench; the program is a process group of its own."""
    (card / "predict.py").write_text(
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open('pids.txt', 'w').write(f'{os.getpid()} {child.pid}')\n"
        "time.sleep(600)\n"
    )

    def interrupt(done, total, label):
        if label == "By command, command" and (card / "pids.txt").exists() and (card / "pids.txt").read_text():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder, tmp_path / "runs", progress=interrupt)
    for pid in map(int, (card / "pids.txt").read_text().split()):
        assert _ends(pid)


def _ends(pid):
    for _ in range(100):
        try:
            os.kill(pid, 0)
            if "Z" in Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2][:3]:  # dead, and not yet reaped
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def test_a_command_gets_the_options_that_its_weights_need(tmp_path, monkeypatch):
    isolate_registry(monkeypatch)
    text = CARD.replace('"{{mode}}"]', '"{{mode}}", "{{weights}}"]')
    text += '[[weights]]\nname = "big.pth"\nurls = ["https://example.org"]\noptions = {{ mode = "few" }}\n'
    discovery.ROOTS.append(str(make_command_card(tmp_path / "models", text=text).parent))
    given = {name: load_command("by_command", name, None, {}).options for name in ("big.pth", "other.pth")}
    assert given == {"big.pth": {"mode": "few"}, "other.pth": {"mode": "good"}}
    assert load_command("by_command", "big.pth", None, {"mode": "hang"}).options == {"mode": "hang"}


@pytest.mark.parametrize("back", [True, False])
def test_a_command_may_make_its_folder_anew(tmp_path, folder, card, back):
    script = card / "predict.py"
    head = "images, maps, mode = sys.argv[1:4]\n"
    again = "import shutil\nshutil.rmtree(maps)\ntime.sleep(1.5)\n" + ("os.mkdir(maps)\n" if back else "sys.exit()\n")
    script.write_text(script.read_text().replace(head, head + again))
    if back:
        assert len(run(folder, tmp_path / "runs").rows["mine"]) == len(NAMES)
        return
    with pytest.raises(InputError, match="wrote no map of 4"):
        run(folder, tmp_path / "runs")


def test_a_command_that_is_mended_makes_its_maps_again(tmp_path, folder, card):
    script = card / "predict.py"
    whole = script.read_text()
    spoil = "\nfor name in os.listdir(maps):\n    open(os.path.join(maps, name), 'r+b').truncate(60)\n"
    (card / "helper.py").write_text(spoil)  # which the key of the run does not know
    script.write_text(whole + "\nexec(open('helper.py').read())\n")
    with pytest.raises(InputError, match=r"its program's output is in .*mine\.log"):
        run(folder, tmp_path / "runs")
    (card / "helper.py").write_text("")
    assert len(run(folder, tmp_path / "runs").rows["mine"]) == len(NAMES)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads the processes that Linux lists")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_ends_with_the_process_that_runs_it(tmp_path, number):
    """As SLURM and terminals end it."""
    code = (
        "import sys; from pathlib import Path; from disbench.system.processes import run_logged\n"
        "run_logged([sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(600)'], folder=Path(),"
        f" log=Path({str(tmp_path / 'log')!r}), timeout=0, poll=lambda: None)"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    while not (tmp_path / "log").exists() or "\n1\n" not in (tmp_path / "log").read_text():
        time.sleep(0.05)
        assert process.poll() is None
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("utf-8").split()
    process.send_signal(number)
    assert process.wait(20) == 128 + number
    assert children and not any(Path(f"/proc/{child}").exists() for child in children)
