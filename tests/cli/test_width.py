"""Tables and texts in a narrow terminal: no word is broken, and none is lost."""

import fcntl
import io
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from fake_runs import make_run
from fake_timing import REQUEST, FakePredictor
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from image_files import write
from rich.console import Console

from disbench.cli.main import main
from disbench.data.location import find_dataset
from disbench.doctor import installation
from disbench.inference.model import Model
from disbench.registry.loading import get_card
from disbench.reports import terminal
from disbench.system.console import make_console
from disbench.system.text_tables import TableStyle, layout_table
from disbench.timing import record
from disbench.timing.measure import time_model

LONG = "MyNet-with-edges-and-depth"  # longer than the space of a column, where there are many
PATH = "runs/" + "a-folder-with-a-long-name/" * 4 + "masks"


def call(*arguments):
    answer = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert answer.exit_code in (0, 1), answer.output
    return answer.stdout


def check_width(whole, narrow, width=80):
    assert all(len(line) <= width for line in narrow.splitlines() if " " in line)  # a signature is one word
    assert set(narrow.split()) == set(whole.split())


def compare_widths(monkeypatch, show):
    """Check that a pipe and a terminal of 80 columns are told the same words, and return the lines of the latter."""
    monkeypatch.delenv("COLUMNS", raising=False)
    whole = show()
    monkeypatch.setenv("COLUMNS", "80")
    narrow = show()
    check_width(whole, narrow)
    return narrow.splitlines()


def layout(head, rows, width, **style):
    console = Console(width=width, record=True, file=io.StringIO())
    for block in layout_table(head, rows, width, TableStyle(**style)):
        console.print(block)
    return console.export_text()


words = st.text("abcdefgh", min_size=1, max_size=9)
cells = st.lists(words, min_size=1, max_size=4).map(" ".join)


@settings(max_examples=50, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # shrinking takes minutes
@given(st.data(), st.integers(3, 9), st.integers(1, 2), st.integers(40, 90))
def test_every_word_is_whole_in_a_line_that_fits(data, columns, keys, width):
    rows = data.draw(st.lists(st.tuples(*[cells] * columns), min_size=2, max_size=4))
    prose = data.draw(st.sets(st.sampled_from(rows[0])))
    shown = layout(rows[0], rows[1:], width, keys=keys, prose=prose)
    check_width(" ".join(word for row in rows for word in row), shown, width)


def test_a_table_that_fits_is_whole_and_one_that_does_not_repeats_its_keys():
    head, rows = ("measure", "old", "newer"), [("F", "0.9", "0.8 of it"), ("S", "0.7", "0.6 of it")]
    assert layout(head, rows, 25).split("\n")[:2] == ["measure  old  newer    ", "F        0.9  0.8 of it"]
    assert layout(head, rows, 20).splitlines() == [
        *("measure  old", "F        0.9", "S        0.7", ""),
        *("measure  newer    ", "F        0.8 of it", "S        0.6 of it"),
    ]  # fmt: skip
    assert len(layout(head, rows, 20, prose={"newer"}).splitlines()) == 5  # "0.8 of / it" in a single table


def test_a_word_wider_than_its_column_is_shortened_in_its_middle():
    shown = layout(("method", "path"), [("a" * 60 + "1", PATH), ("a" * 60 + "2", "b")], 40).splitlines()
    assert max(map(len, shown)) == 40
    names = [line.split()[0] for line in shown if line.startswith("a")]
    assert len(names) == 2 and all("…" in name for name in names)
    assert [name[-1] for name in names] == ["1", "2"]
    assert "masks" in shown[1]


def test_a_title_wider_than_the_table_is_not_folded_to_it():
    shown = layout(("a",), [("1",)], 80, title="DIS-Mini (synthetic), four subsets").splitlines()
    assert shown[0] == "DIS-Mini (synthetic), four subsets"


@pytest.mark.parametrize(
    "command",
    [
        ("models",), ("models", "diffdis"), ("metrics",), ("metrics", "f_max,hce"), ("data", "list"), ("data", "DIS5K"),
        ("leaderboard", "show"), ("leaderboard", "show", "--split", "DIS-TE1", "--metrics", "f_max,hce,mae"),
        ("leaderboard", "show", "leaderboards/dis-mini", "--split", "DIS-TE1"), ("leaderboard", "audit"),
        ("suite", "dis5k", "--plan"), pytest.param(("doctor",), marks=(pytest.mark.slow, pytest.mark.ci)),
    ],
)  # fmt: skip
def test_lists_at_80_columns(monkeypatch, command):
    # What is free changes between two calls.
    monkeypatch.setattr(installation, "free_memory", lambda device: 8_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=9e9, used=1e9, free=8_000_000_000))
    monkeypatch.setenv("COLUMNS", "80")
    narrow = call(*command)
    monkeypatch.delenv("COLUMNS")
    whole = call(*command)
    assert {word for word in narrow.split() if "…" not in word} <= set(whole.split())
    long = [line for line in narrow.splitlines() if len(line) > 80]
    assert all(len(line.split()) <= 3 or "disbench " in line for line in long), long  # addresses, commands


@pytest.fixture
def runs(tmp_path, shared_bootstraps):
    """Thirteen methods with long names."""
    return [
        make_run(tmp_path, quality=0.5 + k / 30, seed=k, title=f"{LONG}-{k}", splits=("DIS-TE1", "DIS-TE2"))
        for k in range(13)
    ]


def test_scores_of_many_methods_at_80_columns(monkeypatch, capsys, runs):
    monkeypatch.setattr(terminal, "stage_times", lambda result: None)  # these runs have no device

    def show():
        terminal.print_results_table(runs)
        return capsys.readouterr().out

    lines = compare_widths(monkeypatch, show)
    heads = [line for line in lines if line.startswith("subset")]
    assert len(heads) > 3
    assert [name for line in heads for name in line.split()[2:]] == [run.title for run in runs]


def test_a_comparison_at_80_columns(monkeypatch, runs):
    folders = [run.folder for run in runs[:3]]
    compare_widths(monkeypatch, lambda: call("compare", *folders, "--metrics", "f_max,mae", "--resamples", 100))


def test_a_check_at_80_columns(monkeypatch, runs):
    compare_widths(monkeypatch, lambda: call("check", runs[0].folder, "--against", runs[1].folder))


def test_times_at_80_columns(monkeypatch, tmp_path, make_pairs):
    timed = time_model(
        Model(get_card("otsu"), FakePredictor()), find_dataset(make_pairs(tmp_path / "mine", ["a"])), REQUEST
    )
    files = [tmp_path / f"{k}.json" for k in range(3)]
    for k, file in enumerate(files):
        record.write_timing(file, replace(timed, title=f"{LONG}-{k}"))
    compare_widths(monkeypatch, lambda: call("times", *files))


def test_complexities_at_80_columns(monkeypatch, tmp_path):
    for k in range(3):
        write(tmp_path / f"{LONG}-{k}.png", np.eye(20, dtype=np.uint8) * 255)
    compare_widths(monkeypatch, lambda: call("data", "complexity", tmp_path))


def test_a_terminal_of_80_columns():
    """As a person sees it, without $COLUMNS."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key != "COLUMNS"} | {"TERM": "dumb"}
    process = subprocess.Popen([sys.executable, "-m", "disbench", "data", "list"], stdout=child, env=environment)
    os.close(child)
    shown = b""
    while True:
        try:
            shown += os.read(parent, 4096)
        except OSError:  # the end of a terminal on Linux
            break
    os.close(parent)
    assert process.wait() == 0
    check_width(call("data", "list"), shown.decode())


@pytest.mark.parametrize("columns", ["0", "-5", "abc", ""])
def test_a_width_that_is_no_positive_number_counts_as_none(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    assert "Otsu" in call("models", "otsu")
    assert make_console().width == 10_000
