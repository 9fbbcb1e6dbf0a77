"""`python -m disbench`."""

from disbench.cli import main

main()
