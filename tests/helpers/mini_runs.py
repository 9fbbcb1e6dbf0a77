"""Finished runs on DIS-Mini that were measured: the shipped evidence, with perfect maps in place of some of it."""

from dataclasses import replace

import numpy as np
from fake_runs import MINI

from disbench.data.dataset import TEST_SPLITS
from disbench.leaderboard.entry import list_entries, read_entry
from disbench.leaderboard.evidence import load_measured
from disbench.runs.manifest import Manifest, open_run
from disbench.runs.result import load_run
from disbench.runs.scores_file import finish_run

SHIPPED = list_entries("dis-mini")[0]


def make_perfect(row):
    """The row of a map that is its truth. S and weighted F of such a map are 1."""
    m = row.measurement
    fg, bg = np.zeros((2, 256), np.uint32)
    fg[255], bg[0] = m.fg_hist.sum(), m.bg_hist.sum()
    return replace(row, measurement=replace(m, fg_hist=fg, bg_hist=bg, values=dict.fromkeys(m.values, 1.0)))


def make_mini_run(root, model="diffdis", splits=TEST_SPLITS, perfect=0, title="DiffDIS-mini"):
    """Write and load a finished run. The first `perfect` images of each split have perfect maps."""
    (measured,) = read_entry(SHIPPED).measured
    (shipped,) = load_measured(SHIPPED)
    truths = {split: {"truths": measured.truths[split], "images": ""} for split in splits}
    identity = {"model": model, "weights": f"{perfect}", "kernel": "2", "data": truths, "columns": []}
    counts = {split: len(shipped.rows[split]) for split in splits}
    manifest = Manifest(
        title=title, dataset=MINI[0], token=MINI[1], protocol="pysod", splits=counts, identity=identity
    )
    rows = []
    for split in splits:
        for i, row in enumerate(shipped.rows[split]):
            rows.append(replace(make_perfect(row) if i < perfect else row, seconds={"infer": 0.1 + i / 100}))
    folder = open_run(root, model, manifest)
    finish_run(folder, rows, {"environment": {"cpu": "a CPU"}, "finished": "2026-01-01T00:00:00+00:00", "data": ["x"]})
    return load_run(folder)
