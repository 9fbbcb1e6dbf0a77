"""The metric of torchmetrics."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat
from torchmetrics.utilities.distributed import gather_all_tensors

from disbench.metrics.catalogue import METRICS, MetricKeys
from disbench.metrics.meter import Entry, MeterRules, add_entries, measure_batch, score_entries, sort_entries
from disbench.torchmetrics.records import decode_entries, encode_entries


def gather_bytes(state: Tensor, group: Any = None) -> list[Tensor]:
    """Gather the state of all processes. torchmetrics makes one of floats for a process without images."""
    return gather_all_tensors(state.to(torch.uint8), group)


class DISMetrics(Metric):
    """The scores of disbench as a metric of torchmetrics.

    The state is about 2.3 KB for each image, and has no maps. Any number of processes, with any number of images each,
    gives the same scores; see docs/training-metrics.md for the order of the images.

    Args:
        protocol: names of protocols, as in "pysod,diffdis".
        metrics: keys as in disbench.score(). Default: the standard metrics.
        rounding: how a float becomes a level: "round" or "truncate"; see disbench.Meter.
        resize: how predictions of another size are resized; see disbench.Meter. Default: another size is an error.
        **kwargs: arguments of torchmetrics.Metric.

    Raises:
        InputError: for an unknown name, and for arguments that do not fit together.
    """

    is_differentiable = False
    full_state_update = False
    higher_is_better: bool | None

    def __init__(
        self,
        protocol: str = "pysod",
        metrics: MetricKeys = None,
        *,
        rounding: str = "round",
        resize: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**{"dist_sync_fn": gather_bytes, **kwargs})
        self.rules = MeterRules.parse(protocol, metrics, rounding, resize)
        directions = {METRICS[key].direction for key in self.rules.metrics}
        # torchmetrics refuses setattr. None: some metrics are better high, and some low.
        self.__dict__["higher_is_better"] = directions == {"higher"} if len(directions) == 1 else None
        # The name keeps a MetricCollection from sharing states of metrics that read their input in another way.
        self._state = f"records_{rounding}_{resize}"
        self.add_state(self._state, default=[], dist_reduce_fx="cat")

    def update(self, preds: Any, target: Any, names: Sequence[str] | str | None = None) -> None:
        """Measure a batch: predictions, ground truths and file stems, as in disbench.Meter.update()."""
        process = dist.get_rank() if dist.is_available() and dist.is_initialized() else 0
        data = encode_entries(measure_batch(self.rules, preds, target, names), process)
        record = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        getattr(self, self._state).append(record.to(self.device))

    def compute(self) -> dict[str, float]:
        """Score the images of all processes; see disbench.Meter.compute()."""
        state = getattr(self, self._state)
        data = dim_zero_cat(state).to(torch.uint8).cpu().numpy().tobytes() if len(state) else b""
        return score_entries(self.rules, _join_processes(decode_entries(data)))


def _join_processes(parts: dict[int, list[Entry]]) -> list[Entry]:
    """List the images of all processes as they are scored.

    Images without names are taken from the processes in turn, as torch's DistributedSampler deals them. An image that
    several processes measured, since that sampler repeats some, counts once.

    Raises:
        InputError: for a name that one process has twice, and if only some images have names.
    """
    for part in parts.values():
        add_entries({}, part)
    turns = zip_longest(*(parts[rank] for rank in sorted(parts)))
    entries: dict[str | int, Entry] = {}
    add_entries(entries, (entry for turn in turns for entry in turn if entry), skip_known=True)
    return sort_entries(entries)
