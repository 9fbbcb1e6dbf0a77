"""The entry point of `disbench` and `python -m disbench`.

Ctrl-C is an interruption also while modules are still loading, and while the process ends.
"""

import os
import sys


def open_missing_streams() -> None:
    """Open /dev/null in place of each standard stream that is closed, before a file gets its number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def main() -> None:
    """Run the command line."""
    open_missing_streams()
    try:
        from disbench.system.memory import collect_less

        collect_less()  # before most modules are loaded
        from disbench.system.variables import set_thread_variables

        set_thread_variables()  # before anything loads NumPy or torch
        from disbench.cli.main import main as run_command_line

        run_command_line()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
