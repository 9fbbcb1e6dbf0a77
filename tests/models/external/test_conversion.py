"""The commands that convert files of others end with one line for bad input, and write whole files."""

import runpy
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from disbench.models._parts.conversion import run_conversion

WRONG = {
    "no arguments": ([], "two arguments are needed: python -m"),
    "a wrong path": (["gone", "out.safetensors"], "gone: not "),
    "a broken file": (["broken", "out.safetensors"], "broken: not "),
    "an output that is the input": (["broken", "broken"], "broken: the same file as broken, which the command reads"),
}


@pytest.mark.parametrize("module", ["u2net.rembg", "isnet.imgly"])
@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_one_line(module, mistake, tmp_path, monkeypatch, capsys):
    arguments, line = WRONG[mistake]
    monkeypatch.chdir(tmp_path)
    Path("broken").write_bytes(b"broken")
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_module(f"disbench.models.{module}", run_name="__main__")
    output, message = capsys.readouterr()
    assert (output, message.count("\n")) == ("", 1), message
    assert message.startswith(f"disbench: {line}")
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]
    assert (tmp_path / "broken").read_bytes() == b"broken"


def test_a_checkpoint_is_written_or_its_place_is_refused(tmp_path, monkeypatch, capsys):
    state = {"weight": torch.arange(6.0)}
    out = tmp_path / "out.safetensors"
    monkeypatch.setattr(sys, "argv", ["convert", "source", str(out)])
    run_conversion(lambda path: state, "")
    assert capsys.readouterr().out == f"{out}\n"
    assert load_file(out)["weight"].equal(state["weight"])
    monkeypatch.setattr(sys, "argv", ["convert", "source", str(tmp_path / "gone" / "out.safetensors")])
    with pytest.raises(SystemExit, match="2"):
        run_conversion(lambda path: state, "")
    assert "out.safetensors: No such file or directory; choose another place" in capsys.readouterr().err
