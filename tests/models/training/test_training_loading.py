"""Batches are made in processes: the same ones in the same order, whatever happens to the processes."""

import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from function_task import FunctionTask, fit_functions
from tiny_training import TINY, train_tiny

from disbench.data.location import find_dataset
from disbench.errors import InputError
from disbench.models._training import data, loading
from disbench.models._training.context import TrainingContext
from disbench.models._training.loading import choose_workers, load_batches
from disbench.models._training.processes import ALONE, Processes
from disbench.models._training.schedule import Schedule

torch.set_num_threads(1)
CPU = torch.device("cpu")


class Maker(FunctionTask):
    """Makes batches by a function, in a number of processes."""

    def __init__(self, batch, workers=0):
        super().__init__(batch, lambda net, x: {"loss": net(x).square().mean()})
        self.workers = workers


def draw(number):
    return number, torch.randn(4, 3, generator=torch.Generator().manual_seed(number))


@pytest.fixture
def samples(make_pairs, tmp_path):
    return find_dataset(str(make_pairs(tmp_path / "set", list("abcdef"))), None).samples


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_do_not_depend_on_the_number_of_processes(workers):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    batches = list(load_batches(Maker(draw, workers), range(3, 10), CPU))
    assert [number for number, _ in batches] == list(range(3, 10))
    assert all(torch.equal(x, draw(number)[1]) for number, x in batches)
    assert torch.equal(torch.get_rng_state(), before)  # dropout would be another one
    assert not multiprocessing.active_children()
    assert list(load_batches(Maker(draw, workers), range(3, 3), CPU)) == []


@pytest.mark.slow
@pytest.mark.ci
def test_diffdis_trained_with_processes_has_the_very_same_weights(samples, tmp_path):
    recipe = replace(TINY, noise="pyramid", keep=False)
    alone, helped = (
        train_tiny(recipe, samples, tmp_path / str(workers), workers=workers).state_dict() for workers in (0, 2)
    )
    assert all(torch.equal(x, helped[name]) for name, x in alone.items())


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_picture_is_one_line_that_names_it(samples, tmp_path, workers):
    samples[3].image.write_bytes(b"\xff\xd8 damaged")
    files = data.Files(samples, 16)
    batches = load_batches(Maker(lambda i: torch.from_numpy(files[i][0]), workers), range(6), CPU)
    for _ in range(3):
        next(batches)
    with pytest.raises(InputError) as refused:
        next(batches)
    assert str(samples[3].image) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not multiprocessing.active_children()


def test_other_faults_keep_their_traceback():
    with pytest.raises(ZeroDivisionError, match=r"(?s)Original Traceback.*in <lambda>"):
        list(load_batches(Maker(lambda i: i // 0, 1), range(2), CPU))


@pytest.mark.ci
@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_training_in_one_line(tmp_path):
    def die(number):
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.ones(4, 3)

    schedule = Schedule(8, 1e-3, checkpoint_every=1)
    with pytest.raises(InputError, match=r"a process that loads pictures ended \(.*\); there may be too little memory"):
        fit_functions(torch.nn.Linear(3, 2), schedule, Maker(die, 1), tmp_path)
    assert 1 <= torch.load(tmp_path / "train.pt", weights_only=True)["step"] <= 3
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [0, 2])
def test_few_batches_are_made_ahead(workers):
    made = multiprocessing.get_context("fork").Value("i", 0)

    def make(number):
        with made.get_lock():
            made.value += 1
        return torch.zeros(1)

    batches = load_batches(Maker(make, workers), range(100), CPU)
    for used in range(1, 20):
        next(batches)
        assert made.value <= used + 1 + workers
    batches.close()


def test_batches_are_pinned_for_a_gpu_only(monkeypatch):
    class Loader:
        def __init__(self, *_, **options):
            seen.append((options["pin_memory"], options["num_workers"]))

        def __iter__(self):
            return iter([(0, 1)])

    seen = []
    monkeypatch.setattr(loading, "DataLoader", Loader)
    for device in ("cpu", "cuda:1"):
        list(load_batches(Maker(draw, 2), range(1), torch.device(device)))
    assert seen == [(False, 2), (True, 2)]


def test_the_number_of_processes_suits_device_and_cores(monkeypatch):
    monkeypatch.setattr(loading, "count_cores", lambda: 6)
    assert choose_workers(None, "cpu", ALONE) == choose_workers(0, "cuda", ALONE) == 0
    assert [choose_workers(None, "cuda:0", Processes(0, count)) for count in (1, 2, 8)] == [4, 3, 0]
    assert choose_workers(7, "cpu", ALONE) == 7
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    assert choose_workers(None, "cuda", ALONE) == 0
    with pytest.raises(InputError, match="--workers 2: this system cannot fork processes; omit it"):
        choose_workers(2, "cpu", ALONE)


def _train_in_group(samples, out, started):
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def progress(done, *_):
        if done == 1:
            children = " ".join(str(child.pid) for child in multiprocessing.active_children())
            Path(started).write_text(children, encoding="utf-8")
            time.sleep(1)  # the signal comes within

    train_tiny(TINY, samples, out, workers=2, progress=progress)


@pytest.mark.ci
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_to_the_whole_group_lose_no_step_and_leave_no_process(samples, tmp_path, number):
    """As a terminal and torchrun send them; before the first checkpoint, which the recipe writes after step 3."""
    started, out = tmp_path / "started", tmp_path / "cut"
    training = multiprocessing.get_context("fork").Process(target=_train_in_group, args=(samples, out, started))
    training.start()
    while not started.exists() or not started.read_text():
        assert training.is_alive()
        time.sleep(0.05)
    loaders = [int(pid) for pid in started.read_text().split()]
    os.killpg(training.pid, number)
    training.join()
    assert len(loaders) == 2 and training.exitcode != 0
    assert torch.load(out / "unet.pt", weights_only=True)["step"] == 2
    for pid in loaders:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    resumed = train_tiny(TINY, samples, out).state_dict()
    undisturbed = train_tiny(TINY, samples, tmp_path / "whole").state_dict()
    assert all(torch.equal(x, resumed[name]) for name, x in undisturbed.items())


def test_a_context_loads_in_a_thread_by_default(tmp_path):
    assert TrainingContext(out=tmp_path).workers == 0
