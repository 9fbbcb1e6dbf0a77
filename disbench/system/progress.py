"""Progress of long work: the function that reports it, how it is shown, and announcements of delays."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from disbench.system.console import print_note

SECONDS_PER_LINE = 30  # without a terminal
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
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=total)
            bars.update(tasks[label], completed=done, total=total)

        yield report


def _make_line_printer() -> Progress:
    """Make a function that prints a line with the remaining time every SECONDS_PER_LINE seconds."""
    printed = monotonic()
    starts: dict[str, tuple[float, int]] = {}  # label -> time and number of items done at its first report

    def report(done: int, total: int, label: str) -> None:
        nonlocal printed
        now = monotonic()
        start, done_before = starts.setdefault(label, (now, done))
        if now - printed < SECONDS_PER_LINE or not done_before < done < total:
            return
        printed = now
        left = (total - done) * (now - start) / (done - done_before)
        rest = f"{left:.0f} s" if left < 90 else f"{left / 60:.0f} min"
        print_note(f"{label}: {done:,} of {total:,}, about {rest} left")

    return report
