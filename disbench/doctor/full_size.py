"""The check of DiffDIS at full size, with generated weights, against an answer of the CPU that is stored.

`python -m disbench.doctor.full_size FILE` computes the answer, which is full_size.png next to this file.
"""

import gc
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from disbench.data.images import read_map
from disbench.data.png_encoder import encode_grey
from disbench.doctor.generated_weights import fill_uniform, generate_weight
from disbench.doctor.networks import time_loaded
from disbench.inference.model import Model
from disbench.models.diffdis.checkpoint import Checkpoint
from disbench.models.diffdis.full_size import build_full_size
from disbench.models.diffdis.predictor import DiffDIS
from disbench.registry.loading import get_card

ANSWER = Path(__file__).with_name("full_size.png")
SIDE, SIDE_OF_TIMES = 256, 1024  # pixels; the second is that of the paper
# Grey levels of 255 that 99 % of the pixels must be within. On a CPU, fp16 is within 1.2 at 64 pixels.
MAX_LEVELS = {"fp32": 2, "tf32": 8, "fp16": 8}
NEEDS_CUDA = "by CUDA graphs, which need CUDA"
CALLS = 3  # before the one that is compared, where a graph is recorded


class GeneratedDiffDIS(DiffDIS):
    """DiffDIS at full size with weights that follow from the names of its tensors."""

    def load_checkpoint(self, *_: Any) -> Checkpoint:
        """See DiffDIS."""
        return build_full_size(generate_weight)


def check_full_size(device: str, precision: str, **options: str) -> tuple[bool | None, str]:
    """Check that the map of a generated picture equals the stored one. In half precision a CPU is too slow."""
    if device == "cpu" and precision != "fp32":
        return None, "computed on other devices only"
    if options and not device.startswith("cuda"):
        return None, NEEDS_CUDA
    model = load_full_size(device, SIDE, precision=precision, **options)
    for _ in range(CALLS if options else 0):
        model.predict(draw_picture(SIDE))
    distance = np.abs(model.predict(draw_picture(SIDE)).astype(int) - read_map(ANSWER))
    levels = float(np.percentile(distance, 99))
    message = f"99 % of pixels within {levels:.0f} levels of the stored answer, all within {distance.max()}"
    return levels <= MAX_LEVELS[precision], message


def time_full_size(device: str, **options: str) -> tuple[bool | None, str] | tuple[bool, str, dict[str, Any]]:
    """Time DiffDIS at full size and the paper's 1024 pixels, as `networks.time_network` does."""
    if not device.startswith("cuda"):
        return None, NEEDS_CUDA
    return time_loaded(load_full_size(device, SIDE_OF_TIMES, **options), draw_picture(SIDE_OF_TIMES))


def load_full_size(device: str, side: int, **options: str) -> Model:
    """Load DiffDIS at full size with generated weights."""
    gc.collect()  # the one that was loaded before has 4 GB
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    card = get_card("diffdis")
    return Model(card, GeneratedDiffDIS(card, "generated", device, size=side, **options))


def draw_picture(side: int) -> np.ndarray:
    """Draw a picture (side, side, 3) of 8 x 8 squares in colours that follow from a rule."""
    colours = np.empty((8, 8, 3))
    fill_uniform(colours.reshape(-1), "picture", 0, 256)
    return np.kron(colours.astype(np.uint8), np.ones((side // 8, side // 8, 1), np.uint8))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m {__spec__.name} FILE")
    Path(sys.argv[1]).write_bytes(encode_grey(load_full_size("cpu", SIDE).predict(draw_picture(SIDE))))
