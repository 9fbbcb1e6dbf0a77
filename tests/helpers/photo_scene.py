"""A scene with one bright object, and `disbench predict` with Otsu on photos of it."""

import numpy as np
from click.testing import CliRunner
from PIL import Image

from disbench.cli.main import main

SCENE = np.full((20, 30, 3), 30, np.uint8)
SCENE[5:15, 4:12] = (200, 180, 160)  # left of the middle, so a turn shows
OBJECT = SCENE[..., 0] > 100


def call(*arguments, data=None):
    """Run the command, with `data` as its standard input."""
    return CliRunner().invoke(main, ["predict", *map(str, arguments), "--model", "otsu"], input=data)


def written(path):
    with Image.open(path) as image:
        return np.asarray(image)


def save(path, pixels=SCENE, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif
