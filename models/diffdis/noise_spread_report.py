"""Files of `disbench diffdis noise-spread`: spread.json, and spread.png with a map per image and network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from disbench.data.images import read_image, read_truth
from disbench.models.diffdis.ablation_table import interval
from disbench.models.diffdis.noise_spread import MEASURES, NoiseSpread
from disbench.models.diffdis.predictor import resize
from disbench.system.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPREAD_MAP = "magma"


Spreads = Mapping[str, Sequence[NoiseSpread]]
"""A spread per image, by title of the network."""


def summarise(spreads: Spreads, seeds: int) -> dict[str, Any]:
    """Summarise each network: the mean over images of each measure, its half 95 % t interval, and all images."""
    return {"seeds": seeds, "networks": [_summarise_network(title, images) for title, images in spreads.items()]}


def write_report(folder: Path, spreads: Spreads, seeds: int, rows: int) -> dict[str, Any]:
    """Write spread.json and spread.png.

    Args:
        folder: folder to write, created if missing.
        spreads: a spread per image, by title of the network.
        seeds: noises per image.
        rows: number of images in spread.png; 0 for no picture.

    Returns:
        The content of spread.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = summarise(spreads, seeds)
    write_atomic(folder / "spread.json", msgspec.json.format(msgspec.json.encode(content)) + b"\n")
    if rows:
        _draw_figure(spreads, rows).savefig(folder / "spread.png", dpi=200)
    return content


def _summarise_network(title: str, spreads: Sequence[NoiseSpread]) -> dict[str, Any]:
    # Images without an outline have no value there.
    means = {key: interval([s.values[key] for s in spreads if not np.isnan(s.values[key])]) for key in MEASURES}
    images = [{"split": s.sample.split, "image": s.sample.name, **s.values} for s in spreads]
    return {
        "title": title,
        "mean": {key: mean for key, (mean, _) in means.items()},
        "half": {key: None if np.isnan(half) else half for key, (_, half) in means.items()},
        "images": [{key: None if value != value else value for key, value in image.items()} for image in images],
    }


def _draw_figure(spreads_by_title: Spreads, rows: int) -> "Figure":
    from matplotlib.figure import Figure

    images = list(zip(*spreads_by_title.values(), strict=True))[:rows]
    columns = 2 + 2 * len(spreads_by_title)
    figure = Figure(figsize=(1.4 * columns, 1.4 * len(images) + 0.5), layout="constrained")
    axes = figure.subplots(len(images), columns, squeeze=False)
    # One scale for all maps of a figure; otherwise a calm network would look like a nervous one.
    top = max(float(np.quantile(spread.std, 0.995)) for spreads in images for spread in spreads) or 1
    for i, spreads in enumerate(images):
        size = spreads[0].mean.shape
        pictures = [(resize(read_image(spreads[0].sample.image), size), "image", {})]
        pictures.append((resize(read_truth(spreads[0].sample.truth), size), "truth", {"cmap": "gray"}))
        for title, spread in zip(spreads_by_title, spreads, strict=True):
            pictures.append((spread.mean, title, {"cmap": "gray", "vmin": 0, "vmax": 1}))
            pictures.append(
                (spread.std, f"std {spread.values['std']:.4f}", {"cmap": SPREAD_MAP, "vmin": 0, "vmax": top})
            )
        for ax, (picture, title, style) in zip(axes[i], pictures, strict=True):
            drawn = ax.imshow(picture, **style)
            ax.set_axis_off()
            if i == 0 or style.get("cmap") == SPREAD_MAP:
                ax.set_title(_shorten_title(title), fontsize=6)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.6, aspect=40)
    bar.set_label("std over noises", fontsize=6)
    bar.ax.tick_params(labelsize=6)
    return figure


def _shorten_title(title: str, length: int = 34) -> str:
    """Shorten a title, and keep matplotlib from reading mathematics in it."""
    return (title if len(title) <= length else f"{title[: length - 1]}…").replace("$", r"\$")
