"""The modules and files that a user's Python file consists of are in its run key."""

import sys

import numpy as np
import pytest

from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.registry.sources import list_sources

IMAGE = np.full((4, 5, 3), 60, np.uint8)
BODY = """
class Predictor:
    def __init__(self, card, weights, device): pass
    def prepare(self, image): return image.mean(2)[None]
    def infer(self, batch): return (batch[:, 0] > level()).astype("float32")
    def restore(self, output, size): return (output * 255).astype("uint8")
"""


def write(folder, files):
    """Write modules by their dotted names; returns the path of mine.py."""
    for name, text in files.items():
        path = folder / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "mine.py"


HELPERS = {
    "a module": ("import helper\nlevel = lambda: helper.LEVEL", "helper.py"),
    "a name of a module": ("from helper import LEVEL\nlevel = lambda: LEVEL", "helper.py"),
    "a module in a function": (
        "import os, sys; sys.path.append(os.path.dirname(__file__))\n"
        "def level():\n    import helper\n    return helper.LEVEL",
        "helper.py",
    ),
    "a package": ("import pack\nlevel = lambda: pack.LEVEL", "pack/__init__.py"),
    "a module of a package": ("import pack.deep.inner as m\nlevel = lambda: m.LEVEL", "pack/deep/inner.py"),
    "a module from a package": ("from pack import inner\nlevel = lambda: inner.LEVEL", "pack/inner.py"),
    "import_module": (
        "import importlib\nlevel = lambda: m.LEVEL\nm = importlib.import_module('helper')", "helper.py"
    ),
}


@pytest.mark.parametrize("kind", HELPERS)
def test_a_changed_module_is_another_model_at_once(kind, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend("")
    monkeypatch.setattr(sys, "dont_write_bytecode", False)  # as users have it
    code, helper = HELPERS[kind]
    path = write(tmp_path, {"mine": code + BODY})
    (tmp_path / helper).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / helper).write_text("LEVEL = 50")
    first = load_model(str(path))
    assert first.predict(IMAGE).all()
    (tmp_path / helper).write_text("LEVEL = 70")  # of the same size, within the same second
    second = load_model(str(path))
    assert second.identity != first.identity
    assert not second.predict(IMAGE).any()


def test_modules_that_modules_import_count(tmp_path):
    modules = {
        "mine": "import one, numpy, json",
        "one": "from pack import two",
        "pack.__init__": "",
        "pack.two": "from . import three\nfrom .sub.four import x",
        "pack.three": "",
        "pack.sub.four": "from ...one import y\nfrom ..five import z\nimport one",
        "pack.five": "",
        "unused": "",
    }
    path = write(tmp_path, modules)
    names = {source.relative_to(tmp_path).as_posix() for source in list_sources(path)}
    inner = {f"pack/{name}.py" for name in ("__init__", "two", "three", "five", "sub/four")}
    assert names == {"mine.py", "one.py"} | inner


def test_files_that_the_code_names_count(tmp_path):
    code = (
        "from pathlib import Path\nimport os\nHERE = Path(__file__).parent\n"
        "a = open('a.bin')\nb = HERE / 'data' / 'b.bin'\nc = os.path.join('x', HERE, 'data', 'c.bin')\n"
        "d = HERE / 'data/d.bin'\ntext = 'other'\nlong = '" + "x" * 5000 + "'\nnull = 'a\\0b'\n"
    )
    path = write(tmp_path, {"mine": code})
    (tmp_path / "data").mkdir()
    for name in ("a.bin", "data/b.bin", "data/c.bin", "data/d.bin", "data/e.bin", "f.bin"):
        (tmp_path / name).write_bytes(b"")
    names = {source.relative_to(tmp_path).as_posix() for source in list_sources(path)}
    assert names == {"mine.py", "a.bin", "data/b.bin", "data/c.bin", "data/d.bin"}


WAYS_TO_A_FILE = {
    "the end of a path": ("open(os.path.dirname(__file__) + '/w.pth')", "w.pth"),
    "the end of a formatted path": ("open(f'{HERE}/data/w.pth')", "data/w.pth"),
    "a path with a place for the folder": ("open('{}/w.pth'.format(HERE))", "w.pth"),
    "a suffix": ("open(Path(__file__).with_suffix('.pth'))", "mine.pth"),
    "a suffix in capitals": ("open(HERE / 'W.PTH')", "W.PTH"),
    "a pattern": ("open(next(HERE.glob('*.pth')))", "w.pth"),
    "code that is run": ("runpy.run_path(HERE / 'net.py')", "net.py"),
    "a module by a keyword": ("importlib.import_module(name='net')", "net.py"),
    "a module of a folder on the path": ("sys.path.insert(0, str(HERE / 'lib'))\nimport net", "lib/net.py"),
    "a module of the folder above": ("sys.path.insert(0, str(HERE.parent))\nimport net", "../net.py"),
    "a package of a folder on the path": ("sys.path.append('lib')\nfrom pack.a import b", "lib/pack/b.py"),
}


@pytest.mark.parametrize("way", WAYS_TO_A_FILE)
def test_files_that_the_code_reaches_in_other_ways_count(way, tmp_path):
    code, name = WAYS_TO_A_FILE[way]
    path = write(tmp_path / "here", {"mine": code})
    if "pack" in code:
        write(tmp_path / "here", {"lib.pack.a": "from .b import b"})
    file = path.parent / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("")
    assert file.resolve() in {source.resolve() for source in list_sources(path)}


@pytest.mark.parametrize("text", ["x" * 300, "ü" * 200, "a\0b", "\ud800", "/" * 3000, "a/" * 3000])
@pytest.mark.parametrize("end", ["", ".pth", "/w.pth", "/*.pth", ".inner"])
def test_a_text_that_no_path_can_be_is_no_file(text, end, tmp_path):
    code = "import importlib, sys\nsys.path.append({0})\nopen({0})\ndef late(): importlib.import_module({0})"
    path = write(tmp_path, {"mine": code.format(ascii(text + end))})
    assert list_sources(path) == [path]


def test_a_file_in_the_working_directory_counts_if_there_is_none_next_to_the_code(tmp_path, monkeypatch):
    path = write(tmp_path / "here", {"mine": "open('data/w.pth')"})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "w.pth").write_text("")
    monkeypatch.chdir(tmp_path)
    assert [source.name for source in list_sources(path)] == ["mine.py", "w.pth"]
    (path.parent / "data").mkdir()
    (path.parent / "data" / "w.pth").write_text("")
    assert list_sources(path) == [path, path.parent / "data" / "w.pth"]


def test_modules_next_to_the_file_that_a_link_leads_to_count(tmp_path):
    path = write(tmp_path / "there", {"mine": f"from helper import level{BODY}", "helper": "level = lambda: 50"})
    link = tmp_path / "link.py"
    link.symlink_to(path)
    first = load_model(str(link)).identity
    write(tmp_path / "there", {"helper": "level = lambda: 70"})
    assert load_model(str(link)).identity != first


@pytest.mark.slow
@pytest.mark.ci
def test_a_changed_data_file_is_another_model(tmp_path):
    code = "from pathlib import Path\nlevel = lambda: int((Path(__file__).parent / 'level.txt').read_text())"
    path = write(tmp_path, {"mine": code + BODY})
    (tmp_path / "level.txt").write_text("50")
    first = load_model(str(path)).identity
    assert load_model(str(path)).identity == first
    (tmp_path / "level.txt").write_text("70")
    assert load_model(str(path)).identity != first


def test_a_module_that_is_not_python_is_named(tmp_path):
    path = write(tmp_path, {"mine": "import helper", "helper": "x = ("})
    with pytest.raises(InputError, match=r"helper\.py: cannot be imported \(SyntaxError"):
        load_model(str(path))


def test_the_same_files_have_the_same_key_wherever_they_lie(tmp_path, monkeypatch):
    identities = []
    for place in ("a", "b"):
        path = write(tmp_path / place, {"mine": f"from helper import level{BODY}", "helper": "level = lambda: 1"})
        monkeypatch.chdir(path.parent)
        identities += [load_model(str(path)).identity, load_model("mine.py").identity]
    assert all(identity == identities[0] for identity in identities)
