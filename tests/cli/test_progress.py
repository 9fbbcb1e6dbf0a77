from types import SimpleNamespace

import pytest

from disbench.system import progress
from disbench.system.progress import DETAIL, show_progress


@pytest.fixture
def pipe(monkeypatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def test_short_work_prints_nothing_without_a_terminal(capsys, pipe):
    with show_progress() as report:
        report(1, 2, "images")
        report(2, 2, "images")
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test changes its `now`, in seconds."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress, "monotonic", lambda: clock.now)
    return clock


def report_every(clock, seconds, report, steps, total, label="Otsu"):
    for done in steps:
        report(done, total, label)
        clock.now += seconds


def test_slow_work_prints_a_line_every_30_seconds_without_a_terminal(capsys, pipe, clock):
    """A report every 10 seconds, after 100 of 1,100 images that an earlier run has done."""
    with show_progress() as report:
        report_every(clock, 10, report, range(100, 200, 10), 1100)
    assert capsys.readouterr() == (
        "",
        # 110 is the end of the first tenth
        "Otsu: 110 of 1,100, about 16 min left\nOtsu: 140 of 1,100, about 16 min left\n"
        "Otsu: 170 of 1,100, about 16 min left\n",
    )


def test_faster_work_prints_a_line_for_each_tenth(capsys, pipe, clock):
    with show_progress() as report:
        report_every(clock, 0.5, report, range(201), 200)
    left = ["2 min", *(f"{seconds} s" for seconds in range(80, 0, -10))]
    lines = [f"Otsu: {20 * k} of 200, about {rest} left" for k, rest in enumerate(left, 1)]
    assert capsys.readouterr().err.splitlines() == lines


def test_lines_are_5_seconds_apart(capsys, pipe, clock):
    with show_progress() as report:
        report_every(clock, 0.125, report, range(201), 200)
    shown = [int(line.split()[1]) for line in capsys.readouterr().err.splitlines()]
    assert shown == [40, 80, 120, 160]


def test_work_that_begins_again_under_its_label_is_timed_anew(capsys, pipe, clock):
    """A suite has a method on several data sets."""
    with show_progress() as report:
        report_every(clock, 10, report, range(5), 4)
        report_every(clock, 100, report, range(5), 4)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == [f"Otsu: {done} of 4, about {10 * (4 - done)} s left" for done in (1, 2, 3)]
    left = enumerate(("5 min", "3 min", "2 min"), 1)
    assert lines[3:] == [f"Otsu: {done} of 4, about {rest} left" for done, rest in left]


def test_a_detail_may_change_with_every_report(capsys, pipe, clock, monkeypatch):
    """As the loss of a training: there is one line of work, not a new one for every loss."""
    with show_progress() as report:
        for done in range(1, 4):
            report(done, 4, f"DiffDIS{DETAIL}loss 0.{done}")
            clock.now += 40
    lines = ["DiffDIS: 2 of 4, loss 0.2, about 80 s left", "DiffDIS: 3 of 4, loss 0.3, about 40 s left"]
    assert capsys.readouterr().err.splitlines() == lines
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with show_progress() as report:
        for done in range(1, 4):
            report(done, 4, f"DiffDIS{DETAIL}loss 0.{done}")
    shown = capsys.readouterr().err.split("DiffDIS: loss 0.3")
    assert len(shown) > 1 and "loss 0.1" not in shown[-2] + shown[-1]


def test_a_terminal_shows_what_is_done(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with show_progress() as report:
        report(1, 2, "images")
    assert "images" in capsys.readouterr().err
