"""A run on a Ray cluster: workers hold the model, on whatever nodes have room; rows and maps come back to this process.

Nodes need disbench, and the data and weights under the same paths; the run folder belongs to this process alone. Images
of a worker that is lost, by itself or with its node, are done again by another, and each row is written once, so that
scores.parquet is the same bytes as of a single process. Workers are Ray's actors (https://docs.ray.io).
"""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from disbench.data import Sample
from disbench.environment import cores
from disbench.errors import InputError
from disbench.metrics import Keys
from disbench.models import load
from disbench.predict import Folder, Model
from disbench.runs import Row

AT_ONCE = 16  # images between two words of a worker: as many are done again when it is lost
TRIES = 3  # workers that may be lost over the same images
THREADS = 4  # that decode and measure beside each GPU, if not told otherwise
RESOURCES = {"cuda": "GPU", "cpu": "CPU"}

Make = Callable[[], Model | Folder]
Keep = Callable[[Sample, bytes], None]


@dataclass(frozen=True)
class Remote:
    """A source that is elsewhere, described: what `make` makes on a node."""

    make: Make
    title: str
    name: str
    device: str
    identity: dict[str, Any]
    environment: dict[str, Any]
    resize: str | None = None
    resized: int = 0

    def rows(
        self, samples: Sequence[Sample], keep: Keep | None, workers: int | None, protocol: str, metrics: Keys
    ) -> Iterator[Row]:
        """As `evaluate.make_rows`, in any order; `workers` are the threads of each worker.

        InputError, when what is under way is done, for an unfit image and where workers are lost over the same images.
        """
        import ray
        from ray.exceptions import RayError, RayTaskError

        if workers is None:
            workers = 0 if self.device == "cpu" else THREADS
        actor = ray.remote(**_needs(self.device))(Worker)
        start = partial(actor.remote, Path.cwd(), self.make, workers, protocol, metrics, keep is not None)
        count = _enough(self.device)
        size = max(1, min(AT_ONCE, len(samples) // (4 * count)))
        waiting = deque(samples[i : i + size] for i in range(0, len(samples), size))
        lost: Counter[Sample | None] = Counter()  # workers, over the first of their images
        busy: dict[Any, tuple[Any, Sequence[Sample]]] = {}  # the answer to come -> the worker, what it works at
        wrong: Exception | None = None

        def give(worker, images: Sequence[Sample]) -> None:
            busy[worker.measure.remote(images)] = worker, images

        for _ in range(min(count, len(waiting))):
            give(start(), [])  # there may be no room for it yet: who answers gets images
        while waiting or any(images for _, images in busy.values()):
            (answer,), _ = ray.wait(list(busy))
            worker, images = busy.pop(answer)
            try:
                done, error = ray.get(answer)
            except RayTaskError:
                raise  # a mistake in the code
            except RayError as error:
                ray.kill(worker)
                give(start(), [])
                first = images[0] if images else None
                lost[first] += 1
                if lost[first] == (TRIES if images else TRIES * count):
                    wrong = InputError(f"{lost[first]} Ray workers were lost over {_name(images)} ({_line(error)})")
                elif images and not wrong:
                    waiting.appendleft(images)
            else:
                for sample, row, png in done:
                    if keep:
                        keep(sample, png)
                    yield row
                wrong = wrong or error
                if waiting and not wrong:
                    give(worker, waiting.popleft())
            if wrong:
                waiting.clear()
        if wrong:
            raise wrong


class Worker:
    """What runs on a node."""

    def __init__(self, cwd: Path, make: Make, workers: int, protocol: str, metrics: Keys, keep: bool):
        self.arguments = cwd, make, workers, protocol, metrics, keep
        self.source: Model | Folder | None = None

    def measure(self, samples: Sequence[Sample]):
        """(sample, row, its map as PNG or None) of each, up to the first that is unfit, and what is wrong with that."""
        from disbench.evaluate import make_rows

        cwd, make, workers, protocol, metrics, keep = self.arguments
        maps: dict[Sample, bytes] = {}
        done = []
        try:
            if self.source is None:
                self.source = _made(cwd, make)
            made = make_rows(self.source, samples, maps.__setitem__ if keep else None, workers, protocol, metrics)
            for sample, row in zip(samples, made, strict=True):
                done.append((sample, row, maps.pop(sample, None)))
        except (InputError, OSError, MemoryError) as error:
            return done, error
        return done, None


class Cluster:
    """Makes sources that compute on the cluster that this process is connected to."""

    def model(self, name: str, weights: str | None, device: str | None, options: dict[str, str]) -> Remote:
        """As `disbench.models.load`; `device` is "cuda" or "cpu", None for GPUs where the cluster has some."""
        import ray

        device = device or ("cuda" if _room("cuda") else "cpu")
        if device not in RESOURCES:
            raise InputError(f"--device {device}: Ray chooses among the devices of a cluster; give cuda or cpu")
        _enough(device)
        make = partial(load, name, weights, device, **options)
        described = ray.get(ray.remote(max_retries=TRIES, **_needs(device))(_described).remote(Path.cwd(), make))
        if isinstance(described, Exception):
            raise described
        return Remote(make, *described)

    def folder(self, source: Folder) -> Remote:
        return Remote(lambda: source, *_description(source), source.resize, source.resized)


@contextmanager
def cluster(address: str | None) -> Iterator[Cluster]:
    """Connected to the Ray cluster at `address`, or $RAY_ADDRESS, else to one that lives as long on this machine.

    InputError where Ray is missing or not reached.
    """
    try:
        import ray
    except ModuleNotFoundError:
        raise InputError("--engine ray needs Ray; pip install 'disbench[ray]'") from None
    address = address or os.environ.get("RAY_ADDRESS")
    local = {} if address else {"num_cpus": cores(), "include_dashboard": False}
    try:
        ray.init(address or "local", log_to_driver=False, logging_level="ERROR", **local)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"{address or 'Ray'}: no cluster is reached there ({_line(error)})") from None
    try:
        yield Cluster()
    finally:
        ray.shutdown()


def _described(cwd: Path, make: Make):
    try:
        return _description(_made(cwd, make))
    except (InputError, OSError, MemoryError) as error:
        return error


def _description(source: Model | Folder) -> tuple[str, str, str, dict, dict]:
    return source.title, source.name, source.device, source.identity, source.environment


def _made(cwd: Path, make: Make) -> Model | Folder:
    with suppress(FileNotFoundError):  # where all paths are absolute it need not be there
        os.chdir(cwd)
    return make()


def _needs(device: str) -> dict[str, int]:
    return {"num_cpus": 1, "num_gpus": int(_kind(device) == "GPU")}


def _room(device: str) -> int:
    """How many workers of it fit into the cluster, were it idle."""
    import ray

    return int(ray.cluster_resources().get(_kind(device), 0))


def _enough(device: str) -> int:
    if not (room := _room(device)):
        raise InputError(f"no node of the Ray cluster has a {_kind(device)} for disbench; add one, or see --device")
    return room


def _kind(device: str) -> str:
    """What Ray calls "cuda:0", or "cpu"."""
    return RESOURCES[device.split(":")[0]]


def _name(images: Sequence[Sample]) -> str:
    if not images:
        return "no image yet"
    first, last = (f"{one.split}/{one.name}" for one in (images[0], images[-1]))
    return first if len(images) == 1 else f"{first} to {last}"


def _line(error: Exception) -> str:
    """The first of the many that Ray says."""
    return str(error).strip().split("\n")[0]
