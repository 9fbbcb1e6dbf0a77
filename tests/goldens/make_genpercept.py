"""Freeze the outputs of GenPercept's original pipelines: python make_genpercept.py GenPercept TORCHVISION

GenPercept is a checkout (commit 7cff083), TORCHVISION the package's folder of an unpacked wheel (0.26.0; its compiled
part, which would have to fit torch, is not needed). Writes genpercept/answers.npz: the maps of both versions from the
networks of tests/helpers/tiny_genpercept.py, and the steps of each version before and after the networks. The files
here were made with torch 2.13.0 and diffusers 0.42.1 on a CPU.
"""

import hashlib
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import tiny_genpercept as tiny
from filled_weights import GOLDENS, probe_image, probe_photo

PHOTO = (1500, 2100)
SMALL = probe_photo("genpercept", 90, 120)


def first(folder: Path) -> dict[str, np.ndarray]:
    pipeline = theirs(folder / "GenPercept_v1", "genpercept.pipeline_genpercept").GenPerceptPipeline
    unet, vae = tiny.build_networks()
    pipe = pipeline(unet=unet, vae=vae, empty_text_embed=torch.from_numpy(tiny.prompt()).float()[None])

    def run(image: np.ndarray, size: int) -> np.ndarray:
        output = pipe(Image.fromarray(image), mode="seg", processing_res=size, show_progress_bar=False)
        return np.asarray(output.pred_colored)

    maps = {f"v1_map{size}": run(SMALL, size) for size in (64, 0)}
    answer = (probe_image("map/genpercept", 544, 768, 3) / 2).clip(-1, 1)
    return maps | around("v1", pipe, answer, lambda image: run(image, 768))


def second(folder: Path) -> dict[str, np.ndarray]:
    # Of a head that DIS does not use; it needs what transformers has no longer.
    stand_in("genpercept.models.dpt_head", DPTNeckHeadForUnetAfterUpsampleIdentity=type("Head", (), {}))
    pipeline = theirs(folder, "genpercept.genpercept_pipeline").GenPerceptPipeline
    scheduler = import_module("src.customized_modules.ddim").DDIMSchedulerCustomized
    unet, vae = tiny.build_networks()
    with tempfile.TemporaryDirectory() as work:
        base = tiny.write_base(Path(work))
        text = CLIPTextModel.from_pretrained(base / "text_encoder"), CLIPTokenizer.from_pretrained(base / "tokenizer")
    scheduler = scheduler.from_pretrained(folder / "hf_configs" / "scheduler_beta_1.0_1.0")
    pipe = pipeline(unet=unet, vae=vae, scheduler=scheduler, text_encoder=text[0], tokenizer=text[1])

    def run(image: np.ndarray, size: int | None) -> np.ndarray:
        output = pipe(Image.fromarray(image), mode="dis", color_map=None, processing_res=size, show_progress_bar=False)
        return (output.pred_np * 255.0).astype(np.uint8)  # as run.py saves it

    maps = {f"v2_map{size}": run(SMALL, size) for size in (64, 0)}
    answer = (probe_image("map/genpercept", 544, 768, 1) / 4 + 0.5).clip(0, 1)
    return maps | around("v2", pipe, answer, lambda image: run(image, None))


def around(version: str, pipe, answer: torch.Tensor, run) -> dict[str, np.ndarray]:
    """A pipeline whose networks note their input and answer with a probe."""
    noted = {}

    def stand_in_networks(rgb_in: torch.Tensor, **_) -> torch.Tensor:
        noted[f"{version}_shape"] = np.array(rgb_in.shape)
        noted[f"{version}_input"] = rgb_in[0, :, ::16, ::16].numpy()
        return answer

    pipe.single_infer = stand_in_networks
    saved = run(probe_photo("protocol", *PHOTO))
    sha = hashlib.sha256(np.ascontiguousarray(saved).tobytes()).hexdigest()
    return noted | {f"{version}_saved": saved[::12, ::12], f"{version}_saved_sha256": np.array(sha)}


def theirs(folder: Path, name: str) -> ModuleType:
    """A module of one of the two packages of the same name."""
    loaded = [name for name in sys.modules if name.startswith("genpercept") and not name.endswith("dpt_head")]
    for module in loaded:
        del sys.modules[module]
    sys.path.insert(0, str(folder))
    return import_module(name)


def stand_in(name: str, **members) -> None:
    sys.modules[name] = ModuleType(name)
    vars(sys.modules[name]).update(members)


if __name__ == "__main__":
    checkout, torchvision = (Path(argument).resolve() for argument in sys.argv[1:])
    stand_in("torchvision", __path__=[str(torchvision)])  # without what its own initialisation loads
    np.savez_compressed(GOLDENS / "genpercept" / "answers.npz", **first(checkout), **second(checkout))
