"""What `disbench noise-spread` writes: spread.json, and spread.png with a map of the spread per image and network."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from disbench.data.images import read_image, read_truth
from disbench.models.diffdis.ablation_table import interval
from disbench.models.diffdis.predictor import resize
from disbench.models.diffdis.spread import MEASURES, Spread
from disbench.system.files import write_atomic

SPREAD_MAP = "magma"


def summary(found: Mapping[str, Sequence[Spread]], seeds: int) -> dict:
    """Per network: the mean over images of each measure, the half width of its 95 % t interval, and each image's."""
    return {"seeds": seeds, "networks": [_network(title, spreads) for title, spreads in found.items()]}


def write(folder: Path, found: Mapping[str, Sequence[Spread]], seeds: int, rows: int) -> dict:
    """spread.json and, with the first so many images, spread.png; returns the summary."""
    folder.mkdir(parents=True, exist_ok=True)
    content = summary(found, seeds)
    write_atomic(folder / "spread.json", msgspec.json.format(msgspec.json.encode(content)) + b"\n")
    if rows:
        _figure(found, rows).savefig(folder / "spread.png", dpi=200)
    return content


def _network(title: str, spreads: Sequence[Spread]) -> dict:
    # An image without an outline has no spread there.
    means = {key: interval([s.values[key] for s in spreads if not np.isnan(s.values[key])]) for key in MEASURES}
    images = [{"split": s.sample.split, "image": s.sample.name, **s.values} for s in spreads]
    return {
        "title": title,
        "mean": {key: mean for key, (mean, _) in means.items()},
        "half": {key: None if np.isnan(half) else half for key, (_, half) in means.items()},
        "images": [{key: None if value != value else value for key, value in image.items()} for image in images],
    }


def _figure(found: Mapping[str, Sequence[Spread]], rows: int):
    from matplotlib.figure import Figure

    some = list(zip(*found.values(), strict=True))[:rows]
    columns = 2 + 2 * len(found)
    figure = Figure(figsize=(1.4 * columns, 1.4 * len(some) + 0.5), layout="constrained")
    axes = figure.subplots(len(some), columns, squeeze=False)
    # One scale for all maps of a figure, else a calm network would look like a nervous one.
    top = max(float(np.quantile(spread.std, 0.995)) for spreads in some for spread in spreads) or 1
    for i, spreads in enumerate(some):
        size = spreads[0].mean.shape
        pictures = [(resize(read_image(spreads[0].sample.image), size), "image", {})]
        pictures.append((resize(read_truth(spreads[0].sample.truth), size), "truth", {"cmap": "gray"}))
        for title, spread in zip(found, spreads, strict=True):
            pictures.append((spread.mean, title, {"cmap": "gray", "vmin": 0, "vmax": 1}))
            pictures.append(
                (spread.std, f"std {spread.values['std']:.4f}", {"cmap": SPREAD_MAP, "vmin": 0, "vmax": top})
            )
        for ax, (picture, title, style) in zip(axes[i], pictures, strict=True):
            shown = ax.imshow(picture, **style)
            ax.set_axis_off()
            if i == 0 or style.get("cmap") == SPREAD_MAP:
                ax.set_title(_plain(title), fontsize=6)
    bar = figure.colorbar(shown, ax=axes, shrink=0.6, aspect=40)
    bar.set_label("std over noises", fontsize=6)
    bar.ax.tick_params(labelsize=6)
    return figure


def _plain(title: str, length: int = 34) -> str:
    """Short, and no mathematics to matplotlib."""
    return (title if len(title) <= length else f"{title[: length - 1]}…").replace("$", r"\$")
