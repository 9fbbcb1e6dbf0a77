"""Maps and truths for the further measures: those whose answers are frozen, and those drawn at random."""

from pathlib import Path

import cv2
import numpy as np
from hypothesis import strategies as st

from disbench.metrics.stretch import map_span

GOLDENS = Path(__file__).parents[1] / "goldens"
PAIRS = dict(np.load(GOLDENS / "pysod.npz"))
FROZEN = dict(np.load(GOLDENS / "measures.npz"))
NAMES = FROZEN["names"].tolist()


def frozen_pair(name):
    """(mask, truth); what make_measures.py calls enlarged is made here too."""
    i = PAIRS["names"].tolist().index(name.removesuffix(", enlarged"))
    mask, truth = PAIRS[f"mask{i}"], PAIRS[f"truth{i}"]
    if name.endswith(", enlarged"):
        mask, truth = (array.repeat(6, 0).repeat(6, 1) for array in (mask, truth))
        mask = np.roll(mask, (2, 5), (0, 1))
    return mask, truth


def frozen_answer(key, name):
    return FROZEN[key][NAMES.index(name)]


def prepared(mask, truth):
    """What measures take: mask, foreground, and the levels that stand for 0 and 1."""
    return mask, np.where(truth > 128, np.uint8(255), np.uint8(0)), *map_span(mask)


@st.composite
def scenes(draw, shape):
    """Blocks, thick enough to matter and with sharp corners, or grains, soft or not."""
    h, w = shape
    image = np.zeros(shape, np.uint8)
    for y, x, height, width in draw(st.lists(st.tuples(*[st.integers(0, 24)] * 4), max_size=6)):
        image[y % h : y % h + height, x % w : x % w + width] ^= 255
    grains = draw(st.sampled_from([0, 0, 0.03, 0.3, 1]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    image = np.where(rng.random(shape) < grains, rng.integers(0, 256, shape, np.uint8), image)
    return cv2.GaussianBlur(image, (0, 0), 2) if draw(st.booleans()) else image


@st.composite
def drawn_pairs(draw):
    shape = draw(
        st.one_of(  # the second of more than one word of 64 pixels
            st.tuples(st.integers(1, 24), st.integers(1, 30)), st.tuples(st.integers(1, 8), st.integers(60, 140))
        )
    )
    return draw(scenes(shape)), draw(scenes(shape))
