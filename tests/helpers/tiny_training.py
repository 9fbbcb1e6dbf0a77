"""A training of a few seconds, in one process or, as a script, in several: python tiny_training.py DATA OUT [RUNS].

RUNS is JSON: [processes, whether they are sharded, step after which Ctrl-C comes or 0] of each run, one after the other
in the folder OUT, as far as the one before has come. Without it, two processes train in folders of their own.
"""

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from disbench.data.location import find_dataset
from disbench.models._training.context import TrainingContext
from disbench.models._training.interruption import Interrupted
from disbench.models._training.processes import join_processes
from disbench.models._training.schedule import Schedule
from disbench.models.diffdis import train
from disbench.models.diffdis.checkpoint import Checkpoint

UNET = {
    "block_out_channels": [8, 8, 8, 8],
    "down_block_types": ["DownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D"],
    "layers_per_block": 1,
    "attention_head_dim": 2,
    "cross_attention_dim": 8,
    "norm_num_groups": 4,
}
VAE = {
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "block_out_channels": [4, 8],
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "mid_block_add_attention": False,
}
TINY = train.Recipe(
    vae="tiny-vae.toml",
    unet=UNET,
    stages=(train.Stage(16, 4, 2), train.Stage(32, 4, 2)),
    schedule=Schedule(8, 1e-3, checkpoint_every=3, log_every=1),
    pictures=40,
    size=32,
    text=(2, 8),
)
TOGETHER = replace(TINY, stages=(train.Stage(32, 4, 4),), schedule=replace(TINY.schedule, steps=4, validate_every=2))


def begin(recipe=TINY):
    """Build the networks that a training of the recipe starts from, with an untrained VAE."""
    torch.manual_seed(0)
    vae, text = AutoencoderKL(**VAE), torch.zeros(1, *recipe.text)
    return Checkpoint(train.build_unet(recipe), vae, text, recipe.prediction_type, recipe.size)


def train_tiny(recipe, samples, out, held_out=(), start=None, **context):
    """Train a recipe's U-Net in a folder."""
    start = start or begin(recipe)
    return train.train_unet(recipe, start, samples, held_out, TrainingContext(out=out, **context))


def train_as_rank(rank: int, port: int, data: str, out: Path, run: tuple[int, bool, int] | None) -> None:
    count, sharded, stop = run or (2, False, 0)
    if count > 1:
        sizes = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "RANK": rank, "LOCAL_RANK": rank, "MASTER_PORT": port}
        os.environ |= {name: str(value) for name, value in sizes.items()} | {"MASTER_ADDR": "127.0.0.1"}
    device, processes = join_processes("cpu", sharded=sharded)
    samples = find_dataset(data, None).samples

    def interrupt(done, *_):
        if done == stop:
            signal.raise_signal(signal.SIGINT)

    folder = out if run else out / str(rank)
    context = {"device": device, "processes": processes, "progress": interrupt}
    with suppress(Interrupted):
        unet = train_tiny(TOGETHER, samples, folder, samples[:1], **context)
        torch.save(unet.state_dict(), out / f"{rank}.pt")
    if count > 1:
        torch.distributed.destroy_process_group()


def train_in_processes(data: str, out: Path, run: tuple[int, bool, int] | None) -> int:
    """Train in forked processes, so that torch is imported only once; return the largest exit status."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    workers = [
        get_context("fork").Process(target=train_as_rank, args=(rank, port, data, out, run))
        for rank in range(run[0] if run else 2)
    ]
    for process in workers:
        process.start()
    for process in workers:
        process.join()
    return max(abs(process.exitcode) for process in workers)


if __name__ == "__main__":
    torch.set_num_threads(1)
    data, out, *runs = sys.argv[1:]
    for run in json.loads(runs[0]) if runs else [None]:
        if status := train_in_processes(data, Path(out), run):
            sys.exit(status)
