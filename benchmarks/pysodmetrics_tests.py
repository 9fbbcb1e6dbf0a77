"""Run PySODMetrics' own tests on disbench.pysodmetrics: only the module name in `import py_sod_metrics` is changed.

The tests compare 155 results for three images with `==`. Here, a difference of 1e-9 is allowed. With --original, the
same tests run on PySODMetrics itself, because some of them depend on the version of scikit-image. Needs a checkout of
https://github.com/lartpang/PySODMetrics, and the environment of score.py:

    PYTHONPATH=. pair-env/bin/python benchmarks/pysodmetrics_tests.py PySODMetrics [--original]
"""

import argparse
import os
import sys
import unittest
import warnings
from pathlib import Path

TOLERANCE = 1e-9


def load_tests(checkout: Path, module: str) -> type[unittest.TestCase]:
    """Return the test case of examples/test_metrics.py with another module in place of PySODMetrics."""
    source = (checkout / "examples" / "test_metrics.py").read_text("utf-8")
    line = "import py_sod_metrics\n"
    if source.count(line) != 1:
        sys.exit(f"{checkout}: examples/test_metrics.py does not import py_sod_metrics once")
    names = {"__name__": "test_metrics"}
    exec(compile(source.replace(line, f"import {module} as py_sod_metrics\n"), "test_metrics.py", "exec"), names)
    return names["CheckMetricTestCase"]


def assert_close(self, first: float, second: float, msg: str | None = None) -> None:
    if not abs(first - second) <= TOLERANCE:
        raise self.failureException(f"{first!r} and {second!r} differ by {abs(first - second):.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--original", action="store_true", help="run the tests on PySODMetrics itself")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    checkout = options.checkout.resolve()
    os.chdir(checkout / "examples")  # the tests read files from there
    case = load_tests(checkout, "py_sod_metrics" if options.original else "disbench.pysodmetrics")
    case.assertEqual = assert_close
    result = unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(case))
    print(f"{result.testsRun - len(result.failures) - len(result.errors)} of {result.testsRun} tests pass")


if __name__ == "__main__":
    main()
