"""Python's -OO, which removes docstrings and assertions."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fixed_data import write_data


@pytest.mark.ci
@pytest.mark.slow
def test_commands_work_without_docstrings_and_assertions(tmp_path):
    write_data(tmp_path)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    lines = (
        "--help",
        "report --help",
        "run --model otsu --data data --out runs",
        "score maps --data data --out runs",
        "metrics",
        "report RUN --out r.html",
        "view RUN --out view",
        "leaderboard show",
    )
    code = (
        "import sys\nfrom disbench.cli.main import main\nfrom pathlib import Path\n"
        "for line in sys.argv[1:]:\n"
        "    run = next(iter(map(str, Path().glob('runs/otsu/*'))), '')\n"
        "    try: main(line.replace('RUN', run).split())\n"
        "    except SystemExit as end:\n"
        "        if end.code: raise\n"
    )
    command = [sys.executable, "-OO", "-c", code, *lines]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert "Score and run:" in ran.stdout  # descriptions of commands are docstrings, which are gone
    assert "Group the images of all subsets by this." in ran.stdout
