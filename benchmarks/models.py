"""The cost of each registered network: its operations at its working size, and its CPU time at a small one.

Operations are counted on tensors without data (a multiplication and an addition count as two). Times are CPU time of
one thread, only of `infer`, with untrained weights. The authors' code can be timed in turn with disbench's:

    git clone https://github.com/xuebinqin/DIS
    python benchmarks/models.py [isnet udun ...] [--time-at 256] [--runs 5] [--authors isnet=DIS]

`--authors` can be repeated; authors.py lists the networks. BiRefNet's, MVANet's, BEN2's and InSPyReNet's code needs
torchvision, timm, einops, kornia, easydict and huggingface_hub. The code of the other authors needs CUDA or libraries
that do not install here, or has no licence. DiffDIS has its own benchmark, diffdis.py.
"""

import argparse
import statistics
from pathlib import Path

import torch
from authors import CODES, authors_function
from clock import seconds
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from disbench.inference.model import load_model
from disbench.models._parts.network import NetworkPredictor
from disbench.registry.discovery import list_cards


def network_names(names: list[str]) -> list[str]:
    networks = [card for card in list_cards().values() if card.weights and not card.is_variant]
    return names or [card.name for card in networks if card.name != "diffdis"]


def count_gflop(predictor, size: int) -> float:
    """Return the GFLOP of one image in `infer`, on tensors without data."""
    predictor.net = predictor.net.to("meta")
    with FlopCounterMode(display=False) as counter:
        predictor.infer(torch.empty(1, 3, size, size, device="meta"))
    return counter.get_total_flops() / 1e9


def fill_zeros(net: nn.Module) -> None:
    """Draw what starts at 0, such as the weights of attention, so that every layer has an effect on the map."""
    torch.manual_seed(0)
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)


def compare_times(functions: list, batch: torch.Tensor, runs: int) -> tuple[float, str]:
    """Time ours, and the authors' if given: our median seconds, and the comparison in words."""
    outputs = [function(batch) for function in functions]  # also warms up
    times = [[seconds(function, batch) for function in functions] for _ in range(runs)]
    mine = statistics.median(row[0] for row in times)
    if len(functions) == 1:
        return mine, ""
    ratios = sorted(row[1] / row[0] for row in times)
    difference = (outputs[0] - outputs[1]).abs().max()
    return mine, (
        f"authors' code takes {statistics.median(ratios):.2f} times ours ({ratios[0]:.2f}-{ratios[-1]:.2f}), maps from "
        f"{outputs[0].min():.2f} to {outputs[0].max():.2f} differ by {difference:.0e}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="models; default: all with weights")
    parser.add_argument("--time-at", type=int, default=256, help="pixels at which they are timed; 0: not timed")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--authors", action="append", default=[], help=f"NAME=CHECKOUT of {', '.join(CODES)}")
    options = parser.parse_args()
    checkouts = dict(text.split("=", 1) for text in options.authors)
    torch.set_num_threads(1)
    for name in network_names(options.names):
        model = load_model(name, "untrained", "cpu")
        if not isinstance(model.predictor, NetworkPredictor):
            continue
        size, at = model.card.pipeline["size"], options.time_at
        parameters = sum(x.numel() for x in model.predictor.net.parameters()) / 1e6
        details = [f"{parameters:.2f} M parameters, {count_gflop(model.predictor, size):.0f} GFLOP at {size} px"]
        if at:
            options_of_code = CODES[name].options if name in checkouts else {}
            predictor = load_model(name, "untrained", "cpu", size=str(at), **options_of_code).predictor
            fill_zeros(predictor.net)
            functions = [predictor.infer]
            if name in checkouts:
                functions.append(authors_function(name, Path(checkouts[name]), predictor.net, at))
            mine, comparison = compare_times(functions, torch.rand(1, 3, at, at) - 0.5, options.runs)
            details.append(f"{at} px: {mine:.3f} s, {count_gflop(predictor, at) / mine:.0f} GFLOP/s")
            details += [comparison] if comparison else []
        print(f"{name}: {'; '.join(details)}", flush=True)


if __name__ == "__main__":
    main()
