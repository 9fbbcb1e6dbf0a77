"""The default engine: this process computes, and threads decode and measure next to it."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from disbench.data.dataset import Sample
from disbench.inference.map_folder import MapFolder
from disbench.runs.engines.base import describe
from disbench.runs.pipeline import SaveMap, Stages, make_rows
from disbench.runs.row_log import Row
from disbench.runs.spec import MeasureSpec, ModelSpec
from disbench.system.cores import count_cores


class LocalSource:
    """Stages of this process.

    Without a number of workers it takes one thread per core for maps, trivial methods and accelerators, and none for a
    network on the CPU, whose cores they would take and whose times they would spoil. `processes` of one machine share
    its cores.
    """

    def __init__(self, stages: Stages, processes: int = 1):
        self.stages, self.processes = stages, processes
        is_light = isinstance(stages, MapFolder) or getattr(stages, "is_trivial", False)
        network_on_cpu = stages.device == "cpu" and not is_light
        self.default_workers = 0 if network_on_cpu else max(1, count_cores() // processes)
        self.description = replace(describe(stages), workers=self.default_workers)

    def rows(
        self, samples: Sequence[Sample], measures: MeasureSpec, workers: int | None, save_map: SaveMap | None
    ) -> Generator[Row, None, None]:
        """See Source."""
        count = self.default_workers if workers is None else workers
        return make_rows(self.stages, samples, measures, count, save_map, processes=self.processes)


class Threads:
    """The engine of a single process."""

    @contextmanager
    def open(self, model: ModelSpec | MapFolder) -> Iterator[LocalSource]:
        """See Engine."""
        yield LocalSource(model if isinstance(model, MapFolder) else model.load())
