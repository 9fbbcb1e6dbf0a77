"""What a training says of its network on pictures held out, against maps whose scores are known."""

import cv2
import numpy as np
import pytest
import torch

from disbench.data.dataset import Sample
from disbench.models._training.supervised import Training, validate_network


class Answer(Training):
    """Predicts by a function of the images (b, 3, h, w) in [0, 1]."""

    def __init__(self, answer):
        self.predict = lambda net, images: answer(images)


@pytest.fixture
def red(tmp_path):
    """A picture with a red corner, which is its truth: 16 x 16 pixels."""
    truth = np.zeros((16, 16), np.uint8)
    truth[:4, :9] = 255
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[..., 2] = truth  # OpenCV writes BGR
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    cv2.imwrite(str(tmp_path / "gt.png"), truth)
    return Sample("x", "a", tmp_path / "a.png", tmp_path / "gt.png")


def scores(answer, sample, size=16):
    return validate_network(Answer(answer), torch.nn.Identity(), [sample], size, "cpu")


def test_a_network_is_shown_rgb(red):
    assert scores(lambda images: images[:, 0], red) == {"f_max": pytest.approx(1), "mae": 0}
    assert scores(lambda images: images[:, 2], red)["mae"] == pytest.approx(36 / 256)


def test_a_network_is_shown_one_as_the_brightest_at_the_size_that_it_is_trained_at(red):
    seen = []
    scores(lambda images: seen.append((*images.shape, images.max().item())) or images[:, 0], red, size=32)
    assert seen == [(1, 3, 32, 32, 1.0)]


@pytest.mark.parametrize(("value", "level"), [(0.999, 255), (0.5, 128), (0.4, 102), (0.001, 0), (1.5, 255), (-1.0, 0)])
def test_maps_are_rounded_to_the_nearest_level_at_the_truths_size(tmp_path, value, level):
    """0.5 of 255 is 127.5, of which the even neighbour is 128."""
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((10, 24, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "gt.png"), np.full((10, 24), 255, np.uint8))
    sample = Sample("x", "a", tmp_path / "a.png", tmp_path / "gt.png")
    mae = scores(lambda images: torch.full((1, 16, 16), value), sample)["mae"]
    assert mae == pytest.approx(1 - level / 255, abs=1e-9)
