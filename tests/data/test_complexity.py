import cv2
import numpy as np
import pytest

from disbench.data.complexity import Complexity, measure_complexity


def canvas(*polygons, holes=()):
    mask = np.zeros((200, 300), np.uint8)
    for polygon in polygons:
        cv2.fillPoly(mask, [np.array(polygon, np.int32)], 255)
    for hole in holes:
        cv2.fillPoly(mask, [np.array(hole, np.int32)], 0)
    return mask


SQUARE = [(20, 20), (119, 20), (119, 119), (20, 119)]
HOLE = [(50, 50), (79, 50), (79, 79), (50, 79)]


def test_no_foreground_has_no_complexity():
    assert measure_complexity(np.full((5, 7), 128, np.uint8)) == Complexity(0.0, 0, 0)


def test_a_square_is_one_contour_of_four_points():
    complexity = measure_complexity(canvas(SQUARE))
    assert (complexity.contours, complexity.points) == (1, 4)
    assert complexity.ipq == pytest.approx((4 * 99) ** 2 / (4 * np.pi * 100 * 100))
    assert complexity.rank == complexity.ipq * 4


def test_a_disc_is_about_the_least_complex_shape():
    disc = cv2.circle(np.zeros((300, 300), np.uint8), (150, 150), 120, 255, -1)
    assert measure_complexity(disc).ipq == pytest.approx(1, abs=0.15)


def test_a_hole_adds_its_contour_its_points_and_its_length():
    solid, holed = measure_complexity(canvas(SQUARE)), measure_complexity(canvas(SQUARE, holes=[HOLE]))
    assert holed.contours == 2
    assert holed.points > solid.points
    assert holed.ipq > solid.ipq


def test_thin_spokes_rank_above_a_solid_shape():
    spokes = np.zeros((300, 300), np.uint8)
    for angle in np.linspace(0, np.pi, 12, endpoint=False):
        step = 140 * np.array([np.cos(angle), np.sin(angle)])
        cv2.line(spokes, (150 + step).astype(int).tolist(), (150 - step).astype(int).tolist(), 255, 2)
    assert measure_complexity(spokes).rank > 100 * measure_complexity(canvas(SQUARE)).rank


def test_diagonal_neighbours_are_one_object():
    mask = np.zeros((6, 6), np.uint8)
    mask[2, 2] = mask[3, 3] = 255
    assert measure_complexity(mask).contours == 1


def test_neither_the_array_nor_its_layout_matters():
    mask = canvas(SQUARE, holes=[HOLE])
    before = mask.copy()
    assert measure_complexity(np.asfortranarray(mask)) == measure_complexity(mask)
    assert (mask == before).all()
