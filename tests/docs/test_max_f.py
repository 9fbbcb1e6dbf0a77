"""The open question of docs/protocols.md: its tables are those of the script, and its rules those of the protocols."""

import runpy
import sys
from pathlib import Path

from disbench.leaderboard.entry import BOARDS_ROOT
from disbench.leaderboard.evidence import load_measured

ROOT = Path(__file__).parents[2]


def print_tables(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["max_f.py"])
    names = runpy.run_path(str(ROOT / "benchmarks" / "max_f.py"), run_name="__main__")
    return names, capsys.readouterr().out


def test_the_tables_of_the_open_question_are_those_of_the_script(monkeypatch, capsys):
    _, out = print_tables(monkeypatch, capsys)
    page = (ROOT / "docs" / "protocols.md").read_text("utf-8")
    tables = out.strip().split("\n\n")
    assert len(tables) == 3
    for table in tables:
        assert table in page


def test_the_rules_of_the_script_are_those_of_the_protocols_of_the_same_name(monkeypatch, capsys):
    names, _ = print_tables(monkeypatch, capsys)
    (result,) = load_measured(BOARDS_ROOT / "dis-mini" / "diffdis.json")
    for protocol in ("diffdis", "mvanet", "mvanet-2024"):
        ((rule, stretched),) = (row for name, row in names["F_RULES"].items() if f"`{protocol}`" in name)
        for subset, scores in result.with_protocol(protocol).scores("f_max").items():
            assert abs(rule(result.measurements(subset), stretched) - scores["f_max"]) < 1e-9
