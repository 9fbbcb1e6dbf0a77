"""Forged entries: the forger also writes digests, signatures and scores anew, so that all of them fit together."""

import json
import os
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from mini_runs import SHIPPED
from parquet_bytes import encode_parquet

from disbench.cli.main import main
from disbench.data import dataset
from disbench.leaderboard.check import check_entries
from disbench.leaderboard.entry import evidence_path, read_entry, write_entry
from disbench.leaderboard.evidence import score_with_intervals
from disbench.metrics.measurement import Measurement
from disbench.runs.result import Result
from disbench.runs.row_log import Row
from disbench.runs.tables import read_parquet

SPLIT, METRICS = "DIS-TE1", ("f_weighted", "s_measure", "mae")
SHIPPED_PART = read_entry(SHIPPED).measured[0]
EVIDENCE = read_parquet(evidence_path(SHIPPED, SHIPPED_PART))
AT = [i for i, split in enumerate(EVIDENCE["split"]) if split == SPLIT]
TRUE = {key: [column[i] for i in AT] for key, column in EVIDENCE.items()}


def to_arrays(columns):
    """Columns as ParquetWriter takes them: histograms as unsigned numbers of 32 bits."""
    def convert(key, value):
        return np.array(value, np.uint32) if key.endswith(("hist", "half")) and isinstance(value, list) else value

    return {key: [convert(key, value) for value in column] for key, column in columns.items()}


def score(measured, columns, token):
    """The scores that follow from the columns; those of the shipped entry where nothing can be computed."""
    try:
        keys = columns.keys() - {"split", "image", "height", "width", "fg_hist", "bg_hist", "fg_half", "digest"}
        rows = [
            Row(SPLIT, str(i), Measurement(1, 1, np.array(fg), np.array(bg), {k: columns[k][i] for k in keys}), {}, "")
            for i, (fg, bg) in enumerate(zip(columns["fg_hist"], columns["bg_hist"], strict=True))
        ]
        result = Result(title="", dataset="", signature="", splits=(SPLIT,), rows={SPLIT: rows}, meta={},
                        folder=Path(), token=token, protocol=measured.protocol)  # fmt: skip
        with np.errstate(all="ignore"):
            return {SPLIT: score_with_intervals(result, SPLIT, METRICS)}
    except (ArithmeticError, KeyError, LookupError, TypeError, ValueError):
        return {SPLIT: {metric: SHIPPED_PART.scores[SPLIT][metric] for metric in METRICS if metric != "mae"}}


def forge(path, columns=TRUE, token="dis-mini-v1", data=None, **changes):
    """Write an entry of one subset whose evidence consists of these columns, or of `data`."""
    data = data or encode_parquet(to_arrays(columns))
    fields = SHIPPED_PART.signature.split("|")
    signature = "|".join([*fields[:2], token, f"{SPLIT}:12", *fields[4:]])
    digest = sha256(data).hexdigest()
    measured = replace(SHIPPED_PART, signature=signature, splits={SPLIT: 12}, evidence=digest,
                       truths={SPLIT: SHIPPED_PART.truths[SPLIT]})  # fmt: skip
    measured = replace(measured, **{"scores": score(measured, columns, token)} | changes)
    titles = {"dis5k": "DIS5K"}
    entry = replace(read_entry(SHIPPED), measured=(measured,), token=token, model=path.stem)
    path.parent.mkdir(exist_ok=True)
    write_entry(path, replace(entry, dataset=titles.get(token, entry.dataset)))
    file = path.parent / "evidence" / f"{digest[:16]}.parquet"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(data)
    return path


def change(**edits):
    """The true columns, some of them changed: by a function of a value, or to one value."""
    new = {
        key: [edit(value) if callable(edit) else edit for value in TRUE.get(key, [None] * 12)]
        for key, edit in edits.items()
    }
    return TRUE | new


def poor(histogram):
    """As many pixels, evenly spread over the levels."""
    pixels = sum(histogram)
    return [pixels // 256 + (i < pixels % 256) for i in range(256)]


def overflowing():
    """Histograms whose sum is the number of pixels only in 64 bits, where it has wrapped."""
    columns = to_arrays(TRUE)
    columns["fg_hist"] = [np.array(h, np.uint64) for h in columns["fg_hist"]]
    for histogram in columns["fg_hist"]:
        histogram[:2] += np.uint64(2**63)
    return columns


def moved():
    """One pixel of each foreground is background instead."""
    columns = to_arrays(TRUE)
    for fg, bg in zip(columns["fg_hist"], columns["bg_hist"], strict=True):
        fg[255] -= 1
        bg[255] += 1
    return columns


def without(key):
    return {name: column for name, column in TRUE.items() if name != key}


def hce(total, *parts):
    names = ("hce_fp_points", "hce_fp_regions", "hce_fn_points", "hce_fn_regions")
    return TRUE | {name: [value] * 12 for name, value in zip(("hce", *names), (total, *parts), strict=True)}


def curve(value, mean):
    return TRUE | {"biou_max": [np.full(256, value)] * 12, "biou_mean": [mean] * 12}


IMAGES = {  # columns of the evidence, words of the line
    "S above 1": (change(s_measure=1.7), "s_measure of DIS-TE1/1#Vehicle#2#WagonWheel#te0025 is 1.7, its histograms"),
    "S below 0": (change(s_measure=-0.2), "s_measure of DIS-TE1"),
    "S of -0.0": (change(s_measure=-0.0, fg_hist=poor, bg_hist=poor), "is -0.0, which no measure is"),
    "weighted F above 1": (change(f_weighted=42.0), "is 42, its histograms allow"),
    "weighted F below 0": (change(f_weighted=-1e-6), "f_weighted of DIS-TE1"),
    "histograms beyond 64 bits": (overflowing(), "histograms are not of the images' sizes"),
    "good S of a poor map": (change(s_measure=0.999, fg_hist=poor, bg_hist=poor), "s_measure of DIS-TE1"),
    "good weighted F of a poor map": (change(f_weighted=0.999, fg_hist=poor, bg_hist=poor), "f_weighted of DIS-TE1"),
    "poor weighted F of a good map": (change(f_weighted=0.1), "f_weighted of DIS-TE1"),
    "other names": (change(image=lambda name: f"x{name}"), "'x1#Vehicle#2#WagonWheel#te0025' is no image of DIS-TE1"),
    "other sizes": (TRUE | {"height": TRUE["width"], "width": TRUE["height"]}, "sizes or foreground pixels"),
    "another foreground": (moved(), "sizes or foreground pixels of its images"),
    "a second foreground": (TRUE | {"fg_half": to_arrays(TRUE)["bg_hist"]}, "has a second foreground"),
    "names in another case": (
        TRUE | {"image": [TRUE["image"][1].upper(), *TRUE["image"][1:]]}, "differ only in case or accents",
    ),
    "names with markup": (change(image=lambda name: f"<b>{name}"), "is not the name of an image"),
    "an extra column": (change(bonus=1.0), "a column 'bonus', which no evidence has"),
    "no digests": (without("digest"), "no column 'digest'"),
    "numbers of 32 bits": (TRUE | {"s_measure": np.float32(TRUE["s_measure"])}, "s_measure is float, which"),
    "values that are true": (TRUE | {"s_measure": np.ones(12, np.int64)}, "s_measure is int64, which"),
    "a width of 0": (change(width=0), "an image has no size"),
    "sizes below 0": (change(width=lambda n: -n, height=lambda n: -n), "an image has no size"),
    "sizes beyond 64 bits": (change(width=2**62, height=2**62), "an image has no size"),
    "MAE of another map": (change(mae_grey=0.3), "mae_grey of DIS-TE1"),
    "biou above 1": (change(biou_binary=1.5), "biou_binary of DIS-TE1"),
    "a curve above 1": (curve(1.5, 1.5), "biou_max of DIS-TE1"),
    "a mean of no curve": (curve(0.5, 0.7), "is 0.7, the mean of its curve is 0.5"),
    "a short curve": (TRUE | {"biou_max": [np.zeros(9)] * 12, "biou_mean": [0.0] * 12}, "which is not its type"),
    "mBA below 0": (change(mba=-0.5), "mba of DIS-TE1"),
    "a context above 1": (change(context=1.01), "context of DIS-TE1"),
    "HCE below 0": (hce(-4.0, -1.0, -1.0, -1.0, -1.0), "hce of DIS-TE1"),
    "half a click": (hce(2.5, 0.5, 1.0, 1.0, 0.0), "hce_fp_points of DIS-TE1"),
    "HCE less than its parts": (hce(3.0, 1.0, 1.0, 1.0, 1.0), "its parts are [1.0, 1.0, 1.0, 1.0]"),
    "more clicks than wrong pixels": (hce(4e7, 1e7, 1e7, 1e7, 1e7), "hce of DIS-TE1"),
}  # fmt: skip


def check(*paths):
    """The lines of the command, which has found faults."""
    result = CliRunner().invoke(main, ["leaderboard", "check", *map(str, paths)])
    assert result.exit_code == 1, result.output
    return result.stdout.splitlines()[:-1]


def test_the_base_of_all_forgeries_is_no_forgery(tmp_path):
    assert check_entries([forge(tmp_path / "dis-mini" / "diffdis.json")]) == []


@pytest.mark.parametrize("what", IMAGES)
def test_evidence_that_no_run_has_is_refused(what, tmp_path):
    columns, words = IMAGES[what]
    path = forge(tmp_path / "diffdis.json", columns)
    lines = check(path)
    assert any(words in line and "diffdis.json" in line for line in lines), lines
    assert len(lines) <= 5


def signature(protocol):
    return SHIPPED_PART.signature.replace("|pysod|", f"|{protocol}|")


TRUTHS = {
    "all zero": "0" * 64,
    "a pattern": "0123456789abcdef" * 4,
    "of nothing": sha256().hexdigest(),
    "of other truths": sha256(b"other").hexdigest(),
    "no digest": "0" * 63 + "x",
}


@pytest.mark.parametrize("what", TRUTHS)
def test_a_digest_that_is_not_of_the_truths_of_dis_mini_is_refused(what, tmp_path):
    path = forge(tmp_path / "diffdis.json", truths={SPLIT: TRUTHS[what]})
    (line,) = check(path)
    assert line.startswith(f"{path}: ")
    assert "truths of DIS-TE1" in line or "digest of truths is not a SHA-256" in line


CLAIMS = {
    "done in the future": ({"finished": "2999-01-01T00:00:00+00:00"}, "2999-01-01T00:00:00+00:00 is in the future"),
    "done in the far future": ({"finished": "9999-12-31T23:59:59-14:00"}, "is in the future"),
    "done before there was DIS5K": ({"finished": "1970-01-01"}, "is before there was DIS5K"),
    "another kernel": ({"run": SHIPPED_PART.run | {"kernel": "1"}}, "its signature has kernel 2, its run has kernel 1"),
    "another protocol": ({"protocol": "birefnet"}, "its signature"),
    "a score of -0.0": ({"scores": {SPLIT: {"mae": (-0.0, None, None)}}}, "a score is -0.0"),
}


@pytest.mark.parametrize("what", CLAIMS)
def test_claims_that_cannot_be_true_are_refused(what, tmp_path):
    changes, words = CLAIMS[what]
    path = forge(tmp_path / "diffdis.json", **changes)
    lines = check(path)
    assert any(words in line and line.startswith(f"{path}: ") for line in lines), lines


def edit(path, old, new):
    text = path.read_text()
    assert re.search(old, text)
    path.write_text(re.sub(old, lambda _: new, text))


TEXTS = {
    "a later kernel": (r"kernel:2\|", "kernel:99|", "names no version of kernels up to 2"),
    "a version that acts": ("disbench:0.1.0", "disbench:<b>", "names no version of kernels"),
    "a title that acts": ("DiffDIS-mini", "<script>x</script>", "'<script>x</script>' is not plain text"),
    "a title of LaTeX": ("DiffDIS-mini", r"\\\\input{x}", "is not plain text"),
    "a title that turns around": ("DiffDIS-mini", "\u202eSIDffiD", "is not plain text"),
    "a version of DIS-Mini": ("dis-mini-v1", "dis-mini-v7", "DIS-Mini has no version 'v7'"),
    "an infinite score": (r'"mae": \[\s*[\d.]+', '"mae": [1e999', "not a leaderboard entry"),
    "a score that is true": (r'"mae": \[\s*[\d.]+', '"mae": [true', "not a leaderboard entry"),
}


@pytest.mark.parametrize("what", TEXTS)
def test_texts_that_no_entry_has_are_refused(what, tmp_path):
    old, new, words = TEXTS[what]
    path = forge(tmp_path / "diffdis.json")
    edit(path, old, new)
    assert any(words in line and line.startswith(f"{path}: ") for line in check(path))


def test_another_protocol_needs_values_of_its_own(tmp_path):
    path = forge(tmp_path / "diffdis.json", protocol="birefnet")
    (line,) = check(path)
    expected = line.rpartition("is not that of its subsets by its protocol: ")[2]
    edit(path, re.escape(read_entry(path).measured[0].signature), expected)
    (line,) = check(path)
    assert "its scores on DIS-TE1 cannot be computed" in line
    assert "s_measure under protocol birefnet was not measured" in line


@pytest.fixture
def dis5k(monkeypatch):
    """DIS5K with as many images in its first test subset as DIS-Mini has."""
    monkeypatch.setitem(dataset.SPLIT_COUNTS, SPLIT, 12)


def exchanged(*keys):
    """The values of the first two images are exchanged."""
    return TRUE | {key: [TRUE[key][1], TRUE[key][0], *TRUE[key][2:]] for key in keys}


def nudged(columns):
    """The histograms of other maps: one pixel of each image has another level."""
    columns = to_arrays(columns)
    for histogram in columns["bg_hist"]:
        histogram[0] -= 1
        histogram[1] += 1
    return columns


ACROSS = {
    "other names": (nudged(change(image=lambda name: f"x{name}")), "in place of '1#Vehicle#2#WagonWheel#te0025'"),
    "other sizes": (nudged(TRUE | {"height": TRUE["width"], "width": TRUE["height"]}), "height of 1#Vehicle"),
    "another foreground": (nudged(moved()), "foreground of 1#Vehicle"),
    "the same maps": (TRUE, "its maps of DIS-TE1 are those of honest.json"),
    "the same maps, compressed": (
        TRUE | {"digest": ["0" * 16] * 12}, "its maps of DIS-TE1 are those of honest.json",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ACROSS)
def test_entries_of_one_data_set_must_agree_on_its_images(what, tmp_path, dis5k):
    columns, words = ACROSS[what]
    honest = forge(tmp_path / "dis5k" / "honest.json", token="dis5k")
    other = forge(tmp_path / "dis5k" / "other.json", columns, token="dis5k")
    (line,) = check(honest, other)
    assert line.startswith(f"{other}: ")
    assert words in line
    fine = forge(tmp_path / "dis5k" / "other.json", nudged(TRUE), token="dis5k")
    assert check_entries([honest, fine]) == []


def table(columns, **options):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue().to_pybytes()


def arrow_columns(count, text="x"):
    histogram = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(count * 256, np.uint32)), 256)
    names = pa.array([text] * count)
    sizes = pa.array([1] * count)
    return {"split": names, "image": names, "height": sizes, "width": sizes, "fg_hist": histogram,
            "bg_hist": histogram, "fg_half": pa.nulls(count), "digest": names}  # fmt: skip


HUGE = {
    "rows": (lambda: table(arrow_columns(6000)), "has 6000 rows; 1 to 5470 are possible"),
    "names": (lambda: table(arrow_columns(12, "x" * 100_000)), "a name has more than 255 bytes"),
    "lists": (
        lambda: table(arrow_columns(12) | {"fg_hist": pa.array([[0] * 100_000] * 12, pa.list_(pa.uint32()))}),
        "a histogram does not have 256 levels",
    ),
}


@pytest.mark.parametrize("what", HUGE)
def test_evidence_that_unpacks_to_too_much_is_refused_before_it_is_read(what, tmp_path, monkeypatch):
    make, words = HUGE[what]
    path = forge(tmp_path / "diffdis.json", data=make())
    monkeypatch.setattr("disbench.leaderboard.evidence_file.read_scores", lambda file: pytest.fail("was read"))
    (line,) = check(path)
    assert words in line
    assert "the evidence of diffdis.json" in line


def test_a_huge_file_and_a_pipe_are_not_read(tmp_path):
    path = forge(tmp_path / "diffdis.json")
    file = evidence_path(path, read_entry(path).measured[0])
    with file.open("r+b") as evidence:
        evidence.truncate(1 << 40)  # sparse
    assert "it has 1099511627776 bytes" in check(path)[0]
    file.unlink()
    os.mkfifo(file)
    assert f"{file}: a pipe, socket or device" in check(path)[0]
    with path.open("r+b") as entry:
        entry.truncate(1 << 40)
    assert "it is larger than 16 MiB" in check(path)[0]
    path.unlink()
    os.mkfifo(path)
    assert f"{path}: a pipe, socket or device" in check(path)[0]


def test_two_columns_of_one_name_are_refused(tmp_path):
    columns = arrow_columns(12)
    twice = pa.Table.from_arrays([*columns.values(), columns["height"]], [*columns, "height"])
    sink = pa.BufferOutputStream()
    pq.write_table(twice, sink)
    path = forge(tmp_path / "diffdis.json", data=sink.getvalue().to_pybytes())
    assert "two columns have one name" in check(path)[0]


def test_numbers_that_json_writes_in_other_ways_are_the_same(tmp_path):
    path = forge(tmp_path / "diffdis.json")
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert check_entries([path]) == []
