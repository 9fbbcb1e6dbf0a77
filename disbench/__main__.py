"""`disbench`, and `python -m disbench`. Ctrl-C while it is still loading, or ending, is an interruption as later."""

import sys


def main() -> None:
    try:
        from disbench.cli.main import main

        main()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
