"""The examples in docstrings of the public functions run."""

import doctest

import pytest

from disbench.metrics import measurement, scoring


@pytest.mark.parametrize("module", [measurement, scoring])
def test_examples_in_docstrings_give_what_they_show(module):
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0
