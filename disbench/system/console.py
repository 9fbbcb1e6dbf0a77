"""Standard output of commands: tables and JSON."""

import errno
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

import click

from disbench.errors import escape_control_chars

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_lock = Lock()
_diverting: list[bool] = []  # one for each command that runs
_stdouts: list[Any] = []  # standard output as each block met it, where prints are diverted


@contextmanager
def divert_prints() -> Iterator[None]:
    """In a command, let what others' code prints while the block runs go to standard error, away from results."""
    if not _diverting:
        yield
        return
    with _lock:
        _stdouts.append(sys.stdout)
        sys.stdout = sys.stderr
    try:
        yield
    finally:
        with _lock:  # blocks of several threads may overlap: the last one to end restores what the first one met
            first = _stdouts[0]
            _stdouts.pop()
            sys.stdout = sys.stderr if _stdouts else first


@contextmanager
def diverting() -> Iterator[None]:
    """Let divert_prints() divert while the block, a command, runs."""
    _diverting.append(True)
    try:
        yield
    finally:
        _diverting.pop()


def make_console() -> "Console":
    """Make a console on standard output. A file or a pipe gets whole lines, unless $COLUMNS gives a width."""
    from rich.console import Console

    class PipedConsole(Console):
        """A console whose reader may have enough; rich would end the command as if its answer were no."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    return PipedConsole(width=_choose_width())


def _choose_width() -> int:
    """Return $COLUMNS where it is a positive number, otherwise the width of the terminal; 10,000 without one."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000


def print_table(
    head: Sequence[str],
    rows: Sequence[Sequence["str | Text"]],
    *,
    title: str = "",
    keys: int = 1,
    right: Collection[str] = (),
    prose: Collection[str] = (),
) -> None:
    """Print a table in which no word is broken. Plain cells cannot style or steer the terminal.

    Args:
        head: the heads of the columns.
        rows: the cells.
        title: the title above the table.
        keys: number of first columns that are repeated where a table is too wide and is split.
        right: heads of the columns that are aligned to the right.
        prose: heads of the columns whose cells may wrap at every space. In others, only long cells wrap.
    """
    from disbench.system.text_tables import TableStyle, layout_table

    console = make_console()
    style = TableStyle(title=title, keys=keys, right=right, prose=prose)
    for block in layout_table(head, rows, console.width, style):
        console.print(block)


def print_text(text: str, indent: str = "", width: int | None = None) -> None:
    """Print prose, folded between words; addresses and commands stay whole.

    Args:
        text: the text, in which nothing steers the terminal.
        indent: what is before its first line. Others are indented by two spaces more.
        width: characters of a line. Default: the width of the terminal; a file or a pipe gets whole lines.
    """
    fold = textwrap.TextWrapper(
        width or make_console().width,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    click.echo(fold.fill(escape_control_chars(text)))


def print_note(text: str) -> None:
    """Print a line on standard error. Where it cannot be written, the work that it is about counts more."""
    with suppress(OSError):
        click.echo(text, err=True)


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False))
