"""Several images side by side: for a network on the CPU, each in a thread with its share of the cores.

Threads that compute one image together wait for each other hundreds of times. Those that have an image each do not, so
that all images take less time, and another busy process slows down only one of them.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

from disbench.data.dataset import Sample
from disbench.data.headers import read_header
from disbench.errors import InputError
from disbench.runs.ahead import count_launched, map_ahead
from disbench.runs.pipeline import RowMaker
from disbench.runs.row_log import Row
from disbench.system.device_memory import free_memory
from disbench.system.memory import read_resident, start_peak
from disbench.system.progress import announce_once


class _Stopped(Exception):  # noqa: N818, since it is no error
    """The run has ended, by Ctrl-C or since a row cannot be written."""


def make_rows_side_by_side(
    maker: RowMaker, samples: Sequence[Sample], workers: int, note: Callable[[int], None], *, processes: int = 1
) -> Generator[Row, None, None]:
    """Compute the rows of samples. The largest image is the first, alone, which shows how much memory one needs.

    Args:
        maker: the steps of each image. Its network computes in any number of threads at once.
        samples: the images to compute.
        workers: the largest number of images at once.
        note: is told how many there are, if the memory holds fewer.
        processes: processes of this machine that share its memory.

    Raises:
        InputError: for an image that cannot be read, computed or measured, after those that are in flight.
    """
    if not samples:
        return
    first, *others = sorted(samples, key=_count_pixels, reverse=True)
    before = start_peak()
    yield maker.make(first)
    fitting = _count_fitting(before, processes)
    workers = min(workers, len(others))
    if fitting < workers:
        amount = f"{fitting} images at once" if fitting > 1 else "1 image at a time"
        announce_once(f"{maker.stages.title}: {amount}, since it is not known that the memory holds {workers}")
        workers = fitting
        note(workers)
    if workers < 2:
        yield from map(maker.make, others)
        return
    rest = len(others) % workers
    if 2 * rest <= workers:  # all cores for each of these; at the end most cores would wait for them
        yield from map(maker.make, others[:rest])
        others = others[rest:]
    with _share_cores(workers) as stopped:
        pool = ThreadPoolExecutor(workers)
        try:
            yield from map_ahead(pool, maker.make, others, lambda: workers)
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)


def _count_pixels(sample: Sample) -> int:
    try:
        height, width = read_header(sample.require_image())[1]
    except InputError:  # reported when it is the image's turn
        return 0
    return height * width


def _count_fitting(before: int | None, processes: int) -> int:
    """Count the images that fit into half of the free memory; `before` is the memory in use before the first image."""
    peak, free = read_resident("VmHWM"), free_memory()
    if before is None or peak is None or free is None:
        return 1
    return max(1, free // 2 // max(processes, count_launched()) // max(1, peak - before))


@contextmanager
def _share_cores(count: int) -> Iterator[Event]:
    """Let each of `count` new threads compute with its share of torch's threads; yield what stops their networks."""
    import torch

    stopped = Event()

    def check(*_: object) -> None:
        if stopped.is_set():
            raise _Stopped

    total = torch.get_num_threads()
    hook = torch.nn.modules.module.register_module_forward_pre_hook(check)
    torch.set_num_threads(max(1, total // count))
    try:
        yield stopped
    finally:
        torch.set_num_threads(total)
        hook.remove()
