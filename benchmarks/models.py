"""The cost of each registered network: its operations at its working size, and its CPU time at a small one.

Operations are counted on tensors without data (a multiplication and an addition count as two). Times are CPU time of
one thread, only of `infer`, with untrained weights. The authors' code of IS-Net can be timed in turn with disbench's:

    git clone https://github.com/xuebinqin/DIS
    python benchmarks/models.py [isnet udun ...] [--time-at 256] [--runs 5] [--isnet-authors DIS/IS-Net/models/isnet.py]

The code of other authors needs CUDA or libraries that do not install here, or has no licence. Their networks have the
same operations, since weights and outputs are equal. DiffDIS has its own benchmark, diffdis.py.
"""

import argparse
import importlib.util
import statistics
import sys
import types
from pathlib import Path

import torch
from clock import seconds
from torch.utils.flop_counter import FlopCounterMode

from disbench.inference.model import load_model
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


def authors_isnet(path: Path, predictor):
    """Return the authors' network with disbench's weights, as a function like `infer`."""
    # Their file imports torchvision's models without using them.
    sys.modules.setdefault("torchvision", types.ModuleType("torchvision")).models = None
    spec = importlib.util.spec_from_file_location("authors_isnet", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = module.ISNetDIS().eval()
    net.load_state_dict(predictor.net.state_dict())
    return torch.inference_mode()(lambda batch: net(batch)[0][0][:, 0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="models; default: all with weights")
    parser.add_argument("--time-at", type=int, default=256, help="pixels at which they are timed; 0: not timed")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--isnet-authors", type=Path, help="the authors' isnet.py")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in network_names(options.names):
        model = load_model(name, "untrained", "cpu")
        size, predictor = model.card.pipeline["size"], model.predictor
        batch = torch.rand(1, 3, options.time_at or 32, options.time_at or 32) - 0.5
        details = []
        if options.time_at:
            functions = [predictor.infer]
            if name == "isnet" and options.isnet_authors:
                functions.append(authors_isnet(options.isnet_authors, predictor))
            outputs = [function(batch) for function in functions]  # also warms up
            times = [[seconds(function, batch) for function in functions] for _ in range(options.runs)]
            mine = statistics.median(row[0] for row in times)
            gflop = count_gflop(load_model(name, "untrained", "cpu").predictor, options.time_at)
            details.append(f"{options.time_at} px: {mine:.3f} s, {gflop / mine:.0f} GFLOP/s")
            if len(functions) > 1:
                ratios = sorted(row[1] / row[0] for row in times)
                difference = (outputs[0] - outputs[1]).abs().max()
                details.append(
                    f"authors' code takes {statistics.median(ratios):.2f} times ours "
                    f"({ratios[0]:.2f}-{ratios[-1]:.2f}), outputs differ by {difference:.0e}"
                )
        parameters = sum(x.numel() for x in predictor.net.parameters()) / 1e6
        details.insert(0, f"{parameters:.2f} M parameters, {count_gflop(predictor, size):.0f} GFLOP at {size} px")
        print(f"{name}: {'; '.join(details)}", flush=True)


if __name__ == "__main__":
    main()
