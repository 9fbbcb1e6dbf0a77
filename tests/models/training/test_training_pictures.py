"""How training pictures are changed: mirrored, cut and recoloured, against what that is by hand."""

import numpy as np
import pytest
import torch

from disbench.models._training import changes, data

torch.set_num_threads(1)
STILL = data.Augment(flip=0.0, crop=(1.0, 1.0), rotation=0.0, colour=0.0)


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return data.Pictures(rng.integers(0, 256, (4, 24, 24, 3), np.uint8), rng.integers(0, 256, (4, 24, 24), np.uint8))


def batch(pictures, **changes):
    augment = data.Augment(**vars(STILL) | changes)
    return data.make_batch(pictures, range(4), 24, augment, np.random.default_rng(1))


def test_a_flip_of_one_mirrors_every_picture_and_its_mask(pictures):
    images, masks = batch(pictures, flip=1.0)
    assert np.array_equal(np.rint(images.numpy() * 255), pictures.images[:, :, ::-1].transpose(0, 3, 1, 2))
    assert np.array_equal(np.rint(masks[:, 0].numpy() * 255), pictures.truths[:, :, ::-1])


def test_a_flip_of_a_half_mirrors_some_pictures_and_each_with_its_mask():
    pictures = data.Pictures(np.zeros((40, 8, 8, 3), np.uint8), np.zeros((40, 8, 8), np.uint8))
    pictures.images[:, :, :4] = pictures.truths[:, :, :4] = 255
    augment = data.Augment(**vars(STILL) | {"flip": 0.5})
    images, masks = data.make_batch(pictures, range(40), 8, augment, np.random.default_rng(0))
    assert torch.equal(images, masks.expand(-1, 3, -1, -1))
    assert 8 < (masks[:, 0, 0, 7] == 1).sum() < 32


def test_a_mirrored_cut_is_the_cut_mirrored(pictures):
    """Whichever other changes are drawn with it."""
    smooth = data.Pictures(np.repeat(np.repeat(pictures.images[:, :3, :3], 8, 1), 8, 2), pictures.truths)
    changes = {"crop": (0.5, 0.75), "rotation": 1.0}
    straight, mirrored = (batch(smooth, flip=flip, **changes)[0] for flip in (0.0, 1.0))
    assert (mirrored.flip(-1) - straight).abs().mean() < 0.01 < (mirrored - straight).abs().mean()


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ((1, 1, 1), (0.9, 0, 0)),
        ((0.5, 1, 1), (0.45, 0, 0)),  # brightness
        ((1, 1, 0), (0.3, 0.3, 0.3)),  # saturation: 0 leaves the mean of the channels
        ((1, 1, 0.5), (0.6, 0.15, 0.15)),
        ((1, 0, 1), (0.3, 0.3, 0.3)),  # contrast: 0 leaves the mean of the picture
        ((1, 0.5, 1), (0.6, 0.15, 0.15)),
        ((2, 1, 1), (1, 0, 0)),  # clipped
    ],
)
def test_a_pixel_is_recoloured_by_hand(factors, expected):
    image = np.array([[[0.9, 0, 0]]], np.float32)
    got = changes.recolour(image, np.array(factors, np.float32))
    np.testing.assert_allclose(got, [[expected]], rtol=0, atol=1e-6)


def test_contrast_is_about_the_mean_of_the_whole_picture_and_saturation_about_each_pixels():
    image = np.array([[[0.8, 0.2, 0.2], [0.0, 0.0, 0.0]]], np.float32)
    flat = changes.recolour(image, np.array([1, 0, 1], np.float32))
    grey = changes.recolour(image, np.array([1, 1, 0], np.float32))
    np.testing.assert_allclose(flat, np.full((1, 2, 3), 0.2), rtol=0, atol=1e-6)
    np.testing.assert_allclose(grey, [[[0.4] * 3, [0.0] * 3]], rtol=0, atol=1e-6)
