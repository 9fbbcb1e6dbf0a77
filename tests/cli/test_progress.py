from disbench.system.progress import show_progress


def test_nothing_is_printed_without_a_terminal(capsys, monkeypatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    with show_progress() as report:
        report(1, 2, "images")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_what_is_done(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with show_progress() as report:
        report(1, 2, "images")
    assert "images" in capsys.readouterr().err
