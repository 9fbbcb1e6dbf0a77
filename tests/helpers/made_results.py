"""Results with made-up rows, for reports: no run folder, no image."""

from pathlib import Path

import numpy as np

from disbench.data.dataset import TEST_SPLITS
from disbench.metrics.measurement import Measurement
from disbench.metrics.scoring import make_signature
from disbench.runs.result import Result
from disbench.runs.row_log import Row

HOSTILE = r'<script>alert(1)</script> #&_%${}~^\|`*"--' + "'β中"


MINI = "DIS-Mini (synthetic, not DIS5K)"


def measurement(quality: float, foreground: int = 5000) -> Measurement:
    """A 100 x 100 map that has `quality` of both foreground and background right, and half of the rest undecided."""

    def levels(pixels: int, right: int) -> np.ndarray:
        wrong = round(pixels * (1 - quality))
        counts = np.zeros(256, np.uint32)
        counts[[right, 128, 255 - right]] = pixels - wrong, wrong // 2, wrong - wrong // 2
        return counts

    values = {"s_measure": quality, "f_weighted": quality * 0.9}
    return Measurement(100, 100, levels(foreground, 255), levels(10000 - foreground, 0), values)


def result(
    title="DiffDIS",
    quality=0.9,
    splits=TEST_SPLITS,
    n=3,
    dataset=MINI,
    token="dis-mini-v1",
    folder=Path("no-such-run"),
    meta=None,
    foreground=5000,
):
    seconds = {"prepare": 0.01, "infer": 0.2, "restore": 0.02}
    rows = {
        split: [
            Row(split, f"image {i}", measurement(max(quality - 0.03 * i, 0), foreground), seconds, "")
            for i in range(n)
        ]
        for split in splits
    }
    name = make_signature("pysod", token, {split: n for split in splits})
    meta = {"environment": {"cpu": "a CPU", "packages": {"numpy": "2.0"}}} if meta is None else meta
    return Result(
        title=title,
        dataset=dataset,
        signature=name,
        splits=tuple(splits),
        rows=rows,
        meta=meta,
        folder=folder,
        token=token,
    )
