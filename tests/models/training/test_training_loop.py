"""The loop of every training, with networks of a layer or two."""

import errno
import tracemalloc
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from function_task import FunctionTask, fit_functions

from disbench.errors import InputError
from disbench.models._parts import device as devices
from disbench.models._training import checkpoints
from disbench.models._training.checkpoints import RunState, save_checkpoint
from disbench.models._training.schedule import Schedule

torch.set_num_threads(1)


def test_accumulated_batches_are_one_step_of_all_of_them(tmp_path):
    def run(folder, accumulate, make):
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 1)
        schedule = Schedule(4, 1e-2, accumulate=accumulate)
        task = FunctionTask(make, lambda model, x: {"loss": model(x).square().mean()})
        return fit_functions(model, schedule, task, tmp_path / folder)

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
        monkeypatch.setattr(checkpoints, "atomic_writer", lambda path, room=room: nullcontext(Full(room)))
        with pytest.raises(OSError, match="No space left"):
            save_checkpoint(RunState(out=tmp_path, identity={}), {"model": torch.nn.Linear(300, 1)}, 1, 0.0)


def test_a_checkpoint_is_not_held_in_memory(tmp_path):
    """Its tensors are; DiffDIS' take 15 GB."""
    model = torch.nn.Sequential(*(torch.nn.Linear(256, 256) for _ in range(8)))
    size = 4 * sum(p.numel() for p in model.parameters())
    tracemalloc.start()
    x = torch.ones(1, 256)
    task = FunctionTask(lambda step: x, lambda net, x: {"loss": net(x).mean()})
    fit_functions(model, Schedule(1, 1e-3), task, tmp_path)
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
        fit_functions(model, Schedule(4, 1e-3), FunctionTask(lambda step: step, nan), tmp_path)
    assert all(p.isfinite().all() for p in model.parameters())
    with pytest.raises(InputError, match=r"step 2.*lower --lr, "):
        fit_functions(model, Schedule(4, 1e-3), FunctionTask(lambda step: step, nan), tmp_path, lr_flag="--lr")
    with pytest.raises(InputError, match=r"step 0.*the learning rate is not the cause"):
        fit_functions(model, Schedule(4, 1e-3), FunctionTask(lambda step: step + 2, nan), tmp_path)


def test_without_a_moving_average_the_network_itself_is_kept(tmp_path):
    """As an average that forgets all at once would be; a validation leaves it in training."""

    def loss(model, batch):
        assert model.training
        return {"loss": (model(torch.full((2, 1), 1.0 + batch)) ** 2).mean()}

    def train(ema, out):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Dropout(0.5))
        schedule = Schedule(4, 0.1, ema=ema, validate_every=1, checkpoint_every=1)
        task = FunctionTask(lambda step: step, loss, lambda net, step: {"f": step})
        return model, fit_functions(model, schedule, task, out)

    model, trained = train(0, tmp_path / "none")
    _, nearly = train(1e-30, tmp_path / "nearly")
    assert trained is model and not trained.training
    assert all(torch.equal(p, q) for p, q in zip(trained.parameters(), nearly.parameters(), strict=True))
    assert "average" not in torch.load(tmp_path / "none" / "train.pt", weights_only=True)


def test_the_moving_average_has_the_statistics_of_batch_norms(tmp_path):
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1))
    x = 5 + torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model[0].weight.fill_(1)
        model[0].bias.fill_(0)
    schedule = Schedule(2, 1e-9, ema=0.5)
    task = FunctionTask(lambda step: x, lambda net, x: {"loss": net(x).square().mean()})
    average = fit_functions(model, schedule, task, tmp_path)
    assert average is not model
    # Each step moves the network's own by a tenth of the way; the first average is a copy of them.
    first, second = 0.1 * x.mean(), 0.19 * x.mean()
    assert model[1].running_mean.item() == pytest.approx(second.item(), rel=1e-4)
    assert average[1].running_mean.item() == pytest.approx(((first + second) / 2).item(), rel=1e-4)


def test_gradients_of_half_precision_are_clipped_at_their_own_scale(tmp_path, monkeypatch):
    """Not at that to which they are scaled so that they do not vanish in float16."""
    norms, clip = {}, torch.nn.utils.clip_grad_norm_
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))

    def watched(parameters, most):
        norms.setdefault(precision, []).append(clip(parameters, most).item())
        return torch.tensor(norms[precision][-1])

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", watched)
    for precision in ("fp32", "fp16"):
        torch.manual_seed(0)
        model = torch.nn.Linear(4, 1)
        schedule = Schedule(2, 1e-3, precision=precision, ema=0)
        loss = lambda net, x: {"loss": net(x).float().mean() / 9}  # noqa: E731
        fit_functions(model, schedule, FunctionTask(lambda step: x, loss), tmp_path / precision)
    assert norms["fp16"] == pytest.approx(norms["fp32"], rel=0.01)
    assert 0.01 < norms["fp32"][0] < 1


@pytest.mark.parametrize(("options", "decay"), [({}, 0.01), ({"weight_decay": 0.5}, 0.5), ({"weight_decay": 0}, 0)])
def test_weights_decay_by_the_rate_times_the_decay(tmp_path, options, decay):
    """A gradient of 0 moves nothing itself."""
    model = torch.nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(2)
    schedule = Schedule(1, 0.1, warmup=0, ema=0, **options)
    task = FunctionTask(lambda step: None, lambda net, _: {"loss": 0 * net.weight.sum()})
    fit_functions(model, schedule, task, tmp_path)
    assert model.weight.item() == pytest.approx(2 * (1 - 0.1 * decay), rel=1e-6)


class Curved(torch.nn.Module):
    """Two layers, in a forward pass that torch.compile compiles."""

    def __init__(self):
        super().__init__()
        self.first, self.last = torch.nn.Linear(3, 3), torch.nn.Linear(3, 2)

    def forward(self, x):
        return self.last(torch.nn.functional.gelu(self.first(x)))


def train_curved(out, **options):
    torch.manual_seed(0)
    task = FunctionTask(
        lambda step: torch.randn(4, 3, generator=torch.Generator().manual_seed(step)),
        lambda net, x: {"loss": net(x).square().mean()},
        lambda net, step: {"f": net(torch.ones(1, 3)).sum().item()},
    )
    return fit_functions(Curved(), Schedule(4, 1e-2, validate_every=2, **options), task, out, identity=options)


def test_a_compiled_network_has_the_weights_and_names_of_a_plain_one(tmp_path, monkeypatch):
    compilations, compile_ = [], torch.compile

    def compile_for_tests(function, **options):
        compilations.append(options)
        return compile_(function, backend="eager", **options)  # inductor takes half a minute, and a C++ compiler

    monkeypatch.setattr(torch, "compile", compile_for_tests)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    plain, compiled = (train_curved(tmp_path / str(value), compile=value) for value in (False, True))
    assert compilations == [{"dynamic": False}]
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert all(torch.equal(x, compiled.state_dict()[name]) for name, x in plain.state_dict().items())
    saved = torch.load(tmp_path / "True" / "train.pt", weights_only=True)
    assert saved["model"].keys() == plain.state_dict().keys()
    assert saved["identity"] == {"compile": True}


def test_a_compiler_that_fails_is_one_line(tmp_path, monkeypatch):
    def fail(graph, inputs):
        raise RuntimeError("No working C++ compiler\nSet TORCHDYNAMO_VERBOSE=1")

    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **options: compile_(function, backend=fail, **options))
    torch._dynamo.reset()
    message = r"^compile = true: torch.compile fails here \(.+\); set schedule.compile to false$"
    with pytest.raises(InputError, match=message) as told:
        train_curved(tmp_path / "late", compile=True)
    assert "\n" not in str(told.value)

    def refuse(function, **options):
        raise RuntimeError("torch.compile is not supported on Python 3.99")

    monkeypatch.setattr(torch, "compile", refuse)
    with pytest.raises(InputError, match=r"fails here \(torch.compile is not supported on Python 3.99\)"):
        train_curved(tmp_path / "early", compile=True)


def test_errors_of_the_network_are_not_the_compilers(tmp_path):
    def fail(net, x):
        raise RuntimeError("a fault of the loss")

    with pytest.raises(RuntimeError, match="a fault of the loss"):
        fit_functions(Curved(), Schedule(1, 1e-2, compile=True), FunctionTask(lambda step: step, fail), tmp_path)


def test_bf16_computes_in_half_and_keeps_whole_weights_and_moments(tmp_path, monkeypatch):
    seen = []

    def losses(net, x):
        y = net(x)
        seen.append(y.dtype)
        return {"loss": y.float().square().mean()}

    task = FunctionTask(lambda step: torch.ones(4, 3), losses)
    fit_functions(Curved(), Schedule(2, 1e-2, precision="bf16"), task, tmp_path / "cpu")
    assert seen == [torch.bfloat16] * 2
    saved = torch.load(tmp_path / "cpu" / "train.pt", weights_only=True)
    tensors = [*saved["model"].values(), *saved["optimizer"]["state"][0].values()]
    assert {x.dtype for x in tensors} == {torch.float32}
    monkeypatch.setattr(devices, "has_bf16", lambda device: False)
    with pytest.raises(InputError, match=r'precision = "bf16": cpu has no bfloat16; set schedule\.precision to fp16'):
        fit_functions(Curved(), Schedule(2, 1e-2, precision="bf16"), task, tmp_path / "old")
