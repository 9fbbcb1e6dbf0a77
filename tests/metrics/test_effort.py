"""Human correction efforts against frozen answers of the authors' code and PySODMetrics, and against the naive ones."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from pathlib import Path

import naive_effort
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from measure_pairs import scenes

from disbench.errors import InputError
from disbench.metrics import thinning
from disbench.metrics.effort import Effort, effort, skeleton
from disbench.metrics.kernels import kernel

FROZEN = dict(np.load(Path(__file__).parents[1] / "goldens" / "hce.npz"))
NAMES = FROZEN["names"].tolist()
# The whole image is one false positive or negative. The authors' code counts no region.
COVERED = {"no truth, all found", "all truth, nothing found", "one pixel in all, missed"}


def pair(name):
    i = NAMES.index(name)
    return FROZEN[f"mask{i}"], FROZEN[f"truth{i}"]


@pytest.mark.parametrize("name", NAMES)
def test_skeleton_is_that_of_scikit_image(name):
    bones = skeleton(pair(name)[1])
    assert bones.dtype == np.uint8
    assert set(np.unique(bones)) <= {0, 255}
    assert ((bones == 255) == FROZEN[f"skeleton{NAMES.index(name)}"]).all()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in COVERED])
def test_the_authors_counts(name):
    assert astuple(effort(*pair(name), prediction_above=128)) == tuple(FROZEN["authors"][NAMES.index(name)])


@pytest.mark.parametrize("name", NAMES)
def test_the_total_of_pysodmetrics(name):
    assert effort(*pair(name)).total == FROZEN["pysod"][NAMES.index(name)]


def test_an_error_of_the_whole_image_is_one_region():
    assert FROZEN["authors"][[NAMES.index(name) for name in COVERED]].sum() == 0
    black, white = np.zeros((7, 9), np.uint8), np.full((7, 9), 255, np.uint8)
    assert effort(white, black) == Effort(0, 1, 0, 0)
    assert effort(black, white) == Effort(0, 0, 0, 1)


def test_each_kind_of_effort():
    truth = np.zeros((60, 120), np.uint8)
    truth[10:40, 10:40] = 255
    blob = np.zeros_like(truth)
    blob[10:40, 70:100] = 255
    assert effort(truth, truth) == Effort(0, 0, 0, 0)
    assert effort(truth | blob, truth) == Effort(0, 1, 0, 0)
    hole = truth.copy()
    hole[18:32, 18:32] = 0
    assert effort(hole, truth) == Effort(0, 0, 0, 1)
    bitten = truth.copy()
    bitten[10:40, 25:40] = 0
    # Two points at each corner, whose tip GAMMA steps do not reach, and the two ends of the line.
    assert effort(bitten, truth) == Effort(0, 0, 6, 0)
    assert effort(truth, truth | blob) == Effort(0, 0, 9, 0)  # the closed line ends next to its start
    assert Effort(1, 20, 300, 4000).total == 4321


SHAPES = st.one_of(  # the second of more than one word of 64 pixels
    st.tuples(st.integers(1, 24), st.integers(1, 30)), st.tuples(st.integers(1, 8), st.integers(60, 140))
)


@st.composite
def pairs(draw):
    shape = draw(SHAPES)
    return draw(scenes(shape)), draw(scenes(shape))


@settings(max_examples=150, deadline=None)
@given(SHAPES.flatmap(lambda shape: st.one_of(hnp.arrays(bool, shape), scenes(shape).map(lambda a: a > 128))))
def test_skeleton_is_naive(foreground):
    bones = skeleton(foreground.view(np.uint8) * np.uint8(255))
    assert ((bones == 255) == naive_effort.skeleton(foreground)).all()


@pytest.mark.parametrize("which_pass", [1, 2])
def test_a_pass_removes_what_the_table_of_scikit_image_says(which_pass):
    block = np.zeros(3 * 256, np.uint64)
    for pattern in range(256):
        block[3 * pattern + 1] |= np.uint64(1 << 32)
        for bit, (row, column) in enumerate(naive_effort.RING):
            if pattern >> bit & 1:
                block[3 * pattern + 1 + row] |= np.uint64(1 << 32 + column)
    removed, empty = np.zeros(block.size - 2, np.uint64), np.zeros_like(block)
    remove = kernel(thinning._remove.py_func)  # which only kernels call
    remove(empty, block, empty, which_pass & 1, removed)
    assert (removed[::3] >> np.uint64(32) & np.uint64(1)).tolist() == [
        passes & which_pass > 0 for passes in naive_effort.REMOVABLE
    ]


@settings(max_examples=200, deadline=None)
@given(pairs(), st.sampled_from([None, 0, 128]))
def test_effort_is_naive(pair, mask_above):
    mask, truth = pair
    bones = naive_effort.skeleton(truth > 128)
    counts = astuple(effort(mask, truth, prediction_above=mask_above))
    assert counts == naive_effort.effort(mask, truth, bones, mask_above)
    assert {type(count) for count in counts} == {int}


@settings(max_examples=50, deadline=None)
@given(pairs(), st.data())
def test_any_skeleton_is_taken_as_it_is(pair, data):
    bones = data.draw(hnp.arrays(bool, pair[0].shape))
    clicks = effort(*pair, skeleton=bones.view(np.uint8) * np.uint8(255))
    assert astuple(clicks) == naive_effort.effort(*pair, bones)


def test_a_ready_skeleton_changes_nothing_and_inputs_are_not_changed():
    mask, truth = pair("wheel, poor")
    expected = effort(mask, truth)
    bones, copies = skeleton(truth), (mask.copy(), truth.copy())
    for array in (mask, truth, bones):
        array.flags.writeable = False
    assert effort(mask, truth, bones) == expected
    assert effort(*map(np.asfortranarray, (mask, truth, bones))) == expected
    assert (skeleton(np.asfortranarray(truth)) == bones).all()
    wide = np.zeros((truth.shape[0], 2 * truth.shape[1]), np.uint8)
    wide[:, ::2] = truth
    assert effort(mask, wide[:, ::2]) == expected
    assert (mask == copies[0]).all()
    assert (truth == copies[1]).all()


def test_threads_do_not_disturb_each_other():
    names = NAMES[:10] * 3
    with ThreadPoolExecutor(4) as pool:
        totals = list(pool.map(lambda name: effort(*pair(name)).total, names))
    assert totals == [FROZEN["pysod"][NAMES.index(name)] for name in names]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"prediction": np.zeros((4, 5))}, "prediction: got float64 of shape (4, 5), expected uint8 (h, w)"),
        ({"prediction": np.zeros((5, 4), np.uint8)}, "prediction is (5, 4), truth is (4, 5)"),
        ({"prediction": np.zeros((0, 5), np.uint8)}, "at least one pixel"),
        ({"truth": np.eye(4, 5, dtype=bool)}, "truth: got bool"),
        ({"truth": np.eye(4, 5, dtype=np.uint8)}, "truth: its levels are 0 and 1"),
        ({"skeleton": np.eye(4, 5, dtype=bool)}, "skeleton: got bool"),
        ({"skeleton": np.eye(4, 5, dtype=np.uint8)}, "skeleton: its levels are 0 and 1"),
        ({"skeleton": np.zeros((4, 6), np.uint8)}, "skeleton is (4, 6), truth is (4, 5)"),
    ],
)
def test_bad_arrays_are_named(arrays, message):
    good = {"prediction": np.zeros((4, 5), np.uint8), "truth": np.zeros((4, 5), np.uint8)}
    with pytest.raises(InputError) as error:
        effort(**good | arrays)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_skeleton_names_a_bad_truth():
    with pytest.raises(InputError, match="truth: its levels are 0 and 1"):
        skeleton(np.eye(4, dtype=np.uint8))
