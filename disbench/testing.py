"""For tests of other projects: `pytest_plugins = ["disbench.testing"]` in their conftest.py gives disbench_check."""

import pytest


@pytest.fixture
def disbench_check():
    """disbench_check(run, against, f_max=0.002, ...): fails where a score is worse than the baseline's by more than its
    tolerance, with the table of `disbench check`; an InputError where nothing can be compared.
    """
    from disbench.leaderboard.regression import check_run, format_checks

    def checked(run, against, metrics=None, **tolerances: float) -> None:
        found = check_run(run, against, tolerances, metrics)
        if not all(one.held for one in found):
            pytest.fail(f"worse than {against}\n{format_checks(found)}", pytrace=False)

    return checked
