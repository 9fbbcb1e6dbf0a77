"""Estimate the memory of an inference before its weights are read."""

from dataclasses import dataclass
from pathlib import Path

from disbench.models.diffdis.weights import OWN, Config
from disbench.registry.card import Card
from disbench.system.device_memory import describe_bytes, free_memory
from disbench.system.documents import read_json
from disbench.system.progress import announce_once

BYTES = 4
WIDTH = 128  # channels of the first level of Stable Diffusion's VAE
# The peak in float32 tensors (b, width of the VAE, H, W): (fp16, tiled) -> number. By the sizes of tensors, which
# tests/models/diffdis/test_diffdis_memory.py counts at small size; not checked on a GPU.
PEAK_TENSORS = {(False, False): 6.0, (False, True): 4.6, (True, False): 5.0, (True, True): 3.0}


@dataclass(frozen=True, kw_only=True)
class InferenceSize:
    """What decides the memory of an inference on one image.

    Attributes:
        parameters: parameters of all networks.
        width: channels of the VAE's first level.
        side: side of the image in pixels.
        half: whether it computes in fp16.
        tiled: whether the VAE computes in tiles.
    """

    parameters: int
    width: int
    side: int
    half: bool = False
    tiled: bool = False


def read_size(card: Card, weights: Path, *, side: int, half: bool, tiled: bool) -> InferenceSize:
    """Return the size of an inference by weights that are not read yet: the authors' networks, or disbench's folder.

    Args:
        card: card of DiffDIS.
        weights: the weights.
        side: side of the image; 0 for that of the weights.
        half: whether it computes in fp16.
        tiled: whether the VAE computes in tiles.
    """
    folder = weights if weights.is_dir() else weights.parent
    parameters, width, usual = card.parameters, WIDTH, card.pipeline["size"]
    if all((folder / name).is_file() for name in OWN):
        config = read_json(folder / OWN[0], Config, fault="not the configuration of a DiffDIS folder")
        parameters = sum((folder / name).stat().st_size for name in OWN[1:]) // 2  # they are in half precision
        width, usual = config.vae["block_out_channels"][0], config.size or usual
    return InferenceSize(parameters=parameters, width=width, side=side or usual, half=half, tiled=tiled)


def estimate_inference(size: InferenceSize, device: str) -> int:
    """Estimate the bytes of an inference on one image: the weights, and what the VAE holds at its peak.

    On the CPU it is twice as much: tensors of files are copied, freed memory is kept, and convolutions need room of
    their own. In fp32 this gives 14.4 GB at 1024 pixels and 8.4 GB at 256; an earlier version took 14.4 and 7.8 GB.
    """
    peak = PEAK_TENSORS[size.half, size.tiled] * BYTES * size.width * size.side**2
    if device == "cpu":
        return round(2 * (BYTES * size.parameters + peak))
    return round((2 if size.half else BYTES) * size.parameters + peak)


def warn_if_short(size: InferenceSize, device: str, title: str, advice: str) -> None:
    """Announce that an inference may need more memory than the device has free."""
    needed, free = estimate_inference(size, device), free_memory(device)
    if free is not None and needed > free:
        announce_once(
            f"{title} needs about {describe_bytes(needed)} on {device} (an estimate), and {describe_bytes(free)} are "
            f"free; {advice} needs less"
        )
