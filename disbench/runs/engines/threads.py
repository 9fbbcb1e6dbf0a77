"""The default engine: this process computes, and threads decode and measure next to it."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from disbench.data.dataset import Sample
from disbench.inference.map_folder import MapFolder
from disbench.inference.model import Model
from disbench.runs.engines.base import describe
from disbench.runs.pipeline import RowMaker, SaveMap, Stages, make_rows
from disbench.runs.row_log import Row
from disbench.runs.side_by_side import make_rows_side_by_side
from disbench.runs.spec import MeasureSpec, ModelSpec
from disbench.system.cores import count_cores


class LocalSource:
    """Stages of this process.

    Without a number of workers it takes one thread per core; none for a network on the CPU that computes one image
    after the other, whose cores they would take. `processes` of one machine share its cores.
    """

    def __init__(self, stages: Stages, processes: int = 1):
        self.stages, self.processes = stages, processes
        self.side_by_side = isinstance(stages, Model) and stages.is_concurrent
        is_light = isinstance(stages, MapFolder) or getattr(stages, "is_trivial", False)
        count = max(1, self._count_threads() // processes)
        one_by_one = stages.device == "cpu" and not is_light and not (self.side_by_side and count > 1)
        self.default_workers = 0 if one_by_one else count
        self.description = replace(describe(stages), workers=self.default_workers)
        self._note_at_once(self.default_workers)

    def _count_threads(self) -> int:
        """Count the cores, of which torch may be allowed fewer."""
        if not self.side_by_side:
            return count_cores()
        import torch

        return min(count_cores(), torch.get_num_threads())

    def rows(
        self, samples: Sequence[Sample], measures: MeasureSpec, workers: int | None, save_map: SaveMap | None
    ) -> Generator[Row, None, None]:
        """See Source."""
        count = self.default_workers if workers is None else workers
        self._note_at_once(count)
        maker = RowMaker(stages=self.stages, measures=measures, save_map=save_map)
        if self.description.at_once == 1:
            return make_rows(maker, samples, count, processes=self.processes)
        return make_rows_side_by_side(maker, samples, count, self._note_at_once, processes=self.processes)

    def _note_at_once(self, count: int) -> None:
        """Note how many images are computed at once, which may be fewer than planned where the memory is small."""
        self.description = replace(self.description, at_once=max(1, count) if self.side_by_side else 1)


class Threads:
    """The engine of a single process."""

    @contextmanager
    def open(self, model: ModelSpec | MapFolder) -> Iterator[LocalSource]:
        """See Engine."""
        yield LocalSource(model if isinstance(model, MapFolder) else model.load())
