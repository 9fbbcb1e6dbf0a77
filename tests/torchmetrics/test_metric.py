"""DISMetrics: the scores of `disbench score` as a metric of torchmetrics, in one process or several."""

import json
import pickle
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from saved_maps import EVERY, IN_ORDER, KEYS, NAMES, draw_pairs, save_pairs, score_saved

import disbench
from disbench.errors import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("torchmetrics.metric")  # this folder, which has the same name, has no such module

import torchmetrics  # noqa: E402

from disbench.torchmetrics import DISMetrics  # noqa: E402, which needs both

TRUTH = np.zeros((6, 8), np.uint8)
TRUTH[1:4, 2:6] = 255


@pytest.fixture
def pairs():
    return [(torch.from_numpy(soft), torch.from_numpy(truth)) for soft, truth in draw_pairs()]


def fill(metric, pairs, names=None):
    for i, pair in enumerate(pairs):
        metric.update(*pair, None if names is None else names[i])
    return metric


def together(metrics):
    """Let metrics exchange their states as processes do, with the rank that each of their records has."""
    states = []
    for metric in metrics:
        state = getattr(metric, metric._state)
        states.append(torch.cat(state) if state else torch.empty(0, dtype=torch.uint8))
    for metric in metrics:
        metric.dist_sync_fn = lambda state, group: states
        metric.distributed_available_fn = lambda: True
    return [metric.compute() for metric in metrics]


@contextmanager
def acting_as(rank):
    """Let this process seem to be one of several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.distributed, "is_initialized", lambda: True)
        patch.setattr(torch.distributed, "get_rank", lambda group=None: rank)
        yield


@pytest.mark.parametrize("rounding", ["round", "truncate"])
def test_scores_equal_those_of_the_command_on_saved_maps(pairs, rounding, tmp_path):
    saved = {"truncate": lambda x: (x * 255).astype(np.uint8), "round": lambda x: (x * 255).round().astype(np.uint8)}
    save_pairs(tmp_path, [saved[rounding](soft.numpy()) for soft, _ in pairs], [truth.numpy() for _, truth in pairs])
    expected = score_saved(tmp_path)
    metric = DISMetrics(EVERY, KEYS, rounding=rounding)
    assert fill(metric, pairs[::-1], NAMES[::-1]).compute() == expected
    metric.reset()
    assert fill(metric, [pairs[i] for i in IN_ORDER]).compute() == expected


def test_forward_returns_the_scores_of_the_batch_and_collects():
    metric = DISMetrics(metrics="mae")
    assert metric(255 - TRUTH, TRUTH) == {"mae": 1.0}
    assert metric(TRUTH, TRUTH) == {"mae": 0.0}
    assert metric.compute() == {"mae": 0.5}
    metric.reset()
    assert metric(TRUTH, TRUTH) == metric.compute() == {"mae": 0.0}


def test_forward_keeps_the_order_of_images(pairs):
    metric = DISMetrics()
    for pair in pairs:
        metric(*pair)
    meter = disbench.Meter()
    meter.update(*map(list, zip(*pairs, strict=True)))
    assert metric.compute() == meter.compute()


def test_truths_of_grey_levels_keep_their_second_foreground():
    truth = np.array([[0, 60, 130, 200], [0, 90, 110, 200]], np.uint8)  # above 128, and above 100, differ
    metric, meter = DISMetrics("pysod,mvanet", "all"), disbench.Meter("pysod,mvanet", "all")
    for either in (metric, meter):
        either.update(truth[::-1].copy(), truth)
    assert metric.compute() == meter.compute()
    assert meter.compute()["pysod/f_binary"] != meter.compute()["mvanet/f_binary"]


def test_a_pickled_metric_and_a_clone_score_the_same(pairs):
    metric = fill(DISMetrics(EVERY), pairs, NAMES)
    for copy in (pickle.loads(pickle.dumps(metric)), metric.clone()):
        assert copy.compute() == metric.compute()
        assert copy.higher_is_better is metric.higher_is_better
        copy.update(TRUTH, TRUTH, "more")


def test_the_state_is_small_and_survives_another_type(pairs):
    metric = fill(DISMetrics(EVERY), pairs, NAMES)
    scores = metric.compute()
    assert sum(state.numel() for state in getattr(metric, metric._state)) < 3000 * len(pairs)
    for dtype in (torch.float16, torch.float64):
        metric.set_dtype(dtype)
        metric._computed = None
        assert metric.compute() == scores


def test_a_collection_shares_no_state_between_metrics_that_read_differently(pairs):
    hard = pairs[0][1], pairs[0][1]  # the first batch, on which collections decide, is the same under both roundings
    options = {"cut": {"rounding": "truncate"}, "near": {}, "other": {"metrics": "mae,f_max"}}
    collection = torchmetrics.MetricCollection(
        {name: DISMetrics(**{"metrics": "mae", **arguments}) for name, arguments in options.items()}
    )
    for preds, target in (hard, pairs[1]):
        collection.update(preds, target, names=None)
    for name, arguments in options.items():
        meter = disbench.Meter(**{"metrics": "mae", **arguments})
        meter.update(*map(list, zip(hard, pairs[1], strict=True)))
        assert collection[name].compute() == meter.compute()
    assert collection["cut"].compute() != collection["near"].compute()
    assert set(collection.compute()) == {"cut_mae", "near_mae", "other_mae", "other_f_max"}


@pytest.mark.parametrize(("metrics", "expected"), [("f_max,e_mean", True), ("mae,hce", False), ("f_max,mae", None)])
def test_the_direction_is_that_of_all_metrics(metrics, expected):
    metric = DISMetrics(metrics=metrics)
    assert metric.higher_is_better is expected
    assert metric.is_differentiable is False
    assert metric.full_state_update is False


def test_a_tracker_keeps_the_scores_of_each_epoch():
    tracker = torchmetrics.MetricTracker(DISMetrics(metrics="mae"))
    for preds in (255 - TRUTH, TRUTH):
        tracker.increment()
        tracker.update(preds, TRUTH)
    assert tracker.compute_all() == [{"mae": 1.0}, {"mae": 0.0}]


def test_faults_are_named_and_change_nothing():
    metric = fill(DISMetrics(metrics="mae"), [(TRUTH, TRUTH)], ["a"])
    with pytest.raises(InputError, match=r"^preds\[0\] \(b\): got floats from 9 to 9"):
        metric.update(torch.full((6, 8), 9.0), TRUTH, ["b"])
    assert metric.compute() == {"mae": 0.0}
    metric.update(TRUTH, TRUTH, "A")
    with pytest.raises(InputError, match=r"^names: 'A' was measured already; call reset\(\)"):
        metric.compute()
    with pytest.warns(UserWarning), pytest.raises(InputError, match=r"^no images to score"):
        DISMetrics().compute()
    with pytest.raises(InputError, match=r"^rounding"):
        DISMetrics(rounding="down")


# -- Several processes


@pytest.mark.parametrize("split", [(0, 2, 1, 0, 1, 1), (1, 1, 1, 1, 1, 1), (2, 1, 0, 2, 1, 0)])
def test_named_images_score_the_same_on_any_process(pairs, split):
    expected = fill(DISMetrics(EVERY, KEYS), pairs, NAMES).compute()
    metrics = [DISMetrics(EVERY, KEYS) for _ in range(3)]
    for rank, metric in enumerate(metrics):
        mine = [i for i in range(len(pairs)) if split[i] == rank]
        with acting_as(rank):
            fill(metric, [pairs[i] for i in mine], [NAMES[i] for i in mine])
    assert together(metrics) == [expected] * 3


def test_images_without_names_are_taken_in_turn():
    rng = np.random.default_rng(0)
    many = [(torch.from_numpy(rng.random((6, 8))), torch.from_numpy(TRUTH)) for _ in range(40)]
    whole = fill(DISMetrics(metrics="f_max,mae"), many)
    metrics = [DISMetrics(metrics="f_max,mae") for _ in range(3)]
    for rank, metric in enumerate(metrics):
        with acting_as(rank):
            fill(metric, many[rank::3])  # 14, 13 and 13 images
    assert together(metrics) == [whole.compute()] * 3
    assert fill(DISMetrics(metrics="f_max,mae"), many[0::3] + many[1::3] + many[2::3]).compute() != whole.compute()


def test_an_image_that_a_sampler_repeats_counts_once(pairs):
    pairs, names = pairs[:3], NAMES[:3]
    metrics = [DISMetrics(), DISMetrics()]
    for rank, mine in enumerate(([0, 2], [1, 0])):
        with acting_as(rank):
            fill(metrics[rank], [pairs[i] for i in mine], [names[i] for i in mine])
    assert together(metrics) == [fill(DISMetrics(), pairs, names).compute()] * 2


PROCESS = """
import json, sys
import torch
from torch import distributed
from saved_maps import NAMES, draw_pairs
from disbench.torchmetrics import DISMetrics

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
pairs = [tuple(map(torch.from_numpy, pair)) for pair in draw_pairs()]
answers = []
for shares, named in ((([0, 1, 3, 4], [2, 5]), True), (([], range(6)), True), (([0, 2, 4], [1, 3, 5]), False)):
    metric = DISMetrics("pysod,diffdis", "all")
    for i in shares[rank]:
        metric.update(*pairs[i], NAMES[i] if named else None)
    answers.append(metric.compute())
    assert metric.compute() == answers[-1] and len(getattr(metric, metric._state)) == len(shares[rank])
open(f"{folder}/{rank}.json", "w").write(json.dumps(answers))
distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_with_gloo_equal_one(pairs, tmp_path):
    helpers = Path(__file__).parents[1] / "helpers"
    code = f"import sys; sys.path.insert(0, {str(helpers)!r})\n{PROCESS}"
    processes = [subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, str(rank), tmp_path]) for rank in (0, 1)]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    named = fill(DISMetrics("pysod,diffdis", "all"), pairs, NAMES).compute()
    unnamed = fill(DISMetrics("pysod,diffdis", "all"), pairs).compute()
    for rank in (0, 1):
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == [named, named, unnamed]
