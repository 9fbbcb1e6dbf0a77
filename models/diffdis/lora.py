"""Low-rank adaptation (Hu et al., ICLR 2022) of the U-Net's attention, with peft: a training in less memory.

The weights of Stable Diffusion stay fixed. A pair of thin matrices per attention projection is trained, and all layers
that DiffDIS adds to the network.
"""

import re
from copy import deepcopy

from disbench.errors import InputError
from disbench.models.diffdis.unet import DiffDISUNet

PROJECTIONS = r"(?!.*\.attn3\.).*\.(to_q|to_k|to_v|to_out\.0)"
NEW = re.compile(r"conv_in\.|class_embedding\.|rgb_|.*\.(attn3|norm2_)\.")


def add_adapters(unet: DiffDISUNet, rank: int) -> None:
    """Add adapters of a rank to a U-Net, in place, and freeze all other old weights.

    Raises:
        InputError: if peft is not installed.
    """
    try:
        from peft import LoraConfig
    except ImportError:
        raise InputError("lora in a recipe needs peft; pip install peft") from None
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=PROJECTIONS))
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_("lora_" in name or bool(NEW.match(name)))


def merge_adapters(unet: DiffDISUNet) -> None:
    """Merge the adapters into the projections, in place. The U-Net has its usual tensors afterwards."""
    unet.fuse_lora()
    unet.unload_lora()


def merged_copy(unet: DiffDISUNet) -> DiffDISUNet:
    """Return a copy with merged adapters, or the U-Net itself if it has no adapters."""
    if not getattr(unet, "peft_config", None):
        return unet
    copy = deepcopy(unet)
    merge_adapters(copy)
    return copy
