"""The classes of PySODMetrics with several arguments, for its module or for disbench's, and ways to pass an image."""

from pathlib import Path

import numpy as np

HANDLERS = (
    "Fmeasure", "BER", "DICE", "FPR", "IOU", "Kappa", "OverallAccuracy", "Precision", "Recall", "Sensitivity",
    "Specificity", "TNR", "TPR",
)  # fmt: skip


def handlers(sod, **options):
    made = {name: getattr(sod, f"{name}Handler")(True, True, with_binary=True, **options) for name in HANDLERS}
    return made | {"f1": sod.FmeasureHandler(True, False, beta=1, **options)}


CLASSES = {
    "Fmeasure": lambda sod: sod.Fmeasure(),
    "Fmeasure, beta": lambda sod: sod.Fmeasure(beta=1.5),
    "FmeasureV2": lambda sod: sod.FmeasureV2(handlers(sod)),
    "FmeasureV2, whole": lambda sod: sod.FmeasureV2(metric_handlers=handlers(sod, sample_based=False)),
    "MAE": lambda sod: sod.MAE(),
    "Smeasure": lambda sod: sod.Smeasure(),
    "Smeasure, alpha": lambda sod: sod.Smeasure(alpha=0.2),
    "Emeasure": lambda sod: sod.Emeasure(),
    "WeightedFmeasure": lambda sod: sod.WeightedFmeasure(),
    "WeightedFmeasure, beta": lambda sod: sod.WeightedFmeasure(beta=0.3),
    "HCE": lambda sod: sod.HumanCorrectionEffortMeasure(),
    "HCE, options": lambda sod: sod.HumanCorrectionEffortMeasure(relax=2, epsilon=1.0),
    "HCE, no relaxation": lambda sod: sod.HumanCorrectionEffortMeasure(relax=0, epsilon=3.0),
    "MSIoU": lambda sod: sod.MSIoU(False, True, with_binary=True),
    "MSIoU, curve": lambda sod: sod.MSIoU(with_dynamic=True, with_adaptive=False),
    "MSIoU, 5 levels": lambda sod: sod.MSIoU(False, True, num_levels=5),
    "MSIoU, 13 levels": lambda sod: sod.MSIoU(False, True, num_levels=13),
    "SizeInvarianceMAE": lambda sod: sod.SizeInvarianceMAE(),
    "SizeInvarianceFmeasureV2": lambda sod: sod.SizeInvarianceFmeasureV2(handlers(sod)),
    "SizeInvarianceFmeasureV2, whole": lambda sod: sod.SizeInvarianceFmeasureV2(handlers(sod, sample_based=False)),
    "ContextMeasure": lambda sod: sod.ContextMeasure(),
    "ContextMeasure, options": lambda sod: sod.ContextMeasure(beta2=0.5, alpha=3.0),
    "CamouflageContextMeasure": lambda sod: sod.CamouflageContextMeasure(),
    "CamouflageContextMeasure, options": lambda sod: sod.CamouflageContextMeasure(gamma=3, lambda_spatial=5),
}
# Pairs of make_pysod.py without a documented error of PySODMetrics.
PAIRS = ("grey truth", "blobs, noise", "many, typical", "no truth, typical", "blobs, typical")


def frozen_pairs(names=PAIRS):
    frozen = np.load(Path(__file__).parents[1] / "goldens" / "pysod.npz")
    numbers = {name: i for i, name in enumerate(frozen["names"].tolist())}
    return [(frozen[f"mask{numbers[name]}"], frozen[f"truth{numbers[name]}"]) for name in names]


def _floats(mask, truth):
    """Values between levels, not from 0 to 1."""
    wave = np.sin(np.arange(mask.size)).reshape(mask.shape)
    return 0.07 + 0.9 * mask / 255 + 0.02 * wave, truth > 128


# name -> the arguments pred, gt and normalize for an image of uint8
CONVENTIONS = {
    "uint8": lambda mask, truth: (mask, truth, True),
    "levels / 255": lambda mask, truth: (mask / 255, truth > 128, False),
    "float64": lambda mask, truth: (*_floats(mask, truth), False),
    "float32": lambda mask, truth: (_floats(mask, truth)[0].astype(np.float32), truth > 128, False),
    "float64, normalize": lambda mask, truth: (_floats(mask, truth)[0] * 99, truth.astype(np.float32), True),
    "float32, normalize": lambda mask, truth: (mask.astype(np.float32), truth, True),
    "int32": lambda mask, truth: (mask.astype(np.int32) * 7 - 300, truth, True),
    "bool": lambda mask, truth: (mask > 100, truth, True),
}


def conventions_of(name):
    """Those with which a class is tested; slow classes only with a map of levels and one of floats."""
    is_slow = name == "MSIoU, curve" or name.startswith("Camouflage")
    return ("uint8", "float64") if is_slow else tuple(CONVENTIONS)


def draw_image(shape):
    """A noisy picture of tiles, uint8 RGB."""
    rng = np.random.default_rng(5)
    tiles = rng.integers(0, 200, (-(-shape[0] // 9), -(-shape[1] // 9), 3)).repeat(9, 0).repeat(9, 1)
    return (tiles[: shape[0], : shape[1]] + rng.integers(0, 56, (*shape, 3))).astype(np.uint8)


def step_all(metric, convention, pairs):
    for pair in pairs:
        pred, gt, normalize = CONVENTIONS[convention](*pair)
        image = {"img": draw_image(gt.shape)} if hasattr(metric, "lambda_spatial") else {}
        metric.step(pred, gt, normalize=normalize, **image)
    return metric


def list_numbers(results, path=""):
    """Yield ("/fm/curve float64 (256,)", 6 numbers of it) for each result; of targets, every fifth."""
    if isinstance(results, dict | list):
        items = results.items() if isinstance(results, dict) else enumerate(results)
        for key, value in items:
            yield from list_numbers(value, f"{path}/{key}")
    else:
        array = np.asarray(results)
        yield f"{path} {array.dtype} {array.shape}", np.atleast_2d(array)[::5, ::51].ravel()
