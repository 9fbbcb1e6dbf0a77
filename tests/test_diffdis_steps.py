"""Four steps of training against the authors' code."""

import gzip
import json

import pytest
import torch
from hashed import CONFIGS, GOLDENS, draw, hashed_unet
from safetensors.torch import load_file

from disbench.models.diffdis import losses, memory
from disbench.models.diffdis.unet import DiffDISUNet

LR, EMBEDDING_LR = 3e-5, 3e-4

torch.set_num_threads(1)


def test_four_steps_equal_the_authors():
    golden = load_file(GOLDENS / "train.safetensors")
    expected = json.loads(gzip.decompress((GOLDENS / "train.json.gz").read_bytes()))
    conditions = tuple(golden[key] for key in ("rgb_latents", "r2", "r4", "r8"))
    unet = hashed_unet("B").train().requires_grad_(True)
    parameters = dict(unet.named_parameters())
    embedding = [parameter for name, parameter in parameters.items() if name.startswith("class_embedding.")]
    rest = [parameter for name, parameter in parameters.items() if not name.startswith("class_embedding.")]
    optimizer = torch.optim.Adam([{"params": rest, "lr": LR}, {"params": embedding, "lr": EMBEDDING_LR}])
    for step, (mask, edge) in enumerate(expected["losses"]):
        parts = losses.one_step(
            unet, golden["mask_latents"], golden["edge_latents"], golden["noise"], conditions, golden["text"], "epsilon"
        )
        assert parts["mask"].item() == pytest.approx(mask, rel=1e-5)
        assert parts["edge"].item() == pytest.approx(edge, rel=1e-5)
        optimizer.zero_grad()
        sum(parts.values()).backward()
        if step == 0:
            assert parameters.keys() == expected["norms"].keys()
            for name, norm in expected["norms"].items():
                assert parameters[name].grad.norm().item() == pytest.approx(norm, rel=1e-3, abs=1e-5), name
            for name in (key for key in golden if key.startswith("grad.")):
                torch.testing.assert_close(
                    parameters[name.removeprefix("grad.")].grad, golden[name], rtol=1e-3, atol=1e-3
                )
        optimizer.step()
        if step == 0:
            state = unet.state_dict()
            after = [key for key in golden if key.startswith("after.")]
            assert len(after) == 9
            for name in after:
                torch.testing.assert_close(state[name.removeprefix("after.")], golden[name], rtol=1e-5, atol=1e-6)


def test_memory_is_what_autograd_keeps_on_the_cpu():
    """The same forward pass for real, with fused attention, whose weights are not kept."""
    unet = hashed_unet("A").train().requires_grad_(True)
    own = {parameter.untyped_storage().data_ptr() for parameter in unet.parameters()}
    kept = {}

    def keep(x):
        if x.untyped_storage().data_ptr() not in own:
            kept[x.untyped_storage().data_ptr()] = x  # held, so that no later tensor gets its place
        return x

    scales = tuple(draw(f"scale{k}", 2, 4, 32 >> k, 32 >> k) for k in range(4))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        output = unet(draw("noisy", 4, 4, 32, 32), 999, scales, draw("text", 1, 2, 32))
    real = sum(x.untyped_storage().nbytes() for x in kept.values())
    assert output.requires_grad
    found = memory.estimate(unet, tokens=2, latent=32, images=2, half=False)
    assert found.activations == pytest.approx(real, rel=0.1)
    assert found.weights == 20 * sum(parameter.numel() for parameter in unet.parameters())


def test_checkpointing_takes_less_memory_and_more_images_more():
    with torch.device("meta"):
        unet = DiffDISUNet.from_config(CONFIGS["FULL"])
    one, two = (memory.estimate(unet, 2, 128, images, half=False) for images in (1, 2))
    assert two.activations == pytest.approx(2 * one.activations, rel=0.01)
    unet.enable_gradient_checkpointing()
    assert memory.estimate(unet, 2, 128, 1, half=False).activations < one.activations / 4
    assert "18.3 for weights" in str(one)
