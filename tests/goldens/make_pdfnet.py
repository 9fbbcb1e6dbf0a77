"""Freeze the outputs of PDFNet's unchanged original code: python make_pdfnet.py FOLDER (a checkout of f4e218b).

Writes pdfnet/keys.json.gz, the keys of the authors' state dict, and pdfnet/answers.npz: logits under the weights of
tests/helpers/filled_weights.py at two sizes, also of the network with a narrow Swin of one block to a stage, which is
fast; one of their fusions by itself; and the inputs and maps of their data set and of the loop of metric_tools/Test.py,
which cannot be imported, around a stand-in for the network. Needs einops, opencv and ttach 0.0.3. The files here were
made with torch 2.13.0 on a CPU. Stand-ins replace timm and torchvision.
"""

import gzip
import hashlib
import json
import sys
import tempfile
from pathlib import Path
from unittest.mock import MagicMock, patch

import cv2
import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo, scaled
from stand_ins import Compose, Normalize, ToPILImage, evaluating, timm_layers

OUT = GOLDENS / "pdfnet"
# Learned positions would otherwise hardly show, and no tile within the image would be at an edge.
SCALES = {"encoder.absolute_pos_embed": 300.0} | {f"decoder.Bside.{level}.weight": 15.0 for level in range(1, 6)}
NARROW = {"embed_dim": 32, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 4, 8], "window_size": 4}
PHOTOS = {"": (1500, 2100), "_small": (300, 233)}
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def import_modules(folder: Path):
    """Import their network, their Swin, their options and their data set on stand-ins."""

    def normalize(x, mean, std):
        return Normalize(mean, std)(x)

    functional = MagicMock(normalize=normalize)
    transforms = MagicMock(Compose=Compose, functional=functional)
    sys.modules |= {"timm": MagicMock(), "timm.models": MagicMock(), "timm.models.layers": timm_layers}
    sys.modules |= {"torchvision": MagicMock(transforms=transforms), "torchvision.transforms": transforms}
    sys.modules |= {"torchvision.transforms.functional": functional}
    sys.modules |= {name: MagicMock() for name in ("matplotlib", "matplotlib.pyplot", "pandas", "tqdm")}
    sys.path.insert(0, str(folder))
    import args
    from dataloaders import Mydataset

    from models import PDFNet, swin_transformer

    return PDFNet, swin_transformer, args, Mydataset


def build(network, options, **values) -> torch.nn.Module:
    """Build their network without the file of its backbone."""
    settings = options.get_args_parser().parse_args(["--device", "cpu"])
    vars(settings).update(values)
    with patch("torch.load", lambda *args, **kwargs: {}):
        return network.build_model(settings)[0]


def list_keys(net: torch.nn.Module) -> dict[str, list[int]]:
    return {key: list(tensor.shape) for key, tensor in net.state_dict().items()}


def fill(net: torch.nn.Module, scales: dict[str, float]) -> None:
    """Give the network the generated weights, but keep the tables that it computes."""
    tables = {key: tensor for key, tensor in net.state_dict().items() if not tensor.is_floating_point()}
    net.load_state_dict(scaled(checkpoint(list_keys(net), 1.0), scales) | tables)


def answer_probe(net: torch.nn.Module, scales: dict[str, float], probe: tuple[str, int], step: int) -> np.ndarray:
    """Run the network on a square image and its depth, and keep every step-th pixel of the logits."""
    fill(net, scales)
    name, side = probe
    depth = probe_image(f"{name}_depth", side, side, 1)
    return evaluating(net).inference(probe_image(name, side, side), depth)[1][0, 0, ::step, ::step].numpy()


@torch.no_grad()
def answer_fusion(network) -> dict[str, np.ndarray]:
    """Run one of their fusions on maps whose eighth is odd, and keep every sixteenth channel."""
    fusion = network.FSE(256, 256, 256, 128, pool_ratio=[2, 2, 2], patch_ratio=8)
    fill(fusion, {})
    sides = {"fusion_image": 24, "fusion_depth": 24, "fusion_tiles": 48}
    maps = [probe_image(name, side, side, 256) for name, side in sides.items()]
    answers = evaluating(fusion)(*maps, probe_logits("fusion_last", 24, 24))
    return {name: answer[0, ::16].numpy() for name, answer in zip(sides, answers, strict=True)}


def answer_photo(dataset, suffix: str) -> dict[str, np.ndarray]:
    """Load a photo with its depth by their data set, and save maps as their test does: of six passes, and of one."""
    import ttach

    height, width = PHOTOS[suffix]
    with tempfile.TemporaryDirectory() as folder:
        planes = {"images": probe_photo(f"protocol{suffix}", height, width)[..., ::-1]}
        planes["depth_large"] = probe_photo(f"protocol{suffix}_depth", height, width)[..., 0]
        for name, pixels in planes.items():
            (Path(folder) / name).mkdir()
            cv2.imwrite(f"{folder}/{name}/photo.png", pixels)
        steps = [dataset.GOSNormalize(MEAN, DEVIATION)]
        data = dataset.MyDataset(root=f"{folder}/images", transform=steps, size=[1024, 1024], use_gt=False)[0]
    image, depth = data["image"][None], data["depth"][None]
    scales = ttach.Scale(scales=[0.75, 1, 1.25], interpolation="bilinear", align_corners=False)
    answers = {f"input{suffix}": image[0, :, ::16, ::16].numpy(), f"depth{suffix}": depth[0, 0, ::16, ::16].numpy()}
    for name, passes in {"six": ttach.Compose([ttach.HorizontalFlip(), scales]), "one": ttach.Compose([])}.items():
        logits = [x.deaugment_mask(stand_in(x.augment_image(image), x.augment_image(depth))) for x in passes]
        levels = ToPILImage()(torch.stack(logits).mean(0).sigmoid()[0])
        saved = np.array(levels.resize((width, height), Image.BILINEAR))
        sha = hashlib.sha256(saved.tobytes()).hexdigest()
        answers |= {f"{name}{suffix}": saved[::12, ::12], f"{name}{suffix}_sha256": np.array(sha)}
    return answers


def stand_in(image: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
    return probe_logits("pdfnet", *image.shape[-2:]) + image.mean(1, keepdim=True) + depth


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    torch.set_num_threads(1)  # resizing rounds otherwise where threads meet
    network, swin, options, dataset = import_modules(Path(sys.argv[1]).resolve())
    answers = answer_photo(dataset, "") | answer_photo(dataset, "_small") | answer_fusion(network)
    full, transformer = build(network, options), swin.SwinTransformer
    swin.SwinTransformer = lambda **sizes: transformer(**sizes | NARROW)
    widths = {f"back_bone_channels_stage{stage}": 16 << stage for stage in range(1, 5)}
    narrow = build(network, options, **widths)
    keys = {"full": list_keys(full), "narrow": list_keys(narrow)}
    packed = json.dumps(keys, sort_keys=True, separators=(",", ":")).encode()
    (OUT / "keys.json.gz").write_bytes(gzip.compress(packed, mtime=0))
    answers["narrow"] = answer_probe(narrow, SCALES, ("pdfnet", 256), 4)
    answers["square"] = answer_probe(full, SCALES, ("pdfnet", 512), 4)
    # Two of its maps have sides whose eighth is odd, which their code treats in another way.
    answers["odd"] = answer_probe(full, {"encoder.absolute_pos_embed": 300.0}, ("pdfnet_odd", 768), 6)
    np.savez_compressed(OUT / "answers.npz", **answers)
