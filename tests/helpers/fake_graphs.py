"""A fake torch.cuda whose graphs record the operators of the CPU and repeat them on the same tensors."""

from contextlib import contextmanager, nullcontext

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class FakeGraph(TorchDispatchMode):
    """Records operators while it is a mode. Whatever else Python does meanwhile happens once only."""

    def __init__(self):
        super().__init__()
        self.steps, self.replays = [], 0

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        output = operator(*args, **(kwargs or {}))
        self.steps.append((operator, args, kwargs or {}, output))
        return output

    def replay(self):
        self.replays += 1
        for operator, args, kwargs, recorded in self.steps:
            output = operator(*args, **kwargs)
            for old, new in zip(tree_leaves(recorded), tree_leaves(output), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():  # no view of its input
                    old.copy_(new)


class FakeStream:
    def __init__(self, log):
        self.log = log

    def wait_stream(self, other):
        self.log.append("wait")


class FakeGraphs:
    """Stands in for torch.cuda. `log` has the calls, `graphs` the graphs that were recorded."""

    CUDAGraph = FakeGraph

    def __init__(self):
        self.log, self.graphs = [], []

    def graph_pool_handle(self):
        return "pool"

    def device(self, device):
        return nullcontext()

    def Stream(self):  # noqa: N802, the name of torch
        return FakeStream(self.log)

    current_stream = Stream

    @contextmanager
    def stream(self, stream):
        self.log.append("warm-up")
        yield

    @contextmanager
    def graph(self, graph, pool, capture_error_mode):
        assert (pool, capture_error_mode) == ("pool", "thread_local")
        self.graphs.append(graph)
        with graph:
            yield
