"""A training of a few seconds, in one process or, as a script, in two: python tiny_training.py DATA OUT."""

import os
import sys
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from disbench.data.location import find_dataset
from disbench.models._training.context import TrainingContext
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


def train_as_rank(rank: int, port: int, data: str, out: Path) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    device, processes = join_processes("cpu")
    samples = find_dataset(data, None).samples
    unet = train_tiny(TOGETHER, samples, out / str(rank), samples[:1], device=device, processes=processes)
    torch.save(unet.state_dict(), out / f"{rank}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    import socket

    torch.set_num_threads(1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Forked, so that torch is imported only once.
    workers = [
        get_context("fork").Process(target=train_as_rank, args=(rank, port, sys.argv[1], Path(sys.argv[2])))
        for rank in (0, 1)
    ]
    for process in workers:
        process.start()
    for process in workers:
        process.join()
    sys.exit(max(abs(process.exitcode) for process in workers))
