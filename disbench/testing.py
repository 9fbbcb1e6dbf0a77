"""Pytest fixtures for other projects.

`pytest_plugins = ["disbench.testing"]` in a conftest.py provides the fixture disbench_check.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from disbench.metrics.catalogue import MetricKeys
    from disbench.runs.result import Result


@pytest.fixture
def disbench_check() -> Callable[..., None]:
    """Provide a function that fails a test if a run is worse than its baseline.

    Call it as disbench_check(run, against, f_max=0.002, ...). It fails the test, with the table of `disbench check`, if
    a score is worse by more than its tolerance, and raises InputError if nothing can be compared.
    """
    from disbench.leaderboard.regression import check_run, format_checks

    def check(
        run: str | Path | Result, against: str | Path, metrics: MetricKeys = None, **tolerances: float
    ) -> None:
        checks = check_run(run, against, tolerances, metrics)
        if not all(score_check.passed for score_check in checks):
            pytest.fail(f"worse than {against}\n{format_checks(checks)}", pytrace=False)

    return check
