"""Reading TOML and JSON: whatever the file holds, one line names it."""

import json

import pytest

from disbench.data.verify import read_frozen
from disbench.errors import InputError
from disbench.leaderboard.entry import read_entry
from disbench.leaderboard.tables import read_tables
from disbench.runs.manifest import read_manifest
from disbench.system.documents import MAX_TOML, read_json, read_toml
from disbench.system.files import require_path
from disbench.timing.record import read_timing

EXTREMES = {
    "lists in lists": (b"a = " + b"[" * 5000, b"[" * 5000),
    "tables in tables": (b"a = " + b"{a=" * 5000, b'{"a":' * 5000),
    "a long integer": (b"a = " + b"9" * 5000, b"9" * 5000),
    "an integer of 65 bits": (b"a = 18446744073709551616", b'{"a": 1e999}'),
    "a null character": (b'a = "\0"', b'"\0"'),
    "not UTF-8": (b'a = "\xff"', b'"\xff"'),
    "UTF-16": ("a = 1".encode("utf-16"), "{}".encode("utf-16")),
    "a dotted key": (b"a." * 30000 + b"a = 1", b"[0"),
    "a quoted dotted key": (b'"a". ' * 30000 + b"a = 1", b"[0,]"),
    "lists in a list": (b"a = " + b"[" * 50 + b"]" * 50, b"]"),
    "too large": (b"#" * (MAX_TOML + 1), b"{"),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_an_extreme_file_is_one_line_that_names_it(name, tmp_path):
    for path, data, read in zip(
        (tmp_path / "a.toml", tmp_path / "a.json"), EXTREMES[name], (read_toml, read_json), strict=True
    ):
        path.write_bytes(data)
        with pytest.raises(InputError) as error:
            read(path, fault="not a card")
        text = str(error.value)
        assert text.startswith(f"{path}: not a card (") and "\n" not in text and len(text) < 400 + len(str(path))


def test_a_byte_order_mark_is_no_fault(tmp_path):
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfa = 1")
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_toml(tmp_path / "a.toml") == read_json(tmp_path / "a.json") == {"a": 1}


def test_numbers_with_points_and_long_texts_are_no_nested_keys(tmp_path):
    numbers = [0.5] * 300
    (tmp_path / "a.toml").write_text(f"a = {numbers}\nb = {json.dumps('end. ' * 300)}\nc.d.e = 1")
    assert read_toml(tmp_path / "a.toml") == {"a": numbers, "b": "end. " * 300, "c": {"d": {"e": 1}}}


def test_a_folder_and_a_missing_file_are_named(tmp_path):
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(InputError, match=f"^{path}: not a card "):
            read_toml(path, "not a card")


@pytest.mark.parametrize("value", [None, 7, b"runs", ["runs"], "a\0b"])
def test_a_path_of_another_type_is_refused(value):
    with pytest.raises(InputError, match=r"^out: "):
        require_path("out", value)


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"schema": ' + b"9" * 5000, b"\xff\xfe{}", b"\0"])
def test_every_reader_of_json_names_its_file(data, tmp_path):
    path = tmp_path / "run.json"
    path.write_bytes(data)
    for read in (read_frozen, read_entry, read_tables, read_timing, lambda path: read_manifest(path.parent)):
        with pytest.raises(InputError, match=f"^{path}: ") as error:
            read(path)
        assert "\n" not in str(error.value)
