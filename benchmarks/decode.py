"""Decoding grey PNGs against OpenCV and Pillow: paired CPU time of one thread, for a truth and maps of a network.

All are timed in turn, on the same bytes, in one process, so only the ratios mean anything. Pillow's files are what most
methods leave (adaptive filters), OpenCV's are filtered by Sub alone.

    python benchmarks/decode.py [--runs 7] [--sizes 2048x2048,3000x4000]
"""

import argparse
import io
import statistics

import cv2
import numpy as np
from clock import seconds
from PIL import Image

from disbench.data.png import decode_grey

DECODERS = {
    "disbench": decode_grey,
    "OpenCV": lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE),
    "Pillow": lambda data: np.asarray(Image.open(io.BytesIO(data))),
}


def draw(height: int, width: int) -> dict[str, np.ndarray]:
    """A truth of wheels with thin spokes; a map that is sure of most of it; one with noise all over."""
    rng = np.random.default_rng(0)
    truth = np.zeros((height, width), np.uint8)
    scale = min(height, width)
    for _ in range(6):
        x, y = (rng.uniform(0.2, 0.8, 2) * (width, height)).astype(int).tolist()
        radius = int(rng.uniform(0.1, 0.3) * scale)
        cv2.circle(truth, (x, y), radius, 255, scale // 100)
        for angle in np.linspace(0, 2 * np.pi, 36, endpoint=False):
            rim = int(x + radius * np.cos(angle)), int(y + radius * np.sin(angle))
            cv2.line(truth, (x, y), rim, 255, max(1, scale // 700))
    small = cv2.resize(truth, (1024, 1024), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    logits = 24 * cv2.GaussianBlur(small, (0, 0), 1) - 10
    logits += 2 * cv2.resize(rng.normal(0, 1, (30, 30)).astype(np.float32), (1024, 1024), interpolation=cv2.INTER_CUBIC)
    maps = {"typical": logits, "noisy": 0.5 * logits + rng.normal(0, 0.8, logits.shape)}
    soft = {kind: cv2.resize(255 / (1 + np.exp(-x)), (width, height)).astype(np.uint8) for kind, x in maps.items()}
    return {"truth": truth} | soft


def files(pixels: np.ndarray) -> dict[str, bytes]:
    Image.fromarray(pixels).save(file := io.BytesIO(), "png")
    return {"Pillow": file.getvalue(), "OpenCV": cv2.imencode(".png", pixels)[1].tobytes()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="timed rounds per file")
    parser.add_argument("--sizes", default="2048x2048,3000x4000")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print("size       map      written by      KB   disbench  OpenCV / disbench  Pillow / disbench (range)")
    for size in options.sizes.split(","):
        for kind, pixels in draw(*map(int, size.split("x"))).items():
            for writer, data in files(pixels).items():
                assert all(np.array_equal(decode(data), pixels) for decode in DECODERS.values())
                rounds = [[seconds(decode, data) for decode in DECODERS.values()] for _ in range(options.runs)]
                ours, *_ = (statistics.median(column) for column in zip(*rounds, strict=True))
                row = f"{size:10} {kind:8} {writer:9} {len(data) // 1024:8} {ours * 1e3:7.1f} ms"
                for peer in (1, 2):
                    ratios = sorted(round_[peer] / round_[0] for round_ in rounds)
                    row += f"  {statistics.median(ratios):6.1f} ({ratios[0]:.1f}-{ratios[-1]:.1f})".ljust(19)
                print(row, flush=True)


if __name__ == "__main__":
    main()
