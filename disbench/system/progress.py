"""Progress of long work: the function that reports it, how it is shown, and announcements of delays."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from disbench.system.console import print_note

MAX_SILENCE = 30  # seconds between two lines, without a terminal
MIN_SILENCE = 5  # so that short work prints nothing
DETAIL = "\t"  # what follows it in a label may change during the work, such as a loss
Progress = Callable[[int, int, str], None]  # done, total, label
_listeners: list[Callable[[str], None]] = []
_announced: set[str] = set()


def announce_once(text: str, subject: str = "") -> None:
    """Announce a delay or a fact, once per process. Only commands show it: in the library, nothing listens.

    Args:
        text: the line.
        subject: what the line is about, if several texts say the same of it. Only the first of them is shown.
    """
    if _listeners and (subject or text) not in _announced:
        _announced.add(subject or text)
        _listeners[-1](text)


@contextmanager
def show_announcements(show: Callable[[str], None]) -> Iterator[None]:
    """Call a function for each announcement while the block runs."""
    _listeners.append(show)
    try:
        yield
    finally:
        _listeners.pop()


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Show the remaining time for each label on standard error: a bar, or without a terminal a line now and then."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if not console.is_terminal:  # a disabled bar prints an empty line in rich 14.0 to 14.2
        yield _make_line_printer()
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console) as bars:
        tasks = {}

        def report(done: int, total: int, label: str) -> None:
            task = label.partition(DETAIL)[0]
            if task not in tasks:
                tasks[task] = bars.add_task(task, total=total)
            bars.update(tasks[task], completed=done, total=total, description=label.replace(DETAIL, ": "))

        yield report


class LinePacer:
    """Decides when a line of progress is due: after each tenth of the work or 30 seconds, whichever comes first."""

    def __init__(self) -> None:
        self._printed, self._tenth = monotonic(), 0

    def begin(self, done: int, total: int) -> None:
        """Begin new work, some of which may be done. The silence since the last line still counts."""
        self._tenth = _count_tenths(done, total)

    def is_due(self, done: int = 0, total: int = 0) -> bool:
        """Return whether a line is due now; if so, it counts as printed. Without a total, only time decides."""
        tenth, silence = _count_tenths(done, total), monotonic() - self._printed
        if silence < MIN_SILENCE or (tenth <= self._tenth and silence < MAX_SILENCE):
            return False
        self._printed, self._tenth = monotonic(), tenth
        return True


def _count_tenths(done: int, total: int) -> int:
    return 10 * done // total if total else 0


@dataclass
class _Work:
    """The work under one label: when its first report came, and the items done at that time and at the last report."""

    start: float
    done_before: int
    done: int


def _make_line_printer() -> Progress:
    """Make a function that prints a line with the remaining time whenever one is due."""
    pacer = LinePacer()
    works: dict[tuple[str, int], _Work] = {}  # by label and total

    def report(done: int, total: int, label: str) -> None:
        name, _, detail = label.partition(DETAIL)
        work = works.get((name, total))
        if work is None or done < work.done:  # new, or once more under the same label
            work = works[name, total] = _Work(monotonic(), done, done)
            pacer.begin(done, total)
        work.done = done
        if not work.done_before < done < total or not pacer.is_due(done, total):
            return
        left = (total - done) * (monotonic() - work.start) / (done - work.done_before)
        rest = f"{left:.0f} s" if left < 90 else f"{left / 60:.0f} min"
        print_note(", ".join(filter(None, (f"{name}: {done:,} of {total:,}", detail, f"about {rest} left"))))

    return report
