"""Several processes train what one trains."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import accelerate
import pytest
import torch
from function_task import FunctionTask, fit_functions
from tiny_training import TOGETHER, UNET, begin, train_tiny

from disbench.data.location import find_dataset
from disbench.errors import InputError
from disbench.models._training import processes
from disbench.models._training.processes import Processes, join_processes
from disbench.models._training.schedule import Schedule

torch.set_num_threads(1)
ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "tests" / "helpers" / "tiny_training.py"
MINI = ROOT / "models" / "diffdis" / "mini"


def assert_trained_alike(weights, expected):
    """Compare two state dicts. Adam turns the rounding of gradients into steps as long as the learning rate is."""
    for name, x in expected.items():
        rate = TOGETHER.embedding_lr if name.startswith("class_embedding.") else 1
        torch.testing.assert_close(
            weights[name], x, rtol=1e-4, atol=5e-6 * rate, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.ci
@pytest.mark.slow
def test_two_processes_end_in_the_weights_of_one(make_pairs, tmp_path):
    data = str(make_pairs(tmp_path / "set", list("abcdef")))
    done = subprocess.run([sys.executable, SCRIPT, data, tmp_path], capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr
    samples = find_dataset(data, None).samples
    alone = train_tiny(TOGETHER, samples, tmp_path / "alone", samples[:1]).state_dict()

    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in alone)
    assert_trained_alike(first, alone)
    untouched = begin(TOGETHER).unet.state_dict()
    assert (untouched["rgb_conv.0.1.running_var"] - first["rgb_conv.0.1.running_var"]).abs().max() > 0.01

    logs = [[json.loads(line) for line in (tmp_path / run / "unet.jsonl").open()] for run in ("0", "alone")]
    for a, b in zip(*logs, strict=True):
        assert (a["mask"], a["edge"]) == pytest.approx((b["mask"], b["edge"]), rel=1e-4)
    assert "f_max" in logs[0][-1]
    assert not (tmp_path / "1" / "unet.pt").exists() and not (tmp_path / "1" / "unet.jsonl").exists()


@pytest.mark.ci
@pytest.mark.slow
@pytest.mark.parametrize(
    "runs",
    [[[1, False, 1], [2, False, 0]], [[2, True, 1], [1, False, 0]]],
    ids=["1 to 2", "2 sharded to 1"],
)
def test_other_numbers_of_processes_resume_a_training(make_pairs, tmp_path, runs):
    """Interrupted after the second of four steps, before the first checkpoint of the recipe."""
    data, out = str(make_pairs(tmp_path / "set", list("abcdef"))), tmp_path / "out"
    out.mkdir()
    done = subprocess.run(
        [sys.executable, SCRIPT, data, out, json.dumps(runs)], capture_output=True, text=True, timeout=1500
    )
    assert done.returncode == 0, done.stderr
    samples = find_dataset(data, None).samples
    alone = train_tiny(TOGETHER, samples, tmp_path / "alone", samples[:1]).state_dict()
    for rank in range(runs[1][0]):
        assert_trained_alike(torch.load(out / f"{rank}.pt"), alone)
    logs = [[json.loads(line) for line in (run / "unet.jsonl").open()] for run in (out, tmp_path / "alone")]
    assert [line["step"] for line in logs[0]] == [1, 2, 3, 4]
    for a, b in zip(*logs, strict=True):
        assert (a["mask"], a["edge"]) == pytest.approx((b["mask"], b["edge"]), rel=1e-4)
    assert logs[0][-1]["f_max"] == pytest.approx(logs[1][-1]["f_max"], abs=1e-3)
    whole, resumed = (torch.load(run / "unet.pt", weights_only=True) for run in (tmp_path / "alone", out))
    for number, values in whole["optimizer"]["state"].items():
        for name, x in values.items():
            torch.testing.assert_close(resumed["optimizer"]["state"][number][name], x, rtol=1e-3, atol=2e-5)


@pytest.mark.ci
@pytest.mark.slow
def test_ctrl_c_at_torchrun_saves_the_step_of_all_processes(make_pairs, tmp_path):
    """As in a terminal, before the first checkpoint; the launcher passes the signal on to each group of processes."""
    unet = "".join(f"{key} = {json.dumps(value)}\n" for key, value in UNET.items())
    (tmp_path / "tiny.toml").write_text(
        f"vae = {json.dumps(str(MINI))}\nkeep = false\npictures = 40\nsize = 32\ntext = [2, 8]\n"
        "stages = [{size = 32, steps = 5000, batch = 4}]\n"
        f"[schedule]\nsteps = 5000\nlr = 1e-3\ncheckpoint_every = 5000\nlog_every = 1\n[unet]\n{unet}",
        encoding="utf-8",
    )
    make_pairs(tmp_path / "set", list("abcdef"))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "disbench"]
    command += ["train", "tiny.toml", "--data", "set", "--out", "out", "--device", "cpu", "--workers", "1", "--fsdp"]
    log, errors = tmp_path / "out" / "unet.jsonl", (tmp_path / "errors").open("w+")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=errors, stdout=errors, start_new_session=True
    ) as launcher:
        while not (log.exists() and log.read_text()):
            assert launcher.poll() is None, (tmp_path / "errors").read_text()
            time.sleep(0.1)
        os.killpg(launcher.pid, signal.SIGINT)
        launcher.wait()
    errors.close()
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines()]
    assert torch.load(tmp_path / "out" / "unet.pt", weights_only=True)["step"] == steps[-1] == len(steps) < 5000
    assert f"step {steps[-1]} of 5000 is saved" in (tmp_path / "errors").read_text()
    places = [os.path.realpath(path) for path in Path("/proc").glob("[0-9]*/cwd")]
    assert str(tmp_path.resolve()) not in places  # of processes that still run


def test_processes_that_do_not_see_the_same_checkpoint_are_told(tmp_path):
    class Elsewhere(Processes):
        def average(self, tensors):
            (moments,) = tensors
            moments += torch.tensor([4, 16])  # of another process, which has done 4 steps
            moments /= 2

    assert not Elsewhere(0, 2).agree(2, torch.device("cpu"))
    assert Elsewhere(0, 2).agree(4, torch.device("cpu"))
    with pytest.raises(InputError, match=r"train.pt: not seen by all processes; give --out on a disk that all"):
        task = FunctionTask(None, None)
        fit_functions(torch.nn.Linear(1, 1), Schedule(8, 1e-3), task, tmp_path, processes=Elsewhere(0, 2))


def test_sharding_needs_several_processes_and_a_schedule_that_fits(tmp_path):
    with pytest.raises(InputError, match="--fsdp: there is only one process; start several with torchrun"):
        join_processes("cpu", sharded=True)
    for options, named in (({"precision": "fp16"}, 'precision = "fp16"'), ({"compile": True}, "compile = true")):
        schedule = Schedule(1, 1e-3, **options)
        with pytest.raises(InputError, match=f"--fsdp: not with {named}; change schedule"):
            fit_functions(torch.nn.Linear(1, 1), schedule, None, tmp_path, processes=Processes(0, 2, sharded=True))


def test_batch_norm_of_two_processes_is_that_of_all_their_rows(monkeypatch):
    """Two threads in place of the processes. Of few values, so that a variance of n is not one of n - 1."""
    barrier, rows_of_thread = threading.Barrier(2), {}

    def all_reduce(x):
        rows_of_thread[threading.get_ident()] = x.clone()
        barrier.wait()
        total = sum(rows_of_thread.values())
        barrier.wait()
        x.copy_(total)
        barrier.wait()
        rows_of_thread.clear()
        barrier.wait()

    together = SimpleNamespace(is_initialized=lambda: True, get_world_size=lambda: 2, all_reduce=all_reduce)
    monkeypatch.setattr(processes, "distributed", together)
    rows = torch.tensor([[0.0, 1.0, 5.0], [2.0, -3.0, 9.0]]).view(2, 1, 1, 3)
    weights = torch.tensor([[1.0, -2.0, 0.5], [3.0, 1.0, -1.0]]).view(2, 1, 1, 3)

    def run(norm, part):
        x = rows[part].clone().requires_grad_()
        y = norm.train()(x)
        (y * weights[part]).sum().backward()
        return y.detach(), x.grad, norm

    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(lambda i: run(processes.BatchNorm(1), slice(i, i + 1)), range(2)))
    wanted, gradient, norm = run(torch.nn.BatchNorm2d(1), slice(None))
    assert norm.running_var.item() == pytest.approx(0.9 + 0.1 * rows.var().item())  # torch's own, of n - 1
    for i, (y, grad, norm_of_part) in enumerate(parts):
        torch.testing.assert_close(y, wanted[i : i + 1], rtol=0, atol=1e-6)
        torch.testing.assert_close(norm_of_part.running_mean, norm.running_mean, rtol=0, atol=1e-6)
        torch.testing.assert_close(norm_of_part.running_var, norm.running_var, rtol=0, atol=1e-6)
        assert norm_of_part.num_batches_tracked == 1
        torch.testing.assert_close(grad, gradient[i : i + 1], rtol=0, atol=1e-5)


def test_the_others_wait_for_a_long_validation(monkeypatch):
    """Of all of DIS-VD, say, in which NCCL's ten minutes pass."""
    seen = {}

    def state(**options):
        seen.update(options)
        return SimpleNamespace(device="cuda:1", process_index=1, num_processes=2)

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(accelerate, "PartialState", state)
    assert join_processes(None) == ("cuda:1", Processes(1, 2))
    assert seen["timeout"] > timedelta(hours=1)


def test_a_batch_is_shared_in_pairs_of_neighbours():
    parts = [Processes(rank, 3).local_slice(12) for rank in range(3)]
    assert [i for part in parts for i in range(12)[part]] == list(range(12))
    for images in (2, 9, 10):
        with pytest.raises(InputError, match="even number of images each"):
            Processes(0, 3).local_slice(images)
