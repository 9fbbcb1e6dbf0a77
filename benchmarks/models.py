"""What each registered network costs: its operations at its own size, counted, and its CPU time at a small one.

Operations (one multiplication and addition are two) are counted on tensors without data. Times are CPU time of one
thread, of `infer` alone, with weights as drawn. Of IS-Net the authors' code may be had and run beside it, in turn:

    git clone https://github.com/xuebinqin/DIS
    python benchmarks/models.py [isnet udun ...] [--time-at 256] [--runs 5] [--isnet-authors DIS/IS-Net/models/isnet.py]

Those of other authors are bound to CUDA, to libraries that do not install here, or have no licence; their networks are
the same operations, since weights and outputs are. DiffDIS has a benchmark of its own, diffdis.py.
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


def networks(names: list[str]) -> list[str]:
    return names or [c.name for c in list_cards().values() if c.weights and c.name != "diffdis"]


def operations(predictor, size: int) -> float:
    """GFLOP of one picture through `infer`, on tensors without data."""
    predictor.net = predictor.net.to("meta")
    with FlopCounterMode(display=False) as counter:
        predictor.infer(torch.empty(1, 3, size, size, device="meta"))
    return counter.get_total_flops() / 1e9


def authors_isnet(path: Path, ours):
    """The authors' network with our weights, as a function like `infer`."""
    sys.modules.setdefault("torchvision", types.ModuleType("torchvision")).models = None  # imported there, not used
    spec = importlib.util.spec_from_file_location("authors_isnet", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = module.ISNetDIS().eval()
    net.load_state_dict(ours.net.state_dict())
    return torch.inference_mode()(lambda batch: net(batch)[0][0][:, 0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="of models; all that have weights else")
    parser.add_argument("--time-at", type=int, default=256, help="pixels at which they are timed; 0 not to")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--isnet-authors", type=Path, help="the authors' isnet.py")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in networks(options.names):
        model = load_model(name, "untrained", "cpu")
        size, predictor = model.card.protocol["size"], model.predictor
        batch = torch.rand(1, 3, options.time_at or 32, options.time_at or 32) - 0.5
        words = []
        if options.time_at:
            ways = [predictor.infer]
            if name == "isnet" and options.isnet_authors:
                ways.append(authors_isnet(options.isnet_authors, predictor))
            answers = [way(batch) for way in ways]  # also warms up
            times = [[seconds(way, batch) for way in ways] for _ in range(options.runs)]
            mine = statistics.median(row[0] for row in times)
            gflop = operations(load_model(name, "untrained", "cpu").predictor, options.time_at)
            words.append(f"{options.time_at} px: {mine:.3f} s, {gflop / mine:.0f} GFLOP/s")
            if len(ways) > 1:
                ratios = sorted(row[1] / row[0] for row in times)
                far = (answers[0] - answers[1]).abs().max()
                words.append(
                    f"authors' code takes {statistics.median(ratios):.2f} times ours "
                    f"({ratios[0]:.2f}-{ratios[-1]:.2f}), outputs differ by {far:.0e}"
                )
        parameters = sum(x.numel() for x in predictor.net.parameters()) / 1e6
        words.insert(0, f"{parameters:.2f} M parameters, {operations(predictor, size):.0f} GFLOP at {size} px")
        print(f"{name}: {'; '.join(words)}", flush=True)


if __name__ == "__main__":
    main()
