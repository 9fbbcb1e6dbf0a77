"""The source must run on every supported Python, including those with known faults."""

import sys
from pathlib import Path
from textwrap import dedent

import pytest
from inlined_names import find_misread_names

ROOT = Path(__file__).resolve().parents[2]
AFFECTED = (3, 12, 0) <= sys.version_info[:3] <= (3, 12, 1)

# Each defines f(), which calls the module's function g.
MISREAD = {
    "two list comprehensions": "def f(): return [g for g in [1]], [g() for h in [1]]",
    "two statements": """
        def f():
            first = [g for g in [1]]
            return [h for h in [1] if g()]
        """,
    "a dict and a set": "def f(): return {1: g for g in [1]}, {g() for h in [1]}",
    "a comprehension in the iterable of another": "def f(): return [g() for h in [g for g in [1]]]",
    "nested comprehensions": "def f(): return [[g for g in [1]] for h in [1]], [[g() for h in [1]] for k in [1]]",
    "inside a generator expression": "def f(): return list(([g for g in [1]], [g() for h in [1]]) for k in [1])",
    "inside a lambda": "f = lambda: ([g for g in [1]], [g() for h in [1]])",
    "inside a method": """
        class C:
            def m(self): return [g for g in [1]], [g() for h in [1]]
        f = C().m
        """,
    "a variable that a lambda captures": "def f(): return [(lambda: g)() for g in [1]], [g() for h in [1]]",
    "a comprehension of the module inside another": "x = [[g() for h in [g for g in [1]]] for k in [1]]\ndef f(): pass",
}
# A comprehension in another that means an argument of the function around; 3.13.0 misreads it too.
MISREAD_LATER = "def f(g=g): return [[k for k in [g for h in [g for g in [1]]]] for h in [1]]"
READ = {
    "the reverse order": "def f(): return [g() for h in [1]], [g for g in [1]]",
    "a call in the function itself": "def f(): return g(), [g for g in [1]], [g() for h in [1]]",
    "a call in the function, one comprehension": "def f(): return [g for g in [1]], g()",
    "a call in the outermost iterable": "def f(): return [g for g in [1]], [h for h in [g()]]",
    "a generator expression that binds": "def f(): return list(g for g in [1]), [g() for h in [1]]",
    "a generator expression that calls": "def f(): return [g for g in [1]], list(g() for h in [1])",
    "a lambda that calls": "def f(): return [g for g in [1]], (lambda: g())()",
    "two functions": "def e(): return [g for g in [1]]\ndef f(): return [g() for h in [1]]",
    "the body of a module": "x = [k for k in [1]], [len([h]) for h in [1]]\ndef f(): pass",
    "a name declared global": "def f():\n    global g\n    return [g for g in [1]], [g() for h in [1]]",
    "both names bound": "def f(): return [g for g in [1]], [g for g in [1]]",
}


def runs(source):
    """Whether f() of a module returns."""
    module = {}
    try:
        exec("def g(): return 1\n" + dedent(source) + "\nf()", module)
    except NameError:  # UnboundLocalError too
        return False
    return True


@pytest.mark.parametrize("folder", ["disbench", "models"])
def test_no_name_is_misread_by_python_3_12_1(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    faults = [
        f"{path.relative_to(ROOT)}:{line}: {name}: rename the variable of the comprehension"
        for path in files
        for line, name in find_misread_names(path.read_text(encoding="utf-8"))
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("source", MISREAD.values(), ids=MISREAD)
def test_the_check_finds_a_misread_name(source):
    assert {name for _, name in find_misread_names(dedent(source))} == {"g"}
    assert runs(source) is not AFFECTED


def test_the_check_finds_a_misread_argument():
    assert {name for _, name in find_misread_names(MISREAD_LATER)} == {"g"}
    if AFFECTED:
        assert not runs(MISREAD_LATER)


@pytest.mark.parametrize("source", READ.values(), ids=READ)
def test_the_check_accepts_what_every_python_reads(source):
    assert find_misread_names(dedent(source)) == []
    assert runs(source)


def test_the_check_reports_the_line_and_the_name():
    source = "def page(runs, times):\n    names = [key for key in runs]\n    return [times[key(run)] for run in runs]\n"
    assert find_misread_names(source) == [(3, "key")]
