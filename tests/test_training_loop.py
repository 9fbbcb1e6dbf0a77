"""The loop of every training, with networks of a layer or two."""

import errno
import tracemalloc
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from disbench.errors import InputError
from disbench.models._training import loop
from disbench.models._training.loop import Schedule, fit

torch.set_num_threads(1)


def test_accumulated_batches_are_one_step_of_all_of_them(tmp_path):
    def run(folder, accumulate, make):
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 1)
        schedule = Schedule(4, 1e-2, accumulate=accumulate)
        return fit(model, schedule, make, lambda model, x: {"loss": model(x).square().mean()}, "x", tmp_path / folder)

    x = torch.randn(8, 2, 3, generator=torch.Generator().manual_seed(1))
    parts = run("parts", 2, lambda i: x[i])
    whole = run("whole", 1, lambda i: x[2 * i : 2 * i + 2].flatten(0, 1))
    torch.testing.assert_close(parts.weight, whole.weight)


def test_a_full_disk_is_told_as_that(tmp_path, monkeypatch):
    """By whatever write it is found; torch itself would say that a position is unexpected."""

    class Full:
        def __init__(self, room):
            self.room = room

        def write(self, content):
            self.room -= len(content)
            if self.room < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return len(content)

        def flush(self):
            pass

    for room in (0, 100, 1500):
        monkeypatch.setattr(loop, "writing", lambda path, room=room: nullcontext(Full(room)))
        with pytest.raises(OSError, match="No space left"):
            loop._save(tmp_path / "x.pt", {"model": torch.nn.Linear(300, 1)}, {}, "", 1, 0.0)


def test_a_checkpoint_is_not_held_in_memory(tmp_path):
    """Its tensors are; DiffDIS' take 15 GB."""
    model = torch.nn.Sequential(*(torch.nn.Linear(256, 256) for _ in range(8)))
    size = 4 * sum(p.numel() for p in model.parameters())
    tracemalloc.start()
    x = torch.ones(1, 256)
    fit(model, Schedule(1, 1e-3), lambda step: x, lambda net, x: {"loss": net(x).mean()}, "x", tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "train.pt").stat().st_size > 4 * size  # with moments and average
    assert peak < size


def test_the_rate_warms_up_falls_and_starts_again():
    schedule = Schedule(100, 1.0, warmup=0.1, more=((100, 50, 0.5),))
    rates = np.array([schedule.lr_at(step) for step in range(schedule.total)])
    assert np.argmax(rates) == 10
    assert rates[:100].max() == 1.0 and rates[100:].max() == 0.5
    assert (np.diff(rates[:11]) > 0).all() and (np.diff(rates[10:100]) < 0).all()
    assert rates[99] < 0.001 and rates[149] < 0.001


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path):
    model = torch.nn.Linear(1, 1)

    def nan(model, batch):
        return {"loss": model(torch.ones(1)).sum() * (float("nan") if batch == 2 else 1)}

    with pytest.raises(InputError, match=r"step 2.*lower lr in the recipe, and choose another --out"):
        fit(model, Schedule(4, 1e-3), lambda step: step, nan, "x", tmp_path)
    assert all(p.isfinite().all() for p in model.parameters())
    with pytest.raises(InputError, match=r"step 2.*lower --lr, "):
        fit(model, Schedule(4, 1e-3), lambda step: step, nan, "x", tmp_path, knob="--lr")
    with pytest.raises(InputError, match=r"step 0.*not for the rate"):
        fit(model, Schedule(4, 1e-3), lambda step: step + 2, nan, "x", tmp_path)


def test_without_a_moving_average_the_network_itself_is_kept(tmp_path):
    """As an average that forgets all at once would be; a validation leaves it in training."""

    def loss(model, batch):
        assert model.training
        return {"loss": (model(torch.full((2, 1), 1.0 + batch)) ** 2).mean()}

    def train(ema, out):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Dropout(0.5))
        schedule = Schedule(4, 0.1, ema=ema, validate_every=1, checkpoint_every=1)
        return model, fit(model, schedule, lambda step: step, loss, "x", out, lambda net, step: {"f": step})

    model, kept = train(0, tmp_path / "none")
    _, nearly = train(1e-30, tmp_path / "nearly")
    assert kept is model and not kept.training
    assert all(torch.equal(p, q) for p, q in zip(kept.parameters(), nearly.parameters(), strict=True))
    assert "average" not in torch.load(tmp_path / "none" / "train.pt", weights_only=True)
