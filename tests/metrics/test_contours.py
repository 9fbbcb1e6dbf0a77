"""Contours and simplified polylines against OpenCV's, which the authors of the human correction efforts use."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from disbench.metrics.bits import pack
from disbench.metrics.contours import contours
from disbench.metrics.polylines import count_simplified

SHAPES = st.one_of(
    st.tuples(st.integers(1, 24), st.integers(1, 30)), st.tuples(st.integers(1, 8), st.integers(60, 140))
)


@st.composite
def images(draw):
    shape = draw(SHAPES)
    if draw(st.booleans()):
        return draw(hnp.arrays(bool, shape))
    noise = np.random.default_rng(draw(st.integers(0, 9999))).random(shape).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), draw(st.sampled_from([0.6, 1.0, 2.0])))
    return blurred > draw(st.sampled_from([0.4, 0.5, 0.55]))


def by_region(lines, outer):
    regions = {}
    for line, region in zip(lines, outer, strict=True):
        regions.setdefault(int(region), []).append(line.tolist())
    return sorted(regions.values())


@settings(max_examples=300, deadline=None)
@given(images())
def test_contours_are_those_of_opencv_in_its_order_within_each_region(image):
    points, spans, outer = contours(pack(image))
    expected, hierarchy = cv2.findContours(image.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    parents = [] if hierarchy is None else [i if parent < 0 else parent for i, parent in enumerate(hierarchy[0, :, 3])]
    ours = by_region([points[start:stop] for start, stop in spans], outer)
    assert ours == by_region([line[:, 0] for line in expected], parents)


def test_many_contours():
    image = np.zeros((90, 130), bool)
    image[::2, ::2] = True
    points, spans, outer = contours(pack(image))
    assert len(points) == len(spans) == 45 * 65
    assert (np.diff(spans) == 1).all()
    assert (outer == np.arange(45 * 65)).all()


@st.composite
def polylines(draw):
    """Steps to neighbours, mostly onwards, at times back to where it started, or jumps."""
    rng = np.random.default_rng(draw(st.integers(0, 99999)))
    count = draw(st.integers(1, 60))
    steps = rng.integers(-1, 2, (count, 2))
    kind = draw(st.sampled_from(["walk", "line", "back", "jumps"]))
    if kind == "line":
        steps = np.where(rng.random((count, 1)) < 0.8, steps[0], steps)
    points = rng.integers(0, 6, (count, 2)) if kind == "jumps" else steps.cumsum(0)
    if kind == "back":
        points = np.concatenate([points, points[:1]])
    return (points + 100).astype(np.int32)


@settings(max_examples=300, deadline=None)
@given(st.lists(polylines(), min_size=1, max_size=4))
def test_polylines_keep_as_many_points_as_opencvs(lines):
    stops = np.cumsum([len(line) for line in lines])
    runs = np.stack([stops - [len(line) for line in lines], stops], 1)
    assert count_simplified(np.concatenate(lines), runs, 4.0) == sum(
        len(cv2.approxPolyDP(line, 2.0, False)) for line in lines
    )
