"""Compare rules for the maximum of F on the same maps, and a published maximum with a reproduced one.

Takes no run: the statistics that the leaderboard entry of DiffDIS-mini stores of every image decide F under each rule.

    python benchmarks/max_f.py
    python benchmarks/max_f.py runs/diffdis/KEY        # the same for a run of your own
"""

import argparse
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np

from disbench.data.dataset import SPLIT_COUNTS
from disbench.leaderboard.entry import BOARDS_ROOT, read_entry
from disbench.leaderboard.evidence import load_measured
from disbench.metrics.measurement import Measurement
from disbench.metrics.scoring import curves, per_image, score
from disbench.runs.result import Result, load_run

BETA2 = 0.3
METRICS = ("f_max", "s_measure", "mae")
Rule = Callable[[Sequence[Measurement], str], float]


def max_of_mean(measurements: Sequence[Measurement], protocol: str) -> float:
    """Return the maximum of the mean F curve, as MVANet's code does since 2024-11-03, and DiffDIS's."""
    return float(curves(measurements, protocol, ["f"])["f"].max())


def f_of_means(measurements: Sequence[Measurement], protocol: str) -> float:
    """Return the maximum of F of the mean precision and recall, as MVANet's code did before 2024-11-03."""
    means = curves(measurements, protocol, ["precision", "recall"])
    precision, recall = means["precision"], means["recall"]
    return float(np.max((1 + BETA2) * precision * recall / (BETA2 * precision + recall + 1e-8)))


def mean_of_max(measurements: Sequence[Measurement], protocol: str) -> float:
    """Return the mean of the maxima of the images, each at a threshold of its own, as BEN's code does."""
    return float(np.mean(per_image(measurements, protocol, "f_max")["f_max"]))


def mean_error(measurements: Sequence[Measurement], protocol: str) -> float:
    """Return MAE."""
    return score(measurements, protocol, "mae")["mae"]


# The protocol of MVANet leaves maps soft, and that of DiffDIS makes them binary.
F_RULES: dict[str, tuple[Rule, str]] = {
    "binary, maximum of the mean F (`diffdis`)": (max_of_mean, "diffdis"),
    "binary, F of mean P and mean R": (f_of_means, "diffdis"),
    "soft, maximum of the mean F (`mvanet`)": (max_of_mean, "mvanet"),
    "soft, F of mean P and mean R (`mvanet-2024`)": (f_of_means, "mvanet"),
    "soft, mean of the images' maxima": (mean_of_max, "mvanet"),
}
ERRORS: dict[str, tuple[Rule, str]] = {
    "binary (`diffdis`)": (mean_error, "diffdis"),
    "soft (`mvanet`)": (mean_error, "mvanet"),
}


def print_rules(title: str, rules: dict[str, tuple[Rule, str]], result: Result) -> None:
    """Print scores by the first rule, and the differences of the other rules from them."""
    subsets = result.subsets
    print_head(title, subsets)
    first: dict[str, float] = {}
    for name, (rule, protocol) in rules.items():
        values = {subset: rule(result.measurements(subset), protocol) for subset in subsets}
        cells = [f"{values[s] - first[s]:+.4f}" if first else f"{values[s]:.4f}" for s in subsets]
        print(f"| {name} | {' | '.join(cells)} |")
        first = first or values
    print()


def print_gap(path: Path) -> None:
    """Print how far the reported numbers of an entry lie above the reproduced ones."""
    entry = read_entry(path)
    (reported,), (reproduced,) = entry.reported, entry.reproduced
    subsets = [subset for subset in SPLIT_COUNTS if subset in reproduced.printed]
    print_head(f"{entry.title}, reported minus reproduced", subsets)
    for metric in METRICS:
        pairs = [(reported.printed[subset][metric], reproduced.printed[subset][metric]) for subset in subsets]
        print(f"| {metric} | {' | '.join(f'{Decimal(left) - Decimal(right):+}' for left, right in pairs)} |")


def print_head(title: str, subsets: Sequence[str]) -> None:
    """Print the first two lines of a Markdown table."""
    print(f"| {title} | {' | '.join(subsets)} |")
    print("| :-- |" + " --: |" * len(subsets))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, nargs="?", help="A run. Default: the measured entry of DiffDIS-mini.")
    run = parser.parse_args().run
    assert BOARDS_ROOT is not None
    result = load_run(run) if run else load_measured(BOARDS_ROOT / "dis-mini" / "diffdis.json")[0]
    print_rules(f"maximum of F, {result.title}", F_RULES, result)
    print_rules(f"M, {result.title}", ERRORS, result)
    print_gap(BOARDS_ROOT / "dis5k" / "diffdis.json")


if __name__ == "__main__":
    main()
