"""`disbench doctor --gpu` on the CPU at tiny size: what a fault does to verdicts, exit status and record."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from disbench.cli.main import main
from disbench.doctor import gpu, gpu_record, networks, onnx_file
from disbench.doctor.verdict import Verdict
from disbench.errors import InputError
from disbench.models.u2netp.predictor import Predictor

NETWORK, TIMES = "network u2netp", "times of u2netp"
COMMAND = ["doctor", "--gpu", "--device", "cpu", "--tiny", "--model", "u2netp"]


def diagnose(*names, lines=None):
    checks = gpu.list_checks(["u2netp"], tiny=True, timed=True)
    chosen = {name: checks[name] for name in names}
    announce = print if lines is None else lines.append
    return {verdict.check: verdict for verdict in gpu.diagnose_gpu("cpu", chosen, announce)}


@pytest.fixture
def few_checks(monkeypatch):
    """Let the command run three checks only."""
    list_all = gpu.list_checks

    def list_few(*args, **options):
        checks = list_all(*args, **options)
        return {name: checks[name] for name in ("streams", NETWORK, TIMES)}

    monkeypatch.setattr(gpu, "list_checks", list_few)
    monkeypatch.setattr(networks, "_loaded", {})


@pytest.fixture
def unstable(monkeypatch):
    """Let every second output of the network be higher in a corner, by 2 % of the range of probabilities."""
    infer, calls = Predictor.infer, []

    def infer_unstably(self, batch):
        output = infer(self, batch).clone()
        calls.append(len(calls) % 2)
        output[:, :20, :20] += 0.02 * calls[-1]
        return output

    monkeypatch.setattr(Predictor, "infer", infer_unstably)


def test_all_networks_that_disbench_ships_are_checked_and_timed():
    names = networks.list_networks()
    assert {"ben2", "diffdis", "genpercept", "isnet", "lawdis", "u2netp", "udun"} < set(names) and len(names) == 18
    assert not {"otsu", "all_foreground"} & set(names) and not any(":" in name for name in names)
    checks = gpu.list_checks(names, tiny=False, timed=True)
    assert {f"network {name}" for name in names} | {f"times of {name}" for name in names} < set(checks)
    assert {"maps in tf32", "maps with vae=tiled", "maps with compile=max-autotune"} < set(checks)
    assert not any(name.startswith("times") for name in gpu.list_checks(names, tiny=False, timed=False))


@pytest.mark.parametrize(
    ("name", "side", "options"),
    [
        ("isnet", None, {}),
        ("diffdis", None, {"size": "1024"}),  # not that of the small weights
        ("isnet", 64, {"size": "64"}),
        ("pdfnet", 64, {"size": "256"}),
        ("genpercept", 64, {"processing_res": "64"}),
    ],
)
def test_networks_are_timed_at_their_cards_size_and_compared_at_a_small_one(name, side, options):
    assert networks._choose_size(name, side) == options


def test_correct_networks_pass():
    lines = []
    verdicts = diagnose("out of memory", "maps with vae=tiled", "maps with compile=default", "onnx", lines=lines)
    assert {name: verdict.ok for name, verdict in verdicts.items()} == {
        "out of memory": True,
        "maps with vae=tiled": True,
        "maps with compile=default": None,
        "onnx": True,
    }
    assert verdicts["out of memory"].message.startswith("'DiffDIS-mini, size 64: out of memory on cpu (it needs 1125")
    assert lines[1] == "check 2 of 4: maps with vae=tiled"


def test_the_command_writes_a_record(few_checks, tmp_path):
    out = tmp_path / "gpu.json"
    done = CliRunner().invoke(main, [*COMMAND, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "skip streams: no streams on this device\nok   network u2netp: 99 %" in done.stdout
    assert "disbench's networks, tiny on cpu: none of 3 checks failed, 1 were skipped" in done.stdout
    assert "check 2 of 3: network u2netp" in done.stderr
    record = json.loads(out.read_bytes())
    assert (record["ok"], record["finished"], record["tiny"], record["device"]) == (True, True, True, "cpu")
    assert [check["ok"] for check in record["checks"]] == [None, True, True]
    assert record["environment"]["packages"]["torch"] == torch.__version__
    times = record["checks"][2]["times"]
    assert (times["input"], times["images"]) == ([64, 64], 2)
    assert 0 < times["seconds"]["infer"] <= times["seconds"]["whole"]
    again = CliRunner().invoke(main, [*COMMAND, "--out", str(out)])
    assert again.exit_code == 2 and f"--out {out}: already exists" in again.stderr


@pytest.mark.slow
@pytest.mark.ci
def test_another_output_fails_its_check_and_the_command(few_checks, unstable, tmp_path):
    out = tmp_path / "gpu.json"
    done = CliRunner().invoke(main, [*COMMAND, "--json", "--out", str(out)])
    assert done.exit_code == 1, done.output
    shown, record = json.loads(done.stdout), json.loads(out.read_bytes())
    assert [check["ok"] for check in shown["checks"]] == [None, False, True] and shown["ok"] is False
    assert shown["checks"] == record["checks"] and record["ok"] is False and record["finished"]
    assert "all within 0.0" in shown["checks"][1]["found"]


@pytest.mark.slow
@pytest.mark.ci
def test_a_crash_is_the_verdict_of_its_check(monkeypatch):
    monkeypatch.setattr(networks, "_loaded", {})
    monkeypatch.setattr(networks, "fill_networks", lambda predictor: [][1])
    verdicts = diagnose(NETWORK, "streams")
    assert (verdicts[NETWORK].ok, verdicts[NETWORK].message) == (False, "IndexError: list index out of range")
    assert verdicts["streams"].ok is None
    monkeypatch.setattr(networks, "fill_networks", lambda predictor: 0)
    assert diagnose(NETWORK)[NETWORK].message.endswith("no network was found in its predictor, so none was checked")


def test_memory_that_is_not_short_fails_its_check(monkeypatch):
    monkeypatch.setattr(gpu, "IMPOSSIBLE", 10)
    verdict = diagnose("out of memory")["out of memory"]
    assert (verdict.ok, verdict.message) == (False, "InputError: 10 bytes were allocated")


@pytest.mark.slow
@pytest.mark.ci
def test_an_inference_longer_than_its_image_fails(monkeypatch):
    class FastClock:
        name = "fast"

        def time(self, function, *args):
            return function(*args), 1e3

    monkeypatch.setattr(networks, "make_clock", lambda device: FastClock())
    verdict = diagnose(TIMES)[TIMES]
    assert not verdict.ok and verdict.times["seconds"]["infer"] == 1e3


RAMP = np.linspace(-1, 1, 10_000, dtype=np.float32).reshape(100, 100)
SPOT = np.zeros_like(RAMP)
SPOT[:5, :10] = 1


@pytest.mark.parametrize(
    ("output", "ok"),
    [
        (RAMP, True),
        (RAMP + 1e-3, True),  # 0.05 % of the range
        (RAMP + 4e-3, False),
        (RAMP + 0.01 * SPOT, True),  # half a percent of the pixels may differ more
        (RAMP + 0.04 * SPOT, False),
        (RAMP.T, False),
        (RAMP[:50], False),
        (np.where(SPOT, np.nan, RAMP), False),
    ],
)
def test_outputs_agree_within_a_tolerance(output, ok):
    assert networks.compare_outputs(output, RAMP)[0] is ok


def test_a_constant_output_shows_nothing():
    flat = np.full_like(RAMP, 0.5)
    assert networks.compare_outputs(flat, flat) == (False, "the CPU's output is constant, from 0.5 to 0.5")


def test_without_an_onnxruntime_for_the_device_its_check_is_skipped(monkeypatch):
    assert onnx_file.check_onnx("mps")[0] is None
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None)
    assert onnx_file.check_onnx("cpu") == (None, "there is no onnxruntime; pip install 'disbench[onnx]'")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tiny"], "--tiny needs --gpu"),
        (["--out", "x.json"], "--out needs --gpu"),
        (["--gpu", "--device", "cpu", "--option", "size=64"], "--gpu: generates weights, and sets options itself"),
        (["--gpu", "--device", "cpu", "--model", "isnett"], "not a network that disbench ships; did you mean isnet"),
        (["--gpu", "--device", "cpu", "--model", "otsu"], "not a network that disbench ships; "),
        (["--gpu", "--device", "gpu7"], "--device gpu7: not on this machine"),
    ],
)
def test_wrong_use_is_refused(arguments, message):
    done = CliRunner().invoke(main, ["doctor", *arguments])
    assert done.exit_code == 2 and message in done.stderr and done.stderr.count("\n") == 1


def write_record(path, *, finished=True, tiny=False, **environment):
    times = {"title": "IS-Net (untrained)", "input": [1024, 1024], "images": 80}
    times["seconds"] = {"prepare": 0.01, "infer": 0.0123, "restore": 0.002, "whole": 0.0256}
    verdicts = [
        Verdict("clocks", True, "right"),
        Verdict("onnx", None, "no provider"),
        Verdict("network isnet", False, "differs"),
        Verdict("times of isnet", True, "fast", "", times),
    ]
    packages = {"disbench": "1.0", "torch": "2.13.0"}
    details = {"tiny": tiny, "environment": {"packages": packages, "cuda": "13.0", **environment}}
    list(gpu_record.save_verdicts(path, verdicts, len(verdicts) + (not finished), details))
    return path


def test_a_record_becomes_a_table(tmp_path):
    table = gpu_record.format_table(write_record(tmp_path / "gpu.json", gpu="NVIDIA H200", driver="580.1"))
    assert table.splitlines() == [
        "**NVIDIA H200** (disbench 1.0, torch 2.13.0, cuda 13.0, driver 580.1): 2 passed, 1 failed, 1 skipped.",
        "failed: network isnet (differs).",
        "skipped: onnx (no provider).",
        "",
        "| network | input | inference, ms | per image, ms | images |",
        "|---|---|--:|--:|--:|",
        "| IS-Net (untrained) | 1024 x 1024 | 12.3 | 25.6 | 80 |",
    ]


@pytest.mark.parametrize(
    ("options", "fault"),
    [({}, "not of a GPU"), ({"tiny": True}, "of tiny size"), ({"finished": False, "gpu": "A"}, "not finished")],
)
def test_no_table_is_made_of_another_record(options, fault, tmp_path):
    with pytest.raises(InputError, match=f"this record is {fault}; `disbench doctor --gpu --out FILE` on a GPU"):
        gpu_record.format_table(write_record(tmp_path / "gpu.json", **options))
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(InputError, match="not a record of `disbench doctor --gpu --out`"):
        gpu_record.format_table(tmp_path / "other.json")


def test_an_interrupted_check_leaves_the_record_of_those_before(tmp_path):
    def interrupted():
        yield Verdict("clocks", True, "right")
        raise KeyboardInterrupt

    path = tmp_path / "gpu.json"
    with pytest.raises(KeyboardInterrupt):
        list(gpu_record.save_verdicts(path, interrupted(), 2, {"tiny": False}))
    record = json.loads(path.read_bytes())
    assert [check["check"] for check in record["checks"]] == ["clocks"] and not record["finished"]


@pytest.mark.ci
@pytest.mark.slow
def test_the_cpu_passes_the_checks_of_a_gpu():
    verdicts = diagnose(*gpu.list_checks(["u2netp"], tiny=True, timed=True))
    assert {name for name, verdict in verdicts.items() if verdict.ok is False} <= {"clocks"}  # on a loaded machine


def test_a_gpu_without_readable_sensors_fails_unless_a_package_is_missing(monkeypatch):
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    ok, message = gpu.check_sensors("cuda")
    assert ok and "without nvidia-ml-py; pip install 'disbench[gpu]'" in message
    monkeypatch.setattr(gpu, "find_spec", lambda name: name)
    load = {"processes": 1, "gpu_mhz": 1980, "gpu_slow_by": []}
    monkeypatch.setattr(gpu, "measure_load", lambda device: load)
    assert gpu.check_sensors("cuda") == (True, "gpu_mhz 1980, gpu_slow_by nothing")
    load |= dict.fromkeys(("gpu_mhz", "gpu_slow_by"), "unknown: Not Supported")
    assert not gpu.check_sensors("cuda")[0]


def test_without_a_gpu_its_check_is_refused():
    if torch.cuda.is_available():
        pytest.skip("there is one here")
    done = CliRunner().invoke(main, ["doctor", "--gpu"])
    assert done.exit_code == 2 and "sees no GPU here" in done.output
