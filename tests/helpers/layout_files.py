"""Small pairs of pictures in the layouts in which data sets are shared."""

import json

import cv2
import numpy as np
from command import call
from image_files import write

SHAPE = 12, 16


def draw(seed):
    """An image and its mask."""
    truth = np.zeros(SHAPE, np.uint8)
    cv2.circle(truth, (5 + seed % 6, 6), 4, 255, -1)
    image = np.random.default_rng(seed).integers(0, 60, (*SHAPE, 3), np.uint8) + truth[..., None] // 2
    return image, truth


def encode(pixels, suffix=".png"):
    return cv2.imencode(suffix, pixels)[1].tobytes()


def put(image_path, truth_path, seed=0):
    """Write a pair."""
    for path, pixels in zip((image_path, truth_path), draw(seed), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, pixels)


def put_folders(folder, images, truths, names=("a", "b")):
    """Write pairs into two folders of a folder."""
    for seed, name in enumerate(names):
        put(folder / images / f"{name}.jpg", folder / truths / f"{name}.png", seed)
    return folder


def put_maps(folder, names=("a", "b"), end=""):
    """Write the masks as prediction maps."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        write(folder / f"{name}{end}.png", draw(seed)[1])
    return folder


def parquet_row(seed, paths=(None, None)):
    image, truth = draw(seed)
    return {
        "image": {"bytes": encode(image[..., ::-1], ".jpg"), "path": paths[0]},
        "mask": {"bytes": encode(truth), "path": paths[1]},
        "caption": "a disc",
    }


def put_parquet(path, rows):
    """Write rows as Hugging Face does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("image", struct), ("mask", struct), ("caption", pa.string())])
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)


def check(data, maps, *more):
    """Open a data set by each command; the dataset and the subsets of `score`, whose maps are the truths."""
    verified = call("data", "verify", "--data", data, *more)
    assert verified.exit_code == 0, verified.output
    scored = call("score", maps, "--data", data, *more, "--metrics", "mae,iou_mean", "--json")
    assert scored.exit_code == 0, scored.output
    (result,) = json.loads(scored.stdout)
    assert {scores["mae"] for scores in result["scores"].values()} == {0}
    return result["dataset"], list(result["scores"])
