"""An empty path, as of a shell variable that is not set, is refused: pathlib takes it for the current folder."""

import click
import pytest
from command import call

import disbench
from disbench.cli.main import main
from disbench.cli.options import FilledPath, FilledText
from disbench.errors import InputError
from disbench.runs.result import load_run
from disbench.runs.suite import read_suite

PLACES = ("DIR", "FILE", "RUN", "ENTRY", "BOARD", "BASELINE", "PHOTO", "TABLE")  # in metavars


def list_parameters(group, before=()):
    """Yield (words of a command, parameter) for all parameters that name a place."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from list_parameters(command, (*before, name))
        else:
            for parameter in command.params:
                metavar = parameter.metavar or ""
                if isinstance(parameter.type, click.Path) or any(place in metavar for place in PLACES):
                    yield (*before, name), parameter


PARAMETERS = list(list_parameters(main))


@pytest.mark.parametrize(
    ("words", "parameter"), PARAMETERS, ids=[f"{' '.join(words)} {p.name}" for words, p in PARAMETERS]
)
def test_every_empty_path_of_a_command_is_refused_in_one_line(words, parameter, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    is_titled = "TITLE=]" in (parameter.metavar or "")
    assert is_titled or isinstance(parameter.type, (FilledPath, FilledText))
    option = [] if isinstance(parameter, click.Argument) else [max(parameter.opts, key=len)]
    values = [""] * (parameter.nargs if parameter.nargs > 0 else 1)
    for value in ([*values], ["T="]) if is_titled else ([*values],):
        ran = call(*words, *option, *value, *(["--out", "out.png"] if is_titled and "--out" not in option else []))
        if "No such option" in ran.output:
            ran = call(*words, *option, *value)
        assert ran.exit_code == 2, ran.output
        assert "got an empty" in ran.stderr and ran.stderr.count("\n") == 1, ran.stderr
    assert not list(tmp_path.iterdir())


CALLS = {
    "run, out": lambda: disbench.run("otsu", data="mini", out=""),
    "run, data": lambda: disbench.run("otsu", data=""),
    "run, images": lambda: disbench.run("otsu", data=("", "gt")),
    "run, truths": lambda: disbench.run("otsu", data=("im", "")),
    "run, trimaps": lambda: disbench.run("otsu", data="d", truth_kind="alpha", trimaps=""),
    "load, weights": lambda: disbench.load("isnet", weights=""),
    "load, hub": lambda: disbench.load("hf:"),
    "load, base": lambda: disbench.load("diffdis", base=""),
    "score_maps, folder": lambda: disbench.score_maps(""),
    "score_maps, out": lambda: disbench.score_maps("maps", data="d", out=""),
    "report, runs": lambda: disbench.report(""),
    "report, out": lambda: disbench.report("dis5k", out=""),
    "report, times": lambda: disbench.report("dis5k", times=[""]),
    "load_run": lambda: load_run(""),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_empty_path_of_a_function_is_refused(name, make_pairs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_pairs(tmp_path / "d", ["a"])
    with pytest.raises(InputError, match="got an empty"):
        CALLS[name]()
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


@pytest.mark.parametrize(
    "text",
    [
        'models = [""]\n[[methods]]\nmodel = "otsu"\n[[datasets]]\ndata = "d"',
        '[[methods]]\nmodel = "otsu"\n[[datasets]]\nimages = ""\ntruth = "gt"',
        '[[methods]]\ntitle = "M"\nmaps = { d = "" }\n[[datasets]]\ndata = "d"',
        '[[methods]]\nmodel = "otsu"\nmaps = ""\n[[datasets]]\ndata = "d"',
        '[[methods]]\nmodel = "otsu"\n[[datasets]]\ndata = "d"\ntruth = ""',
        '[[methods]]\nmodel = "otsu"\n[[datasets]]\ndata = ""\ntruth = "d/gt"',
        '[[methods]]\nmodel = "otsu"\n[[datasets]]\ndata = "d"\nsplit = ""',
        '[[methods]]\nmodel = "otsu"\nweights = ""\n[[datasets]]\ndata = "d"',
    ],
)
def test_an_empty_path_in_a_suite_is_refused(text, tmp_path):
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(InputError, match=r"s\.toml: a path or name in it is an empty text"):
        read_suite(tmp_path / "s.toml")
