"""Shards: the part of a run's images that one of several processes computes, on one machine or on many.

The processes share a run folder and agree on nothing else. Each takes every n-th image and appends the missing rows to
a log of its own. The process that finds no row missing writes the tables, which are the same bytes whoever writes them.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from disbench.errors import InputError

# The variables of torchrun and of SLURM's srun: the number of the process, counted from 0, and the count of processes.
LAUNCHERS = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"))
_EXAMPLE = "give 1/4, 2/4, 3/4, 4/4 to four processes"
Item = TypeVar("Item")


@dataclass(frozen=True)
class ShardSpec:
    """The images index, index + count, index + 2 count ... of a run."""

    index: int = 0
    count: int = 1

    def select(self, samples: Sequence[Item]) -> Sequence[Item]:
        """Select the samples of this shard."""
        return samples[self.index :: self.count]

    def __str__(self) -> str:
        return f"shard {self.index + 1}/{self.count}"


WHOLE = ShardSpec()


def parse_shard(text: str | None, environment: Mapping[str, str] = os.environ) -> ShardSpec:
    """Parse "2/8", the second of eight shards, or "auto", the shard that torchrun or srun gives this process.

    Args:
        text: the value of --shard. None is the whole run.
        environment: the variables in which "auto" looks.

    Raises:
        InputError: for any other text.
    """
    if text is None:
        return WHOLE
    if text == "auto":
        for index, count in LAUNCHERS:
            if index in environment and count in environment:
                rank = environment[index]
                return parse_shard(f"{int(rank) + 1 if rank.isdecimal() else rank}/{environment[count]}")
        raise InputError(f"--shard auto: neither torchrun nor srun started this process; {_EXAMPLE}")
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError(f"--shard {text}: not a shard; {_EXAMPLE}")
    return ShardSpec(int(match[1]) - 1, int(match[2]))
