"""Disturb runs, scorings and trainings at random moments until each has ended; compare with the undisturbed result.

    python tests/faults/chaos.py [--times 200] [--seed 0] [--jobs run,score,train]

Each attempt goes on from what the ones before left. It is killed (SIGKILL, SIGTERM, Ctrl-C), meets a full disk, loses a
file of its data, or is one of two that do the same at once. After each, every table and manifest there is must be whole
and no measured row may be gone; at the end nothing is missing, nothing is there twice, and the bytes are the same.
"""

import argparse
import hashlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np

from disbench.errors import InputError
from disbench.runs import load, read_manifest, read_shards
from disbench.tables import read_parquet

IMAGES = 60
SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}
KINDS = (*SIGNALS, "full disk", "vanished file", "two at once")
EXPECTED = {0, 2, 130, *(-number for number in SIGNALS.values())}  # -SIGINT: Ctrl-C before disbench had begun

RECIPE = """
vae = "vae.toml"
pictures = 24
size = 16
text = [2, 8]
stages = [{ size = 16, steps = 30, batch = 2 }]
[schedule]
steps = 30
lr = 1e-3
checkpoint_every = 2
log_every = 1
[unet]
block_out_channels = [8, 8, 8, 8]
down_block_types = ["DownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D"]
up_block_types = ["UpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D"]
layers_per_block = 1
attention_head_dim = 2
cross_attention_dim = 8
norm_num_groups = 4
"""


VAE = """
size = 32
crop = 16
images = 2
masks = 2
edges = 2
[schedule]
steps = 6
lr = 1e-3
[decoder]
steps = 4
lr = 1e-3
[vae]
down_block_types = ["DownEncoderBlock2D", "DownEncoderBlock2D"]
up_block_types = ["UpDecoderBlock2D", "UpDecoderBlock2D"]
block_out_channels = [4, 8]
layers_per_block = 1
norm_num_groups = 2
mid_block_add_attention = false
"""


@dataclass(frozen=True)
class Job:
    """`command` writes to the folder that is put after it; `digest` is of its result, `check` raises on damage."""

    name: str
    command: tuple[str, ...]
    data: Path
    digest: Callable[[Path], str]
    check: Callable[[Path], None]


def pairs(folder: Path, count: int) -> Path:
    for kind in ("im", "gt"):
        (folder / kind).mkdir(parents=True)
    for k in range(count):
        rng = np.random.default_rng(k)
        truth = cv2.circle(np.zeros((48, 64), np.uint8), (12 + k % 40, 24), 9, 255, -1)
        image = rng.integers(0, 90, (48, 64, 3), np.uint8) + truth[..., None] // 2
        cv2.imwrite(str(folder / "im" / f"image{k:03}.png"), image)
        cv2.imwrite(str(folder / "gt" / f"image{k:03}.png"), truth)
    return folder


def jobs(work: Path) -> dict[str, Job]:
    disbench = (sys.executable, "-m", "disbench")
    data = pairs(work / "mine", IMAGES)
    maps = shutil.copytree(data / "gt", work / "maps")
    small = pairs(work / "few", 6)
    (work / "recipe.toml").write_text(RECIPE)
    (work / "vae.toml").write_text(VAE)
    return {
        "run": Job("run", (*disbench, "run", "--model", "otsu", "--data", str(data), "--out"), data, tables, whole),
        "score": Job("score", (*disbench, "score", str(maps), "--data", str(data), "--out"), data, tables, whole),
        "train": Job(
            "train",
            (*disbench, "train", str(work / "recipe.toml"), "--data", str(small), "--device", "cpu", "--out"),
            small,
            weights,
            unbroken,
        ),
    }


def tables(out: Path) -> str:
    """Of scores.parquet and of every saved map."""
    (folder,) = (path.parent for path in out.glob("*/*/run.json"))
    rows = [row for rows in load(folder).rows.values() for row in rows]
    assert len(rows) == len({(row.split, row.name) for row in rows}) == IMAGES
    files = [folder / "scores.parquet", *sorted((folder / "masks").rglob("*.png"))]
    assert len(files) in (1, 1 + IMAGES)
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def whole(out: Path) -> None:
    """What is there of a run can be read: no part of a file passes for a whole one."""
    for manifest in out.glob("*/*/run.json"):
        complete = read_manifest(manifest.parent).complete
        read_shards(manifest.parent)
        for table in manifest.parent.glob("*.parquet"):
            assert len(read_parquet(table)["image"]) == IMAGES
        for mask in manifest.parent.rglob("masks/**/*.png"):
            assert cv2.imread(str(mask), cv2.IMREAD_UNCHANGED) is not None, mask
        try:
            load(manifest.parent)
            assert complete
        except InputError:
            assert not complete


def weights(out: Path) -> str:
    files = sorted(path for path in out.rglob("*") if path.suffix in (".safetensors", ".json"))
    assert {"unet.safetensors", "vae.safetensors", "config.json"} <= {path.name for path in files}
    steps = [msgspec.json.decode(line)["step"] for line in (out / "unet.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 31)), "a step is missing from the log, or there twice"
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def unbroken(out: Path) -> None:
    import torch

    for path in out.glob("*.pt"):
        torch.load(path, weights_only=True)


def rows(out: Path) -> int:
    return sum(len(read_shards(manifest.parent)) for manifest in out.glob("*/*/run.json"))


def start(job: Job, out: Path, disk: int | None = None) -> subprocess.Popen:
    def prepare():
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell ignores it on behalf of what runs in the background
        if disk is not None:  # a full disk, as far as a process can tell: no file grows beyond this
            resource.setrlimit(resource.RLIMIT_FSIZE, (disk, disk))

    return subprocess.Popen(
        [*job.command, str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
        start_new_session=True,
    )


def attempt(job: Job, out: Path, kind: str, seconds: float, rng: random.Random) -> int:
    """One disturbed attempt; its exit status."""
    if kind == "vanished file":
        lost = rng.choice(sorted(job.data.glob("*/*.png")))
        process = start(job, out)
        time.sleep(rng.uniform(0, seconds))
        lost.rename(lost.with_suffix(".gone"))
        error = process.communicate()[1]
        lost.with_suffix(".gone").rename(lost)
    elif kind == "two at once":
        process, other = start(job, out), start(job, out)
        error = process.communicate()[1] + other.communicate()[1]
        assert other.returncode in EXPECTED, error
    else:
        process = start(job, out, rng.randrange(200_000) if kind == "full disk" else None)
        if kind in SIGNALS:
            time.sleep(rng.uniform(0, seconds))
            process.send_signal(SIGNALS[kind])
        error = process.communicate()[1]
    assert process.returncode in EXPECTED, f"{kind}: exit status {process.returncode}\n{error}"
    if process.returncode == 2:
        assert error.count("\n") <= 2 and "Traceback" not in error, error
    return process.returncode


def disturb(job: Job, work: Path, times: int, rng: random.Random, kinds=KINDS) -> Counter:
    """At least `times` disturbances of a job; how many of each kind did stop it. AssertionError on any damage."""
    began = time.monotonic()
    undisturbed = work / f"{job.name}-undisturbed"
    process = start(job, undisturbed)
    error = process.communicate()[1]
    assert process.returncode == 0, error
    seconds = time.monotonic() - began
    expected = job.digest(undisturbed)
    stopped: Counter = Counter()
    done = 0
    while done < times:
        out = work / f"{job.name}-{done}"
        measured = 0
        while True:
            kind = rng.choice(kinds) if done < times else None
            if kind is None:
                process = start(job, out)
                error = process.communicate()[1]
                assert (status := process.returncode) == 0, error
            else:
                status = attempt(job, out, kind, seconds, rng)
                stopped[kind] += status != 0
                done += 1
            job.check(out)
            assert rows(out) >= measured, "a measured row is gone"
            measured = rows(out)
            if status == 0:
                break
        assert job.digest(out) == expected, f"{job.name}: another result after {kind}"
        shutil.rmtree(out)
    return stopped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=200, help="disturbances of each job")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", default="run,score,train")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        known = jobs(Path(work))
        for name in options.jobs.split(","):
            stopped = disturb(known[name], Path(work), options.times, random.Random(options.seed))
            print(f"{name}: stopped by {dict(stopped)}; every result as undisturbed", flush=True)


if __name__ == "__main__":
    main()
