"""A training that is interrupted keeps its step and says so; whatever ends it, it goes on to the very same weights."""

import errno
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from click.testing import CliRunner
from function_task import FunctionTask, fit_functions

from disbench.cli.main import CHECKPOINT_HINT, RESUME_HINT, main
from disbench.models._training.interruption import Interrupted
from disbench.models._training.processes import ALONE, Processes
from disbench.models._training.schedule import Schedule
from disbench.models.diffdis import train

STEPS = 8
SCHEDULE = Schedule(STEPS, 1e-2, checkpoint_every=3, log_every=1)


def trained(out, progress=None, processes=ALONE):
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 2)

    def losses(net, x):
        return {"square": net(x).square().mean()}

    def make(step):
        return torch.randn(4, 3, generator=torch.Generator().manual_seed(step))

    task, identity = FunctionTask(make, losses), {"seed": 0}
    options = {"identity": identity, "processes": processes, "progress": progress}
    return fit_functions(net, SCHEDULE, task, out, **options).state_dict()


def step(out):
    return torch.load(out / "train.pt", weights_only=True)["step"]


def goes_on_as_if_nothing_had_been(cut, tmp_path):
    resumed = trained(cut)
    assert all(torch.equal(x, resumed[name]) for name, x in trained(tmp_path / "whole").items())
    logs = [
        [line.partition('"seconds"')[0] for line in (out / "train.jsonl").open()] for out in (tmp_path / "whole", cut)
    ]
    assert logs[0] == logs[1] and len(logs[0]) == STEPS


@pytest.fixture(autouse=True)
def heard():
    """Ctrl-C is ignored in what a shell starts in the background, as these tests may be."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def terminated():
    """What SIGTERM came to, which else would end the tests."""
    came = []
    before = signal.signal(signal.SIGTERM, lambda *_: came.append(True))
    yield came
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", range(1, STEPS + 1))
def test_an_interrupted_training_keeps_its_step(tmp_path, terminated, number, at):
    def interrupt(done, *_):
        if done == at:
            signal.raise_signal(number)

    said = f"train: step {at + 1} of {STEPS} is saved" if at < STEPS else "the last step is saved"
    with pytest.raises(Interrupted, match=f"^{said}; run the same command again to resume$"):
        trained(tmp_path / "cut", interrupt)
    assert terminated == [True] * (number == signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert step(tmp_path / "cut") == min(at + 1, STEPS)
    goes_on_as_if_nothing_had_been(tmp_path / "cut", tmp_path)


def test_a_signal_within_a_step_ends_the_training_with_that_step(tmp_path):
    calls = []

    def losses(net, x):
        calls.append(x)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return {"square": net(x).square().mean()}

    task = FunctionTask(lambda step: torch.ones(4, 3), losses)
    with pytest.raises(Interrupted, match=f"^train: step 3 of {STEPS} is saved; "):
        fit_functions(torch.nn.Linear(3, 2), SCHEDULE, task, tmp_path, identity={})
    assert step(tmp_path) == len(calls) == 3


def test_a_second_signal_ends_at_once(tmp_path, capfd):
    def impatient(done, *_):
        if done == 5:
            signal.raise_signal(signal.SIGINT)
            assert "this step is finished and saved first" in capfd.readouterr().err
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as ended:
        trained(tmp_path / "cut", impatient)
    assert ended.type is KeyboardInterrupt
    assert step(tmp_path / "cut") == 3
    goes_on_as_if_nothing_had_been(tmp_path / "cut", tmp_path)


@pytest.mark.parametrize("rank", [0, 1])
def test_all_processes_end_after_the_step_in_which_one_was_told(tmp_path, rank):
    class AnotherIsTold(Processes):
        def average(self, tensors):
            *_, last = tensors
            if last.ndim == 0:  # beside the losses: whether to stop
                last.fill_(0.5)

    with pytest.raises(Interrupted, match=f"step 1 of {STEPS} is saved"):
        trained(tmp_path, processes=AnotherIsTold(rank, 2))
    assert (tmp_path / "train.pt").exists() == (rank == 0)


def test_what_is_ignored_stays_so_and_other_threads_hold_nothing_back(tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        trained(tmp_path / "ignored", lambda *_: signal.raise_signal(signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(trained, tmp_path / "thread").result()


@pytest.mark.parametrize(
    ("raised", "said", "status"),
    [
        (Interrupted("step 3 of 8 is kept"), "\ninterrupted; step 3 of 8 is kept\n", 130),
        (KeyboardInterrupt(), f"\ninterrupted; {CHECKPOINT_HINT}\n", 130),
        (OSError(errno.ENOSPC, "No space left", "out/unet.pt"), f"out/unet.pt: No space left; {CHECKPOINT_HINT}\n", 2),
        (MemoryError(), f"out of memory; {CHECKPOINT_HINT}\n", 2),  # it has no --workers
    ],
)
def test_a_training_says_what_is_kept_of_it(tmp_path, monkeypatch, raised, said, status):
    def train_recipe(*_, **__):
        raise raised

    monkeypatch.setattr(train, "train_recipe", train_recipe)
    ran = CliRunner().invoke(main, ["train", "recipe.toml", "--out", str(tmp_path)])
    assert (ran.exit_code, ran.stderr.removeprefix("disbench: ")) == (status, said)


@pytest.mark.parametrize(
    ("more", "hint"),
    [([], RESUME_HINT), (["--again"], "progress is saved; run the same command without --again to resume")],
)
def test_predicting_with_again_is_resumed_without_it(tmp_path, make_pairs, monkeypatch, more, hint):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("disbench.inference.photo_outputs.predict_photos", interrupted)
    photos = make_pairs(tmp_path, ["a"]) / "im"
    ran = CliRunner().invoke(main, ["predict", str(photos), "--model", "otsu", "--out", str(tmp_path / "out"), *more])
    assert (ran.exit_code, ran.stderr) == (130, f"\ninterrupted; {hint}\n")


def test_what_has_workers_is_told_of_them(tmp_path, make_pairs, monkeypatch):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr("disbench.runs.execute.evaluate", full)
    ran = CliRunner().invoke(main, ["run", "--model", "otsu", "--data", str(make_pairs(tmp_path, ["a"]))])
    assert (ran.exit_code, ran.stderr) == (2, f"disbench: out of memory; {RESUME_HINT}; fewer --workers need less\n")
