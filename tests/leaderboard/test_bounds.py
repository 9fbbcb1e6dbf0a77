"""Bounds of stored values: no map leaves them, and values that no map has are refused."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_pairs import pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_pairs import drawn_pairs

from disbench.leaderboard.bounds import check_values
from disbench.metrics.catalogue import METRICS
from disbench.metrics.measurement import measure
from disbench.metrics.protocols import PROTOCOLS
from disbench.runs.row_log import Row

EVERYTHING = ",".join(PROTOCOLS), list(METRICS)


@st.composite
def near_edges(draw):
    """Foreground in few rows or columns at one edge, where quadrants are empty, and a map like it."""
    height, width, rows = draw(st.integers(1, 12)), draw(st.integers(1, 12)), draw(st.integers(1, 6))
    truth = np.zeros((height, width), np.uint8)
    truth[-rows:, draw(st.integers(0, 3)) :] = 255
    noise = np.random.default_rng(draw(st.integers(0, 999))).integers(0, 256, truth.shape, np.uint8)
    share = draw(st.sampled_from([0, 0.1, 0.5, 1]))
    turns = draw(st.integers(0, 3))
    return tuple(np.ascontiguousarray(np.rot90(a, turns)) for a in ((truth * (1 - share) + noise * share).astype(np.uint8), truth))


def row(prediction, truth, metrics=None, protocol="pysod"):
    return Row("DIS-VD", "a", measure(prediction, truth, protocol, metrics), {}, "")


def with_values(image, **values):
    return replace(image, measurement=replace(image.measurement, values=image.measurement.values | values))


@settings(max_examples=60, deadline=None)
@given(st.one_of(pairs(), drawn_pairs(), near_edges()))
def test_no_map_leaves_the_bounds(pair):
    prediction, truth = pair
    if truth.max() == 1:
        truth = truth * 255
    image = row(prediction, truth, EVERYTHING[1], EVERYTHING[0])
    assert list(check_values([image], binary_truths=bool(np.isin(truth, [0, 255]).all()))) == []
