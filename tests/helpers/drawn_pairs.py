"""Prediction maps and ground truths drawn by hypothesis."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

LEVELS = st.one_of(
    st.integers(0, 255),
    st.sampled_from([0, 255]),  # runs of equal words
    st.sampled_from([3, 4, 128, 129, 248]),
    st.just(77),
)


TRUTHS = st.one_of(st.sampled_from([0, 255]), st.sampled_from([0] * 20 + [255]), st.integers(120, 136), st.just(255))


@st.composite
def pairs(draw, height=12, width=40):
    shape = draw(st.tuples(st.integers(1, height), st.integers(1, width)))
    mask, truth = (
        draw(hnp.arrays(np.uint8, shape, elements=draw(st.sampled_from(choices.original_strategies))))
        for choices in (LEVELS, TRUTHS)
    )
    return mask, truth
