"""Low-rank adaptation (Hu et al., ICLR 2022) of the U-Net's attention, with peft: a training in less memory.

What Stable Diffusion knows stays as it is. Trained are a pair of thin matrices beside each projection of an attention,
and in full what DiffDIS adds to the network.
"""

import re
from copy import deepcopy

from disbench.errors import InputError
from disbench.models.diffdis.unet import DiffDISUNet

PROJECTIONS = r"(?!.*\.attn3\.).*\.(to_q|to_k|to_v|to_out\.0)"
NEW = re.compile(r"conv_in\.|class_embedding\.|rgb_|.*\.(attn3|norm2_)\.")


def add(unet: DiffDISUNet, rank: int) -> None:
    """InputError where peft is not installed."""
    try:
        from peft import LoraConfig
    except ImportError:
        raise InputError("lora in a recipe needs peft; pip install peft") from None
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=PROJECTIONS))
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_("lora_" in name or bool(NEW.match(name)))


def merge(unet: DiffDISUNet) -> None:
    """Into the projections: a U-Net like any other again."""
    unet.fuse_lora()
    unet.unload_lora()


def merged(unet: DiffDISUNet) -> DiffDISUNet:
    """A copy with them merged, while the training goes on unmerged; itself where there are none."""
    if getattr(unet, "peft_config", None):
        merge(unet := deepcopy(unet))
    return unet
