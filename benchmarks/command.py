"""`disbench score` compared with a loop over PySODMetrics 1.6.2 on the same files: CPU time of whole processes.

Both processes read maps and ground truths, compute the five measures of the DiffDIS paper, and use one thread. That of
disbench also checks all files, hashes them and writes a run. Its kernels are compiled before. The loop needs a Python
that has PySODMetrics, for which score.py describes the environment; disbench runs in this one:

    python benchmarks/command.py --peer pair-env/bin/python [--images 500] [--size 1024x1024] [--flavour typical]
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from pairs import FLAVOURS, KINDS, draw_mask, draw_truth
from PIL import Image

DISTINCT = 50  # pairs that are drawn; further ones are hard links to them
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
LOOP = """
import sys, warnings, cv2, py_sod_metrics as sod
from pathlib import Path
warnings.filterwarnings("ignore")
cv2.setNumThreads(1)
metrics = [sod.MAE(), sod.Fmeasure(), sod.Emeasure(), sod.Smeasure(), sod.WeightedFmeasure()]
for path in sorted(Path(sys.argv[1]).iterdir()):
    pair = [cv2.imread(str(Path(folder, path.name)), cv2.IMREAD_GRAYSCALE) for folder in sys.argv[1:]]
    for metric in metrics:
        metric.step(*pair)
for metric in metrics:
    metric.get_results()
"""


def draw_folders(folder: Path, images: int, size: str, flavour: str) -> tuple[Path, Path]:
    """Write pairs of all kinds as Pillow's PNGs. Returns the folders of maps and of ground truths."""
    maps, truths = folder / "maps", folder / "gt"
    maps.mkdir()
    truths.mkdir()
    for i in range(images):
        name, first = f"{i:04}.png", f"{i % DISTINCT:04}.png"
        if i < DISTINCT:
            truth = draw_truth(*map(int, size.split("x")), list(KINDS)[i % len(KINDS)], seed=i)
            Image.fromarray(truth).save(truths / name)
            Image.fromarray(draw_mask(truth, flavour, seed=i)).save(maps / name)
        else:
            for parent in (maps, truths):
                (parent / name).hardlink_to(parent / first)
    return maps, truths


def run_process(command: list[str | Path], folder: Path) -> float:
    """Run a command in a folder, and return the CPU seconds of its process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env=os.environ | ONE_THREAD, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def time_command(peer: Path, images: int, size: str, flavour: str) -> tuple[float, float]:
    """Return the CPU seconds of PySODMetrics' loop and of `disbench score`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        maps, truths = draw_folders(folder, images, size, flavour)
        score = [sys.executable, "-m", "disbench", "score", maps, "--truth", truths, "--workers", "0"]
        run_process([*score, "--out", folder / "first"], folder)  # compiles kernels, and remembers digests
        return run_process([peer, "-c", LOOP, maps, truths], folder), run_process([*score, "--out", "runs"], folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path, required=True, help="a Python that has PySODMetrics 1.6.2")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--size", default="1024x1024")
    parser.add_argument("--flavour", default="typical", choices=FLAVOURS)
    options = parser.parse_args()
    slow, fast = time_command(options.peer.absolute(), options.images, options.size, options.flavour)
    print(
        f"{options.images} {options.flavour} pairs of {options.size}: PySODMetrics {slow:.1f} s, disbench score",
        f"{fast:.1f} s, {slow / fast:.1f} times as fast",
    )


if __name__ == "__main__":
    main()
