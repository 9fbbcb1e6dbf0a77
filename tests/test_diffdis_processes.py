"""Several processes train what one trains."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import accelerate
import pytest
import torch
from tiny_training import TOGETHER, begin

from disbench.data import find
from disbench.errors import InputError
from disbench.models._training.processes import Processes, join
from disbench.models.diffdis import train

torch.set_num_threads(1)


def test_two_processes_end_in_the_weights_of_one(make_pairs, tmp_path):
    data = str(make_pairs(tmp_path / "set", list("abcdef")))
    script = Path(__file__).with_name("tiny_training.py")
    done = subprocess.run([sys.executable, script, data, tmp_path], capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr
    samples = find(data, None).samples
    alone = train.train(TOGETHER, begin(TOGETHER), samples, samples[:1], tmp_path / "alone").state_dict()

    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    for name, x in alone.items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], x, rtol=1e-4, atol=2e-5, msg=name)
    untouched = begin(TOGETHER).unet.state_dict()
    assert (untouched["rgb_conv.0.1.running_var"] - first["rgb_conv.0.1.running_var"]).abs().max() > 0.01

    logs = [[json.loads(line) for line in (tmp_path / run / "unet.jsonl").open()] for run in ("0", "alone")]
    for a, b in zip(*logs, strict=True):
        assert (a["mask"], a["edge"]) == pytest.approx((b["mask"], b["edge"]), rel=1e-4)
    assert "f_max" in logs[0][-1]
    assert not (tmp_path / "1" / "unet.pt").exists() and not (tmp_path / "1" / "unet.jsonl").exists()


def test_the_others_wait_for_a_long_validation(monkeypatch):
    """Of all of DIS-VD, say, in which NCCL's ten minutes pass."""
    seen = {}

    def state(**given):
        seen.update(given)
        return SimpleNamespace(device="cuda:1", process_index=1, num_processes=2)

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(accelerate, "PartialState", state)
    assert join(None) == ("cuda:1", Processes(1, 2))
    assert seen["timeout"] > timedelta(hours=1)


def test_a_batch_is_shared_in_pairs_of_neighbours():
    parts = [Processes(rank, 3).part(12) for rank in range(3)]
    assert [i for part in parts for i in range(12)[part]] == list(range(12))
    for images in (2, 9, 10):
        with pytest.raises(InputError, match="even number of images each"):
            Processes(0, 3).part(images)
