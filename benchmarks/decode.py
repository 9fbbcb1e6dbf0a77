"""Decoding of grey PNGs compared with other libraries: paired CPU time of one thread, for ground truths and maps.

All decoders are timed in turn, on the same bytes, in one process, so only the ratios are meaningful. Pillow's files
resemble those of most methods (adaptive filters); OpenCV's files only use the filter Sub. pyspng (libspng) and
imagecodecs (libpng, zlib-ng) take part where they are installed.

    python benchmarks/decode.py [--runs 7] [--sizes 2048x2048,3000x4000]
"""

import argparse
import io
import statistics
from collections.abc import Callable
from contextlib import suppress

import cv2
import numpy as np
from clock import seconds
from pairs import draw_mask, draw_truth
from PIL import Image

from disbench.data.png import decode_grey


def list_decoders() -> dict[str, Callable[[bytes], np.ndarray]]:
    decoders = {
        "disbench": decode_grey,
        "OpenCV": lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE),
        "Pillow": lambda data: np.asarray(Image.open(io.BytesIO(data), formats=("PNG",))),
    }
    with suppress(ImportError):
        import pyspng

        decoders["pyspng"] = pyspng.load
    with suppress(ImportError):
        from imagecodecs import png_decode, spng_decode

        decoders |= {"imagecodecs png": png_decode, "imagecodecs spng": spng_decode}
    return decoders


def draw_pictures(height: int, width: int) -> dict[str, np.ndarray]:
    truth = draw_truth(height, width, "wheels")
    return {"truth": truth} | {flavour: draw_mask(truth, flavour) for flavour in ("typical", "noisy")}


def encode(pixels: np.ndarray) -> dict[str, bytes]:
    Image.fromarray(pixels).save(file := io.BytesIO(), "png")
    return {"Pillow": file.getvalue(), "OpenCV": cv2.imencode(".png", pixels)[1].tobytes()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="timed rounds per file")
    parser.add_argument("--sizes", default="2048x2048,3000x4000")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    decoders = list_decoders()
    print("size       map      written by      KB   disbench  ratio (range) of the others to disbench")
    for size in options.sizes.split(","):
        for kind, pixels in draw_pictures(*map(int, size.split("x"))).items():
            for writer, data in encode(pixels).items():
                assert all(np.array_equal(decode(data), pixels) for decode in decoders.values())
                rounds = [[seconds(decode, data) for decode in decoders.values()] for _ in range(options.runs)]
                ours, *_ = (statistics.median(column) for column in zip(*rounds, strict=True))
                row = f"{size:10} {kind:8} {writer:9} {len(data) // 1024:8} {ours * 1e3:7.1f} ms"
                for peer, name in list(enumerate(decoders))[1:]:
                    ratios = sorted(round_[peer] / round_[0] for round_ in rounds)
                    row += f"  {name} {statistics.median(ratios):.1f} ({ratios[0]:.1f}-{ratios[-1]:.1f})"
                print(row, flush=True)


if __name__ == "__main__":
    main()
