"""DiffDIS' U-Net and one-step pipeline against the authors' code."""

import gzip
import json

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from hashed_weights import CONFIGS, GOLDENS, draw, fill, hashed_base, hashed_unet
from safetensors.torch import load_file, save_file
from torch.fx.experimental.proxy_tensor import make_fx

from disbench.models.diffdis import pipeline, predictor, weights
from disbench.models.diffdis.conditioning import conditions
from disbench.models.diffdis.pipeline import Sampling, alphas_cumprod, segment, x0
from disbench.models.diffdis.unet import DiffDISUNet

CASES = {"sq_b1": (1, 32, 32, 999), "sq_b2": (2, 16, 16, 999), "rect_b1": (1, 16, 40, 999), "t499": (1, 16, 16, 499)}
UNET_TOLERANCE, LATENT_TOLERANCE, X0_TOLERANCE, MASK_TOLERANCE = 2e-5, 1e-5, 5e-4, 1e-4

torch.set_num_threads(1)


def difference(a, b):
    assert a.shape == b.shape
    return (a - b).abs().max().item()


@pytest.fixture(scope="module")
def golden():
    return load_file(GOLDENS / "unet.safetensors")


@pytest.fixture
def unet():
    return hashed_unet("A")


def inputs(case):
    images, height, width, t = CASES[case]
    noisy = draw(f"A.{case}.noisy", 2 * images, 4, height, width)
    scales = tuple(draw(f"A.{case}.rgb{k}", images, 4, height >> k, width >> k) for k in range(4))
    return noisy, t, scales, draw(f"A.{case}.text", 1, 2, 32)


@pytest.mark.parametrize("case", CASES)
def test_unet_equals_the_authors(unet, golden, case):
    assert difference(unet(*inputs(case)), golden[f"{case}.out"]) < UNET_TOLERANCE


def test_one_timestep_per_row_and_text_without_a_batch(unet, golden):
    noisy, t, scales, text = inputs("sq_b2")
    out = unet(noisy, torch.full((4,), t), scales, text[0])
    assert difference(out, golden["sq_b2.out"]) < UNET_TOLERANCE


def test_mask_rows_alone_are_the_same(unet, golden):
    assert difference(unet(*inputs("sq_b2"), edge=False), golden["sq_b2.out"][:2]) < UNET_TOLERANCE


@pytest.mark.parametrize("change", [None, "processor", "slicing"])
def test_edge_reaches_the_mask_whatever_computes_attention(unet, golden, change):
    if change == "processor":
        unet.set_attn_processor(AttnProcessor())
    if change == "slicing":
        unet.set_attention_slice("max")
    noisy, *others = inputs("sq_b2")
    noisy[2:] += 1
    out = unet(noisy, *others)
    assert difference(out, golden["couple.out"]) < UNET_TOLERANCE
    assert difference(out[:2], golden["sq_b2.out"][:2]) > 100 * UNET_TOLERANCE


@pytest.mark.ci
@pytest.mark.slow
def test_nothing_is_made_on_the_cpu_first(unet):
    """As a tensor of Python's numbers is: with one in it, torch.compile makes no CUDA graph of a network."""
    noisy, t, scales, text = inputs("sq_b1")
    graph = make_fx(lambda noisy, scales, text: unet(noisy, t, scales, text))(noisy, scales, text)
    assert not [node for node in graph.graph.nodes if "lift_fresh" in str(node.target)]


def test_batch_statistics_and_buffers_in_training(unet, golden):
    unet.train()
    assert difference(unet(*inputs("sq_b2")), golden["trainmode.out"]) < UNET_TOLERANCE
    buffers = {name: buffer for name, buffer in unet.named_buffers() if name.startswith("rgb_conv")}
    assert len(buffers) == 9
    for name, buffer in buffers.items():
        assert difference(buffer, golden[f"trainmode.{name}"]) < 1e-6


@pytest.mark.slow
@pytest.mark.ci
def test_gradient_checkpointing_changes_nothing(unet):
    def gradients():
        unet.zero_grad()
        unet(*inputs("sq_b2")).square().mean().backward()
        return {name: parameter.grad.clone() for name, parameter in unet.named_parameters()}

    unet.requires_grad_(True)
    plain = gradients()
    unet.enable_gradient_checkpointing()
    checkpointed = gradients()
    assert all(torch.equal(plain[name], checkpointed[name]) for name in plain)


def test_start_from_a_stock_unet(golden):
    stock = fill(UNet2DConditionModel(**CONFIGS["A"] | {"in_channels": 4}).state_dict(), "stock.")
    unet = DiffDISUNet(**CONFIGS["A"]).eval()
    widened = weights.from_stock(stock)
    new = {name: tensor for name, tensor in fill(unet.state_dict()).items() if name not in widened}
    kept_zero = {name for name in new if name.startswith("rgb_proj")}
    unet.load_state_dict(widened | {name: new[name] for name in new.keys() - kept_zero}, strict=False)
    with torch.no_grad():
        assert difference(unet(*inputs("sq_b2")), golden["from_stock.out"]) < UNET_TOLERANCE


def test_full_size_has_the_tensors_of_the_released_file():
    with torch.device("meta"):
        unet = DiffDISUNet.from_config(CONFIGS["FULL"] | {"in_channels": 4})
    expected = json.loads(gzip.decompress((GOLDENS / "shapes.json.gz").read_bytes()))
    assert {name: list(tensor.shape) for name, tensor in unet.state_dict().items()} == expected
    assert len(expected) == 730


@pytest.mark.slow  # two minutes and 8 GB, most of it for the weights
def test_full_size_equals_the_authors():
    scales = tuple(draw(f"FULL.rgb{k}", 1, 4, 16 >> k, 16 >> k) for k in range(4))
    inputs = draw("FULL.noisy", 2, 4, 16, 16), 999, scales, draw("FULL.text", 1, 2, 1024)
    wanted = torch.from_numpy(np.load(GOLDENS / "full.npy"))
    unet = hashed_unet("FULL")
    assert difference(unet(*inputs), wanted) < UNET_TOLERANCE
    assert difference(unet(*inputs, edge=False), wanted[:1]) < UNET_TOLERANCE


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("t", [0, 499, 999, torch.tensor([999, 3])])
def test_x0_inverts_what_training_adds(kind, t):
    clean, noise = draw("clean", 2, 4, 3, 3), draw("noise", 2, 4, 3, 3)
    alpha = alphas_cumprod()[t].reshape(-1, 1, 1, 1)
    signal, sigma = alpha.sqrt(), (1 - alpha).sqrt()
    target = {"epsilon": noise, "v_prediction": signal * noise - sigma * clean, "sample": clean}[kind]
    x_t = signal * clean + sigma * noise
    assert difference(x0(target, x_t, t, alphas_cumprod(), kind), clean) < 1e-5
    assert x0(target.half(), x_t.half(), t, alphas_cumprod(), kind).dtype == torch.float32


def test_x0_knows_its_prediction_types():
    with pytest.raises(ValueError, match="'eps'; known: epsilon, v_prediction, sample"):
        x0(torch.zeros(1), torch.zeros(1), 999, alphas_cumprod(), "eps")


# -- The pipeline: B, with the VAE and the text encoder of a Stable Diffusion folder of its size


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authors")
    save_file(hashed_unet("B").state_dict(), folder / "unet.safetensors")
    return weights.load(folder / "unet.safetensors", str(hashed_base(folder / "base")))


@pytest.fixture(scope="module")
def stages():
    return load_file(GOLDENS / "pipeline.safetensors")


def one_pass(checkpoint, stages, noise, **options):
    image = predictor.normalise(stages["image"].numpy())[None]
    return segment(checkpoint, image, stages[noise], Sampling(**options))


@torch.no_grad()
def test_every_stage_equals_the_authors(checkpoint, stages):
    assert difference(checkpoint.text, stages["text"]) < LATENT_TOLERANCE
    scales = conditions(checkpoint.vae, predictor.normalise(stages["image"].numpy())[None])
    for k, latent in enumerate(scales):
        assert difference(latent, stages[f"rgb{k}"]) < LATENT_TOLERANCE
    noise = stages["noise"].repeat(2, 1, 1, 1)
    out = checkpoint.unet(noise, pipeline.LAST, scales, checkpoint.text)
    assert difference(out, stages["unet_out"]) < UNET_TOLERANCE
    assert difference(x0(out, noise, pipeline.LAST, alphas_cumprod(), "epsilon"), stages["x0"]) < X0_TOLERANCE


def test_mask_and_edge_equal_the_authors(checkpoint, stages):
    mask, edge = one_pass(checkpoint, stages, "noise", edge=True)
    assert difference(mask, stages["mask"][0]) < MASK_TOLERANCE
    assert difference(edge, stages["edge"][0]) < MASK_TOLERANCE


def test_mask_alone_is_the_same(checkpoint, stages):
    mask, edge = one_pass(checkpoint, stages, "noise")
    assert difference(mask, stages["mask"][0]) < MASK_TOLERANCE
    assert edge is None


def test_stretched_mask_equals_the_authors(checkpoint, stages):
    mask, _ = one_pass(checkpoint, stages, "call.noise")
    stretched = predictor.stretch(mask)[0]
    assert difference(stretched, stages["call.mask"]) < MASK_TOLERANCE


def test_eight_bits_then_the_original_size(stages):
    levels = predictor.resize(predictor.quantise(stages["tta.mask_mean"][0, 0].numpy()), (300, 200))
    assert np.array_equal(levels, stages["tta.png_u8_300x200"].numpy())
