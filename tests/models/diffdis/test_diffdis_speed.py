"""DiffDIS on CUDA, as far as a CPU can tell: layouts, dtypes, CUDA graphs, and what the compiler does with shapes."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from fake_graphs import FakeGraphs
from hashed_weights import CONFIGS, draw
from torch import nn

from disbench.errors import InputError
from disbench.models.diffdis import conditioning, full_size, pipeline, predictor
from disbench.models.diffdis.checkpoint import Checkpoint
from disbench.models.diffdis.graphs import Recorder
from disbench.models.diffdis.layouts import compute_in_place, keep_layouts
from disbench.models.diffdis.unet import DiffDISUNet
from disbench.registry.loading import get_card

torch.set_num_threads(1)
SIZE = 64
BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
HALF_TOLERANCE = 0.005  # as where torch's norms compute; see test_diffdis_predict.py


@pytest.fixture
def make():
    return lambda **options: predictor.DiffDIS(get_card("diffdis"), None, "cpu", size=SIZE, **options)


@pytest.fixture(scope="module")
def batch():
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    return torch.stack([predictor.normalise(image) for image in pixels])


def change_layers(model, *, half=False):
    """Let the networks of a predictor on the CPU compute as on CUDA."""
    for network in (model.checkpoint.unet, model.checkpoint.vae):
        keep_layouts(network, half=half)
    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(2, 32, 9, 7), (1, 64, 50)])
def test_norms_keep_layout_and_dtype(shape, dtype):
    norm = nn.GroupNorm(8, shape[1])
    nn.init.normal_(norm.weight, 1, 0.3)
    nn.init.normal_(norm.bias, 0, 0.3)
    x = (3 * draw("norm", *shape) + 5).to(dtype)
    x = x.to(memory_format=torch.channels_last) if x.ndim == 4 else x.mT.contiguous().mT
    with torch.inference_mode():
        expected = norm(x.float())
        keep_layouts(norm, half=dtype != torch.float32)
        with torch.autocast("cpu", torch.bfloat16):
            result = norm(x)
    assert (result.stride(), result.dtype) == (x.stride(), dtype)
    torch.testing.assert_close(result.float(), expected, rtol=0, atol=20 * torch.finfo(dtype).eps)


def test_a_constant_group_is_the_bias_and_no_nan():
    norm = nn.GroupNorm(2, 4).requires_grad_(False)
    keep_layouts(norm, half=True)
    result = norm(torch.full((1, 4, 30, 30), 7.7, dtype=torch.float16))
    torch.testing.assert_close(result, torch.zeros(1, 4, 30, 30).half(), rtol=0, atol=0.01)


@pytest.mark.parametrize("options", [{}, {"output": "edge"}, {"vae": "tiled"}])
def test_the_layers_of_cuda_give_the_same_maps(make, batch, options):
    expected = make(**options).infer(batch)
    changed = change_layers(make(**options)).infer(batch)
    assert not torch.equal(changed, expected)  # they are other layers
    torch.testing.assert_close(changed, expected, rtol=0, atol=1e-4)


def test_the_layers_of_cuda_are_close_in_half_precision_too(make, batch):
    half = change_layers(make(precision="fp16"), half=True).infer(batch)
    assert 0 < (half - make().infer(batch)).abs().mean() < HALF_TOLERANCE


def test_layers_change_on_cuda_alone(make, monkeypatch):
    changed = []
    monkeypatch.setattr(predictor, "keep_layouts", lambda network, half: changed.append(half))
    make()
    assert changed == []
    monkeypatch.setattr(predictor.devices, "choose_device", lambda device: "cuda")
    monkeypatch.setattr(predictor.devices, "has_bf16", lambda device: True)
    monkeypatch.setattr(nn.Module, "to", lambda self, *args, **options: self)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *args, **options: self)
    make(precision="fp16")
    assert changed == [True, True]


@pytest.fixture
def count_work(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.delitem(sys.modules, "operators", raising=False)
    from operators import count_work

    return count_work


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.parametrize("kept", [False, True])
def test_tensors_keep_layout_and_dtype_and_attention_has_no_mask(count_work, kept):
    """Counted on the meta device; the first case shows that the second can fail."""
    widths = [16, 32, 64, 64]
    with torch.device("meta"):
        unet = DiffDISUNet.from_config(CONFIGS["B"] | {"block_out_channels": widths}).eval()
        vae = AutoencoderKL(**full_size.VAE | {"block_out_channels": widths, "norm_num_groups": 8}).eval()
        conditioning.fold_mean(vae)
    loaded = Checkpoint(unet, vae, torch.empty(1, 2, CONFIGS["B"]["cross_attention_dim"], device="meta"), "epsilon")
    sampling = pipeline.Sampling(dtype=torch.float16, decoder=torch.bfloat16)
    pipeline.lower_weights(loaded, sampling)
    for network in (unet, vae):
        network.to(memory_format=torch.channels_last)
        if kept:
            compute_in_place(network)
            keep_layouts(network, half=True)
    image, noise = (torch.empty(1, *shape, device="meta") for shape in ((3, 512, 512), (4, 64, 64)))
    parameters = [*unet.parameters(), *vae.parameters()]
    work = count_work(lambda: pipeline.segment(loaded, image, noise, sampling), parameters)
    copied = (work.layouts + work.precisions) / work.moved
    assert copied < 0.03 if kept else copied > 0.3
    assert (work.weights, work.uploads) == (0, 0)  # no conversions of weights, nothing that a graph cannot have
    assert not {"a mask", "strides", "float32"} & set(work.attention)


def test_a_recording_is_replayed_on_the_inputs_of_the_call():
    fake, calls = FakeGraphs(), []

    def function(x, y):
        calls.append(x.shape)
        return torch.addcmul(x, x, y).relu_(), None

    recorder = Recorder(fake)
    inputs = [(draw(f"x{i}", 3), draw(f"y{i}", 3)) for i in range(4)]
    results = [recorder.call(function, *pair)[0] for pair in inputs]
    assert len(calls) == 4 and fake.log == ["wait", "warm-up", "wait"]  # three times to warm up, and once recorded
    for result, (x, y) in zip(results, inputs, strict=True):  # later replays change no earlier result
        torch.testing.assert_close(result, (x + x * y).relu())
    assert [graph.replays for graph in fake.graphs] == [4]


def test_other_shapes_and_keys_are_recorded_anew():
    recorder = Recorder(fake := FakeGraphs())
    for shape, key in (((2, 3), None), ((3, 2), None), ((2, 3), "other"), ((3, 2), None)):
        (result,) = recorder.call(lambda x: (x + 1,), torch.zeros(shape), key=key)
        assert torch.equal(result, torch.ones(shape))
    assert len(recorder.recordings) == len(fake.graphs) == 3


def test_a_pass_is_replayed_from_static_inputs(make, batch):
    model, plain = make(), make()
    model.recorder = Recorder(FakeGraphs())
    for images in (batch[:1], batch[1:], batch[:1].repeat(1, 1, 1, 2)):
        assert torch.equal(model.infer(images), plain.infer(images))
    assert len(model.recorder.recordings) == 2
    assert model.maps(batch[:1], edge=True)[1] is not None and len(model.recorder.recordings) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compile": "graph"}, "compile=graph: makes CUDA graphs, and the device is cpu; omit it, or give --device"),
        ({"compile": "reduce-overhead"}, "compile=reduce-overhead: makes CUDA graphs, and the device is cpu"),
        ({"compile": "graph", "steps": "2"}, "compile=graph: a graph has no noise of several steps"),
    ],
)
def test_graphs_need_cuda_and_a_single_step(make, options, message):
    with pytest.raises(InputError, match=message):
        make(**options)


def count_graphs(sizes, **options):
    """Return how many graphs the compiler makes of a small decoder for latents of several sizes (h, w)."""
    few = {"up_block_types": ["UpDecoderBlock2D"] * 2, "block_out_channels": [8, 16], "layers_per_block": 1}
    decoder = AutoencoderKL(latent_channels=4, norm_num_groups=4, **few).eval().decoder
    decoder.to(memory_format=torch.channels_last)
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    decoder.compile(backend="eager", fullgraph=True, **options)
    with torch.inference_mode():
        for size in sizes:
            decoder(torch.zeros(1, 4, *size))
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


@pytest.mark.ci
@pytest.mark.slow
def test_the_compiler_makes_a_graph_for_most_sizes_even_where_they_are_dynamic():
    """Which is why compile is refused together with options that have several sizes."""
    sizes = [(16, 16), (8, 16), (16, 24)]
    assert count_graphs(sizes[:1] * 3, dynamic=True) == 1
    assert count_graphs(sizes, dynamic=True) >= 2


@pytest.mark.ci
@pytest.mark.slow
def test_the_layers_of_cuda_compile_to_whole_graphs(make, batch):
    expected, model = make().infer(batch), change_layers(make())
    torch.compiler.reset()
    for network in (model.checkpoint.unet, model.checkpoint.vae.decoder):
        network.compile(backend="eager", fullgraph=True)  # as DiffDIS does, but for the time of the compiler itself
    torch.testing.assert_close(model.infer(batch), expected, rtol=0, atol=1e-4)
