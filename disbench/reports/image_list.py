"""The list of images in a page, with the scores of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from disbench.metrics.catalogue import METRICS, paper_metrics
from disbench.metrics.protocols import get_protocol
from disbench.metrics.scoring import per_image
from disbench.reports.cases import ImageKey
from disbench.runs.result import Result


def list_images(results: Sequence[Result]) -> list[ImageKey]:
    """List (subset, name) of the images that any result has, sorted."""
    return sorted({row.key for result in results for split in result.splits for row in result.rows[split]})


def format_image_scores(
    results: Sequence[Result], methods: Sequence[str], most: int | None = None
) -> dict[str, Any]:
    """Return the scores of images as data for a page's script.

    Args:
        results: a method each.
        methods: the heading of each method.
        most: the largest number of images. If there are more, those are listed on which the last method is worst by
            the first metric. Default: all.

    Returns:
        methods; metrics; images: (subset, name) of each; values: metric -> method -> image -> score, None if missing.
    """
    keys = list_images(results)
    index_of_image = {key: i for i, key in enumerate(keys)}
    candidates = paper_metrics(get_protocol(result.protocol) for result in results)
    metrics = [key for key in candidates if all(result.has_metric(key) for result in results)]
    values = np.full((len(metrics), len(results), len(keys)), np.nan)
    for i, result in enumerate(results):
        rows = [row for split in result.splits for row in result.rows[split]]
        scores = per_image([row.measurement for row in rows], result.protocol, metrics)
        indices = [index_of_image[row.key] for row in rows]
        for k, metric in enumerate(metrics):
            values[k, i, indices] = scores[metric]
    listed = np.arange(len(keys))
    if most is not None and len(keys) > most:
        listed = _select_worst(values[0], most, METRICS[metrics[0]].direction)
    return {
        "methods": methods,
        "metrics": [
            {"key": key, "symbol": METRICS[key].symbol, "higher": METRICS[key].direction == "higher"}
            for key in metrics
        ],
        "images": [keys[i] for i in listed],
        "values": {
            metric: [list(map(_round_score, column)) for column in block.tolist()]
            for metric, block in zip(metrics, values[:, :, listed], strict=True)
        },
    }


def _select_worst(scores: np.ndarray, most: int, direction: str) -> np.ndarray:
    """Select the images on which the last method is worst; returns their indices in ascending order.

    Args:
        scores: (methods, images), NaN where a method has no score.
        most: number of images.
        direction: "higher" or "lower", whichever is better.
    """
    last = scores[-1]
    for earlier in scores[-2::-1]:  # which orders the images that the last method lacks
        last = np.where(np.isnan(last), earlier, last)
    worst_first = np.argsort(last if direction == "higher" else -last, kind="stable")
    return np.sort(worst_first[:most])


def _round_score(score: float) -> float | None:
    return None if np.isnan(score) else round(score, 4)
