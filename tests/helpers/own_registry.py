"""A registry that a test may add to, or replace."""

from disbench import models
from disbench.registry import discovery
from disbench.registry.card import FOLDERS_VARIABLE


def isolate_registry(monkeypatch, roots=None):
    """Give the test a registry of its own: a copy of today's roots, or these."""
    roots = list(discovery.ROOTS if roots is None else roots)
    monkeypatch.setattr(discovery, "ROOTS", roots)
    monkeypatch.setattr(models, "__path__", roots)
    monkeypatch.setenv(FOLDERS_VARIABLE, "")
