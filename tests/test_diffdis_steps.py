"""Four steps of training against the authors' code."""

import gzip
import json

import pytest
import torch
from hashed import GOLDENS, hashed_unet
from safetensors.torch import load_file

from disbench.models.diffdis import losses

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
