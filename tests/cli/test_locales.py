"""Commands in a locale that is not UTF-8."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fixed_data import write_data

LOCALES = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ascii": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
}
CODE = """
import sys
from disbench.cli.main import main
for line in sys.argv[1:]:
    try:
        main(line.split(), standalone_mode=True)
    except SystemExit as end:
        assert end.code in (0, None), (line, end.code)
"""


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.parametrize("locale", LOCALES)
def test_tables_files_and_messages_do_not_depend_on_the_locale(locale, tmp_path):
    write_data(tmp_path)
    environment = os.environ | LOCALES[locale] | {"PYTHONPATH": str(Path(__file__).parents[2])}
    lines = [
        "score Methode=maps --data data --out runs",
        "metrics",
        "models diffdis",
        "report dis5k",
        "report runs/Methode/KEY --out report.html",
        "report runs/Methode/KEY --out report.csv",
        "curves runs/Methode/KEY --out curves.json",
        "data complexity data",
        "data freeze --data data --out frozen.json",
    ]
    python = [sys.executable, "-c", CODE]
    first = subprocess.run([*python, lines[0]], capture_output=True, cwd=tmp_path, env=environment)
    assert first.returncode == 0, first.stderr
    key = next((tmp_path / "runs" / "Methode").iterdir()).name
    others = [line.replace("KEY", key) for line in lines[1:]]
    ran = subprocess.run([*python, *others], capture_output=True, cwd=tmp_path, env=environment)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert rb"F\u1d66" in first.stdout  # the symbols of measures
    assert "<!doctype html>" in (tmp_path / "report.html").read_text("utf-8")
    json.loads((tmp_path / "curves.json").read_text("utf-8"))


def test_a_name_that_is_not_utf8_is_one_line_in_every_locale(tmp_path):
    for locale in ({"PYTHONUTF8": "1"}, LOCALES["C"]):
        environment = os.environ | locale | {"PYTHONPATH": str(Path(__file__).parents[2])}
        command = [sys.executable, "-m", "disbench", "score", b"\xff", "--data", "mini"]
        ran = subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment)
        assert (ran.returncode, ran.stderr.count(b"\n")) == (2, 1)
        assert ran.stderr.startswith(rb"disbench: \udcff: a name that is not UTF-8; ")
