"""Memory and precision of DiffDIS: tiles, half weights, TF32, the estimate, and the compiler's many shapes."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from disbench.errors import InputError
from disbench.models._parts import device as devices
from disbench.models.diffdis import conditioning, inference_memory, predictor, tiles
from disbench.models.diffdis.inference_memory import PEAK_TENSORS, InferenceSize, estimate_inference
from disbench.registry.loading import get_card
from disbench.system.environment import describe_environment, first_difference
from disbench.system.progress import show_announcements

torch.set_num_threads(1)
WIDTH, SIDE = 32, 128
TILED_TOLERANCE = 1e-5  # of maps in [0, 1]; docs/diffdis.md states it


class PeakMemory(TorchDispatchMode):
    """Counts the bytes of the tensors that are alive."""

    def __init__(self):
        super().__init__()
        self.alive, self.peak = {}, 0

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        outputs = operator(*args, **(kwargs or {}))
        for tensor in outputs if isinstance(outputs, tuple | list) else [outputs]:
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self.alive.setdefault(storage._cdata, (StorageWeakRef(storage), storage.nbytes()))
        self.alive = {key: value for key, value in self.alive.items() if not value[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self.alive.values()))
        return outputs


@pytest.fixture
def vae():
    """Stable Diffusion's autoencoder with a quarter of its channels, and norms that do something."""
    torch.manual_seed(0)
    widths = [WIDTH, 2 * WIDTH, 4 * WIDTH, 4 * WIDTH]
    kinds = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
    network = AutoencoderKL(block_out_channels=widths, layers_per_block=2, latent_channels=4, **kinds).eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.GroupNorm):
            torch.nn.init.normal_(layer.weight, 1, 0.3)
            torch.nn.init.normal_(layer.bias, 0, 0.3)
    conditioning.fold_mean(network)
    return network


@torch.inference_mode()
def run_vae(vae):
    """Encode and decode; return both results, and the larger peak in tensors of the VAE's width."""
    torch.manual_seed(1)
    image, latent = torch.rand(1, 3, SIDE, SIDE) * 2 - 1, torch.randn(1, 4, SIDE // 8, SIDE // 8)
    with PeakMemory() as encoding:
        encoded = conditioning.encode(vae, image)
    with PeakMemory() as decoding:
        decoded = conditioning.decode(vae, latent)
    return encoded, decoded, max(encoding.peak, decoding.peak) / (4 * WIDTH * SIDE**2)


def test_tiles_give_the_same_maps_for_less_memory_and_the_estimate_is_the_peak(vae, monkeypatch):
    whole = run_vae(vae)
    monkeypatch.setattr(tiles, "ROWS", SIDE // 16)  # as 64 of 1024
    tiles.enable_tiles(vae)
    tiled = run_vae(vae)
    for left, right in zip(whole[:2], tiled[:2], strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=TILED_TOLERANCE)
    assert whole[2] == pytest.approx(PEAK_TENSORS[False, False], rel=0.05)
    assert tiled[2] == pytest.approx(PEAK_TENSORS[False, True], rel=0.05)


@pytest.mark.parametrize("rows", [5, 32, 1000])
def test_tiles_of_any_height_fit_together(vae, rows, monkeypatch):
    x = torch.rand(2, WIDTH, 37, 20)
    block, upsampler = vae.decoder.up_blocks[3].resnets[1], tiles.Upsample2D(WIDTH, use_conv=True)
    with torch.inference_mode():
        expected = block(x.clone(), None), upsampler(x)
        monkeypatch.setattr(tiles, "ROWS", rows)
        tiled = tiles._forward_block(block, x.clone()), tiles._forward_upsampler(upsampler, x)
    for left, right in zip(expected, tiled, strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=TILED_TOLERANCE)


@pytest.fixture
def make():
    return lambda **options: predictor.DiffDIS(get_card("diffdis"), None, "cpu", **{"size": 64, **options})


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 255, (50, 70, 3), np.uint8)


@pytest.mark.parametrize("vae_option", ["sliced", "tiled"])
def test_slices_and_tiles_change_maps_by_rounding_only(make, image, vae_option, monkeypatch):
    monkeypatch.setattr(tiles, "ROWS", 16)
    plain, spared = make(), make(vae=vae_option)
    batch = torch.stack([plain.prepare(image), plain.prepare(255 - image)])
    torch.testing.assert_close(spared.infer(batch), plain.infer(batch), rtol=0, atol=1e-3)  # after the stretch
    assert spared.title == f"DiffDIS-mini, vae {vae_option}, size 64" and spared.identity["vae"] == vae_option
    assert "vae" not in plain.identity
    assert spared.checkpoint.vae.use_slicing and not plain.checkpoint.vae.use_slicing


@pytest.mark.parametrize(("precision", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_half_weights_are_those_that_autocast_makes(make, image, monkeypatch, precision, dtype):
    monkeypatch.setattr(devices, "read_text", lambda path: "flags\t\t: avx512_bf16\n")
    half = make(precision=precision)
    monkeypatch.setattr(predictor, "lower_weights", lambda *_: None)
    full = make(precision=precision)
    batch = full.prepare(image)[None]
    assert torch.equal(half.infer(batch), full.infer(batch))
    assert half.identity == full.identity
    unet, vae = half.checkpoint.unet, half.checkpoint.vae
    assert (unet.conv_in.weight.dtype, vae.encoder.conv_in.weight.dtype) == (dtype,) * 2
    assert (vae.decoder.conv_in.weight.dtype, vae.decoder.conv_norm_out.weight.dtype) == (torch.bfloat16, torch.float32)

    def count(model):
        return sum(x.numel() * x.element_size() for x in model.checkpoint.unet.parameters())

    assert count(half) < 0.51 * count(full)


def test_a_gpu_without_bfloat16_decodes_in_float32_and_that_is_recorded(make, image, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", {"cuda:0": (7, 5), "cuda:1": (8, 0)}.get)
    assert [devices.has_bf16(name) for name in ("cuda:0", "cuda:1", "cpu")] == [False, True, True]
    usual = make(precision="fp16")
    monkeypatch.setattr(devices, "has_bf16", lambda device: False)
    said = []
    with show_announcements(said.append):
        older = make(precision="fp16")
    assert said == ["cpu has no bfloat16, so the decoder computes in float32"]
    assert older.identity == usual.identity | {"decoder": "float32"}
    assert older.checkpoint.vae.decoder.conv_in.weight.dtype == torch.float32
    seen, decode = [], conditioning.decode

    def watch(*args):
        seen.append(torch.is_autocast_enabled("cpu"))
        return decode(*args)

    monkeypatch.setattr(conditioning, "decode", watch)
    older.infer(older.prepare(image)[None])
    usual.infer(usual.prepare(image)[None])
    assert seen == [False, True]
    assert "decoder" not in make().identity  # fp32 has no bfloat16


@pytest.fixture
def settings():
    """torch's settings of TF32, put back after the test."""
    newer = devices._precision_settings()
    before = [setting.fp32_precision for setting in newer]
    yield newer
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = True
    for setting, value in zip(newer, before, strict=True):
        setting.fp32_precision = value


def test_tf32_is_as_the_option_says_for_products_and_convolutions(settings):
    before = [setting.fp32_precision for setting in settings]
    for tf32 in (True, False):
        with devices.fp32_precision(tf32=tf32):
            assert torch.get_float32_matmul_precision() == ("high" if tf32 else "highest")
            assert torch.backends.cudnn.allow_tf32 is tf32
        assert [setting.fp32_precision for setting in settings] == before
        assert torch.get_float32_matmul_precision() == "highest" and torch.backends.cudnn.allow_tf32


def test_threads_share_the_setting_of_tf32(settings):
    torch.set_float32_matmul_precision("high")  # a program's own
    first, second = (devices.fp32_precision(tf32=False) for _ in range(2))
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert torch.get_float32_matmul_precision() == "highest"  # of the one that still computes
    with devices.fp32_precision(tf32=True):
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == "highest"
    second.__exit__(None, None, None)
    assert torch.get_float32_matmul_precision() == "high"


@pytest.mark.skipif(not devices._precision_settings(), reason="torch < 2.9 has the older interface only")
def test_a_program_that_uses_torchs_newer_interface_can_predict(settings, make, image):
    """Reading the older interface is an error then."""
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    torch.backends.cudnn.conv.fp32_precision = "ieee"
    with pytest.raises(RuntimeError):
        torch.get_float32_matmul_precision()
    model = make()
    model.infer(model.prepare(image)[None])
    assert torch.backends.cuda.matmul.fp32_precision == "tf32" and torch.backends.cudnn.conv.fp32_precision == "ieee"


def test_the_environment_has_the_precision_that_was_used(settings, monkeypatch):
    cuda = SimpleNamespace(get_device_name=lambda device: "a GPU")
    monkeypatch.setattr(torch.cuda, "get_device_name", cuda.get_device_name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert describe_environment("cuda")["tf32"] == {"matmul": False, "cudnn": True}  # torch's own, for other networks
    if settings:
        torch.backends.cuda.matmul.fp32_precision = "tf32"
        torch.backends.cudnn.conv.fp32_precision = "ieee"
        assert describe_environment("cuda")["tf32"] == {"matmul": True, "cudnn": False}


def test_devices_of_one_kind_are_one_environment():
    assert first_difference({"device": "cuda"}, {"device": "cuda:0"}) is None
    assert first_difference({"device": "cuda:1"}, {"device": "cuda:0"}) is None
    assert first_difference({"device": "cpu"}, {"device": "cuda:0"}) == "device"
    assert first_difference({"gpu": "A"}, {"gpu": "B"}) == "gpu"


FULL = InferenceSize(parameters=996578667, width=128, side=1024)


def test_the_estimate_agrees_with_the_measurements_and_the_card():
    assert estimate_inference(FULL, "cpu") == pytest.approx(14.4e9, rel=0.02)
    small = InferenceSize(parameters=FULL.parameters, width=128, side=256)
    assert estimate_inference(small, "cpu") == pytest.approx(7.8e9, rel=0.08)
    card = get_card("diffdis")
    assert card.parameters == FULL.parameters
    numbers = [float(text) for text in re.findall(r"([\d.]+) GB", card.memory)]
    half = {"parameters": FULL.parameters, "width": 128, "side": 1024, "half": True}
    sizes = [FULL, InferenceSize(**half), InferenceSize(**half, tiled=True)]
    assert numbers[:3] == [round(estimate_inference(size, "cuda") / 1e9, 1) for size in sizes]
    assert numbers[3:] == [round(estimate_inference(size, "cpu") / 1e9, 1) for size in (FULL, small)]


def test_too_little_memory_is_announced_before_weights_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(inference_memory, "free_memory", lambda device: 8e9)
    monkeypatch.setattr(predictor, "load", lambda *_: (_ for _ in ()).throw(InputError("the weights are read")))
    said = []
    with show_announcements(said.append):
        for options in ({}, {"size": 256, "precision": "fp16"}):
            with pytest.raises(InputError, match="the weights are read"):
                predictor.DiffDIS(get_card("diffdis"), "owner/name", "cpu", **options)
    assert said[0] == (
        "DiffDIS needs about 14.4 GB on cpu (an estimate), and 8.0 GB are free; --option precision=fp16, --option "
        "vae=tiled, a smaller --option size=N or --batch 1 needs less"
    )
    monkeypatch.setattr(inference_memory, "free_memory", lambda device: 1e9)
    said.clear()
    with show_announcements(said.append), pytest.raises(InputError):
        predictor.DiffDIS(get_card("diffdis"), str(predictor.MINI), "cpu")  # disbench's own folder has its own sizes
    assert not said


@pytest.mark.parametrize(("option", "value"), [("preset", "official"), ("fit", "keep"), ("vae", "tiled")])
def test_layers_of_several_shapes_are_not_compiled(make, option, value):
    with pytest.raises(InputError, match=rf"compile=default: not with {option}={value}, by which layers get several"):
        make(compile="default", **{option: value})
