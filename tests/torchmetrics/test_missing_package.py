"""Without torchmetrics, disbench.torchmetrics says what to install."""

import sys

import pytest

import disbench.torchmetrics
from disbench.errors import InputError


@pytest.mark.parametrize("package", ["torch", "torchmetrics"])
def test_a_missing_package_is_one_clear_line(package, monkeypatch):
    monkeypatch.delitem(sys.modules, "disbench.torchmetrics.metric", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError) as caught:
        from disbench.torchmetrics import DISMetrics  # noqa: F401
    assert str(caught.value) == (
        f"DISMetrics needs {package}; pip install 'disbench[torchmetrics]', or use disbench.Meter"
    )


def test_another_name_is_an_ordinary_error():
    with pytest.raises(AttributeError, match="no attribute 'Metrics'"):
        disbench.torchmetrics.Metrics  # noqa: B018
