"""A result as a notebook shows it: short, whole, and safe."""

from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_runs import make_run
from made_results import HOSTILE, result

from disbench.data.dataset import TEST_SPLITS
from disbench.runs import tables
from disbench.runs.manifest import read_manifest, write_manifest
from disbench.runs.result import load_run


def test_the_repr_of_a_run_on_two_thousand_images_is_short():
    short = result(n=1)
    run = replace(short, rows={split: rows * 500 for split, rows in short.rows.items()})
    assert sum(map(len, run.rows.values())) == 2000
    text = repr([run, run])
    assert len(text) < 2048
    assert "DiffDIS" in text and "DIS-TE4: 500" in text and "pysod" in text


def test_the_repr_of_a_run_with_many_splits_is_short():
    assert len(repr(result(splits=tuple(f"group {k}" for k in range(1000)), n=1))) < 2048


def test_a_notebook_shows_the_table_of_scores():
    run = result(splits=("DIS-TE1",), quality=0.9, n=1)
    page = run._repr_html_()
    assert f"<td>{run.score('DIS-TE1', 'mae')['mae']:.3f}</td>" in page
    assert "DIS-TE1" in page and "f_max" in page and run.signature.replace(">", "&gt;") in page


def test_names_from_outside_are_text_in_a_notebook():
    page = result(title=HOSTILE, dataset=HOSTILE, splits=("<b>x</b>",))._repr_html_()
    assert "<script>" not in page and "<b>x</b>" not in page and "&lt;script&gt;" in page


def test_the_frame_has_a_row_for_each_subset_and_a_column_for_each_metric():
    run = result(splits=TEST_SPLITS)
    frame = run.to_frame("f_max,mae")
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.index) == [*TEST_SPLITS, "Overall"] and list(frame.columns) == ["f_max", "mae"]
    assert frame.loc["DIS-TE2", "mae"] == pytest.approx(run.score("DIS-TE2", "mae")["mae"], abs=0)


def test_the_frame_has_the_measures_of_a_table_by_default():
    assert list(result(splits=("a",)).to_frame().columns) == ["f_max", "f_weighted", "e_mean", "s_measure", "mae"]


def rewrite_scores(folder, change, rows_per_group):
    """Write the scores of a run anew, in groups of this many rows, as a version did that wrote no digests."""
    table = change(pq.read_table(folder / "scores.parquet"))
    pq.write_table(table.replace_schema_metadata(None), folder / "scores.parquet", row_group_size=rows_per_group)
    write_manifest(folder, replace(read_manifest(folder), has_digests=False))


@pytest.mark.parametrize("rows_per_group", [1, 3, 1000])
@pytest.mark.parametrize("rows_per_batch", [1, 5, 1000])
def test_groups_of_rows_of_any_size_are_read_in_parts(tmp_path, monkeypatch, rows_per_group, rows_per_batch):
    run = make_run(tmp_path)
    rewrite_scores(run.folder, lambda table: table, rows_per_group)
    monkeypatch.setattr(tables, "ROWS_PER_BATCH", rows_per_batch)
    parts = [len(part["image"]) for part in tables.read_groups(run.folder / "scores.parquet")]
    assert sum(parts) == 12 and max(parts) <= rows_per_batch
    assert load_run(run.folder).scores("all") == run.scores("all")


def test_runs_without_a_foreground_above_half_are_read(tmp_path):
    """The first runs had no such column; where its values are null, the foregrounds are the same."""
    run = make_run(tmp_path)
    rewrite_scores(run.folder, lambda table: table.drop(["fg_half"]), 1000)
    loaded = load_run(run.folder)
    assert all(row.measurement.fg_half is None for row in loaded.rows["DIS-TE1"])
    assert loaded.with_protocol("birefnet").scores("f_max") == run.with_protocol("birefnet").scores("f_max")


@pytest.mark.parametrize("rows_per_batch", [1, 5, 1000])
def test_a_foreground_above_half_that_only_some_images_have_stays_theirs(tmp_path, monkeypatch, rows_per_batch):
    run = make_run(tmp_path)
    half = [None if i % 3 else row.measurement.fg_hist // 2 for i, row in enumerate(run.rows["DIS-TE1"])]
    column = pa.array([None if counts is None else counts.tolist() for counts in half], pa.list_(pa.uint32(), 256))
    at = pq.read_schema(run.folder / "scores.parquet").get_field_index("fg_half")
    rewrite_scores(run.folder, lambda table: table.set_column(at, "fg_half", column), 1000)
    monkeypatch.setattr(tables, "ROWS_PER_BATCH", rows_per_batch)
    for row, counts in zip(load_run(run.folder).rows["DIS-TE1"], half, strict=True):
        read = row.measurement.fg_half
        assert (read is None) == (counts is None) and (read is None or read.tolist() == counts.tolist())
