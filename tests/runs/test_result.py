"""A result as a notebook shows it: short, whole, and safe."""

from dataclasses import replace

import pandas as pd
import pytest
from made_results import HOSTILE, result

from disbench.data.dataset import TEST_SPLITS


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
