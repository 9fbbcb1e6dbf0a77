"""Freeze the output of the authors' U-Net at full size: python make_diffdis_full.py DiffDIS (a checkout of d119034).

Writes diffdis/full.npy, float32 (2, 4, 16, 16), under the weights and inputs of tests/helpers/drawn_weights.py. The
authors' diffusers needs transformers 4 and huggingface_hub 0.26.5 or older. The file here was made with torch 2.13.0 on
a CPU.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
sys.path.insert(0, str(Path(sys.argv[1]) / "diffusers-0.30.2" / "src"))

from diffusers import UNet2DConditionModel_diffdis
from drawn_weights import draw, fill

GOLDENS = Path(__file__).parent / "diffdis"
# As in run_inference.py.
OPTIONS = {
    "class_embed_type": "projection",
    "projection_class_embeddings_input_dim": 4,
    "mid_extra_cross": True,
    "mode": "DBIA",
    "use_swci": True,
}

torch.set_num_threads(1)
unet = UNet2DConditionModel_diffdis(**json.loads((GOLDENS / "configs.json").read_text())["FULL"], **OPTIONS)
unet.eval().requires_grad_(False).load_state_dict(fill(unet.state_dict()))
scales = [draw(f"FULL.rgb{k}", 1, 4, 16 >> k, 16 >> k).repeat(2, 1, 1, 1) for k in range(4)]
labels = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
out = unet(
    torch.cat([scales[0], draw("FULL.noisy", 2, 4, 16, 16)], 1),
    torch.tensor([999, 999]),
    encoder_hidden_states=draw("FULL.text", 1, 2, 1024).repeat(2, 1, 1),
    class_labels=torch.cat([labels.sin(), labels.cos()], -1),
    rgb_token=scales,
).sample
np.save(GOLDENS / "full.npy", out.numpy())
