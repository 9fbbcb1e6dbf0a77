"""A sample of tests/faults/flip_bits.py: a flipped bit in a stored file is reported, or changes nothing."""

import json
import random
import re
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

import flip_bits
from parquet_bytes import encode_parquet

from disbench.errors import InputError
from disbench.runs import api
from disbench.runs.result import load_run
from disbench.runs.row_log import RowLogs
from disbench.runs.tables import read_parquet
from disbench.system.checksums import add_checksum, is_damaged

COUNTS = {"scores.parquet": 20, "shards": 10, "seconds.parquet": 5, "run.json": 10, "masks": 3}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        work = tmp_path_factory.mktemp("flips")
        patch.setenv("DISBENCH_CACHE", str(work / "cache"))
        yield flip_bits.make_run(work, images=3)


@pytest.mark.parametrize("name", COUNTS)
def test_a_flipped_bit_is_reported_or_harmless_and_the_advice_helps(stored, name):
    outcomes = flip_bits.count_outcomes(stored, name, COUNTS[name], random.Random(1))
    assert outcomes["wrong"] == 0
    assert outcomes["reported"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", flip_bits.COUNTS)
def test_many_flipped_bits(stored, name):
    assert not flip_bits.count_outcomes(stored, name, flip_bits.COUNTS[name], random.Random(2))["wrong"]


def test_every_bit_of_a_footer_is_reported_or_harmless(stored):
    """Parquet has no checksum for its footer, and one bit of it can hide the digests of disbench."""
    path = stored.folder / "scores.parquet"
    data = stored.files[path]
    size = int.from_bytes(data[-8:-4], "little")
    reported = 0
    for bit in random.Random(0).sample(range(8 * (len(data) - 8 - size), 8 * len(data)), 300):
        path.write_bytes(flip_bits.flip(data, bit))
        try:
            assert flip_bits.show(stored.folder) == stored.shown, bit
        except InputError:
            reported += 1
    stored.restore()
    assert reported > 100


def test_every_damaged_line_is_named_at_once(stored):
    (shard,) = (stored.folder / "shards").iterdir()
    lines = shard.read_bytes().splitlines(keepends=True)  # in the order in which the images were measured
    lines[0], lines[2] = (line.replace(b'"J0', b'"J1') for line in (lines[0], lines[2]))
    shard.write_bytes(b"".join(lines))
    other = shard.with_name("0.jsonl")
    other.write_bytes(b"{}\n" * 12)
    with pytest.raises(InputError) as raised:
        RowLogs(stored.folder)
    stored.restore()
    lines_of_other = "lines 1, 2, 3, 4, 5, 6, 7, 8 and 4 more are damaged"
    assert f"{other}: {lines_of_other}; {shard}: lines 1, 3 are damaged, or" in str(raised.value)


def test_a_file_of_rows_from_another_run_is_refused_and_the_advice_helps(stored, tmp_path):
    """The same images, under the same names: only the key of the run says that the rows are another model's."""
    data, out = stored.work / "d", tmp_path / "runs"
    (foreign,) = (api.run("all_foreground", data=data, out=out).folder / "shards").iterdir()
    folder = api.run("otsu", data=data, out=out).folder
    (own,) = (folder / "shards").iterdir()
    scores = (folder / "scores.parquet").read_bytes()
    copied = shutil.copy(foreign, own.with_name("9.jsonl"))  # its rows are read last, so they would count
    (folder / "run.json").unlink()
    with pytest.raises(InputError, match=r"9\.jsonl: lines 1, 2, 3 are damaged, or of another run; delete these lines"):
        api.run("otsu", data=data, out=out)
    copied.unlink()
    assert api.run("otsu", data=data, out=out).folder == folder
    assert (folder / "scores.parquet").read_bytes() == scores


def test_rows_whose_checksum_does_not_cover_the_key_are_of_an_older_version_and_are_read(stored):
    (shard,) = (stored.folder / "shards").iterdir()
    lines = [re.sub(rb',"checksum":"\w+"\}', b"}", line) for line in shard.read_bytes().splitlines()]
    shard.write_bytes(b"".join(add_checksum(line) + b"\n" for line in lines))
    read = len(RowLogs(stored.folder))
    stored.restore()
    assert read == 3


def test_a_run_of_an_older_version_has_no_checksums_and_can_be_read(stored, tmp_path):
    folder = shutil.copytree(stored.folder, tmp_path / "old")
    manifest = json.loads((folder / "run.json").read_bytes())
    del manifest["checksum"], manifest["has_digests"]
    (folder / "run.json").write_text(json.dumps(manifest, indent=1))
    for shard in (folder / "shards").iterdir():
        lines = [json.loads(line) for line in shard.read_bytes().splitlines()]
        for line in lines:
            del line["checksum"]
        shard.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert len(RowLogs(folder)) == 3
    assert flip_bits.show(folder)[3] == stored.shown[3]


def test_a_table_without_the_digests_that_its_run_has_is_refused(stored, tmp_path):
    import pyarrow.parquet as pq

    folder = shutil.copytree(stored.folder, tmp_path / "stripped")
    pq.write_table(pq.read_table(folder / "scores.parquet").replace_schema_metadata(None), folder / "scores.parquet")
    with pytest.raises(InputError, match="its digests are missing"):
        load_run(folder)


def test_a_table_of_other_values_is_refused_whatever_its_pages_say(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "t.parquet"
    path.write_bytes(encode_parquet({"image": ["a", "b"], "mae": [0.25, 0.5]}))
    table = pq.read_table(path).replace_schema_metadata(pq.read_metadata(path).metadata)
    pq.write_table(table.set_column(1, "mae", pa.array([0.25, 0.75])), path)
    with pytest.raises(ValueError, match="not those that were written"):
        read_parquet(path)


@pytest.mark.parametrize("document", [b'{"a":1}', b'{\n "a": {\n  "b": []\n }\n}\n'])
def test_each_flipped_bit_of_a_document_is_found_or_leaves_its_values(document):
    checked = add_checksum(document)
    assert json.loads(checked) | {"checksum": ""} == json.loads(document) | {"checksum": ""}
    assert not is_damaged(checked) and not is_damaged(document)
    for bit in range(8 * len(checked)):
        flipped = flip_bits.flip(checked, bit)
        try:
            values = json.loads(flipped)
        except ValueError:  # also of bytes that are not UTF-8
            continue
        assert is_damaged(flipped) or values["a"] == json.loads(document)["a"]


def test_a_flipped_bit_in_a_timing_is_reported(tmp_path):
    from disbench.timing import record
    from disbench.timing.rule import FULL

    raw = {stage: [0.1, 0.2, 0.3] for stage in ("prepare", "infer", "restore", "whole")}
    timing = record.Timing(
        title="T", identity={}, environment={"cpu": "x"}, load={}, dataset="d", images=["d/a"], rule=FULL, quick=False,
        clock="wall", first_call=1.0, raw=raw, throughput={1: 2.0}, memory={}, parameters=3, flops=None, uncounted=[],
        audit={},
    )  # fmt: skip
    path = tmp_path / "t.json"
    record.write_timing(path, timing)
    assert record.read_timing(path) == timing
    path.write_bytes(path.read_bytes().replace(b"0.2", b"0.3", 1))
    with pytest.raises(InputError, match=r"t\.json: not a timing \(its checksum is that of other content\)"):
        record.read_timing(path)
