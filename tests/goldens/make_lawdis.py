"""Freeze the outputs of LawDIS' original pipelines: python make_lawdis.py LAWDIS TORCHVISION

LAWDIS is a checkout (commit 4c64500), TORCHVISION the package's folder of an unpacked wheel (0.19.1; its compiled part,
which would have to fit torch, is not needed). Writes lawdis/keys.json.gz, the keys of the authors' VAE, and
lawdis/answers.npz: the outputs of that VAE at its full width with a small U-Net, of the whole pipelines with the small
networks of tests/helpers/tiny_lawdis.py, whose VAE has narrower fusing convolutions, and of the steps before and after
the networks. The files here were made with torch 2.13.0, diffusers 0.42.1 and opencv 5.0.0 on a CPU.
"""

import gzip
import hashlib
import importlib.util
import json
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import ModuleType

import diffusers
import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from PIL import Image
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import tiny_lawdis as tiny
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo

OUT = GOLDENS / "lawdis"
PHOTO = (1500, 2100)
SMALL = probe_photo("lawdis", 90, 120)
PROMPT = "a dark feline in a basin"
SIDES = {1024: PHOTO, 512: PHOTO, 128: (400, 560)}  # of windows, and the size of the map
WINDOWS = [((0, 0), (64, 64)), ((20, 8), (50, 40)), ((40, 10), (56, 54))]
FULL_VAE = tiny.VAE | {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "norm_num_groups": 32}
FULL_UNET = tiny.UNET | {"layers_per_block": 2, "attention_head_dim": [4, 8], "sample_size": 8}


def full(theirs) -> dict[str, np.ndarray]:
    """Run both pipelines' single_infer: the VAE at full width, the U-Net small, text embeddings and noise as probes."""
    vae = theirs.AutoencoderKlLawDIS(**FULL_VAE).eval()
    keys = {name: list(x.shape) for name, x in vae.state_dict().items()}
    packed = json.dumps(keys, sort_keys=True, separators=(",", ":")).encode()
    (OUT / "keys.json.gz").write_bytes(gzip.compress(packed, mtime=0))
    state = checkpoint({name: shape for name, shape in keys.items() if "fuse_up_" not in name}, gain=1.0)
    vae.load_state_dict(tiny.name_twice(state))
    unet = UNet2DConditionModel(**FULL_UNET).eval()
    unet.load_state_dict(checkpoint({name: list(x.shape) for name, x in unet.state_dict().items()}, gain=1.0))
    parts = {"unet": unet, "vae": vae, "scheduler": DDIMScheduler(**tiny.SCHEDULER)}
    parts |= {"text_encoder": None, "tokenizer": None}
    answers, noted = {}, {}
    image = probe_image("lawdis", 64, 96) / 4
    hidden, features = vae.encoder(image)
    answers["moments"] = vae.quant_conv(hidden).numpy()
    answers["decoded"] = vae.decoder(vae.post_quant_conv(probe_image("lawdis_z", 8, 12, 4)), features).numpy()

    def note(module, inputs, output, name):
        noted[name] = output.sample if name == "unet_output" else output

    unet.register_forward_hook(lambda *arguments: note(*arguments, name="unet_output"))
    vae.decoder.register_forward_hook(lambda *arguments: note(*arguments, name="logits"))

    macro = theirs.LawDISMacroPipeline(**parts)
    macro.encode_text = lambda prompt: probe_image("lawdis_text", 77, 32, 1)[0]
    torch.randn, drawn = (lambda *_, **__: probe_image("lawdis_noise", 8, 12, 4)), torch.randn
    answers["macro_map"] = macro.single_infer(image, "", 1, None).numpy()
    torch.randn = drawn
    answers |= {f"macro_{name}": tensor.numpy() for name, tensor in noted.items()}

    micro = theirs.LawDISMicroPipeline(**parts)
    micro.encode_empty_text = lambda: setattr(micro, "empty_text_embed", probe_image("lawdis_empty", 77, 32, 1)[0])
    patches = []
    merge = micro.apply_patches_to_image
    micro.apply_patches_to_image = lambda image, parts, windows: patches.extend(parts) or merge(image, parts, windows)
    levels = (probe_logits("lawdis_result", 64, 96)[0, 0].double().sigmoid() * 255).numpy().astype(np.uint8)
    earlier = torch.from_numpy(levels)[None, None] / 255.0 * 2.0 - 1.0
    micro.single_infer(levels, WINDOWS, 64, 2, image, earlier, 1, None, False)
    return answers | {"micro_patches": np.stack(patches)}


def whole(theirs) -> dict[str, np.ndarray]:
    """Run both pipelines with small networks, the second on a map of the first, as the scripts call and save them."""
    vae = theirs.AutoencoderKlLawDIS(**tiny.VAE).eval()
    for i, (channels, out) in enumerate(tiny.FUSED):
        vae.decoder.conv_fuse_up[i] = nn.Conv2d(channels, out, 3, padding=1)
        setattr(vae.decoder, f"conv_fuse_up_{i}", vae.decoder.conv_fuse_up[i])
    vae.load_state_dict(tiny.fill_vae())
    with tempfile.TemporaryDirectory() as work:
        text, tokenizer = tiny.load_text(tiny.write_folder(Path(work)))
    parts = {"unet": tiny.fill_unet(), "vae": vae, "scheduler": DDIMScheduler(**tiny.SCHEDULER)}
    parts |= {"text_encoder": text, "tokenizer": tokenizer}
    macro, micro = theirs.LawDISMacroPipeline(**parts), theirs.LawDISMicroPipeline(**parts)

    def segment(prompt: str, seed: int) -> np.ndarray:
        settings = {"denoising_steps": 1, "processing_res": 64, "generator": torch.Generator().manual_seed(seed)}
        output = macro(Image.fromarray(SMALL), prompt, **settings, show_progress_bar=False)
        return (output * 255.0).astype(np.uint8)

    maps = {"map_prompt": segment(PROMPT, 0), "map_empty": segment("", 0), "map_seed": segment(PROMPT, 7)}
    maps["map_long"] = segment(PROMPT * 20, 0)
    patches = []
    merge = micro.apply_patches_to_image
    micro.apply_patches_to_image = lambda image, parts, windows: patches.extend(parts) or merge(image, parts, windows)
    earlier = tiny.draw_map(*SMALL.shape[:2])
    windows = theirs.find_windows(earlier, 64)
    settings = {"denoising_steps": 1, "processing_res": 64, "batch_size": 1, "show_progress_bar": False}
    micro(Image.fromarray(SMALL), Image.fromarray(earlier), windows, **settings)
    return maps | {"small_windows": np.array(windows), "small_patches": np.stack(patches)}


def around(theirs) -> dict[str, np.ndarray]:
    """Run the steps before and after the networks, around networks that answer with probes."""
    pipe = theirs.LawDISMacroPipeline(None, None, None, None, None)
    noted = {}

    def stand_in_networks(rgb_in: torch.Tensor, **_) -> torch.Tensor:
        noted["input"] = rgb_in[0, :, ::16, ::16].numpy()
        return probe_logits("lawdis", 1024, 1024).sigmoid()

    pipe.single_infer = stand_in_networks
    type(pipe).dtype = torch.float32
    output = pipe(Image.fromarray(probe_photo("protocol", *PHOTO)), "", 1, 1024, show_progress_bar=False)
    saved = (output * 255.0).astype(np.uint8)
    earlier = tiny.draw_map(*PHOTO)
    windows = {f"windows{side}": theirs.find_windows(tiny.draw_map(*size), side) for side, size in SIDES.items()}
    answers = tiny.answer_windows(earlier, windows["windows512"])
    merged = theirs.LawDISMicroPipeline.apply_patches_to_image(None, earlier, answers, windows["windows512"])
    digests = {f"{name}_sha256": np.array(hash_levels(x)) for name, x in (("saved", saved), ("merged", merged))}
    noted |= {"saved": saved[::12, ::12], "merged": merged[::12, ::12]}
    return noted | digests | {name: np.array(boxes) for name, boxes in windows.items()}


def hash_levels(levels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(levels).tobytes()).hexdigest()


class Theirs:
    """The authors' classes and functions."""

    def __init__(self, folder: Path, torchvision: Path):
        stand_in("torchvision", __path__=[str(torchvision)])  # without what its own initialisation loads
        for name in ("vae_lawdis", "autoencoder_kl_lawdis"):  # as their script copies them into diffusers
            path = folder / "diffusers_lawdis" / "models" / "autoencoders" / f"{name}.py"
            spec = importlib.util.spec_from_file_location(f"diffusers.models.autoencoders.{name}", path)
            module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        self.AutoencoderKlLawDIS = diffusers.AutoencoderKlLawDIS = module.AutoencoderKlLawDIS
        torch.Tensor.cuda = lambda tensor: tensor  # the pipelines call it without a GPU, too
        sys.path.insert(0, str(folder))
        self.LawDISMacroPipeline = import_module("lawdis.lawdis_macro_pipeline").LawDISMacroPipeline
        self.LawDISMicroPipeline = import_module("lawdis.lawdis_micro_pipeline").LawDISMicroPipeline
        script = folder / "script" / "infer_micro_batch_imgs.py"
        spec = importlib.util.spec_from_file_location("infer_micro_batch_imgs", script)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.find_windows = module.get_coordinates_and_side_lengths


def stand_in(name: str, **members) -> None:
    sys.modules[name] = ModuleType(name)
    vars(sys.modules[name]).update(members)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    torch.set_grad_enabled(False)
    theirs = Theirs(*(Path(argument).resolve() for argument in sys.argv[1:]))
    np.savez_compressed(OUT / "answers.npz", **full(theirs), **whole(theirs), **around(theirs))
