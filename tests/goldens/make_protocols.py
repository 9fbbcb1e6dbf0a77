"""Freeze what the scripts of five code bases answer into protocols.npz, next to this file.

Each is run as its authors published it, on PNG files in the folders that it expects; what it prints with four digits is
taken from its variables. IS-Net's validation is run with a network that answers with the maps. The measures that MVANet
had in 2024, before and since that November, are run by its later script, which prepares maps as the earlier ones did,
without their fixed folders.

    git clone https://github.com/qianyu-dlut/MVANet && git -C MVANet checkout edecec5
    git clone https://github.com/qianyu-dlut/MVANet MVANet-2024 && git -C MVANet-2024 checkout 03c5019
    git clone https://github.com/qianyu-dlut/MVANet MVANet-2024-11 && git -C MVANet-2024-11 checkout f4872c1
    git clone https://github.com/qianyu-dlut/DiffDIS && git -C DiffDIS checkout d119034
    git clone https://github.com/xuebinqin/DIS && git -C DIS checkout b6764e2
    git clone https://github.com/ZhengPeng7/BiRefNet && git -C BiRefNet checkout 25cb930
    git clone https://github.com/Tennine2077/PDFNet && git -C PDFNet checkout f4e218b
    python -m venv env
    env/bin/pip install torch scikit-image opencv-python-headless pillow matplotlib tqdm joblib pandas
    cd CLONES && env/bin/python CHECKOUT/tests/goldens/make_protocols.py [PROTOCOL...]

With names of protocols, only their answers are made anew.
"""

import contextlib
import io
import os
import runpy
import shutil
import sys
import tempfile
import types
import warnings
from pathlib import Path
from unittest.mock import MagicMock

import cv2
import numpy as np
import torch

if "py_sod_metrics" not in sys.modules:
    sys.modules["py_sod_metrics"] = MagicMock()  # only the pairs of make_pysod are wanted
from make_pysod import at, blobs, full, hairs, levels, pairs, soft, wheel

warnings.filterwarnings("ignore")
HERE, CLONES = Path(__file__).parent, Path.cwd()
KEYS = (
    "f_max", "f_adaptive", "e_max", "e_mean", "e_adaptive", "s_measure", "f_weighted", "mae", "hce",
    "iou_binary", "ber_binary", "accuracy_binary", "dice_soft", "f_alone",
)  # fmt: skip


def more():
    """name -> (mask, truth): truths of which the two rules make different foregrounds, and maps of other sizes."""
    blob = blobs(40, 50, 31)
    grey = cv2.GaussianBlur(blobs(70, 90, 21), (0, 0), 1.5)
    graded = grey.copy()
    graded[40:50, 20:40] = 128
    hair, thin = hairs(120, 151, 22), wheel(140, 180)
    small = [cv2.resize(soft(thin, seed), size, interpolation=cv2.INTER_AREA) for seed, size in ((25, (90, 70)),)]
    return {
        "grey truth, typical": (soft(grey, 20), grey),
        "grey truth, with 128": (soft(graded, 21), graded),
        "grey truth, dark": (soft(grey, 22), grey // 2),
        "truth of 0 and 1": (soft(hair, 23), hair // 255),
        "truth of 0 and 254": (soft(hair, 24), np.minimum(hair, 254)),
        "truth of 0 and 100": (soft(hair, 24, low=17, high=239), np.minimum(hair, 100)),
        "half way": (np.where(levels(40, 50, 25) > 127, 69, np.where(hairs(40, 50) > 0, 35, 1)).astype(np.uint8),
                     hairs(40, 50, 3)),
        "range 71 to 189": (soft(hair, 26, low=71, high=189), hair),
        "all wrong": (255 - blob, blob),
        # Level 81 is at threshold 136, but at 135 in single precision, where the other map has what is wrong.
        "right at 136": (with_one(np.where(blob, 81, 1), blob, 151), blob),
        "wrong at 135": (with_one(np.where(blob, 136, levels(40, 50, 33) % 2 * 135), blob, 255), blob),
        "constant 128": (full(120, 151, 128), hair),
        "a map too small": (small[0], thin),
        "a map too large": (soft(wheel(280, 360), 27), thin),
        "a map of another shape": (soft(hairs(99, 60, 2), 28), hair),
        "a lone truth, found": (at(33, 47, (20, 11)), at(33, 47, (20, 11))),
    }  # fmt: skip


def with_one(mask, truth, level):
    mask[np.unravel_index(truth.argmax(), truth.shape)] = level
    return mask.astype(np.uint8)


def write(folder, images):
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        assert cv2.imwrite(str(folder / f"{i:03}.png"), image)


def module(name, **members):
    stand_in = types.ModuleType(name)
    stand_in.__dict__.update(members)
    sys.modules[name] = stand_in
    return stand_in


def tested(clone, script, maps, truths, metrics, fixed=None):
    """test.py of MVANet or test_score.py of DiffDIS, on one subset.

    maps, truths: where the script looks for them; fixed: a placeholder in it for the folder of the maps
    """

    def run(samples):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            write(root / "saved_model/MVANet/Model_80" / maps, [mask for mask, _ in samples])
            write(root / "data" / truths, [truth for _, truth in samples])
            nowhere = {name: str(root / "none") + "/" for name in ("diste1", "diste2", "diste3", "diste4", "disvd")}
            module("torchvision"), module("torchvision.transforms", Compose=MagicMock(), ToTensor=MagicMock())
            module("utils")
            module("utils.config", **nowhere | {"diste1": str(root / "data") + "/"})
            for name, path in (("test_data", clone / "utils/test_data.py"), ("saliency_metric", metrics)):
                module(f"utils.{name}", **runpy.run_path(str(path)))
            if not hasattr(sys.modules["utils.saliency_metric"], "HCEMeasure"):
                sys.modules["utils.saliency_metric"].HCEMeasure = MagicMock()
            code = (clone / script).read_text()
            if fixed:
                code = code.replace(fixed, str(root / "saved_model/MVANet/Model_80"))
            before = Path.cwd()
            os.chdir(root)
            try:
                names = {"__name__": "__main__"}
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    exec(compile(code, script, "exec"), names)
            finally:
                os.chdir(before)
            keys = {"f_max": "maxf", "f_adaptive": "meanf", "e_adaptive": "em", "s_measure": "sm", "f_weighted": "wfm"}
            keys |= {"mae": "MAE", "hce": "hce", "iou_binary": "m_iou", "ber_binary": "ber"}
            keys |= {"accuracy_binary": "acc", "dice_soft": "m_dice"}
            scores = {key: names[name] for key, name in keys.items()}
            return {key: value for key, value in scores.items() if not isinstance(value, MagicMock)}

    return run


def birefnet(clone):
    evaluator = runpy.run_path(str(clone / "evaluation/metrics.py"))["evaluator"]

    def run(samples):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            write(root / "pred", [mask for mask, _ in samples])
            write(root / "gt", [truth for _, truth in samples])
            lists = [sorted(map(str, (root / kind).iterdir())) for kind in ("gt", "pred")]
            em, sm, fm, mae, _, wfm, hce, _, _ = evaluator(*lists, metrics=["S", "MAE", "E", "F", "WF", "HCE"])
        scores = {"f_max": fm["curve"].max(), "f_adaptive": fm["adp"], "e_max": em["curve"].max()}
        scores |= {"e_mean": em["curve"].mean(), "e_adaptive": em["adp"], "s_measure": sm}
        return scores | {"f_weighted": wfm, "mae": mae, "hce": hce}

    return run


def pdfnet(clone):
    """Its results are a maximum of F of mean P and R, and means of what its measures return or keep."""
    sys.path.insert(0, str(clone / "metric_tools"))
    code, measures = (runpy.run_path(str(clone / "metric_tools" / f"{n}.py")) for n in ("soc_metrics", "metrics"))

    def run(samples):
        names = ("Fmeasure", "WeightedFmeasure", "Smeasure", "Emeasure", "MAE")
        f, wf, s, e, mae = (measures[name]() for name in names)
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            write(root / "pred", [mask for mask, _ in samples])
            write(root / "gt", [truth for _, truth in samples])
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                table = code["once_get"](str(root / "gt"), str(root / "pred"), f, wf, s, e, mae, "", 0, 1)
        printed = dict(zip(table.index, table[0], strict=True))
        curve = e.get_results()["em"]["curve"]
        scores = {"f_max": printed["maxFm"], "f_adaptive": f.get_results()["fm"]["adp"], "e_max": curve.max()}
        scores |= {"e_mean": printed["meanEm"], "e_adaptive": e.get_results()["em"]["adp"]}
        return scores | {"s_measure": printed["Smeasure:"], "f_weighted": printed["wFmeasure"], "mae": printed["MAE"]}

    return run


def isnet(clone):
    for name in ("torchvision", "models"):
        module(name, transforms=MagicMock(), utils=MagicMock(), __all__=[])
    sys.modules["data_loader_cache"] = MagicMock()
    sys.path.insert(0, str(clone / "IS-Net"))
    code = runpy.run_path(str(clone / "IS-Net/train_valid_inference_main.py"), run_name="isnet")
    official = runpy.run_path(str(clone / "IS-Net/hce_metric_main.py"))
    from skimage.morphology import skeletonize

    names, best = code["valid"].__globals__, []
    score = names["f1_mae_torch"]

    def scored(*arguments):
        scores = score(*arguments)
        best.append(scores[2].max())
        return scores

    names["f1_mae_torch"] = scored

    class Net:
        def __call__(self, image):
            return ([image], None)

        def eval(self):
            pass

        def compute_loss(self, maps, label):
            return torch.zeros(()), torch.zeros(())

    def run(samples):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), [truth for _, truth in samples])
            dataset = MagicMock(__len__=lambda self: len(samples))
            paths = sorted(map(str, Path(folder).iterdir()))
            dataset.dataset = {"ori_gt_path": paths, "im_name": paths, "data_name": paths}
            batches = [
                {
                    "imidx": torch.tensor([i]),
                    "image": torch.from_numpy(mask.astype(np.float32) / 255)[None, None],
                    "label": torch.zeros(1),
                    "shape": torch.tensor([truth.shape]),
                }
                for i, (mask, truth) in enumerate(samples)
            ]
            best.clear()
            options = {"model_digit": "full", "batch_size_valid": 1, "valid_out_dir": "", "max_epoch_num": 1}
            with contextlib.redirect_stdout(io.StringIO()):
                f, mae, *_ = code["valid"](Net(), [batches], [dataset], options)
        effort = [
            sum(official["relax_HCE"](truth, mask, skeletonize(truth > 128)))
            for mask, truth in ((m, t * 255 if t.max() == 1 else t) for m, t in samples)
        ]
        return {"f_max": f[0], "mae": mae[0], "hce": np.mean(effort), "f_alone": np.mean(best)}

    return run


def answers(run, samples):
    try:
        scores = run(samples)
    except Exception as error:
        print(f"  {type(error).__name__}: {error}")
        scores = {}
    return [float(scores.get(key, np.nan)) for key in KEYS]


if __name__ == "__main__":
    mva, old, later, diff = (CLONES / name for name in ("MVANet", "MVANet-2024", "MVANet-2024-11", "DiffDIS"))
    makers = {
        "mvanet": lambda: tested(mva, "test.py", "DIS-TE1", "masks", mva / "utils/saliency_metric.py"),
        "mvanet-2024": lambda: tested(mva, "test.py", "DIS-TE1", "masks", old / "utils/saliency_metric.py"),
        "mvanet-2024-11": lambda: tested(mva, "test.py", "DIS-TE1", "masks", later / "utils/saliency_metric.py"),
        "diffdis": lambda: tested(diff, "test_score.py", "DIS-TE1/mask", "gt", diff / "utils/saliency_metric.py",
                          "/path/to/your/pred"),
        "isnet": lambda: isnet(CLONES / "DIS"),
        "birefnet": lambda: birefnet(CLONES / "BiRefNet"),
        "pdfnet": lambda: pdfnet(CLONES / "PDFNet"),
    }  # fmt: skip
    extra = more()
    every = pairs() | extra
    sets = {
        "typical": [n for n in every if n.partition(", ")[2] in {"typical", "noisy", "sharp", "poor", "narrow range"}],
        "empty truths too": ["wheel, typical", "no truth, typical", "hairs, noisy", "no truth, nothing found",
                             "blobs, noise", "all truth, typical"],
        "apart in single precision": ["right at 136", "wrong at 135"],
    }  # fmt: skip
    frozen = {"names": list(every), "keys": KEYS, "sets": list(sets)}
    if sys.argv[1:]:
        with np.load(HERE / "protocols.npz") as earlier:
            frozen |= dict(earlier)
    for name in sys.argv[1:] or makers:
        print(name)
        run = makers[name]()
        frozen[name] = [answers(run, [pair]) for pair in every.values()]
        frozen[f"{name} sets"] = [answers(run, [every[n] for n in names]) for names in sets.values()]
    for i, names in enumerate(sets.values()):
        frozen[f"set{i}"] = names
    for name, (mask, truth) in extra.items():
        frozen |= {f"mask {name}": mask, f"truth {name}": truth}
    np.savez_compressed(HERE / "protocols.npz", **{key: np.array(value) for key, value in frozen.items()})
    shutil.rmtree(CLONES / "__pycache__", ignore_errors=True)
