"""Flip single bits in the stored files of a run. Each must be reported, or change nothing.

    python tests/faults/flip_bits.py [--seed 0] [--scale 1]

A flip is reported by an InputError, which names the file in one line. Then the advice of that line is followed, after
which the same run must succeed with the original scores.
"""

import argparse
import os
import random
import re
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from disbench.data.images import read_map
from disbench.errors import InputError
from disbench.runs import api
from disbench.runs.result import load_run

COUNTS = {"scores.parquet": 400, "shards": 120, "seconds.parquet": 120, "run.json": 120, "masks": 40}


@dataclass(frozen=True)
class Stored:
    """A finished run under `work`. `files` has the bytes of each file, and `shown` is what a report can show of it."""

    work: Path
    folder: Path
    files: dict[Path, bytes]
    shown: tuple

    def restore(self) -> None:
        for path in self.folder.rglob("*"):
            if path.is_file() and path not in self.files:
                path.unlink()
        for path, data in self.files.items():
            path.write_bytes(data)


def make_run(work: Path, images: int = 12) -> Stored:
    for kind in ("im", "gt", "maps"):
        (work / "d" / kind).mkdir(parents=True)
    for k in range(images):
        rng = np.random.default_rng(k)
        truth = cv2.circle(np.zeros((48, 64), np.uint8), (12 + k, 24), 9, 255, -1)
        image = rng.integers(0, 90, (48, 64, 3), np.uint8) + truth[..., None] // 2
        cv2.imwrite(str(work / "d/im" / f"J{k:02}.png"), image)  # one bit makes the J a line feed
        cv2.imwrite(str(work / "d/gt" / f"J{k:02}.png"), truth)
    folder = run_again(work)
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return Stored(work, folder, files, show(folder))


def run_again(work: Path) -> Path:
    return api.run("otsu", data=work / "d", out=work / "runs").folder


def show(folder: Path) -> tuple:
    """All that a report may show of a run, read again."""
    result = load_run(folder)
    rows = []
    for row in (row for split in result.rows.values() for row in split):
        fields = vars(row.measurement)
        numbers = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in fields.items()}
        rows.append((row.split, row.name, row.digest, row.seconds, numbers))
    facts = (result.title, result.dataset, result.signature, result.token, result.protocol, result.size)
    return facts, dict(result.meta), dict(result.identity), rows


def flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def check_flip(stored: Stored, path: Path, bit: int) -> str:
    """Flip one bit of a file and return "reported" or "harmless". AssertionError for any other outcome."""
    path.write_bytes(flip(stored.files[path], bit))
    try:
        if path.suffix == ".png":
            return _check_mask(stored, path)
        if path.parent.name == "shards":
            for name in ("run.json", "scores.parquet", "seconds.parquet"):  # resumed, a run reads its shards
                (stored.folder / name).unlink()
        else:
            try:
                assert show(stored.folder) == stored.shown, "other content, silently"
                return "harmless"
            except InputError as error:
                assert str(stored.folder) in str(error) and str(error).isprintable(), error
                _follow_advice(stored, str(error))
                return "reported"
        try:
            run_again(stored.work)
        except InputError as error:
            assert str(path) in str(error) and str(error).isprintable(), error
            _follow_advice(stored, str(error))
            return "reported"
        _check_scores(stored)
        return "harmless"
    finally:
        stored.restore()


def _check_mask(stored: Stored, path: Path) -> str:
    damaged = path.read_bytes()
    path.write_bytes(stored.files[path])
    expected = read_map(path)
    path.write_bytes(damaged)
    try:
        assert np.array_equal(read_map(path), expected), "other pixels, silently"
        return "harmless"
    except InputError as error:
        assert str(path) in str(error), error
        return "reported"


def _follow_advice(stored: Stored, message: str) -> None:
    """Do what a message says; then the same run must succeed, with the original scores."""
    if "delete its run.json" in message:
        (stored.folder / "run.json").unlink()
    else:
        faults = re.findall(r"(\S+\.jsonl): lines? ([\d, ]+)( \.\.\.)? (?:is|are) damaged", message)
        assert faults, message
        for name, numbers, _ in faults:
            damaged = set(map(int, numbers.split(", ")))
            lines = Path(name).read_bytes().split(b"\n")
            Path(name).write_bytes(b"\n".join(line for k, line in enumerate(lines, 1) if k not in damaged))
    try:
        run_again(stored.work)
    except InputError as error:
        raise AssertionError(f"the advice does not help: {message} Now: {error}") from None
    _check_scores(stored)


def _check_scores(stored: Stored) -> None:
    facts, _, identity, rows = show(stored.folder)
    assert (facts, identity) == (stored.shown[0], stored.shown[2]), "another run"
    # The times of an image that was measured again are others.
    assert [row[:3] + row[4:] for row in rows] == [row[:3] + row[4:] for row in stored.shown[3]], "other scores"


def list_targets(stored: Stored, name: str) -> list[Path]:
    """List the files of a run that are the given one, or in the given folder."""
    return [path for path in stored.files if path.relative_to(stored.folder).parts[0] == name]


def count_outcomes(stored: Stored, name: str, flips: int, rng: random.Random) -> Counter:
    outcomes: Counter = Counter()
    for _ in range(flips):
        path = rng.choice(list_targets(stored, name))
        bit = rng.randrange(8 * len(stored.files[path]))
        try:
            outcomes[check_flip(stored, path, bit)] += 1
        except Exception as error:
            outcomes["wrong"] += 1
            print(f"{path.name}, bit {bit}: {type(error).__name__}: {str(error)[:300]}", flush=True)
            stored.restore()
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1, help="times as many flips")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        os.environ["DISBENCH_CACHE"] = str(Path(work) / "cache")
        stored = make_run(Path(work))
        wrong = 0
        for name, flips in COUNTS.items():
            outcomes = count_outcomes(stored, name, round(flips * options.scale), random.Random(options.seed))
            wrong += outcomes["wrong"]
            print(f"{name}: {dict(outcomes)}", flush=True)
    raise SystemExit(wrong > 0)


if __name__ == "__main__":
    main()
