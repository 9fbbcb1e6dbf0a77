"""The version of disbench."""

__version__ = "0.1.0"
