"""Pairs that do not match, links, and what disbench itself wrote and somebody edited: runs, timings, frozen lists."""

import json
import os
import shutil
from pathlib import Path

import pytest
from hostile import TRUTH, accepted, call, data_set, files, nothing_half, opencv, pillow, refused
from parquet_bytes import encode_parquet

from disbench.runs.tables import read_parquet
from disbench.timing.record import Timing, write_timing
from disbench.timing.rule import FULL

PNG, SMALL = pillow("png", TRUTH), opencv(".png", TRUTH[:20, :20])


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    data_set("d")
    return tmp_path


def put(path, data):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def link(path, target):
    Path(path).unlink(missing_ok=True)
    Path(path).symlink_to(target)


def folder(path):
    Path(path).unlink(missing_ok=True)
    Path(path).mkdir()


FAULTS = {
    "map of another size": (lambda: put("d/maps/b.png", SMALL), "1 of another size than the truth (b.png)"),
    "map missing": (lambda: Path("d/maps/b.png").unlink(), "1 missing (b)"),
    "maps missing": (lambda: shutil.rmtree("d/maps"), "d/maps: no such folder"),
    "no maps": (lambda: [shutil.rmtree("d/maps"), Path("d/maps").mkdir()], "2 missing (a, b)"),
    "maps a file": (lambda: [shutil.rmtree("d/maps"), put("d/maps", PNG)], "d/maps: a file, not a folder"),
    "extra map": (lambda: put("d/maps/c.png", PNG), "1 extra (c.png)"),
    "map twice": (lambda: put("d/maps/b.bmp", opencv(".bmp", TRUTH)), "1 duplicate (b.png)"),
    "map twice but for case": (lambda: put("d/maps/B.png", PNG), "1 duplicate (b.png)"),
    "map twice but for the suffix's case": (lambda: put("d/maps/b.PNG", PNG), "1 duplicate (b.png)"),
    "text beside the maps": (lambda: put("d/maps/readme.txt", b""), "1 not an image (readme.txt)"),
    "no suffix": (lambda: put("d/maps/c", PNG), "1 not an image (c)"),
    "two suffixes": (lambda: put("d/maps/b.png.png", PNG), "1 extra (b.png.png)"),
    "folder called like a map": (lambda: folder("d/maps/b.png"), "1 not an image (b.png)"),
    "folder called like a truth": (lambda: folder("d/gt/b.png"), "1 not an image (b.png)"),
    "dangling link": (lambda: link("d/maps/b.png", "nowhere.png"), "1 not an image (b.png)"),
    "link to itself": (lambda: link("d/maps/b.png", "b.png"), "b.png"),
    "link to a folder": (lambda: link("d/maps/b.png", ".."), "1 not an image (b.png)"),
    "link to a device": (lambda: link("d/maps/b.png", "/dev/zero"), "1 not an image (b.png)"),
    "link to a file that is no image": (lambda: link("d/maps/b.png", "/etc/passwd"), "1 unreadable (maps/b.png)"),
    "named pipe": (lambda: [Path("d/maps/b.png").unlink(), os.mkfifo("d/maps/b.png")], "1 not an image (b.png)"),
    "truth of zeros and ones in 0 pixels": (lambda: put("d/gt/b.png", b""), "1 unreadable (gt/b.png)"),
    "truth twice": (lambda: put("d/gt/b.jpg", opencv(".jpg", TRUTH)), "1 duplicate (b.png)"),
    "no truths": (lambda: [shutil.rmtree("d/gt"), Path("d/gt").mkdir()], "d/gt: no images in it"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_pairs(what):
    change, expected = FAULTS[what]
    change()
    refused(call("score", "d/maps", "--truth", "d/gt"), expected)
    nothing_half()


IMAGE_FAULTS = {
    "image of another size": (
        lambda: put("d/im/b.jpg", opencv(".jpg", TRUTH[:9])),
        "of another size than the truth (b.jpg)",
    ),
    "image without a truth": (lambda: put("d/im/c.jpg", opencv(".jpg", TRUTH)), "1 without a truth (c.jpg)"),
    "truth without an image": (lambda: put("d/gt/c.png", PNG), "1 without an image (c.png)"),
    "image twice": (lambda: put("d/im/b.png", PNG), "1 duplicate (b.png)"),
    "image twice but for case": (lambda: put("d/im/B.jpg", opencv(".jpg", TRUTH)), "1 duplicate (b.jpg)"),
    "no images": (lambda: shutil.rmtree("d/im"), "d/im: no such folder"),
    "dangling link": (lambda: link("d/im/b.jpg", "gone"), "1 not an image (b.jpg)"),
}


@pytest.mark.parametrize(
    "command", [["run", "--model", "otsu"], ["data", "verify"], ["data", "freeze", "--out", "f.json"]]
)
@pytest.mark.parametrize("what", IMAGE_FAULTS)
def test_images(what, command):
    change, expected = IMAGE_FAULTS[what]
    change()
    refused(call(*command, "--data", "d"), expected)
    nothing_half()
    assert not Path("f.json").exists()


def test_links_out_of_the_folder_and_other_cases_are_the_same_files():
    first = json.loads(accepted(call("score", "d/maps", "--data", "d", "--json")).stdout)[0]["scores"]
    shutil.move("d/maps/b.png", "elsewhere.png")
    link("d/maps/B.PNG", Path("elsewhere.png").resolve())
    assert json.loads(accepted(call("score", "d/maps", "--data", "d", "--json")).stdout)[0]["scores"] == first


@pytest.fixture
def run():
    """The folder of a finished run."""
    return Path(json.loads(accepted(call("score", "d/maps", "--data", "d", "--json")).stdout)[0]["run"])


def manifest(**changes):
    def change(folder):
        path = folder / "run.json"
        path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}))

    return change


def without(key):
    def change(folder):
        path = folder / "run.json"
        path.write_text(json.dumps({k: v for k, v in json.loads(path.read_bytes()).items() if k != key}))

    return change


def wrote(name, data):
    return lambda folder: (folder / name).write_bytes(data)


def scores(edit, name="scores.parquet"):
    def change(folder):
        table = read_parquet(folder / name)
        (folder / name).write_bytes(encode_parquet(edit(table)))

    return change


def drop(*keys):
    return scores(lambda table: {key: column for key, column in table.items() if key not in keys})


def replaced(key, column):
    return scores(lambda table: table | {key: column})


def cut(name, keep):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:keep])


EDITS = {
    "run.json is empty": wrote("run.json", b""),
    "run.json is text": wrote("run.json", b"not JSON"),
    "run.json is a list": wrote("run.json", b"[]"),
    "run.json is not UTF-8": wrote("run.json", b'{"title": "\xff"}'),
    "run.json is cut": cut("run.json", 100),
    "run.json is missing": lambda folder: (folder / "run.json").unlink(),
    "run.json is nested": wrote("run.json", b"[" * 100_000),
    "schema of later": manifest(schema=99),
    "schema of text": manifest(schema="2"),
    "unknown protocol": manifest(protocol="mine"),
    "title of a number": manifest(title=7),
    "counts of text": manifest(splits={"d": "2"}),
    "counts too high": manifest(splits={"d": 3}),
    "counts of another split": manifest(splits={"e": 2}),
    "one split more": manifest(splits={"d": 2, "e": 1}),
    "no counts": manifest(splits={}),
    "unfinished": manifest(complete=False),
    "meta of text": manifest(meta="x"),
    "no meta": manifest(meta={}),
    "a day of a number": manifest(meta={"finished": 3, "data": ["d"], "environment": {}}),
    "no place of data": manifest(meta={"finished": "", "data": [], "environment": {}}),
    "an environment of a number": manifest(meta={"finished": "", "data": ["d"], "environment": 3}),
    "no digests of data": manifest(identity={}),
    "digests of data of numbers": manifest(identity={"data": {"d": 3}}),
    "digests of other data": manifest(identity={"data": {"e": {"truths": "", "images": ""}}}),
    "no token": without("token"),
    "no identity": without("identity"),
    "scores are empty": wrote("scores.parquet", b""),
    "scores are cut": cut("scores.parquet", 500),
    "scores are text": wrote("scores.parquet", b"PAR1 not at all PAR1"),
    "scores are missing": lambda folder: (folder / "scores.parquet").unlink(),
    "seconds are cut": cut("seconds.parquet", 50),
    "seconds are missing": lambda folder: (folder / "seconds.parquet").unlink(),
    "foreign table": scores(lambda _: {"x": [1.0, 2.0]}),
    "no images": drop("image"),
    "no splits": drop("split"),
    "no sizes": drop("height", "width"),
    "no histogram": drop("fg_hist"),
    "no digest": drop("digest"),
    "histogram of numbers": replaced("fg_hist", [1.0, 2.0]),
    "short histogram": replaced("fg_hist", [[1, 2], [3, 4]]),
    "image names of numbers": replaced("image", [1.0, 2.0]),
    "a row less": scores(lambda table: {key: column[:1] for key, column in table.items()}),
    "another split": replaced("split", ["x", "x"]),
    "an image twice": replaced("image", ["a", "a"]),
    "seconds of one row": scores(lambda table: {key: column[:1] for key, column in table.items()}, "seconds.parquet"),
    "seconds of other images": scores(lambda table: table | {"image": ["x", "y"]}, "seconds.parquet"),
}  # fmt: skip


@pytest.mark.parametrize("what", EDITS)
def test_an_edited_run(run, what):
    EDITS[what](run)
    before = files(run)
    refused(call("report", run, "--format", "csv"), str(run))
    refused(call("curves", run, "--out", "c.csv"), str(run))
    refused(call("report", run, "--out", "r.html"), str(run))
    assert files(run) == before
    assert not list(Path.cwd().glob("*.*"))


@pytest.mark.parametrize("line", [b"{}", b"text", b"[1]", b"\xff\xfe", b"[" * 5000, b'{"split":"d","name":"b"}'])
def test_a_shard_with_a_line_of_another(run, line):
    """Resumed, an unfinished run reads its shards."""
    (shard,) = (run / "shards").glob("*.jsonl")
    first = shard.read_bytes()
    shard.write_bytes(first.splitlines(keepends=True)[0] + line + b"\n")
    manifest(complete=False)(run)
    before = files(run)
    refused(call("score", "d/maps", "--data", "d"), str(shard), "line 2 is damaged")
    assert files(run) == before
    shard.write_bytes(first[: len(first) - 10])  # torn, as by a kill: that image is measured again
    accepted(call("score", "d/maps", "--data", "d"))


def timing(**changes):
    raw = {stage: [0.1, 0.2, 0.3] for stage in ("prepare", "infer", "restore", "whole")}
    made = Timing(
        title="T", identity={}, environment={"cpu": "x"}, load={}, dataset="d", images=["d/a"], rule=FULL, quick=False,
        clock="wall", first_call=1.0, raw=raw, throughput={1: 2.0}, memory={}, parameters=3, flops=None, uncounted=[],
        audit={},
    )  # fmt: skip
    write_timing(Path("t.json"), made)
    return json.dumps(json.loads(Path("t.json").read_bytes()) | changes).encode()


TIMINGS = {
    "empty": {},
    "schema": {"schema": 9},
    "no raw values": {"raw": {}},
    "raw values of nothing": {"raw": {stage: [] for stage in ("prepare", "infer", "restore", "whole")}},
    "raw values of text": {"raw": {"whole": ["fast"]}},
    "no whole": {"raw": {"infer": [0.1]}},
    "no throughput": {"throughput": {}},
    "throughput of text": {"throughput": {"one": 2}},
    "parameters of text": {"parameters": "many"},
    "rule of text": {"rule": "full"},
    "rule of another": {"rule": {"images": "x"}},
    "images of a number": {"images": 7},
    "title of a number": {"title": 7},
}


@pytest.mark.parametrize("what", TIMINGS)
def test_an_edited_timing(what):
    data = timing(**TIMINGS[what])
    Path("t.json").write_bytes(data if TIMINGS[what] else b"")
    refused(call("times", "t.json"), "t.json: ")
    refused(call("times", "t.json", "--json"), "t.json: ")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"title": 1}', None])
def test_a_file_that_is_no_timing(data):
    if data is not None:
        Path("t.json").write_bytes(data)
    refused(call("times", "t.json"), "t.json: no such file" if data is None else "t.json: not a timing")


def test_a_timing_of_any_title_is_shown_inert():
    Path("t.json").write_bytes(timing(title="\x1b[31m[red]x"))
    assert "\x1b" not in accepted(call("times", "t.json")).stdout


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"\xff", b'{"d": 1}', b'{"d": {"a": "x"}}', b'{"d": {"a": ["x"]}}', b'{"d": {"a": []}}',
     b'{"d": {"a": ["x", "y", "z"]}}', b'{"d": {"a": [1, 2]}}', None],
)  # fmt: skip
def test_an_edited_frozen_list(data):
    if data is not None:
        Path("f.json").write_bytes(data)
    refused(call("data", "verify", "--data", "d", "--against", "f.json"), "f.json: ")


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"{}", "d: not in the frozen list"),
        (b'{"d": {}}', "d/a: extra"),
        (b'{"d": {"a": ["x", "y"], "b\\u001b[31m": ["x", "y"]}}', "d/b\\x1b[31m: missing"),
    ],
)
def test_a_frozen_list_of_other_files(data, line):
    Path("f.json").write_bytes(data)
    result = call("data", "verify", "--data", "d", "--against", "f.json")
    assert result.exit_code == 1
    assert line in result.stderr.splitlines()


@pytest.mark.parametrize("name", ["scores.parquet", "run.json"])
def test_a_file_of_another_run_is_refused(name):
    for image in ("first", "second"):
        assert call("score", "A=d/maps", "--data", "d").exit_code == 0, image
        put("d/maps/b.png", pillow("png", 255 - TRUTH))
    first, second = Path("runs").glob("A/*")
    shutil.copy(first / name, second / name)
    words = "is of another run" if name == "scores.parquet" else "describes the run"
    refused(call("report", second), words, second.name)
