"""Disturb runs, scorings and trainings at random moments until each has ended; compare with the undisturbed result.

    python tests/faults/chaos.py [--times 200] [--seed 0] [--jobs run,score,train]

Each attempt goes on from what the ones before left. It is killed (SIGKILL, SIGTERM, Ctrl-C), meets a full disk or a
folder that it may not write to, loses a file of its data, or is one of two that do the same at once. In one of five,
an image, truth, map or file of weights is replaced while a run or a scoring reads it.

After each, every table and manifest there is must be whole, no measured row may be gone, and what ended by itself has
left no part of a file. Every row of every run folder must be the one that an undisturbed run of the same key measures,
of the replaced file too. At the end nothing is missing, nothing is there twice, and the bytes are those of the
undisturbed result.
"""

import argparse
import ctypes
import hashlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import msgspec
import numpy as np

from disbench.errors import InputError
from disbench.runs.manifest import read_manifest
from disbench.runs.result import load_run
from disbench.runs.row_log import RowLogs
from disbench.runs.tables import read_parquet

IMAGES = 60
SMALL = {"DIS-TR": 6, "DIS-VD": 2}  # images of what stands for DIS5K
ON_SMALL = f"""
from disbench.data import dataset
dataset.SPLIT_COUNTS |= {SMALL}
from disbench.__main__ import main
main()
"""
SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}
KINDS = (*SIGNALS, "full disk", "read-only folder", "vanished file", "two at once")
MAY_WRITE_ANYWHERE = 1  # CAP_DAC_OVERRIDE, which root gives up for good to meet a read-only folder
DROP = 24  # PR_CAPBSET_DROP

MODEL = """
class Predictor:
    def __init__(self, card, weights, device):
        with open(weights) as file:
            self.device, self.level = "cpu", float(file.read())

    def prepare(self, image): return image.mean(2)[None]
    def infer(self, batch): return batch[:, 0] * self.level
    def restore(self, output, size): return output.clip(0, 255).astype("uint8")
"""

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
    """`command` writes to the folder that is put after it; `digest` is of its result, `check` raises on damage.

    `inputs` are the files that may be replaced, by the kind of disturbance.
    """

    name: str
    command: tuple[str, ...]
    data: Path
    digest: Callable[[Path], str]
    check: Callable[[Path], None]
    inputs: dict[str, list[Path]] = field(default_factory=dict)


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
    for split, count in SMALL.items():
        pairs(work / "few" / split, count)
    recipe = str(work / "recipe.toml")
    Path(recipe).write_text(RECIPE, encoding="utf-8")
    (work / "vae.toml").write_text(VAE)
    model, level = work / "brightness.py", work / "level.txt"
    model.write_text(MODEL)
    level.write_text("1.5")
    truths = {"replaced truth": sorted((data / "gt").iterdir())}
    of_run = {"replaced image": sorted((data / "im").iterdir()), "replaced weights": [level], **truths}
    run = (*disbench, "run", "--model", str(model), "--weights", str(level), "--data", str(data), "--out")
    score = (*disbench, "score", str(maps), "--data", str(data), "--out")
    return {
        "run": Job("run", run, data, tables, whole, of_run),
        "score": Job("score", score, data, tables, whole, {"replaced map": sorted(maps.iterdir()), **truths}),
        "train": Job(
            "train",
            (sys.executable, "-c", ON_SMALL, "train", recipe, "--data", str(work / "few"), "--device", "cpu", "--out"),
            work / "few",
            weights,
            unbroken,
        ),
    }


def tables(out: Path) -> str:
    """Of scores.parquet and of every saved map."""
    (folder,) = (path.parent for path in out.glob("*/*/run.json"))
    rows = [row for rows in load_run(folder).rows.values() for row in rows]
    assert len(rows) == len({(row.split, row.name) for row in rows}) == IMAGES
    files = [folder / "scores.parquet", *sorted((folder / "masks").rglob("*.png"))]
    assert len(files) in (1, 1 + IMAGES)
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def whole(out: Path) -> None:
    """What is there of a run can be read: no part of a file passes for a whole one."""
    for manifest in out.glob("*/*/run.json"):
        complete = read_manifest(manifest.parent).complete
        RowLogs(manifest.parent)
        for table in manifest.parent.glob("*.parquet"):
            assert len(read_parquet(table)["image"]) == IMAGES
        for mask in manifest.parent.rglob("masks/**/*.png"):
            assert cv2.imread(str(mask), cv2.IMREAD_UNCHANGED) is not None, mask
        try:
            load_run(manifest.parent)
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


def measured_rows(folder: Path) -> dict[tuple[str, str], tuple]:
    """(split, image) -> all that was measured, without the times."""
    logs = RowLogs(folder)
    samples = [("mine", f"image{k:03}") for k in range(IMAGES)]
    measured = {}
    for row in logs.rows(key for key in samples if key in logs):
        fg, bg = row.measurement.fg_hist.tolist(), row.measurement.bg_hist.tolist()
        measured[row.key] = row.digest, fg, bg, row.measurement.values
    return measured


def list_runs(out: Path) -> list[Path]:
    return [manifest.parent for manifest in sorted(out.glob("*/*/run.json"))]


def check_keys(out: Path, references: dict[str, dict]) -> None:
    """Every row is the one that belongs to the key of its run."""
    for folder in list_runs(out):
        assert folder.name in references, f"{folder}: a key of content that there never was"
        for key, row in measured_rows(folder).items():
            assert row == references[folder.name][key], f"{folder}: {key} is of other content than the key"


def replace_file(path: Path, rng: random.Random) -> None:
    """Put other content into a file, or another file in its place, under the old date."""
    before = path.stat()
    if path.suffix == ".png":
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        content = cv2.imencode(".png", 255 - pixels)[1].tobytes()
    else:
        content = b"0.5"
    if rng.random() < 0.5:
        path.write_bytes(content)
    else:
        other = path.with_name(f".{path.name}.other")
        other.write_bytes(content)
        other.replace(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_during(
    job: Job, out: Path, kind: str, seconds: float, references: dict[str, dict], rng: random.Random
) -> int:
    """One attempt in which a file is replaced; its exit status. Runs of other keys are checked, and removed."""
    path = rng.choice(job.inputs[kind])
    original, date = path.read_bytes(), path.stat().st_mtime_ns
    process = start(job, out)
    time.sleep(rng.uniform(0, 0.9 * seconds))
    replace_file(path, rng)
    error = process.communicate()[1]
    assert process.returncode in {0, 2} and "Traceback" not in error, f"{kind}: {process.returncode}\n{error}"
    assert process.returncode == 0 or path.name in error, f"{kind}: {path.name} is not named\n{error}"
    reference = out.with_name(f"{out.name}-replaced")
    again = start(job, reference)
    error = again.communicate()[1]
    assert again.returncode == 0, error
    (folder,) = list_runs(reference)
    references[folder.name] = measured_rows(folder)
    shutil.rmtree(reference)
    path.write_bytes(original)
    os.utime(path, ns=(date, date))
    job.check(out)
    check_keys(out, references)
    for other in list_runs(out):
        if other.name != next(iter(references)):  # the first is the undisturbed run's
            shutil.rmtree(other)
    return process.returncode


def is_complete(out: Path) -> bool:
    """Whether the undisturbed run is there; with a replaced file, one of another key may have ended in its place."""
    return any(read_manifest(folder).complete for folder in list_runs(out))


def rows(out: Path) -> int:
    return sum(len(RowLogs(manifest.parent)) for manifest in out.glob("*/*/run.json"))


def start(job: Job, out: Path, disk: int | None = None, ordinary: bool = False) -> subprocess.Popen:
    def prepare():
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell ignores it on behalf of what runs in the background
        if disk is not None:  # a full disk, as far as a process can tell: no file grows beyond this
            resource.setrlimit(resource.RLIMIT_FSIZE, (disk, disk))
        if ordinary and os.getuid() == 0:
            assert ctypes.CDLL(None).prctl(DROP, MAY_WRITE_ANYWHERE) == 0

    return subprocess.Popen(
        [*job.command, str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
        start_new_session=True,
    )


def writable(out: Path, yes: bool) -> None:
    """All folders of `out`, and the one that it is to be made in."""
    for folder in (out.parent, *(path for path in (out, *out.rglob("*")) if path.is_dir())):
        folder.chmod(0o755 if yes else 0o555)


def attempt(job: Job, out: Path, kind: str, seconds: float, rng: random.Random) -> int:
    """One disturbed attempt; its exit status."""
    expected = {0, 2}
    if kind == "read-only folder":
        writable(out, False)
        try:
            process = start(job, out, ordinary=True)
            error = process.communicate()[1]
        finally:
            writable(out, True)
    elif kind == "vanished file":
        lost = rng.choice(sorted(job.data.rglob("*.png")))
        process = start(job, out)
        time.sleep(rng.uniform(0, 0.8 * seconds))
        lost.rename(lost.with_suffix(".gone"))
        error = process.communicate()[1]
        lost.with_suffix(".gone").rename(lost)
    elif kind == "two at once":
        process, other = start(job, out), start(job, out)
        error = process.communicate()[1] + other.communicate()[1]
        assert other.returncode in expected, error
    else:
        process = start(job, out, rng.randrange(200_000) if kind == "full disk" else None)
        if kind in SIGNALS:
            time.sleep(rng.uniform(0, 0.8 * seconds))
            process.send_signal(SIGNALS[kind])
            expected |= {-SIGNALS[kind], 130} if kind == "Ctrl-C" else {-SIGNALS[kind]}
        error = process.communicate()[1]
        if kind == "Ctrl-C" and "Traceback" in error and "disbench/cli/" not in error:
            return -SIGNALS[kind]  # Python itself was still starting, or already ending
    assert process.returncode in expected, f"{kind}: exit status {process.returncode}\n{error}"
    assert "Traceback" not in error, f"{kind}:\n{error}"
    return process.returncode


def parts(out: Path) -> int:
    return sum(1 for _ in out.rglob("*.part"))


def disturb(job: Job, work: Path, kinds: list[str], rng: random.Random) -> Counter:
    """A job disturbed in these ways, one after the other; how often each stopped it. AssertionError on any damage."""
    began = time.monotonic()
    undisturbed = work / f"{job.name}-undisturbed"
    process = start(job, undisturbed)
    error = process.communicate()[1]
    assert process.returncode == 0, error
    seconds = time.monotonic() - began
    expected = job.digest(undisturbed)
    references = {folder.name: measured_rows(folder) for folder in list_runs(undisturbed)}
    stopped: Counter = Counter()
    coming = deque(kinds)
    while coming:
        out = work / f"{job.name}-{len(coming)}"
        measured = left = 0
        while True:
            kind = coming.popleft() if coming else None
            if kind is None:
                process = start(job, out)
                error = process.communicate()[1]
                assert (status := process.returncode) == 0, error
            else:
                if kind in job.inputs:
                    status = replace_during(job, out, kind, seconds, references, rng)
                else:
                    status = attempt(job, out, kind, seconds, rng)
                stopped[kind] += status != 0
                print(f"{job.name}: {kind}: exit status {status}, {rows(out)} rows", flush=True)
            job.check(out)
            check_keys(out, references)
            assert parts(out) <= left or status < 0, f"{kind}: half a file was left"
            assert parts(out) == 0 or status != 0, f"{kind}: half a file of a killed process is still there"
            left = parts(out)
            assert rows(out) >= measured, "a measured row is gone"
            measured = rows(out)
            if status == 0 and (kind not in job.inputs or is_complete(out)):
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
            rng = random.Random(options.seed)
            inputs = list(known[name].inputs)
            replaced = options.times // 5 if inputs else 0
            kinds = rng.choices(KINDS, k=options.times - replaced) + rng.choices(inputs or KINDS, k=replaced)
            rng.shuffle(kinds)
            stopped = disturb(known[name], Path(work), kinds, rng)
            said = ", ".join(f"{kind} {count} (stopped by {stopped[kind]})" for kind, count in Counter(kinds).items())
            print(f"{name}: {said}; every result as undisturbed", flush=True)


if __name__ == "__main__":
    main()
