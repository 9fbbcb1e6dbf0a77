"""The entry point of `disbench` and `python -m disbench`.

Ctrl-C is an interruption also while modules are still loading, and while the process ends.
"""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from disbench.cli.main import main as run_command_line

        run_command_line()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
