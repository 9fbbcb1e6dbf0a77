"""Forbidden connections: for the block alone, and for the libraries that are imported in it."""

import sys
from types import SimpleNamespace

import pytest

from disbench.system.network import OFFLINE, forbid_connections, is_offline


@pytest.mark.parametrize("before", ["1", None])
def test_a_library_that_is_imported_in_the_block_follows_the_variable_afterwards(monkeypatch, before):
    monkeypatch.delitem(sys.modules, "huggingface_hub.constants", raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    monkeypatch.delenv(OFFLINE, raising=False)
    if before:
        monkeypatch.setenv(OFFLINE, before)
    with forbid_connections():
        constants = SimpleNamespace(HF_HUB_OFFLINE=True)  # as it reads the variable
        monkeypatch.setitem(sys.modules, "huggingface_hub.constants", constants)
        assert is_offline()
    assert (constants.HF_HUB_OFFLINE, is_offline()) == (bool(before), bool(before))
