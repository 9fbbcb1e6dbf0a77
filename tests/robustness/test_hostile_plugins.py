"""Models from outside whose code is broken: one line that names the model, and the others are listed all the same."""

from pathlib import Path

import pytest
from hostile import accepted, call, data_set, nothing_half, refused
from own_registry import isolate_registry

from disbench.registry import discovery

CARD = 'title = "T"\nsummary = "S"\nstatus = "trivial"\npredictor = "predictor:P"\n'
CODE = """
import numpy as np

class P:
    device = "cpu"
    identity = {}
    def __init__(self, card, weights, device):
        pass
    def prepare(self, image):
        return image[..., 0][None]
    def infer(self, batch):
        return batch[:, 0] / 255
    def restore(self, output, size):
        return (output * 255).astype(np.uint8)
"""
LEFT_OUT = "cannot be imported"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    isolate_registry(monkeypatch)
    data_set("d")
    return tmp_path


def write(name, code=CODE, card=CARD):
    folder = Path("own", name)
    folder.mkdir(parents=True)
    if card is not None:
        (folder / "card.toml").write_text(card)
    if code is not None:
        (folder / "predictor.py").write_text(code)


def method(name, body):
    """The code with another method of this name."""
    return f"{CODE}    def {name}(self, *given):\n        {body}\n"


FAULTS = {  # what it is -> its code, words of the line
    "raises at import": ("1 / 0", LEFT_OUT),
    "leaves at import": ("import sys; sys.exit(0)", "SystemExit"),
    "no code": (None, LEFT_OUT),
    "no class": ("x = 1", LEFT_OUT),
    "a class that is none": ("P = 7", "predictor:P makes nothing"),
    "leaves when made": (CODE.replace("        pass", "        raise SystemExit"), "no predictor (SystemExit"),
    "leaves at work": (method("infer", "raise SystemExit(0)"), "it fails (SystemExit: 0)"),
    "raises when made": (CODE.replace("        pass", "        {}['x']"), "no predictor (KeyError"),
    "takes other arguments": (CODE.replace("card, weights, device", "card"), "no predictor (TypeError"),
    "a function that makes nothing": ("def P(card, weights, device): pass", "it has no prepare, infer, restore"),
    "no restore": (CODE.replace("def restore", "def other"), "it has no restore"),
    "no device": (CODE.replace("device =", "other ="), "AttributeError"),
    "device of a number": (CODE.replace('"cpu"', "7"), "its device"),
    "identity of text": (CODE.replace("identity = {}", "identity = ''"), "it fails (TypeError: 'str'"),
    "identity that is no data": (CODE.replace("identity = {}", "identity = {'x': np}"), "it fails (TypeError"),
    "prepare raises": (method("prepare", "raise RuntimeError('one\\ntwo')"), "fails (RuntimeError: one); `"),
    "prepare of 2 axes": (method("prepare", "return np.zeros((4, 4))"), "prepare returns float64 (4, 4), not (c"),
    "prepare of nothing": (method("prepare", "return None"), "prepare returns NoneType"),
    "infer raises": (method("infer", "assert 0, 'x'"), "it fails (AssertionError: x"),
    "infer of 4 axes": (method("infer", "return np.zeros((1, 1, 4, 4))"), "infer returns float64 (1, 1, 4, 4), not (1"),
    "infer of two": (method("infer", "return np.zeros((2, 4, 4))"), "infer returns float64 (2, 4, 4)"),
    "infer of a list": (method("infer", "return [[[0]]]"), "infer returns list"),
    "infer of NaN": (method("infer", "return np.full((1, 24, 32), np.nan)"), "infer returns NaN or infinity"),
    "infer of text": (method("infer", "return np.full((1, 24, 32), 'x')"), "fails"),
    "restore of floats": (method("restore", "return np.zeros((24, 32))"), "float64 (24, 32), not uint8 (24, 32)"),
    "restore of another size": (method("restore", "return np.zeros((9, 9), np.uint8)"), "(9, 9), not uint8 (24, 32)"),
    "restore of colours": (method("restore", "return np.zeros((24, 32, 3), np.uint8)"), "not uint8 (24, 32)"),
    "restore of a list": (method("restore", "return [[0]]"), "restore returns list"),
    "restore raises": (method("restore", "{}['x']"), "it fails (KeyError: 'x')"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_code(what):
    code, words = FAULTS[what]
    name = f"m{list(FAULTS).index(what)}"  # a module of one name would be remembered
    write(name, code)
    refused(call("run", "--models", "own", "--model", name, "--data", "d"), f"own/{name}", words)
    nothing_half()


def test_broken_code_is_listed_without_being_run():
    write("m", "import sys; sys.exit(0)")
    write("good")
    listed = accepted(call("models", "--models", "own"))
    assert "\ngood " in listed.stdout and "\nm " in listed.stdout and not listed.stderr


CARDS = {  # how it differs -> its folder's name, card, code, words of the note
    "no card": ("m", None, CODE, "own/m: skipped, since it has no card.toml"),
    "a card that is cut": ("m", CARD[:20], CODE, "own/m/card.toml: not a card"),
    "a built-in's name": ("isnet", CARD, CODE, "own/isnet: skipped, since"),
    "a name of Python's": ("_load", CARD, CODE, "no model can have this name"),
    "a predictor elsewhere": ("m", CARD.replace("predictor:P", "../x:P"), CODE, "of a module in the same folder"),
    "a predictor of Python's": ("m", CARD.replace("predictor:P", "os.path:join"), CODE, "a module in the same folder"),
}


@pytest.mark.parametrize("what", CARDS)
def test_a_folder_among_good_ones(what):
    name, card, code, words = CARDS[what]
    write(name, code, card)
    write("good")
    listed = accepted(call("models", "--models", "own"))
    assert "\ngood " in listed.stdout
    (line,) = listed.stderr.splitlines()
    assert words in line
    accepted(call("run", "--models", "own", "--model", "good", "--data", "d"))


def test_a_folder_without_models_is_told():
    Path("own").mkdir()
    assert "own: no model in it; each is a folder with" in accepted(call("models", "--models", "own")).stderr


def test_a_card_of_any_words_is_shown_inert():
    odd = (
        CARD.replace('"T"', r'"\u001b[31m\n"') + "[paper]\nvenue = 'V'\n[code]\nurl = 'u'\n[protocol]\nx = 2024-01-01\n"
    )
    write("good", card=odd)
    shown = accepted(call("models", "good", "--models", "own"))
    assert shown.stdout.startswith(r"\x1b[31m\n, trivial")
    assert "Paper: V\nCode: u at not stated, licence: not stated\nX: 2024-01-01\n" in shown.stdout
    assert '"x": "2024-01-01"' in accepted(call("models", "good", "--models", "own", "--json")).stdout


def test_an_entry_point_that_ends_the_process_is_told(tmp_path, monkeypatch):
    package = tmp_path / "ending"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit(0)")
    info = tmp_path / "ending-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ending\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[disbench.models]\nending = ending.inner\n")
    monkeypatch.syspath_prepend(tmp_path)
    _, broken = discovery._find_roots()
    assert broken["ending"] == "plug-in ending: ending.inner is missing (SystemExit: 0)"


@pytest.mark.parametrize("name", ["m", "run"])
def test_broken_commands_of_a_model_do_not_break_the_help(name):
    write(name, card=f'{CARD}commands = "predictor:MISSING"\n', code="import sys; sys.exit(0)")
    discovery.add_models_folder(Path("own"))
    shown = accepted(call("--help")).stdout
    assert "Evaluate a model." in shown and "Commands of DiffDIS only." in shown
    assert ("Commands of T only." in shown) == (name == "m"), "a command of disbench is listed once"
    if name == "m":
        refused(call("m", "--help"), LEFT_OUT)
