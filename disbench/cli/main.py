"""The command `disbench`: which commands there are, and how errors end them."""

import errno
import os
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property, partial
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, NoReturn

import click

from disbench.cli.examples import format_examples
from disbench.errors import (
    BrokenPlugin,
    DigestMismatch,
    InputError,
    SeveralStates,
    TrainedOnScored,
    UnwritableCache,
    escape_control_chars,
    require_utf8,
)
from disbench.system.console import diverting, print_note
from disbench.system.device_memory import is_out_of_memory, make_out_of_memory
from disbench.system.opencv import check_opencv
from disbench.system.progress import show_announcements
from disbench.system.version import __version__

if TYPE_CHECKING:
    from disbench.registry.card import Card

os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # disbench reports unreadable files itself, in one line

# Section of --help -> command -> where it is. Modules are imported when they are needed.
SECTIONS: dict[str, dict[str, str]] = {
    "Score and run": {
        "run": "disbench.cli.run:run",
        "score": "disbench.cli.run:score",
        "suite": "disbench.cli.suite:suite",
        "predict": "disbench.cli.predict:predict",
        "models": "disbench.cli.models:models",
        "weights": "disbench.cli.weights:weights",
        "metrics": "disbench.cli.metrics:metrics",
    },
    "Report": {
        "report": "disbench.cli.report:report",
        "compare": "disbench.cli.compare:compare",
        "curves": "disbench.cli.pictures:curves",
        "grid": "disbench.cli.pictures:grid",
        "view": "disbench.cli.pictures:view",
        "check": "disbench.cli.compare:check",
    },
    "Data": {"data": "disbench.cli.data:data"},
    "Train": {"train": "disbench.cli.train:train"},
    "Leaderboard": {
        "leaderboard": "disbench.cli.leaderboard:leaderboard",
        "submit": "disbench.cli.leaderboard:submit",
    },
    "Tools": {
        "time": "disbench.cli.time:time",
        "times": "disbench.cli.time:times",
        "doctor": "disbench.cli.doctor:doctor",
    },
}
PATHS = {name: path for commands in SECTIONS.values() for name, path in commands.items()}
# Names that commands of a model had before they moved to its own group: name -> model.
MOVED = dict.fromkeys(("ablate", "export", "noise-spread", "vae-ceiling"), "diffdis")
RESUME_HINT = "progress is saved; run the same command again to resume"
CHECKPOINT_HINT = "run the same command again to resume from the last checkpoint, if one was written"
# Errors of a place that the same command would meet again.
LASTING = {
    errno.EACCES, errno.EPERM, errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR,
    errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP,
}  # fmt: skip
RESUME_HINTS = {
    "run": RESUME_HINT,
    "score": RESUME_HINT,
    "suite": RESUME_HINT,
    "predict": RESUME_HINT,
    "vae-ceiling": RESUME_HINT,
    "train": CHECKPOINT_HINT,
    "ablate": CHECKPOINT_HINT,
}


COMMAND = "disbench.command"  # the key of a context's meta that holds the command being run


class CommandNotes(click.Group):
    """A group that notes which command runs."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple:
        """Resolve a command, and note its name for the messages of errors."""
        name, command, remaining = super().resolve_command(ctx, args)
        ctx.meta[COMMAND] = name
        return name, command, remaining


class ModelCommands(CommandNotes):
    """The commands that a model's card declares. Its code is imported when one of them is needed."""

    def __init__(self, card: "Card"):
        super().__init__(card.name, help=f"Commands of {card.title} only.")
        self.card = card

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands of the model."""
        return sorted(self._imported)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        return self._imported.get(cmd_name)

    @cached_property
    def _imported(self) -> Mapping[str, click.Command]:
        from disbench.registry.loading import import_attribute

        return import_attribute(self.card, self.card.commands)


class Commands(CommandNotes):
    """Commands that are imported when they are needed, and whose errors end in one line.

    A user's mistake ends with exit status 2, an interruption with 130.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List all commands, without the hidden aliases."""
        return [*PATHS, *_models_with_commands()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name in PATHS:
            return _import_command(PATHS[cmd_name])
        if cmd_name in MOVED:
            group = _load_model_group(MOVED[cmd_name])
            return group.get_command(ctx, cmd_name)
        if cmd_name in _models_with_commands():
            return _load_model_group(cmd_name)
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in sections."""
        models = _models_with_commands()
        sections = {**SECTIONS, "Models": dict.fromkeys(models, "")}
        width = max(map(len, [*PATHS, *models]))
        for title, commands in sections.items():
            rows = [(name.ljust(width), self._short_help(ctx, name, formatter.width - width - 6)) for name in commands]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def _short_help(self, ctx: click.Context, name: str, limit: int) -> str:
        command = self.get_command(ctx, name)
        return command.get_short_help_str(limit) if command else ""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse arguments, which must be UTF-8."""
        try:
            return super().parse_args(ctx, [require_utf8(argument) for argument in args])
        except InputError as error:
            _fail(str(error))
        except BrokenPipeError:  # of --help
            _end_unread()

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the command line. A full disk in the place of standard output is an error of one line."""
        try:
            return super().main(*arguments, **options)
        except OSError as error:
            if error.errno is None:
                raise
            _fail(f"{error.filename or 'writing'}: {error.strerror}")

    def invoke(self, ctx: click.Context) -> object:
        """Run a command, and report its errors."""
        warnings.filterwarnings("ignore", module="PIL")  # like OpenCV's messages above
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # a pipe on Windows may not be able to show a β
        try:
            with warnings.catch_warnings(), show_announcements(_print_announcement), diverting():
                warnings.showwarning = partial(_show_warning, warnings.showwarning)
                return super().invoke(ctx)
        except InputError as error:
            _fail(str(error))
        except (ImportError, AttributeError):  # as where OpenCV is broken
            try:
                check_opencv()
            except InputError as error:
                _fail(str(error))
            raise
        except BrokenPipeError:
            _end_unread()
        except OSError as error:
            if error.filename is None and error.errno is None:
                raise
            hint = "" if error.errno in LASTING else _resume_hint(ctx)
            _fail(f"{error.filename or 'writing'}: {error.strerror}{hint}")
        except RuntimeError as error:  # of torch, where no model's own message knows more, as in a training
            if not is_out_of_memory(error):
                raise
            advice = "fewer images per batch, fp16 or fewer pixels need less; see --help"
            _fail(f"{make_out_of_memory(str(ctx.invoked_subcommand), 'its device', error, advice)}{_resume_hint(ctx)}")
        except MemoryError:
            advice = "; fewer --workers need less" if ctx.invoked_subcommand in ("run", "score") else ""
            _fail(f"out of memory{_resume_hint(ctx)}{advice}")
        except KeyboardInterrupt as interruption:
            hint = f"; {interruption}" if str(interruption) else _resume_hint(ctx)  # the code that raises may know more
            print_note(f"\ninterrupted{hint}")
            sys.exit(130)


def _import_command(path: str) -> click.Command:
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)


def _models_with_commands() -> list[str]:
    """List the models whose cards declare commands, except those that have the name of a command."""
    from disbench.registry.discovery import scan_models

    return [name for name, card in scan_models()[0].items() if card.commands and name not in {*PATHS, *MOVED}]


def _load_model_group(model: str) -> ModelCommands:
    from disbench.registry.loading import get_card

    return ModelCommands(get_card(model))


def _show_warning(show_other, message, category, *context, **options) -> None:
    if issubclass(category, BrokenPlugin | DigestMismatch | SeveralStates | TrainedOnScored | UnwritableCache):
        print_note(f"disbench: warning: {escape_control_chars(str(message))}")
    else:
        show_other(message, category, *context, **options)


def _print_announcement(text: str) -> None:
    print_note(f"disbench: {escape_control_chars(text)}")


def _resume_hint(ctx: click.Context) -> str:
    hint = RESUME_HINTS.get(ctx.meta.get(COMMAND, ""))
    return f"; {hint}" if hint else ""


def _fail(message: str) -> NoReturn:
    print_note(f"disbench: {escape_control_chars(message)}")
    sys.exit(2)


def _end_unread() -> NoReturn:
    """End a command whose reader, such as `head`, has enough, as a program that SIGPIPE ends; 1 would be an answer."""
    with suppress(OSError, ValueError):  # nothing more is written to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(128 + 13)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=format_examples(
        "disbench score Mine=maps/mine --data DIS5K --split DIS-TE1..4",
        "disbench run --model otsu --data mini",
        "disbench report --out report.html",
    ),
)
@click.version_option(__version__, prog_name="disbench")
def main() -> None:
    """Exact, comparable scores for high-precision dichotomous image segmentation."""
