"""A Ray cluster (https://docs.ray.io): actors hold the model on the nodes that have room, and send rows and maps back.

Nodes need disbench, and the data and weights under the same paths. Only this process writes to the run folder. Images
of an actor that is lost, by itself or with its node, are computed again by another one. Each row is written once, so
scores.parquet is the same bytes as from a single process.
"""

import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from disbench.data.dataset import Sample
from disbench.errors import InputError
from disbench.inference.map_folder import MapFolder
from disbench.inference.model import Model
from disbench.registry.loading import get_card
from disbench.runs.engines.base import Description, Source, check_identity, describe
from disbench.runs.pipeline import RowMaker, SaveMap, make_rows
from disbench.runs.row_log import Row
from disbench.runs.spec import MeasureSpec, ModelSpec
from disbench.system.cores import count_cores

IMAGES_PER_REQUEST = 16  # that an actor computes between two answers; they are computed again when it is lost
MAX_LOST = 3  # actors that may be lost over the same images
THREADS = 4  # that decode and measure next to each GPU, by default
RESOURCES = {"cuda": "GPU", "cpu": "CPU"}  # Ray's names


class Ray:
    """The engine of a cluster.

    Args:
        address: address of a running cluster. Default: $RAY_ADDRESS, otherwise a cluster here that ends with the run.
    """

    def __init__(self, address: str | None = None):
        self.address = address

    @contextmanager
    def open(self, model: ModelSpec | MapFolder) -> Iterator[Source]:
        """See Engine."""
        with connect(self.address):
            if isinstance(model, MapFolder):
                maps = model
                yield RaySource(lambda: maps, describe(maps))
            else:
                spec = _with_device(model)
                yield RaySource(spec.load, _describe_on_node(spec))


class RaySource:
    """A model or folder of maps that `load` makes on a node."""

    def __init__(self, load: Callable[[], Model | MapFolder], description: Description):
        self.load, self.description = partial(_load_described, load, description), description

    def rows(
        self, samples: Sequence[Sample], measures: MeasureSpec, workers: int | None, save_map: SaveMap | None
    ) -> Generator[Row, None, None]:
        """See Source."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        device = self.description.device
        if workers is None:
            workers = 0 if device == "cpu" else THREADS
        actor_class = ray.remote(**_requirements(device))(Actor)
        start = partial(actor_class.remote, Path.cwd(), self.load, measures, workers, save_map is not None)
        count = _require_room(device)
        size = max(1, min(IMAGES_PER_REQUEST, len(samples) // (4 * count)))
        waiting = deque(samples[i : i + size] for i in range(0, len(samples), size))
        losses: Counter[Sample | None] = Counter()  # actors lost, by the first of their images
        busy: dict[Any, tuple[Any, Sequence[Sample]]] = {}  # answer to come -> actor, its images
        failure: Exception | None = None

        def request(actor, images: Sequence[Sample]) -> None:
            busy[actor.measure.remote(images)] = actor, images

        # There may be no room for an actor yet, so an empty request finds out: an actor that answers gets images.
        for _ in range(min(count, len(waiting))):
            request(start(), [])
        while waiting or any(images for _, images in busy.values()):
            (answer,), _ = ray.wait(list(busy))
            actor, images = busy.pop(answer)
            try:
                done, error = ray.get(answer)
            except RayTaskError:
                raise  # a mistake in the code
            except RayError as error:  # the actor is lost
                ray.kill(actor)
                request(start(), [])
                first = images[0] if images else None
                losses[first] += 1
                if losses[first] == (MAX_LOST if images else MAX_LOST * count):
                    failure = InputError(
                        f"{losses[first]} Ray workers were lost over {_name(images)} ({_first_line(error)})"
                    )
                elif images and not failure:
                    waiting.appendleft(images)
            else:
                for sample, row, png in done:
                    if save_map:
                        save_map(sample, png)
                    yield row
                failure = failure or error
                if waiting and not failure:
                    request(actor, waiting.popleft())
            if failure:  # whatever is under way is still collected
                waiting.clear()
        if failure:
            raise failure


class Actor:
    """A worker on a node. It loads the model with its first request."""

    def __init__(self, folder: Path, load: Callable[[], Any], measures: MeasureSpec, workers: int, return_maps: bool):
        self.folder, self.load, self.measures = folder, load, measures
        self.workers, self.return_maps = workers, return_maps
        self.stages: Model | MapFolder | None = None

    def measure(self, samples: Sequence[Sample]) -> tuple[list[tuple[Sample, Row, bytes | None]], Exception | None]:
        """Compute samples. Returns (sample, row, PNG of its map or None) up to the first unfit one, and its error."""
        maps: dict[Sample, bytes] = {}
        done = []
        try:
            if self.stages is None:
                self.stages = _load_in(self.folder, self.load)
            save_map = maps.__setitem__ if self.return_maps else None
            maker = RowMaker(stages=self.stages, measures=self.measures, save_map=save_map)
            rows = make_rows(maker, samples, self.workers)
            for sample, row in zip(samples, rows, strict=True):
                done.append((sample, row, maps.pop(sample, None)))
        except (InputError, OSError, MemoryError) as error:
            return done, error
        return done, None


@contextmanager
def connect(address: str | None) -> Iterator[None]:
    """Connect to a cluster for the duration of the block; a block within another one uses the outer connection.

    Raises:
        InputError: if Ray is not installed, or the cluster is not reached.
    """
    try:
        import ray
    except ModuleNotFoundError:
        raise InputError("--engine ray needs Ray; pip install 'disbench[ray]'") from None
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS")
    local = {} if address else {"num_cpus": count_cores(), "include_dashboard": False}
    try:
        ray.init(address or "local", log_to_driver=False, logging_level="ERROR", **local)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"{address or 'Ray'}: no cluster is reached there ({_first_line(error)})") from None
    try:
        yield
    finally:
        ray.shutdown()


def _with_device(model: ModelSpec) -> ModelSpec:
    """Decide between "cuda" and "cpu": GPUs if the cluster has any. InputError for any other device."""
    has_gpu = not get_card(model.name).cpu_only and _count_room("cuda")
    device = model.device or ("cuda" if has_gpu else "cpu")
    if device not in RESOURCES:
        raise InputError(f"--device {device}: Ray chooses among the devices of a cluster; give cuda or cpu")
    _require_room(device)
    return replace(model, device=device)


def _describe_on_node(model: ModelSpec) -> Description:
    """Load the model on a node and describe it there."""
    import ray

    task = ray.remote(max_retries=MAX_LOST, **_requirements(model.device or "cpu"))(_describe_model)
    answer = ray.get(task.remote(Path.cwd(), model.load))
    if isinstance(answer, Exception):
        raise answer
    return answer


def _describe_model(folder: Path, load: Callable[[], Model]) -> Description | Exception:
    try:
        return describe(_load_in(folder, load))
    except (InputError, OSError, MemoryError) as error:
        return error


def _load_described(load: Callable[[], Model | MapFolder], description: Description) -> Model | MapFolder:
    """Load a model that must be the one described, which another worker loaded."""
    stages = load()
    check_identity(stages.identity, description, "a Ray worker")
    return stages


def _load_in(folder: Path, load: Callable[[], Any]) -> Any:
    with suppress(FileNotFoundError):  # with absolute paths the working folder need not exist on the node
        os.chdir(folder)
    return load()


def _requirements(device: str) -> dict[str, int]:
    return {"num_cpus": 1, "num_gpus": int(_resource(device) == "GPU")}


def _count_room(device: str) -> int:
    """Count the actors that fit into the idle cluster."""
    import ray

    return int(ray.cluster_resources().get(_resource(device), 0))


def _require_room(device: str) -> int:
    if not (room := _count_room(device)):
        raise InputError(f"no node of the Ray cluster has a {_resource(device)} for disbench; add one, or see --device")
    return room


def _resource(device: str) -> str:
    return RESOURCES[device.split(":")[0]]


def _name(images: Sequence[Sample]) -> str:
    if not images:
        return "no image yet"
    first, last = (f"{sample.split}/{sample.name}" for sample in (images[0], images[-1]))
    return first if len(images) == 1 else f"{first} to {last}"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
