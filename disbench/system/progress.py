"""Progress of long work: the function that reports it, the bar that a terminal shows, and announcements of delays."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
    """Draw a bar with the remaining time for each label, on standard error. Draws nothing without a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if not console.is_terminal:  # a disabled bar prints an empty line in rich 14.0 to 14.2
        yield lambda done, total, label: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console) as bars:
        tasks = {}

        def report(done: int, total: int, label: str) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=total)
            bars.update(tasks[label], completed=done, total=total)

        yield report
