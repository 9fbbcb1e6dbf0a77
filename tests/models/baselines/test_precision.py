"""The option precision=bf16 of networks. A faked list of instructions stands for a CPU that has bfloat16."""

import numpy as np
import pytest
import tiny_genpercept
import tiny_lawdis
import torch

from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.models._parts import device
from disbench.registry.discovery import list_cards

torch.set_num_threads(1)
NETWORKS = [name for name, card in list_cards().items() if card.training and name != "diffdis"]
NETWORKS += ["rmbg14", "genpercept"]
LACKS = "this CPU has no instructions for bfloat16"


def set_cpuinfo(monkeypatch, text):
    monkeypatch.setattr(device, "read_text", lambda path: text)


@pytest.fixture
def load(monkeypatch):
    """Load U2-NetP-mini at 64 pixels, on a CPU with bfloat16."""
    set_cpuinfo(monkeypatch, "flags\t\t: fpu avx512_bf16 sse\n")
    return lambda **options: load_model("u2netp", None, "cpu", size="64", **options)


@pytest.mark.parametrize(
    "text",
    [
        "processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16\nbugs\t\t: none\n",
        "flags\t\t: fpu amx_bf16 amx_tile\n",
        "processor\t: 0\nFeatures\t: fp asimd i8mm bf16\n",
    ],
)
def test_cpus_with_bfloat16(monkeypatch, text):
    set_cpuinfo(monkeypatch, text)
    device.require_cpu_bf16("cpu")


@pytest.mark.parametrize(
    "text", ["", "flags\t\t: fpu avx2 avx512f\n", "flags\t\t: fpu\nbugs\t\t: bf16\n", "Features\t: fp svebf16\n"]
)
def test_other_cpus_are_refused_before_weights_are_read(monkeypatch, text):
    set_cpuinfo(monkeypatch, text)
    with pytest.raises(InputError, match=LACKS) as caught:
        load_model("isnet", "missing.pth", "cpu", precision="bf16")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps"])
def test_other_devices_are_refused(name):
    with pytest.raises(InputError, match=f"on the CPU only, not on {name}; omit it"):
        device.require_cpu_bf16(name)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_the_option(name, monkeypatch):
    with pytest.raises(InputError, match="precision=fp16: must be one of fp32, bf16"):
        load_model(name, "missing.pth", "cpu", precision="fp16")
    set_cpuinfo(monkeypatch, "")
    with pytest.raises(InputError, match=LACKS):
        load_model(name, "missing.pth", "cpu", precision="bf16")


def test_products_are_in_bfloat16_and_maps_in_float32(load):
    plain, lowered = load().predictor, load(precision="bf16").predictor
    types = []
    lowered.net.stage1.rebnconv1.conv_s1.register_forward_hook(lambda *inputs: types.append(inputs[2].dtype))
    batch = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    maps = plain.infer(batch), lowered.infer(batch)
    assert types == [torch.bfloat16] and maps[1].dtype == torch.float32
    assert 1e-5 < (maps[0] - maps[1]).abs().max() < 0.02


def test_the_precision_is_part_of_identity_and_title(load):
    plain, lowered = load(), load(precision="bf16")
    assert lowered.identity == plain.identity | {"precision": "bf16"}
    assert load(precision="fp32").identity == plain.identity
    assert "bf16" in lowered.title and "bf16" not in plain.title
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    assert lowered.predict(image).shape == (50, 70)


@pytest.fixture
def both(tmp_path, monkeypatch):
    """Load a small network of diffusion in float32 and in bfloat16, on a CPU with bfloat16."""
    set_cpuinfo(monkeypatch, "flags\t\t: fpu avx512_bf16 sse\n")

    def load(name):
        folder = tmp_path / name
        if name == "genpercept":
            tiny_genpercept.write_v1(folder)
            weights = str(folder / "unet_dis_v1")
        else:
            weights = str(tiny_lawdis.write_folder(folder)) if name == "lawdis" else None
        small = {"genpercept": {"processing_res": "64"}, "lawdis": {"size": "64"}, "diffdis": {"size": "64"}}
        return [load_model(name, weights, "cpu", **small[name], precision=p) for p in ("fp32", "bf16")]

    return load


@pytest.mark.parametrize("name", ["diffdis", "genpercept", "lawdis"])
def test_networks_of_diffusion_compute_in_bfloat16(both, name):
    plain, lowered = both(name)
    types = []
    lowered_unet = (lowered.predictor.checkpoint if name == "diffdis" else lowered.predictor.networks).unet
    lowered_unet.conv_out.register_forward_hook(lambda *inputs: types.append(inputs[2].dtype))
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    maps = [model.predict(image, **({"prompt": "a boat"} if name == "lawdis" else {})) for model in (plain, lowered)]
    assert types == [torch.bfloat16]
    assert 0 < np.abs(maps[0].astype(int) - maps[1]).mean() < 4
    assert lowered.identity == plain.identity | {"precision": "bf16"} and "bf16" in lowered.title


def test_diffdis_refuses_bfloat16_elsewhere(monkeypatch):
    set_cpuinfo(monkeypatch, "")
    with pytest.raises(InputError, match=LACKS):
        load_model("diffdis", None, "cpu", precision="bf16")
