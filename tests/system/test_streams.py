"""Standard streams that are closed, full, or whose reader has left."""

import os
import subprocess
import sys

import pytest
from fixed_data import write_data

import disbench


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    write_data(folder)
    disbench.score_maps(folder / "maps", data=folder / "data", out=folder / "runs")
    return folder


def run_shell(place, line):
    command = line.replace("disbench", f"{sys.executable} -m disbench")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=place, env=environment)


UNREAD = ("metrics", "models", "--help", "--version", "run --help", "leaderboard show dis5k")


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ("disbench score maps --data data --out closed >&-", 0, ""),
        ("disbench score maps --data data --out both >&- 2>&- <&-", 0, ""),
        ("disbench score maps --data data --out full > /dev/full", 2, "disbench: writing: No space left on device; "),
        ("disbench metrics >&- <&-", 0, ""),
        ("disbench --help > /dev/full", 2, "disbench: writing: No space left on device\n"),
        ("disbench score absent --data data 2> /dev/full", 2, ""),
        ("disbench score absent --data data >&- 2>&-", 2, ""),
        ("disbench score absent --data data >&-", 2, "disbench: absent: no such folder\n"),
        # As of a program that SIGPIPE ends: 1 is an answer.
        *((f"set -o pipefail; disbench {command} | true", 141, "") for command in UNREAD),
    ],
)
def test_a_stream_that_cannot_be_written_causes_no_traceback(place, line, status, words):
    ran = run_shell(place, line)
    assert (ran.returncode, ran.stderr.startswith(words)) == (status, True), ran.stderr
    assert "Traceback" not in ran.stderr
    for out in {"closed", "both", "full"} & set(line.split()):
        assert next((place / out / "maps").glob("*/scores.parquet")).stat().st_size
