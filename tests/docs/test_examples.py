"""The examples in the docstrings of the public API run, and print what they say."""

import doctest

import pytest

import disbench

NAMES = [name for name in disbench.__all__ if callable(getattr(disbench, name))]


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_of_a_docstring_are_true(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in finder.find(getattr(disbench, name), name, globs={}):
        runner.run(test)
    assert runner.failures == 0


def test_the_functions_on_arrays_have_examples():
    finder = doctest.DocTestFinder(recurse=False)
    for name in ("measure", "score", "curves", "per_image"):
        assert any(test.examples for test in finder.find(getattr(disbench, name), name)), name


def test_every_public_name_is_listed_documented_and_importable():
    assert set(disbench.__all__) <= set(dir(disbench))
    for name in NAMES:
        assert getattr(disbench, name).__doc__, name
