"""A run resumes without losing or repeating an image, and its table does not depend on who did the work."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from command import call
from image_files import write

from disbench.data.images import read_map
from disbench.errors import InputError
from disbench.reports.publish import find_samples
from disbench.runs import api, execute, pipeline, row_log, scores_file
from disbench.runs.engines.threads import LocalSource
from disbench.runs.manifest import read_manifest
from disbench.runs.pipeline import RowMaker, make_rows
from disbench.runs.result import load_latest, load_run
from disbench.runs.row_log import RowLog, RowLogs

NAMES = ["a", "b.c", "d#e", "f"]


@pytest.fixture
def folder(tmp_path, make_pairs):
    return make_pairs(tmp_path / "mine", NAMES)


def otsu(folder, out, **options):
    return api.run("otsu", data=folder, out=out, **options)


def scores_digest(result):
    return hashlib.sha256((result.folder / "scores.parquet").read_bytes()).hexdigest()


def test_a_run_measures_every_image_once_and_keeps_its_maps(tmp_path, folder):
    seen = []
    result = otsu(folder, tmp_path / "runs", progress=lambda done, total, what: seen.append((done, total, what)))
    assert [row.name for row in result.rows["mine"]] == NAMES
    assert [s for s in seen if s[2] == "Otsu"] == [(k, 4, "Otsu") for k in (1, 2, 3, 4)]
    assert set(result.rows["mine"][0].seconds) == {"prepare", "infer", "restore"}
    for row in result.rows["mine"]:
        assert pipeline.hash_mask(read_map(result.mask(row))) == row.digest
    assert result.signature.startswith("disbench:")
    assert "folder:mine" in result.signature


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_scores_are_the_same_bytes_for_any_number_of_workers(tmp_path, folder, workers):
    alone = otsu(folder, tmp_path / "alone", workers=0)
    assert scores_digest(otsu(folder, tmp_path / "runs", workers=workers)) == scores_digest(alone)


def test_a_stopped_run_goes_on_where_it_was(tmp_path, folder):
    whole = otsu(folder, tmp_path / "whole")

    class Stop(BaseException):
        pass

    def stop(done, total, what):
        if what == "Otsu" and done == 2:
            raise Stop

    with pytest.raises(Stop):
        otsu(folder, tmp_path / "runs", progress=stop)
    (run,) = (tmp_path / "runs" / "otsu").iterdir()
    assert not read_manifest(run).complete
    with pytest.raises(InputError, match="not finished"):
        load_run(run)
    seen = []
    resumed = otsu(folder, tmp_path / "runs", progress=lambda done, total, what: seen.append((what, done)))
    assert [done for what, done in seen if what == "Otsu"] == [3, 4]
    assert resumed.folder == run
    assert scores_digest(resumed) == scores_digest(whole)


@pytest.mark.parametrize(("how", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, -15), (signal.SIGINT, 130)])
def test_a_killed_process_loses_nothing_and_repeats_nothing(tmp_path, make_pairs, how, status):
    folder = make_pairs(tmp_path / "many", [f"image{k:03}" for k in range(60)])
    whole = otsu(folder, tmp_path / "whole")
    command = [sys.executable, "-m", "disbench", "run", "--model", "otsu", "--data", folder, "--out", tmp_path / "runs"]
    # A shell ignores Ctrl-C on behalf of what it starts in the background; here it must arrive all the same.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=heard)
    shards = tmp_path / "runs" / "otsu" / whole.folder.name / "shards"
    while not any(shard.read_bytes().count(b"\n") >= 5 for shard in shards.glob("*")):
        assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(how)
    assert process.wait() == status
    kept = len(RowLogs(shards.parent))
    assert 5 <= kept < 60
    resumed = otsu(folder, tmp_path / "runs")
    assert sum(shard.read_bytes().count(b"\n") for shard in shards.iterdir()) == 60
    assert scores_digest(resumed) == scores_digest(whole)


def test_a_torn_last_line_is_measured_again(tmp_path, folder):
    whole = otsu(folder, tmp_path / "runs")
    (shard,) = (whole.folder / "shards").iterdir()
    lines = shard.read_bytes().splitlines(keepends=True)
    shard.write_bytes(b"".join(lines[:-1]) + lines[-1][: len(lines[-1]) // 2])
    expected = scores_digest(whole)
    again = otsu(folder, tmp_path / "runs")
    assert len(RowLogs(whole.folder)) == 4
    assert scores_digest(again) == expected


def test_damage_inside_a_shard_is_named(tmp_path, folder):
    whole = otsu(folder, tmp_path / "runs")
    (shard,) = (whole.folder / "shards").iterdir()
    lines = shard.read_bytes().splitlines(keepends=True)
    shard.write_bytes(lines[0] + b"{}\n" + lines[1])
    with pytest.raises(InputError, match=r"jsonl: line 2 is damaged"):
        otsu(folder, tmp_path / "runs")


def test_two_writers_of_one_image_count_once(tmp_path, folder):
    """By the row of the last, whose map it is that lies there."""
    whole = otsu(folder, tmp_path / "runs")
    first = whole.rows["mine"][0]
    for digest in "bcade":
        with RowLog(whole.folder) as again:
            again.append(replace(first, digest=digest))
    kept = RowLogs(whole.folder)
    assert len(kept) == 4 and next(kept.rows([("mine", first.name)])).digest == "e"


def test_a_finished_run_is_not_done_again_unless_something_is_missing(tmp_path, folder):
    first = otsu(folder, tmp_path / "runs", save_maps=False)
    seen = []
    otsu(folder, tmp_path / "runs", save_maps=False, progress=lambda *call: seen.append(call[2]))
    assert "Otsu" not in seen
    assert first.mask(first.rows["mine"][0]) is None
    kept = otsu(folder, tmp_path / "runs")
    assert kept.mask(kept.rows["mine"][0]).exists()
    assert scores_digest(kept) == scores_digest(first)


def test_another_image_or_truth_is_another_run(tmp_path, folder):
    first = otsu(folder, tmp_path / "runs")
    shutil.copy(folder / "im" / "a.jpg", folder / "im" / "f.jpg")
    second = otsu(folder, tmp_path / "runs")
    shutil.copy(folder / "gt" / "a.png", folder / "gt" / "f.png")
    third = otsu(folder, tmp_path / "runs")
    assert len({first.folder, second.folder, third.folder}) == 3


def test_the_latest_run_of_every_method(tmp_path, folder):
    with pytest.raises(InputError, match="no finished run"):
        load_latest(tmp_path / "runs")
    otsu(folder, tmp_path / "runs")
    everything = api.run("all_foreground", data=folder, out=tmp_path / "runs")
    shutil.copy(folder / "im" / "a.jpg", folder / "im" / "f.jpg")
    second = otsu(folder, tmp_path / "runs")
    manifest = json.loads((everything.folder / "run.json").read_text())
    manifest["meta"]["finished"] = "2000-01-01T00:00:00+00:00"
    (everything.folder / "run.json").write_text(json.dumps(manifest))
    newest = json.loads((second.folder / "run.json").read_text())
    newest["meta"]["finished"] = "2999-01-01T00:00:00+00:00"
    (second.folder / "run.json").write_text(json.dumps(newest))
    assert [result.folder for result in load_latest(tmp_path / "runs")] == [everything.folder, second.folder]


def test_a_table_that_lost_rows_is_refused(tmp_path, folder):
    result = otsu(folder, tmp_path / "runs")
    manifest = json.loads((result.folder / "run.json").read_text())
    manifest["splits"]["mine"] = 5
    (result.folder / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"has \{'mine': 4\} rows"):
        load_run(result.folder)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PAR1 and no more")])
def test_a_lost_table_is_made_again_from_the_shards(tmp_path, folder, damage):
    whole = otsu(folder, tmp_path / "runs")
    expected = scores_digest(whole)
    damage(whole.folder / "scores.parquet")
    with pytest.raises(InputError, match=r"delete its run\.json"):
        otsu(folder, tmp_path / "runs")
    (whole.folder / "run.json").unlink()
    seen = []
    again = otsu(folder, tmp_path / "runs", progress=lambda done, total, what: seen.append(what))
    assert "Otsu" not in seen
    assert scores_digest(again) == expected


def test_a_manifest_of_other_bytes_is_named(tmp_path):
    (tmp_path / "run.json").write_bytes(b'{"title": "\xff"}')
    with pytest.raises(InputError, match=r"run\.json: cannot be read"):
        load_run(tmp_path)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_breaks_stops_the_run_with_its_name_and_keeps_the_rest(workers, tmp_path, folder):
    image = folder / "im" / "f.jpg"
    image.write_bytes(image.read_bytes()[:-60])
    with pytest.raises(InputError, match=r"f\.jpg"):
        otsu(folder, tmp_path / "runs", workers=workers)
    (run,) = (tmp_path / "runs" / "otsu").iterdir()
    assert len(RowLogs(run)) == 3


def test_saved_maps_score_as_the_run_that_saved_them(tmp_path, folder):
    first = otsu(folder, tmp_path / "runs")
    (maps,) = api.score_maps(first.folder / "masks", title="Otsu's <maps>/", data=folder, out=tmp_path / "runs")
    assert maps.scores() == first.scores()
    assert maps.title == "Otsu's <maps>/"
    assert maps.folder.parent.parent == tmp_path / "runs"


def test_a_place_that_cannot_be_written_is_named(tmp_path, folder):
    (tmp_path / "runs").write_text("a file, not a folder")
    with pytest.raises(InputError, match=r"runs.*--out"):
        otsu(folder, tmp_path / "runs")


def test_overall_pools_the_four_test_splits_only():
    from disbench.metrics.measurement import measure
    from disbench.metrics.scoring import score
    from disbench.runs.result import Result
    from disbench.runs.row_log import Row

    def row(split, level):
        truth = np.zeros((8, 8), np.uint8)
        truth[:4] = 255
        mask = np.where(truth, level, 255 - level).astype(np.uint8)
        return Row(split, "x", measure(mask, truth), {}, "")

    splits = ("DIS-VD", "DIS-TE1", "DIS-TE2", "DIS-TE3", "DIS-TE4")
    rows = {split: [row(split, 50 + 40 * k)] for k, split in enumerate(splits)}
    result = Result(
        title="t", dataset="DIS5K", signature="s", splits=splits, rows=rows, meta={}, folder=None, token="dis5k"
    )
    assert result.scores()["Overall"] == score([rows[s][0].measurement for s in splits[1:]])
    partial = replace(result, splits=splits[:4], rows={s: rows[s] for s in splits[:4]})
    assert "Overall" not in partial.scores()


def test_more_rows_than_are_held_at_once_are_the_same_rows(tmp_path, folder, monkeypatch):
    """The third truth has levels of 110 and 200, so that its row alone has fg_half, and not in the first group."""
    truth = np.where(read_map(folder / "gt" / "d#e.png") > 0, np.uint8(200), np.uint8(0))
    truth[0] = 110
    write(folder / "gt" / "d#e.png", truth)
    at_once = otsu(folder, tmp_path / "runs", protocol="mvanet").rows["mine"]
    monkeypatch.setattr(scores_file, "ROWS_PER_CHUNK", 2)
    monkeypatch.setattr(row_log, "ROWS_PER_CHUNK", 2)
    in_parts = otsu(folder, tmp_path / "again", protocol="mvanet").rows["mine"]
    assert [row.measurement.fg_half is None for row in at_once] == [True, True, False, True]
    for one, other in zip(at_once, in_parts, strict=True):
        assert (one.name, one.digest, one.measurement.values) == (other.name, other.digest, other.measurement.values)
        for key in ("fg_hist", "bg_hist", "fg_half"):
            np.testing.assert_array_equal(getattr(one.measurement, key), getattr(other.measurement, key))


def test_rows_are_closed_at_once_when_one_cannot_be_written(tmp_path, folder, monkeypatch):
    closed = []

    def rows(self, samples, measures, workers, save_map):
        try:
            yield from make_rows(RowMaker(stages=self.stages, measures=measures, save_map=save_map), samples, 0)
        finally:
            closed.append(True)

    def fail(self, row):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LocalSource, "rows", rows)
    monkeypatch.setattr(RowLog, "append", fail)
    with pytest.raises(OSError, match="No space left") as error:
        otsu(folder, tmp_path / "runs")
    assert closed == [True]  # while the traceback, which holds the frames, is still there
    assert error.value.errno == 28


@pytest.mark.parametrize("kind", ["tables", "maps"])
def test_a_finished_run_that_is_done_again_goes_on_after_a_kill(tmp_path, folder, monkeypatch, kind):
    first = otsu(folder, tmp_path / "runs")
    first.mask(first.rows["mine"][1]).unlink()

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        if kind == "tables":  # after the tables, before the manifest
            interrupted.setattr(scores_file, "read_digests", stop)
        else:  # after a map that differs, as of a model that computes at random
            interrupted.setattr(pipeline, "hash_mask", lambda mask: "0123456789abcdef")
            interrupted.setattr(execute, "finish_run", stop)
        with pytest.raises(KeyboardInterrupt):
            otsu(folder, tmp_path / "runs")
    assert not read_manifest(first.folder).complete
    again = otsu(folder, tmp_path / "runs")
    assert read_manifest(first.folder).complete
    for row in load_run(first.folder).rows["mine"]:
        assert pipeline.hash_mask(read_map(again.mask(row))) == row.digest


def test_maps_that_are_added_leave_a_finished_run_readable_meanwhile(tmp_path, folder):
    first, readable = otsu(folder, tmp_path / "runs", save_maps=False), []

    def read(*_):
        readable.append(load_run(first.folder).scores() == first.scores())

    otsu(folder, tmp_path / "runs", progress=read)
    assert readable and all(readable)


def test_a_run_knows_where_its_data_are_now(tmp_path, folder):
    first = otsu(folder, tmp_path / "runs")
    moved = tmp_path / "elsewhere" / "mine"
    moved.parent.mkdir()
    folder.rename(moved)
    assert find_samples(first) == []
    second = otsu(moved, tmp_path / "runs")
    assert second.folder == first.folder
    assert load_run(first.folder).meta["data"] == [str(moved)]
    assert len(find_samples(second)) == len(NAMES)


def test_a_run_in_several_threads_at_once_is_one_run(tmp_path, folder):
    with ThreadPoolExecutor(4) as pool:
        for results in (list(pool.map(lambda _: otsu(folder, tmp_path / "runs"), range(4))) for _ in range(5)):
            assert len({result.folder for result in results}) == 1
            assert len({str(result.scores()) for result in results}) == 1
            shutil.rmtree(tmp_path / "runs")


def test_scores_are_printed_where_no_report_can_be_written(tmp_path, folder):
    command = ("run", "--model", "otsu", "--data", folder, "--out", tmp_path / "runs")
    assert call(*command).exit_code == 0
    (run,) = (tmp_path / "runs").glob("*/*")
    shutil.rmtree(run / "report")
    (run / "report").touch()
    done = call(*command)
    assert done.exit_code == 2
    assert "mine (4)" in done.stdout
    assert f"{run}: complete, but without a report (" in done.stderr
    assert "mend that, and repeat the command" in done.stderr and done.stderr.count("\n") == 1
    (run / "report").unlink()
    assert call(*command).exit_code == 0
    assert (run / "report" / "report.html").exists()
