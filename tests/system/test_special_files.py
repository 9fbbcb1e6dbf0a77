"""What could be waited for forever is refused wherever disbench reads a file that a user names or a folder holds."""

import os
import socket
from importlib import import_module
from pathlib import Path

import pytest
from command import call

from disbench.data.digest_cache import DigestCache
from disbench.data.hashing import hash_file
from disbench.data.verify import read_frozen
from disbench.errors import InputError
from disbench.leaderboard.entry import read_entry
from disbench.leaderboard.tables import read_tables
from disbench.registry.card import read_card
from disbench.runs.manifest import read_manifest
from disbench.runs.row_log import RowLogs
from disbench.runs.tables import read_parquet
from disbench.system.files import lock_folder, require_regular_file
from disbench.timing.record import read_timing


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(path))


SPECIAL = {
    "pipe": os.mkfifo,
    "socket": make_socket,
    "device": lambda path: Path(path).symlink_to("/dev/zero"),
    "broken link": lambda path: Path(path).symlink_to("gone"),
    "link to itself": lambda path: Path(path).symlink_to(path),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_a_special_file_is_refused_with_what_to_do(kind):
    SPECIAL[kind]("x")
    fault = "a broken link; restore" if "link" in kind else "a pipe, socket or device; give a regular file"
    with pytest.raises(InputError, match=f"^x: {fault}"):
        require_regular_file(Path("x"))


def test_files_links_to_files_folders_and_missing_files_are_left_to_the_reader():
    Path("file").write_text("x", encoding="utf-8")
    Path("link").symlink_to("file")
    Path("folder").mkdir()
    for name in ("file", "link", "folder", "missing", "file/below", "nul\0"):
        assert require_regular_file(Path(name)) == Path(name)


def read_module(module, function):
    return lambda path: getattr(import_module(f"disbench.models.{module}"), function)(path)


READERS = {
    "x": hash_file,
    "x.json": read_entry,
    "tables.json": read_tables,
    "frozen.json": read_frozen,
    "timing.json": read_timing,
    "scores.parquet": read_parquet,
    "run.json": lambda path: read_manifest(path.parent),
    "card.toml": lambda path: read_card(path.parent),
    "shards/1.jsonl": lambda path: RowLogs(path.parent.parent),
    "digest": lambda path: DigestCache([path.parent]).hash_file(path),
    ".lock": lambda path: lock_folder(path.parent).__enter__(),
    "recipe.toml": read_module("_training.recipes", "read_table"),
    "weights.pth": read_module("_parts.weights", "read_weights"),
    "weights.safetensors": read_module("_parts.weights", "read_weights"),
    "named.pth": lambda path: import_module("disbench.models._parts.weights").find_weights(str(path), ()),
}


@pytest.mark.parametrize("name", READERS)
def test_every_reader_refuses_a_pipe(folder, name):
    path = folder / "in" / name
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    with pytest.raises(InputError, match="a pipe, socket or device; give a regular file"):
        READERS[name](path)


@pytest.mark.parametrize(
    "command",
    [
        ("report", "x"),
        ("compare", "x", "x"),
        ("check", "x", "--against", "x"),
        ("score", "d/gt", "--truth", "x"),
        ("data", "verify", "--data", "d", "--against", "x"),
        ("data", "complexity", "x"),
        ("run", "--model", "x.py", "--data", "d"),
        ("run", "--model", "x.onnx", "--data", "d"),
        ("run", "--model", "isnet", "--weights", "x", "--data", "d"),
        ("predict", "x", "--model", "otsu"),
        ("predict", "d/im", "--model", "isnet", "--weights", "x"),
        ("leaderboard", "show", "x"),
        ("leaderboard", "check", "x"),
        ("leaderboard", "audit", "x"),
    ],
)
def test_every_command_refuses_a_pipe_in_one_line(folder, make_pairs, command):
    make_pairs(folder / "d", ["a", "b"])
    for name in ("x", "x.py", "x.onnx"):
        os.mkfifo(name)
    result = call(*command)
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("disbench: x")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("kind", ["im", "gt"])
@pytest.mark.parametrize("special", SPECIAL)
def test_a_data_set_and_a_map_folder_name_it(folder, make_pairs, kind, special):
    data = make_pairs(folder / "d", ["a", "b"])
    path = next((data / kind).glob("b.*"))
    path.unlink()
    SPECIAL[special](path)
    reason = "a broken link" if "link" in special else "a pipe, socket or device"
    for command in (("data", "verify", "--data", "d"), ("run", "--model", "otsu", "--data", "d")):
        result = call(*command)
        assert result.exit_code == 2
        assert f"1 not an image ({path.name})" in result.stderr
        assert f"{kind}/{path.name}: {reason}" in result.stderr
        assert result.stderr.count("\n") == 1
    if kind == "gt":
        make_pairs(folder / "whole", ["a", "b"])
        result = call("score", "d/gt", "--truth", "whole/gt")
        assert result.exit_code == 2
        assert f"gt/{path.name}: {reason}" in result.stderr
