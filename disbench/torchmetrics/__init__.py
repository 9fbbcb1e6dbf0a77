"""disbench as a metric of torchmetrics; needs the extra `torchmetrics`.

DISMetrics is imported on first use, so that this package can be imported without torch and torchmetrics.
"""

from typing import TYPE_CHECKING, Any

from disbench.errors import InputError

if TYPE_CHECKING:
    from disbench.torchmetrics.metric import DISMetrics

__all__ = ["DISMetrics"]


def __getattr__(name: str) -> Any:
    if name != "DISMetrics":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from disbench.torchmetrics.metric import DISMetrics
    except ModuleNotFoundError as error:
        raise InputError(
            f"DISMetrics needs {error.name}; pip install 'disbench[torchmetrics]', or use disbench.Meter"
        ) from None
    return DISMetrics
