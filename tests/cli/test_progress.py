import pytest

from disbench.system import progress
from disbench.system.progress import show_progress


@pytest.fixture
def pipe(monkeypatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def test_short_work_prints_nothing_without_a_terminal(capsys, pipe):
    with show_progress() as report:
        report(1, 2, "images")
        report(2, 2, "images")
    assert capsys.readouterr() == ("", "")


def test_long_work_prints_lines_without_a_terminal(capsys, pipe, monkeypatch):
    """A report every 10 seconds, after 100 of 1,100 images that an earlier run has done."""
    seconds = iter(range(0, 1000, 10))
    monkeypatch.setattr(progress, "monotonic", lambda: next(seconds))
    with show_progress() as report:
        for done in range(100, 200, 10):
            report(done, 1100, "Otsu")
        for done in (1000, 1020, 1060):
            report(done, 1100, "Otsu")
        report(1100, 1100, "Otsu")
    assert capsys.readouterr() == (
        "",
        "Otsu: 120 of 1,100, about 16 min left\nOtsu: 150 of 1,100, about 16 min left\n"
        "Otsu: 180 of 1,100, about 15 min left\nOtsu: 1,020 of 1,100, about 10 s left\n",
    )


def test_a_terminal_shows_what_is_done(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with show_progress() as report:
        report(1, 2, "images")
    assert "images" in capsys.readouterr().err
