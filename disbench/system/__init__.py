"""The machine: environment, files, caches, clocks, progress."""
