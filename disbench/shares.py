"""Which images of a run one of several processes computes: on one machine, or on many that share its run folder.

Nothing is agreed between them. Each takes every n-th image, and appends to a shard of its own what is missing of them;
whoever finds that no row is missing writes the tables, which are the same bytes whoever it is.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from disbench.errors import InputError

# Of torchrun and of SLURM's srun: the process, counted from 0, and how many there are.
LAUNCHERS = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"))


@dataclass(frozen=True)
class Share:
    """The images index, index + count, index + 2 count ..."""

    index: int = 0
    count: int = 1

    def of(self, samples: list) -> list:
        return samples[self.index :: self.count]

    def part(self, index: int, count: int) -> "Share":
        """The part `index` of `count` of this share."""
        return Share(self.index + self.count * index, self.count * count)

    def __str__(self) -> str:
        return f"share {self.index + 1} of {self.count}"


WHOLE = Share()


def parse(text: str | None, environment: Mapping[str, str] = os.environ) -> Share:
    """None; "2/8", the second of eight; "auto", what torchrun or srun says. InputError otherwise."""
    if text is None:
        return WHOLE
    if text == "auto":
        for index, count in LAUNCHERS:
            if index in environment and count in environment:
                rank = environment[index]
                return parse(f"{int(rank) + 1 if rank.isdecimal() else rank}/{environment[count]}")
        raise InputError(f"--shard auto: neither torchrun nor srun started this; {_EXAMPLE}")
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError(f"--shard {text}: not a share; {_EXAMPLE}")
    return Share(int(match[1]) - 1, int(match[2]))


_EXAMPLE = "give 1/4, 2/4, 3/4, 4/4 to four processes"
