"""A training of a moment, in one process or, as a script, in two: python tiny_training.py DATA OUT."""

import os
import sys
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from disbench.data.location import find_dataset
from disbench.models._training.loop import Schedule
from disbench.models._training.processes import join
from disbench.models.diffdis import train, weights

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


def begin(what=TINY):
    torch.manual_seed(0)
    vae = AutoencoderKL(**VAE)
    return weights.Checkpoint(train.new_unet(what), vae, torch.zeros(1, *what.text), what.prediction_type, what.size)


def one_of_two(rank: int, port: int, data: str, out: Path) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    device, processes = join("cpu")
    samples = find_dataset(data, None).samples
    unet = train.train(TOGETHER, begin(TOGETHER), samples, samples[:1], out / str(rank), device, processes=processes)
    torch.save(unet.state_dict(), out / f"{rank}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    import socket

    torch.set_num_threads(1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Forked, so that torch is imported once.
    made = [
        get_context("fork").Process(target=one_of_two, args=(rank, port, sys.argv[1], Path(sys.argv[2])))
        for rank in (0, 1)
    ]
    for process in made:
        process.start()
    for process in made:
        process.join()
    sys.exit(max(abs(process.exitcode) for process in made))
